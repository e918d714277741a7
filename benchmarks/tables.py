"""How the rows of benchmarks are shown, and the page of all of them.

python benchmarks/tables.py  # writes the tables and the picture of docs/speed.md
"""

import json
import pathlib

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "speed.md"


def shown(key, pattern, about=False):
    """A function that shows an entry of a row, if it has it; some are marked as estimates."""

    def cell(row):
        if row.get(key) is None:
            return ""
        return "about " * (about and row["about"]) + pattern.format(row[key])

    return cell


def xla(row):
    return "yes" if row["xla"] else "no"


COLUMNS = {
    "sampling": {
        "model": shown("model", "{}"),
        "XLA": xla,
        "cached, s": shown("cached_s", "{:.3f}"),
        "fixed point, s": shown("fixed_point_s", "{:.3f}"),
        "full pass per site, s": shown("full_pass_per_site_s", "{:.1f}"),
        "ratio": shown("ratio", "{:.0f}"),
        "one scoring pass, s": shown("one_scoring_pass_s", "{:.3f}"),
        "same draws": shown("same_draws", "{:.2%}"),
    },
    "pixelcnn": {
        "model": shown("model", "{}"),
        "side": shown("side", "{}"),
        "batch": shown("batch", "{}"),
        "XLA": xla,
        "steps": shown("steps", "{}"),
        "sampled, s": shown("sampled", "{:.3f}"),
        "one pass, s": shown("one_pass", "{:.4f}"),
        "passes": shown("passes", "{:.1f}"),
        "full pass per pixel, s": shown("per_pixel", "{:.1f}", about=True),
        "ratio": shown("ratio", "{:.0f}", about=True),
        "same draws": shown("same", "{:.2%}"),
    },
    "generation": {
        "model": shown("model", "{}"),
        "texts": shown("batch", "{}"),
        "length": shown("length", "{}"),
        "cached, s": shown("cached", "{:.2f}"),
        "full passes, s": shown("full", "{:.2f}", about=True),
        "ratio": shown("ratio", "{:.0f}", about=True),
        "characters/s": shown("rate", "{:.0f}"),
        "ms a character": shown("each_ms", "{:.2f}"),
    },
    "training": {
        "library": shown("library", "{}"),
        "precision": shown("precision", "{}"),
        "batch": shown("batch", "{}"),
        "images/s": shown("images_per_s", "{:.0f}"),
        "share of the peak": shown("share_of_peak", "{:.2f}"),
    },
    "serving": {
        "signature": shown("signature", "{}"),
        "calls/s": shown("rate", "{:.1f}"),
        "median, ms": shown("median", "{:.0f}"),
        "95 %, ms": shown("p95", "{:.0f}"),
        "99 %, ms": shown("p99", "{:.0f}"),
    },
}


def header(name):
    """The first two lines of a table."""
    titles = COLUMNS[name]
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"


def line(name, row):
    """A row of a table."""
    return f"| {' | '.join(cell(row) for cell in COLUMNS[name].values())} |"


def rows(name):
    """What a benchmark has measured."""
    return json.loads((HERE / f"{name}.json").read_text())["rows"]


def filled(page):
    """A page with what was measured between the marks ``<!-- NAME -->`` and ``<!-- end -->``."""
    for name in COLUMNS:
        before, rest = page.split(f"<!-- {name} -->\n")
        after = rest.split("<!-- end -->", 1)[1]
        table = "\n".join([header(name), *(line(name, row) for row in rows(name))])
        page = f"{before}<!-- {name} -->\n\n{table}\n\n<!-- end -->{after}"
    return page


def draw(path):
    """How long it takes to draw 16 images of 28x28, a bar for each way."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    of_16 = [row for row in rows("pixelcnn") if (row["batch"], row["side"]) == (16, 28)]

    def find(model, xla, key):
        (row,) = (row for row in of_16 if row["model"] == model and row["xla"] == xla)
        return row[key]

    plain = "PixelCNN, 7 blocks"
    bars = {
        "tfd.PixelCNN (7 blocks of 32)": find("tfd.PixelCNN, 7 blocks of 32", False, "per_pixel"),
        "PyTorch, a full pass per pixel": find(f"{plain}, in PyTorch", False, "per_pixel"),
        "tfar, a full pass per pixel": find(plain, False, "per_pixel"),
        "tfar, sample": find(plain, False, "sampled"),
        "tfar, sample with XLA": find(plain, True, "sampled"),
        "tfar, one forward pass": find(plain, False, "one_pass"),
    }
    figure, axes = pyplot.subplots(figsize=(8, 2.8), layout="constrained")
    drawn = axes.barh(list(bars), list(bars.values()), color=["0.6"] * 3 + ["C0"] * 2 + ["0.8"])
    axes.bar_label(drawn, [f"{s:.3g} s" for s in bars.values()], padding=4)
    axes.set(xscale="log", xlabel="seconds for 16 images of 28x28, PixelCNN of 7 blocks, two cores")
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
    draw(PAGE.with_suffix(".png"))
