"""Commands that judge examples by p(x): which are odd, and what is likely near them."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import click

from tfar import files, zoo
from tfar.cli.shell import Command, examples, existing_model, load, main, output, progress, say

if TYPE_CHECKING:
    from typing import Any

SCORES = "likelihood", "pseudolikelihood", "ratio", "complexity", "typicality"


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("data")
@click.option("--eps", required=True, type=click.IntRange(0), help="How far a value may move.")
@click.option("--threshold", type=float, help="Nats: examples at least as likely stay as they are.")
@click.option("-n", "--num", type=click.IntRange(1), help="Only the first so many.")
@click.option(
    "--out",
    callback=output(".npy"),
    default="purified.npy",
    show_default=True,
    help="An array of the shape and dtype of the examples.",
)
def purify(
    model: str, *, data: str, eps: int, threshold: float | None, num: int | None, out: str
) -> None:
    """Replace examples by the most likely ones near them (PixelDefend).

    DATA is the name of a data set, whose test split is taken, or a file or folder of examples, as
    `tfar score` takes them.
    """
    import numpy as np

    from tfar import kinds

    loaded, _ = load(model)
    if loaded.condition is not None:
        raise ValueError(f"{model} is conditional: use model.joint(condition=...).purify.")
    kind = kinds.of(loaded)
    x = kind.inputs(examples(kind, data))[:num]
    inputs, joint = kind.held(x), loaded.joint()
    batches = progress("Purifying")(range(0, len(inputs), 100))
    found = [joint.purify(inputs[i : i + 100], eps, threshold=threshold) for i in batches]
    whole = np.concatenate(found).astype(np.asarray(x).dtype)
    with files.replacing(out) as partial, partial.open("wb") as file:
        np.save(file, whole)
    moved = np.mean(whole != np.asarray(x))
    click.echo(f"{out}: {len(whole):,} examples, {moved:.1%} of the values moved")


@main.command(cls=Command)
@click.argument("model", callback=existing_model)
@click.argument("data")
@click.option(
    "--normal",
    help="Normal examples that MODEL was not trained on, to rank among.  [default: the test split "
    "of the data set of a model of the zoo]",
)
@click.option("--score", default="likelihood", show_default=True, type=click.Choice(SCORES))
@click.option(
    "--background",
    callback=lambda c, p, m: m and existing_model(c, p, m),
    help="For --score ratio: the model of what is common to all examples.",
)
@click.option(
    "--level",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The rate of false alarms.",
)
@click.option("--out", callback=output(".csv"), help="A CSV file; by default it is printed.")
@click.option(
    "--map",
    "maps",
    callback=output(".png", ".npy"),
    help="For images: -log p of every pixel, or of --background less that, beside each of them.",
)
def detect(model: str, *, data: str, score: str, level: float, **options: Any) -> None:
    """Which examples of DATA are odd to MODEL: scores and p-values, as CSV.

    DATA and --normal are names of data sets, whose test splits are taken, .npy files, folders of
    images, CSV files for a model of a table, whose oddest cells are named, or texts, which are cut
    into windows. The p-value of an example is its rank among the normal ones, and a cell is odd
    among those of its column there.
    """
    from tfar import anomaly, kinds

    background, normal, out, maps = (
        options[name] for name in ("background", "normal", "out", "maps")
    )
    if (score == "ratio") != (background is not None):
        raise click.UsageError("--score ratio and --background need each other.")
    loaded, name = load(model)
    if normal is None:
        if name is None:
            raise click.UsageError("This model does not say what is normal: give --normal.")
        normal = zoo.info(name)["dataset"]
    if normal == data:
        raise click.UsageError(
            "The examples would be ranked among themselves: give other ones as --normal."
        )
    kind = kinds.of(loaded)
    if maps and not kind.keeps_rows:
        raise ValueError(f"{model} is a model of {kind.name}: it takes no --map.")
    p_0 = load(background)[0] if background else None
    chosen: Any = score if p_0 is None else anomaly.ratio(p_0)
    detector = anomaly.Detector(loaded, score=chosen, level=level)
    x = kind.held(examples(kind, data))
    say(f"Scoring the normal examples, {normal}")
    usual = kind.held(examples(kind, normal))
    detector.fit(usual)
    say(f"Scoring {data}")
    scores, p_values = detector.score_samples(x), detector.p_values(x)
    odd = scores < detector.offset_
    rows: list[Any] = [
        [i, f"{s:.6g}", f"{p:.6g}", int(flag)]
        for i, (s, p, flag) in enumerate(zip(scores, p_values, odd))
    ]
    names = ["example", "score", "p_value", "anomaly"]
    if (parts := kind.oddest(x, usual)) is not None:
        names += ["oddest_cell", "surprise"]
        rows = [[*row, name, f"{s:.6g}"] for row, name, s in zip(rows, *parts)]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows(rows)
    if maps:
        kind.write_maps(x, anomaly.surprise(loaded, x, background=p_0), maps)  # type: ignore[attr-defined]
        click.echo(maps, err=True)
    if out:
        with files.replacing(out) as partial:
            partial.write_text(text.getvalue())
        click.echo(out)
    else:
        click.echo(text.getvalue(), nl=False)
    print(
        f"{int(odd.sum()):,} of {len(odd):,} examples are odd at the level {level:g}, among "
        f"{len(detector.scores_):,} normal ones.",
        file=sys.stderr,
    )
