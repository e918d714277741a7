"""Figures in words: the model card, the README's table of results, lines on the terminal."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, files, kinds, zoo
from tfar.zoo import field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tfar.models import AutoregressiveModel
    from tfar.typing import Path

__all__ = [
    "best_rows",
    "bits",
    "card",
    "compared",
    "described",
    "measured",
    "nats",
    "table",
    "versus",
    "write_cards",
    "write_table",
]

START, END = "<!-- results: written by `tfar table` -->", "<!-- end of results -->"
BEST, END_OF_BEST = "<!-- best rows: written by `tfar table` -->", "<!-- end of best rows -->"


def measured(found: Mapping[str, Any], per: str = "example") -> str:
    """A figure of `tfar.kinds.Kind.figures` in words.

    >>> found = {"nats": 82.36, "standard_error": 0.2, "bits_per_dim": 0.15, "examples": 10000}
    >>> measured(found)
    '82.36 ± 0.20 nats (0.1500 bits/dim, 10,000 examples)'
    """
    size = f"{found['examples']:,} {per}s"
    return f"{nats(found, per)} nats ({bits(found, per)}, {size})"


def nats(found: Mapping[str, Any], per: str = "example") -> str:
    """The mean and its standard error; figures per character are small, and have more digits."""
    digits = kinds.per(per).digits
    return f"{found['nats']:.{digits}f} ± {found['standard_error']:.{digits}f}"


def bits(found: Mapping[str, Any], per: str = "example") -> str:
    return f"{found['bits_per_dim']:.4f} {kinds.per(per).bits_unit}"


def compared(metrics: dict[str, Any]) -> Mapping[str, Any]:
    """The figure to compare with the paper's: on the test split, or on the paper's own splits."""
    parts = [metrics[split] for split in metrics["paper"].get("splits", ["test"])]
    sizes = np.array([part["examples"] for part in parts])
    mean, errors = (np.array([part[key] for part in parts]) for key in ("nats", "standard_error"))
    return {
        "nats": float(mean @ sizes / sizes.sum()),
        "standard_error": float(np.linalg.norm(errors * sizes) / sizes.sum()),
    }


def versus(metrics: dict[str, Any]) -> str:
    """The paper's figure and the distance from it, in words."""
    paper, per = metrics["paper"], metrics.get("per", "example")
    if "none" in paper:
        return f"none: {paper['none']}"
    ours = compared(metrics)
    gap, digits = ours["nats"] - paper["nats"], kinds.per(per).digits
    fine = digits if round(gap, digits) else digits + 1  # never "0.00 above"
    splits = paper.get("splits")
    on = f" on {' and '.join(splits)} it has {nats(ours, per)} nats," if splits else " it is"
    return (
        f"{paper['nats']:.{digits}f} nats ({paper['what']}; {paper['reference']}):{on} "
        f"{abs(gap):.{fine}f} nats {'below, better' if gap < 0 else 'above, worse'}"
    )


def card(metrics: dict[str, Any]) -> str:
    """The model card, Markdown."""
    name, per = metrics["name"], metrics.get("per", "example")
    test, validation = metrics["test"], metrics["validation"]
    kind = kinds.per(per)
    return f"""# {name}

{metrics["summary"]}

| | |
|---|---|
| model | `tfar.models.{metrics["model"]}`, {metrics["parameters"]:,} parameters, \
{metrics["bytes"] / 1e6:.1f} MB |
| data | `{metrics["dataset"]}`, train / validation / test {_sizes(metrics)}\
{kind.counted} |
| input | [batch, {", ".join(map(str, metrics["event_shape"]))}], any integer, bool or float \
dtype{_labels(metrics)}; head `{metrics["head"]}` |
| samples | {metrics.get("dtype", "int32")}, same layout |
| test NLL | **{nats(test, per)} nats**{kind.each} ({bits(test, per)}) |
| validation NLL | {nats(validation, per)} nats |
{_protocols(metrics)}| paper | {versus(metrics)} |
| best known | {_best(metrics)} |
{_making(metrics)}{_times(metrics)}

± is one standard error of the mean over the split. Masked weights are stored as 0 and the others
with 11 significant bits; the figures are those of the stored model.{kind.note}

```console
$ {metrics["commands"]["test"]}       # the figures above, again
$ {_command(metrics)}          # the recipe, see recipe.py
$ tfar sample {name} {kind.use}
```

## Served

`saved_models/{name}` is a base path for TensorFlow Serving. Its signatures (`serving_default` is
`log_prob`), with `?` for a size that the request chooses:

| signature | inputs | outputs |
|---|---|---|
{_signatures(metrics)}

- `log_prob` is in nats and `bits_per_dim` in bits per dimension, of each row of `x`.
- `seed` is any pair of int32, and the same one draws the same samples; `temperature` is positive, 1
  for the model itself.
- `known` is true where an entry of `x` is given; the others do not count. What is given is a prefix
  of the order of the sites, here "{metrics["order"]}", the output `order` of `conditionals`.
- The other outputs of `conditionals` are the parameters of `{metrics["distribution"]}`.
{_chosen(metrics)}{_limits(metrics)}"""


def described(model: AutoregressiveModel) -> dict[str, Any]:
    """A description of a model that has no card, a dict of words and numbers.

    >>> described(tfar.models.FVSBN([3]))["parameters"]
    '6'
    """
    head, condition = model.head, model.condition
    module, name = type(model).__module__, type(model).__name__
    return {
        "class": f"tfar.models.{name}" if module.startswith("tfar.") else f"{module}.{name}",
        "event shape": list(model.event_shape),
        "head": head,
        "order": model.order if isinstance(model.order, str) else "given",
        "members": model.members,
        "condition": "none" if condition is None else condition.support,
        "parameters": f"{model.count_params():,}",
        "dtype": f"{model.dtype_policy.name}, samples {head.dtype.name}",
        **kinds.of(model).described(),
    }


def _protocols(metrics):
    """The figures of other protocols, rows of the card's table."""
    kind, name = kinds.per(metrics.get("per", "example")), metrics["name"]
    return "".join(
        f"| {protocol} | {nats(found, kind.per)} nats{kind.each} ({bits(found, kind.per)}) "
        f"{kind.protocols[protocol]}: `tfar evaluate {name} --protocol {protocol}` |\n"
        for protocol, found in metrics.get("protocols", {}).items()
    )


def _making(metrics):
    """How the model was made, a row or two of the card's table."""
    if "made_of" in metrics:
        return f"| made of | {', '.join(f'`{name}`' for name in metrics['made_of'])} |"
    epoch, seed = metrics["training"]["epoch"], metrics["recipe"]["seed"]
    return f"| chosen | on validation, after epoch {epoch}; seed {seed} |{_start(metrics)}"


def _times(metrics):
    """How long scoring and drawing take, a row of the card's table."""
    times = metrics.get("times")
    if times is None:
        return ""
    cores = f"on {times['cores']} cores, " if times["cores"] else ""
    return (
        f"\n| time | {times['score_ms']:.2g} ms to score an example, of 100 at once; "
        f"{times['draw_ms']:.2g} ms to draw one, of 16 at once; {cores}once compiled, without XLA |"
    )


def _command(metrics):
    return metrics["commands"]["make" if "made_of" in metrics else "train"]


def _start(metrics):
    recipe = metrics["recipe"]
    if "start" not in recipe:
        return ""
    start = pathlib.Path(recipe["start"]).name  # without the folder of a file
    return (
        f"\n| begun with | {'an earlier' if start == metrics['name'] else 'the'} `{start}`, of "
        f"SHA-256 {recipe['start_sha256'][:12]}, for the last of the recipe's cycles |"
    )


def _sizes(metrics):
    return " / ".join(f"{size:,}" for size in metrics["sizes"].values())


def _signatures(metrics):
    """The rows of the card's table of signatures."""
    return "\n".join(
        f"| `{name}` | {_tensors(signature['inputs'])} | {_tensors(signature['outputs'])} |"
        for name, signature in metrics["signatures"].items()
        if name != "serving_default"
    )


def _tensors(described):
    return "<br>".join(f"`{name}` {words}" for name, words in described.items())


def _chosen(metrics):
    """Words on the inputs that only some models have."""
    text = ""
    if metrics.get("num_classes"):
        text += f"- `condition` is a label from 0 to {metrics['num_classes'] - 1} for each row.\n"
    if metrics.get("condition"):
        names = ", ".join(f"`{name}`" for name in metrics["condition"]["shapes"])
        text += f"- {names}: {metrics['condition']['support']}, for each row.\n"
    if metrics["members"] > 1:
        text += f"- `member`, from 0 to {metrics['members'] - 1}, chooses one of the ensemble.\n"
    return text + kinds.per(metrics.get("per", "example")).requests


def _limits(metrics):
    """Words on the limits of a request; older exports have none, except on samples."""
    limits = metrics.get("limits")
    if not limits:
        return ""
    text = (
        f"- A request may score {limits['max_rows']:,} rows of `x`, and draw "
        f"{limits['max_samples']:,} samples, `num_samples`\n  times the rows"
    )
    if limits["max_length"]:
        text += f"; `prompt` and `length` may have {limits['max_length']:,} characters together"
    return (
        f"{text}.\n  So it takes about {limits['max_bytes'] / 2**30:.3g} GiB of memory at most.\n"
    )


def _labels(metrics):
    if metrics.get("condition"):
        return f', as "x", and {metrics["condition"]["support"]} as "condition"'
    if not metrics.get("num_classes"):
        return ""
    return f', as "x", and labels 0 ... {metrics["num_classes"] - 1} as "condition"'


def table(folder: str = "zoo") -> str:
    """The table of results, Markdown, from every ``metrics.json``.

    Args:
      folder: where the cards are, for links from the page.
    """
    lines = [
        "| model | data (train / validation / test) | test NLL, nats | bits/dim "
        "| paper, nats | best known, exact | best bound | parameters, size |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in zoo.list():
        m = zoo.info(name)
        per = m.get("per", "example")
        lines.append(
            f"| [`{name}`]({folder}/{name}/card.md) | {m['dataset']} ({_sizes(m)}) "
            f"| {nats(m['test'], per)}{kinds.per(per).each} "
            f"| {m['test']['bits_per_dim']:.4f} "
            f"| {_paper(m)} | {_of_the_field(m, exact=True)} | {_of_the_field(m, exact=False)} "
            f"| {m['parameters']:,}, {m['bytes'] / 1e6:.1f} MB |"
        )
        for protocol, found in m.get("protocols", {}).items():
            others = {**m, "dataset": f"{m['dataset']}, {protocol}"}
            lines.append(
                f"| [`{name}`]({folder}/{name}/card.md), {protocol} | {m['dataset']} "
                f"{kinds.per(per).protocols[protocol]} | {nats(found, per)}{kinds.per(per).each} "
                f"| {found['bits_per_dim']:.4f} | - | {_of_the_field(others, exact=True)} "
                f"| {_of_the_field(others, exact=False)} | as above |"
            )
    return "\n".join(lines)


def best_rows(folder: str = "zoo") -> str:
    """The best model of each data set of which others have published figures, Markdown.

    Args:
      folder: as in `table`.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in zoo.list():
        m = zoo.info(name)
        best = found.get(m["dataset"])
        if _known(m) and (best is None or m["test"]["nats"] < best["test"]["nats"]):
            found[m["dataset"]] = m
    lines = [
        "| data | best here | test NLL, nats | best known, exact | best bound known |",
        "|---|---|---|---|---|",
    ]
    for dataset, m in found.items():
        per = m.get("per", "example")
        figure = f"{nats(m['test'], per)}{kinds.per(per).each}, {bits(m['test'], per)}"
        lines.append(
            f"| {dataset} | [`{m['name']}`]({folder}/{m['name']}/card.md) | {figure} "
            f"| {_of_the_field(m, exact=True)} | {_of_the_field(m, exact=False)} |"
        )
    return "\n".join(lines)


def _paper(metrics):
    paper = metrics["paper"]
    if "none" in paper:
        return "none"
    words = f"{paper['nats']} ({paper['what']}; {paper['reference']}"
    if "splits" not in paper:
        return f"{paper['nats']:.2f} ({paper['what']}; {paper['reference']})"
    on, ours = " and ".join(paper["splits"]), nats(compared(metrics), metrics["per"])
    return f"{words}; on {on}, where ours has {ours})"


def _known(metrics):
    """What others have, if it is comparable: p(x) without a condition."""
    given = metrics.get("num_classes") or metrics.get("condition")
    return () if given else field.known(metrics["dataset"])


def _best(metrics):
    return "; ".join(map(str, _known(metrics))) or "we have found none"


def _of_the_field(metrics, *, exact):
    found = [one for one in _known(metrics) if one.exact == exact]
    return "; ".join(f"{one.figure} ({one.what})" for one in found) or "-"


def write_cards() -> None:
    """Writes the cards of all artefacts again, from their metrics."""
    for name in zoo.list():
        with files.replacing(zoo.recipe_path(name).parent / "card.md") as partial:
            partial.write_text(card(zoo.info(name)), encoding="utf-8")


def write_table(page: Path) -> None:
    """Puts `table` and `best_rows` between their marks on a page, whichever it has.

    Raises:
      ValueError: if no marks are there, or one of a pair is missing or there more than once.
    """
    page = arguments.path("page", page)
    text = page.read_text(encoding="utf-8")
    cards = zoo.recipe_path(zoo.list()[0]).parents[1]
    folder = pathlib.Path(os.path.relpath(cards, page.resolve().parent)).as_posix()
    parts = (START, END, table), (BEST, END_OF_BEST, best_rows)
    there = [part for part in parts if part[0] in text or part[1] in text]
    for start, end, rows in there or parts:
        if text.count(start) != 1 or text.count(end) != 1:
            raise ValueError(f"{page} needs the lines {start!r} and {end!r} once each.")
        before, rest = text.split(start)
        text = f"{before}{start}\n\n{rows(folder)}\n\n{end}{rest.split(end)[1]}"
    with files.replacing(page) as partial:
        partial.write_text(text, encoding="utf-8")
