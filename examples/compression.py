"""Test splits made smaller by p(x), beside general coders and those of images: docs/using.md.

    python examples/compression.py MODEL ... [--num N] [--write]

The test split of each model's data set is compressed and decompressed, compared, and weighed
against -log2 p(x). The others are given the same: images of zeros and ones with eight in a byte as
one stream, as one sheet of all images and, the first thousand of them, as a file each. Of a text,
"given the training text" is the size of both less that of the training text. The size of the model,
or of the other coders' programs, is not counted.

``--write`` adds the rows to compression.json, and writes the tables of the page. The others need
``pip install zstandard brotli pyppmd imagecodecs`` and, for JBIG1, Debian's ``jbigkit-bin``; those
that are missing are left out.
"""

import argparse
import bz2
import gzip
import importlib
import io
import json
import lzma
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

import tfar
from tfar import compression, datasets, kinds, text, zoo

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "using.md"
START, END = "<!-- examples/compression.py -->", "<!-- end -->"
GIVEN = ", given the training text"
XZ = lzma.PRESET_EXTREME | 9


def streams():
    """``{name: function of bytes that gives the compressed size}``."""
    found = {
        "gzip -9": lambda b: len(gzip.compress(b, 9)),
        "bzip2 -9": lambda b: len(bz2.compress(b, 9)),
        "xz -9e": lambda b: len(lzma.compress(b, preset=XZ)),
    }
    if zstandard := module("zstandard"):
        options = zstandard.ZstdCompressionParameters.from_level(22, window_log=27)
        coder = zstandard.ZstdCompressor(compression_params=options)
        found["zstd -22"] = lambda b: len(coder.compress(b))
    if brotli := module("brotli"):
        found["brotli -11"] = lambda b: len(brotli.compress(b, quality=11, lgwin=24))
    if pyppmd := module("pyppmd"):
        found["PPMd"] = lambda b: len(pyppmd.compress(b, max_order=6, mem_size=2**28))
    return found


def module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def pictures(binary):
    """``{name: function of an image [H, W] that gives the size of its file}``."""

    def pillow(image, ending, **options):
        file = io.BytesIO()
        Image.fromarray(image.astype(bool) if binary else image).save(file, ending, **options)
        return len(file.getvalue())

    found = {
        "PNG": lambda x: pillow(x, "PNG", optimize=True),
        "WebP": lambda x: pillow_grey(x, binary),
    }
    if binary:
        found["TIFF G4"] = lambda x: pillow(x, "TIFF", compression="group4")
    if codecs := module("imagecodecs"):
        found["JPEG XL"] = lambda x: len(
            codecs.jpegxl_encode(
                (x * 255 if binary else x).astype(np.uint8), lossless=True, effort=9
            )
        )
    if binary and shutil.which("pbmtojbg"):
        found["JBIG1"] = jbig
    return found


def pillow_grey(image, binary):
    file = io.BytesIO()
    grey = (image * 255 if binary else image).astype(np.uint8)
    Image.fromarray(grey).convert("RGB").save(file, "WEBP", lossless=True, quality=100, method=6)
    return len(file.getvalue())


def jbig(image):
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, "x.pbm"), pathlib.Path(folder, "x.jbg")
        Image.fromarray(image.astype(bool)).convert("1").save(source)
        subprocess.run(["pbmtojbg", "-q", str(source), str(out)], check=True)
        return out.stat().st_size


def sheet(x):
    """One picture of all images [N, H, W, 1], a hundred in a row; the last row may be short."""
    height, width = x.shape[1:3]
    columns = min(100, len(x))
    missing = -len(x) % columns
    x = np.concatenate([x, np.zeros([missing, *x.shape[1:]], x.dtype)])[..., 0]
    rows = x.reshape([-1, columns, height, width]).transpose([0, 2, 1, 3])
    return rows.reshape([-1, columns * width])


def ours(model, data, name, **adapt):
    """A file of the data, decompressed and compared."""
    kind = kinds.of(model)
    start = time.perf_counter()
    content = compression.compress(model, data, name=name, **adapt)
    middle = time.perf_counter()
    back = compression.decompress(model, content, **adapt)
    end = time.perf_counter()
    same = back == data if isinstance(data, str) else np.array_equal(back, data)
    if not same:
        raise SystemExit(f"{name}: the data do not come back.")
    if isinstance(data, str):
        nats = text.log_prob(model, data, **adapt)
    else:
        nats = kind.log_prob(data)
    return {
        "bytes": len(content),
        "ideal_bytes": float(-nats.sum() / np.log(2) / 8),
        "compress_s": middle - start,
        "decompress_s": end - middle,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def others_of_images(x):
    """Bytes an image of every other coder."""
    binary = x.max() <= 1
    raw = (np.packbits(x) if binary else x.astype(np.uint8)).tobytes()
    found = {f"{k}, one stream": size(raw) / len(x) for k, size in streams().items()}
    whole, some = sheet(x), x[:1000, ..., 0]
    for name, size in pictures(binary).items():
        found[f"{name}, one sheet"] = size(whole) / len(x)
        found[f"{name}, a file each"] = sum(map(size, some)) / len(some)
    return found


def others_of_text(data, training):
    """Bits a character of every other coder, alone and given the training text."""
    found, both = {}, (training + data).encode()
    for name, size in streams().items():
        found[name] = 8 * size(data.encode()) / len(data)
        given = size(both) - size(training.encode())
        found[name + GIVEN] = 8 * given / len(data)
    return found


def measured(name, num):
    """A row of the JSON."""
    dataset, model = zoo.info(name)["dataset"], tfar.zoo.load(name)
    data = datasets.load(dataset, "test")
    data = (data["x"] if isinstance(data, dict) else data)[:num]
    if isinstance(data, str):
        training = datasets.load(dataset, "train")
        others = others_of_text(data, training)
        primers = {"": None, ", learning": "", f", learning{GIVEN}": training}
        files = {name + what: ours(model, data, name, adapt=a) for what, a in primers.items()}
    else:
        data = np.asarray(data)
        others, files = others_of_images(data), {name: ours(model, data, name)}
    about = {"dataset": dataset, "count": len(data), "model_bytes": zoo.info(name)["bytes"]}
    return {"model": name, **about, "ours": files, "others": others}


def table(held):
    """The lines of a table in Markdown, one for each coder, the smallest first."""
    count, text = held["count"], any(GIVEN in name for name in held["others"])
    unit, scale = ("bits a character", 8) if text else ("bytes an image", 1)
    files = {f"**{k}**": scale * v["bytes"] / count for k, v in held["ours"].items()}
    yield f"| {held['dataset']}, test split ({count:,}) | {unit} |"
    yield "|---|---|"
    for name, size in sorted([*held["others"].items(), *files.items()], key=lambda pair: pair[1]):
        yield f"| {name} | {size:.3f} |"
    yield ""
    for name, own in held["ours"].items():
        yield (
            f"`{name}`: {own['bytes']:,} bytes, {own['bytes'] / own['ideal_bytes'] - 1:.2%} more "
            f"than -log2 p(x); made in {own['compress_s']:.0f} s, read in "
            f"{own['decompress_s']:.0f} s, with at most {own['peak_mib']:,.0f} MiB of memory.\n"
        )
    yield f"The model itself has {held['model_bytes'] / 1e6:.1f} MB.\n"


def filled(page, held):
    """A page with the tables between the marks."""
    before, _, rest = page.partition(START)
    lines = [line for row in held for line in table(row)]
    return "\n".join([before + START, "", *lines, END + rest.partition(END)[2]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--num", type=int, help="Only the first so many examples.")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    path = HERE / "compression.json"
    held = json.loads(path.read_text()) if path.exists() else []
    for name in options.models:
        row = measured(name, options.num)
        print("\n".join(table(row)))
        held = [other for other in held if other["model"] != name] + [row]
        if options.write:
            path.write_text(json.dumps(held, indent=1) + "\n")
            PAGE.write_text(filled(PAGE.read_text(), held))


if __name__ == "__main__":
    main()
