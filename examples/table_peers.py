"""Tables: `tfar.fit_table` beside zuko's flows and mostlyai's TabularARGN, in docs/tables.md.

    python examples/table_peers_torch.py zuko       # where PyTorch is, without tfar; see there
    python examples/table_peers_torch.py argn
    python examples/table_peers.py [--seed 0] [--at runs] [--write]

The first two leave what they find in `--at`, which the last one reads. zuko's masked autoregressive
flows (MAF) and neural spline flows (NSF) get the sets and the rows of own_tables.py, standardised:
five-fold cross-validation chooses the shape, the noise that training adds to the rows, and when to
stop; AdamW decays weights. Then five flows are fitted to all rows, from five beginnings: the mean
of their log p, and, as the ensemble of them, the log of their mean p. All folds and noises of a
shape are trained side by side, in batches of flows. `tfar.fit_table` has its defaults.

TabularARGN, with its defaults and in the table's own order of columns, gets the 5,000 x 20 table of
large_tables.py, where the best log p is known. It scores rows (`log_prob`): the masses of its bins,
taken as uniform over their widths as in its own draws; values beyond the ends count as of the last
bin, to its favour. Its protection of rare values, which is no part of a density, is off. Draws are
told from as many held-out rows by scikit-learn's boosted trees: an area under the curve (AUC) of
0.5 is that of draws that cannot be told, which the truth, fresh rows of the table, is to show.
Every process has the cores that it is given (`taskset -c 0`).
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from table_peers_torch import SETS, fresh, made_up, split, timed

from tfar import tables

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "tables.md"
START, END = "<!-- examples/table_peers.py -->", "<!-- end of peers -->"
FLOWS = {"maf": "MAF", "maf_5": "five MAFs", "nsf": "NSF", "nsf_5": "five NSFs"}


def told_apart(real, drawn):
    """The AUC of boosted trees, cross-validated."""
    x = pd.concat([real, drawn[list(real)]], ignore_index=True)
    x = x.apply(lambda column: column if column.dtype.kind == "f" else column.astype("category"))
    y = np.repeat([0, 1], [len(real), len(drawn)])
    trees = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    p = cross_val_predict(trees, x, y, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, p))


def paired(ours, theirs):
    """The mean of a difference and its standard error."""
    gap = ours - theirs
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap)))


def small(name, found, seed):
    """The row of a small set; what is found is that of zuko."""
    train, test = split(name, seed)
    columns = [f"column {i}" for i in range(train.shape[1])]
    train, test = pd.DataFrame(train, columns=columns), pd.DataFrame(test, columns=columns)
    start = time.process_time()
    model = tables.fit_table(train, kinds=dict.fromkeys(columns, "real"), seed=seed, verbose=0)
    seconds = time.process_time() - start
    ours = tables.log_prob(model, test)
    row = {"set": name, "rows": len(train), "columns": len(columns), "fit_s": seconds}
    row["fit_table"] = float(ours.mean())
    for other in FLOWS:
        theirs = found[f"{name}/{other}"]
        row[other] = float(theirs.mean()), *paired(ours, theirs)
    return row | {f"{key}_s": float(found[f"{name}/{key}/s"]) for key in ("maf", "nsf")}


def large(found, seed):
    """The rows of the made-up table: ours, and what is found of TabularARGN."""
    train, test, truth = made_up(seed)
    ours = {}
    for name, questions in (("fit_table", "any"), ("fit_table, one order", "prefix")):
        start = time.process_time()
        model = tables.fit_table(train, questions=questions, seed=seed, verbose=0)
        ours[f"{name}/fit_s"] = time.process_time() - start
        ours[f"{name}/log_p"] = tables.log_prob(model, test)
        drawn = timed(lambda count, model=model: tables.sample(model, count, seed=1), ours, name)
        ours |= {f"{name}/draws/{column}": drawn[column][: len(test)] for column in drawn}
    for name in dict.fromkeys(key.partition("/")[0] for key in ours | found):
        of = {k.partition("/")[2]: v for k, v in (ours | found).items() if k.startswith(f"{name}/")}
        drawn = pd.DataFrame({column: np.asarray(of[f"draws/{column}"]) for column in test})
        row = {"model": name, "below": paired(truth, of["log_p"]), "auc": told_apart(test, drawn)}
        yield row | {key: float(of[key]) for key in ("fit_s", "draw_1000_s", "draw_10000_s")}
    yield {"model": "the truth", "log_p": float(truth.mean()), "auc": told_apart(test, fresh(seed))}


def lines(held):
    """The lines of both tables in Markdown."""
    yield f"| set | `fit_table` | {' | '.join(FLOWS.values())} | seconds: ours, MAF, NSF |"
    yield "|---" * (len(FLOWS) + 3) + "|"
    for row in held["sets"]:
        others = (f"{row[k][0]:.2f} ({row[k][1]:+.2f} ± {row[k][2]:.2f})" for k in FLOWS)
        seconds = f"{row['fit_s']:.0f}, {row['maf_s']:.0f}, {row['nsf_s']:.0f}"
        label = f"{row['set']}, {row['rows']} x {row['columns']} | {row['fit_table']:.2f}"
        yield f"| {label} | {' | '.join(others)} | {seconds} |"
    if not held["made_up"]:
        return
    yield ""
    yield "| model | fit | below the best log p | 1,000 draws | 10,000 draws | AUC of draws |"
    yield "|---|---|---|---|---|---|"
    *rows, truth = held["made_up"]
    for row in rows:
        below = "{:.2f} ± {:.2f}".format(*row["below"])
        draws = f"{row['draw_1000_s']:.1f} s | {row['draw_10000_s']:.1f} s | {row['auc']:.3f}"
        yield f"| {row['model']} | {row['fit_s']:.0f} s | {below} | {draws} |"
    yield f"| {truth['model']} | | {truth['log_p']:.2f} itself | | | {truth['auc']:.3f} |"


def filled(page, held):
    """A page with the tables between the marks."""
    before, _, rest = page.partition(START)
    return "\n".join([before + START, "", *lines(held), "", END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=pathlib.Path, default=pathlib.Path("runs"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    zuko, argn = (dict(np.load(options.at / f"{name}.npz")) for name in ("zuko", "argn"))
    if {int(zuko.pop("seed")), int(argn.pop("seed"))} != {options.seed}:
        parser.error("the peers were measured with another seed")
    held = {"sets": [small(name, zuko, options.seed) for name in SETS]}
    held["made_up"] = list(large(argn, options.seed))
    print("\n".join(lines(held)))
    if options.write:
        (HERE / "table_peers.json").write_text(json.dumps(held, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), held))


if __name__ == "__main__":
    main()
