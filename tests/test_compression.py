"""Compression: heads, schedules and orders, damage of all kinds, and what its contract catches."""

import builtins
import functools
import os
import struct
import subprocess
import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner
from support.cases import ONE_A_SCHEDULE, SCHEDULES, randomised, shared
from support.thorough import beyond

from tfar import cli, compression, testing, zoo
from tfar.compression import codec, coder, container, layout, lockstep, portable
from tfar.heads import Bernoulli, Categorical, Characters, Columns, GaussianMixture, Poisson
from tfar.models import MADE, CharRNN, Transformer


@pytest.mark.parametrize("name", beyond(ONE_A_SCHEDULE, ["made", *SCHEDULES]))
def test_contract(name):
    testing.verify_compression(shared(name))


def test_contract_of_columns_and_of_texts():
    heads = [Bernoulli(), Categorical(3), Poisson()]
    columns = testing.randomise(MADE([3], (8,), head=Columns(heads), order=[2, 0, 1]), scale=0.3)
    testing.verify_compression(columns)
    limited = Transformer([12], width=8, layers=1, positions="learned", head=Characters("abc"))
    testing.verify_compression(testing.randomise(limited))


# Planted bugs -------------------------------------------------------------------------------------


def of_nothing(model, partner, counts, **options):
    """Every conditional given zeros."""

    class Deaf:
        def exchange(self, *told):
            return 0 * partner.exchange(*told)

    TALK(model, Deaf(), counts, **options)


def of_the_first(model, partner, counts, *, member=0, **options):
    TALK(model, partner, counts, **options)


def in_the_layout(self, data):
    return TO_DIGITS(self, data)[:, np.argsort(self.order)]


def of_equal_chances(log_probs):
    return NUMERATORS(np.zeros_like(log_probs))


def without_sums(*arguments):
    return 0


def of_one_dtype(self, digits, first, stop):
    return FROM_DIGITS(self, digits, first, stop).astype(np.int32)


TALK, NUMERATORS = lockstep.talk, coder.numerators
TO_DIGITS, FROM_DIGITS = layout.Examples.to_digits, layout.Examples.from_digits
BUGS = [
    ([codec, testing.compression], "talk", of_nothing, "not those of one pass"),
    ([codec, testing.compression], "talk", of_the_first, "not those of one pass"),
    ([layout.Examples], "to_digits", in_the_layout, "not those of one pass"),
    ([coder, testing.compression], "numerators", of_equal_chances, "too small"),
    (
        [codec, container],
        "zlib",
        types.SimpleNamespace(crc32=without_sums),
        "damaged file .* decoded|out of bounds|multiple of 12",
    ),
    ([layout.Examples], "from_digits", of_one_dtype, "hold|come back"),
]


def without_a_list(logits):
    return np.zeros(logits.shape, bool)


def test_planted_in_portable_files(monkeypatch):
    monkeypatch.setattr(portable, "ambiguous", without_a_list)
    with pytest.raises(AssertionError, match="portable file"):
        testing.verify_compression(randomised("made"))


def test_the_list_of_ambiguous_sites_comes_back():
    rng = np.random.RandomState(0)
    logits = rng.normal(size=[40, 9], scale=5)
    places = rng.rand(40, 9) < 0.2
    logits[places] = portable.GRID * (np.floor(logits[places] / portable.GRID) + 0.5)
    up, rest = portable._unlisted(portable._listed(logits) + b"rest", logits.shape)
    assert rest == b"rest" and (up[~portable.ambiguous(logits)] == -1).all()
    below = np.floor(logits / portable.GRID).clip(-portable.CELLS, portable.CELLS)
    np.testing.assert_array_equal((below + up)[up >= 0], portable.cells(logits)[up >= 0])
    np.testing.assert_array_equal(up >= 0, places & (np.abs(logits) < 12))
    assert portable._unlisted(portable._listed(np.ones([1, 2])), [1, 2])[0].tolist() == [[-1, -1]]


@pytest.mark.parametrize("owners, name, planted, message", BUGS)
def test_planted(owners, name, planted, message, monkeypatch):
    for owner in owners:
        monkeypatch.setattr(owner, name, planted)
    with pytest.raises((AssertionError, ValueError, IndexError, struct.error), match=message):
        testing.verify_compression(randomised("made_given_orders"))


# Refusals -----------------------------------------------------------------------------------------

BITS = MADE([4], (8,))
X = np.eye(4, dtype=np.uint8)


def test_what_cannot_be_compressed():
    with pytest.raises(ValueError, match="real ones: round them"):
        compression.compress(MADE([4], (8,), head=GaussianMixture(2)), X)
    with pytest.raises(ValueError, match="takes 0 or 1, got 2"):
        compression.compress(BITS, 2 * X)
    with pytest.raises(ValueError, match="takes 0 or 1, got nan"):
        compression.compress(BITS, np.where(X, np.nan, 0))
    with pytest.raises(ValueError, match="Portable files are of examples of zeros and ones"):
        compression.compress(shared("nade_categorical"), np.zeros([2, 3], int), portable=True)
    with pytest.raises(ValueError, match="negative zeros"):
        compression.compress(BITS, X * -0.0)
    with pytest.raises(ValueError, match="Expected x of shape"):
        compression.compress(BITS, X[:, :3])
    with pytest.raises(ValueError, match="keys \\['x'\\]"):
        compression.compress(BITS, {"x": X, "condition": X})
    with pytest.raises(ValueError, match="at most 0, got 1"):
        compression.compress(BITS, X, member=1)
    text = CharRNN([4], (3,), head=Characters("abc"))
    with pytest.raises(ValueError, match="no 'd', which the text has at position 1"):
        compression.compress(text, "ad")
    with pytest.raises(ValueError, match="empty text"):
        compression.compress(text, "")
    labelled = shared("gated_pixel_cnn_labels")
    with pytest.raises(ValueError, match="is conditional"):
        compression.compress(labelled, np.zeros([2, *labelled.event_shape], int))
    broken = MADE([4], (8,))
    broken.weights[-1].assign([np.nan] * 4)
    with pytest.raises(ValueError, match="probabilities that are NaN"):
        compression.compress(broken, X)


def test_what_cannot_be_decompressed(monkeypatch):
    content = compression.compress(BITS, X, name="bits")
    with pytest.raises(ValueError, match="by bits with another model"):
        compression.decompress(MADE([4], (9,)), content)
    with pytest.raises(ValueError, match="by bits with other weights"):
        compression.decompress(testing.randomise(MADE([4], (8,))), content)
    with pytest.raises(ValueError, match="something else"):
        compression.decompress(BITS, b"gzip" + content[4:])
    with pytest.raises(ValueError, match="has version 2 of the format"):
        compression.decompress(BITS, content[:4] + b"\x02" + content[5:])
    with pytest.raises(ValueError, match="takes no condition"):
        compression.decompress(BITS, content, condition=[1, 1, 1, 1])
    labelled = shared("gated_pixel_cnn_labels")
    x = np.zeros([2, *labelled.event_shape], int)
    made = compression.compress(labelled, {"x": x, "condition": [0, 1]})
    with pytest.raises(ValueError, match="other conditions"):
        compression.decompress(labelled, made, condition=[1, 0])
    with pytest.raises(ValueError, match="batch shape \\[2\\], got \\[\\]"):
        compression.decompress(labelled, made, condition=1)
    monkeypatch.setattr(coder.Witness, "digest", lambda self: b"elsewhere"[:8])
    with pytest.raises(ValueError, match="arithmetic differs"):
        compression.decompress(BITS, content)


def test_arithmetic_that_the_fingerprint_does_not_see(monkeypatch):
    content = compression.compress(shared("made_categorical"), np.ones([200, 3], np.uint8))
    table = coder._table

    def other(log_probs):
        return table(np.roll(log_probs, 1, axis=-1))

    monkeypatch.setattr(coder, "_table", other)
    with pytest.raises(ValueError, match="other data than were given"):
        compression.decompress(shared("made_categorical"), content)


def test_a_damaged_chunk_loses_that_chunk():
    rng = np.random.RandomState(0)
    x = rng.randint(0, 2, [1200, 4])
    content = compression.compress(BITS, x)
    _, parts = container.unpacked(content)
    first = len(content) - sum(map(len, parts))
    damaged = bytearray(content)
    damaged[first + len(parts[0]) + 3] ^= 1
    with pytest.raises(compression.Damaged, match="examples 512 to 1023 are lost"):
        compression.decompress(BITS, bytes(damaged))
    found, lost = compression.salvage(BITS, bytes(damaged))
    assert lost == [(512, 1024)]
    np.testing.assert_array_equal(found, np.concatenate([x[:512], x[1024:]]))


def test_without_the_package(monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **options):
        if name == "constriction":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match="pip install 'tfar\\[compression\\]'"):
        compression.compress(BITS, X)


# The shell ----------------------------------------------------------------------------------------


def tfar(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def test_files_of_arrays(tmp_path):
    x, _ = zoo.examples("made_mnist")
    source, packed, back = (tmp_path / name for name in ("x.npy", "x.tfar", "back.npy"))
    np.save(source, x)
    done = tfar("compress", "made_mnist", source, packed)
    assert done.exit_code == 0 and f"{packed.stat().st_size:,} bytes for 25,216" in done.stdout
    assert tfar("decompress", packed, back).exit_code == 0
    np.testing.assert_array_equal(np.load(back), x)
    packed.write_bytes(packed.read_bytes()[:-1])
    failed = tfar("decompress", packed, tmp_path / "none.npy")
    assert failed.exit_code == 1 and "are lost" in failed.stderr
    assert not (tmp_path / "none.npy").exists()
    saved = tfar("decompress", packed, back, "--salvage")
    assert saved.exit_code == 0 and "Lost 0 to 31" in saved.stderr and len(np.load(back)) == 0


def test_files_of_texts(tmp_path):
    model = testing.randomise(CharRNN([8], (5,), head=Characters("ab\r\n")))
    source, packed, back = (tmp_path / name for name in ("x.txt", "x.tfar", "back.txt"))
    model.save(tmp_path / "mine.keras")
    source.write_bytes(b"ab\r\nba\n\r" * 9)
    assert tfar("compress", tmp_path / "mine.keras", source, packed).exit_code == 0
    assert tfar("decompress", packed, back).exit_code == 0
    assert back.read_bytes() == source.read_bytes()
    (tmp_path / "mine.keras").rename(tmp_path / "moved.keras")
    failed = tfar("decompress", packed, back)
    assert failed.exit_code == 1 and "give --model" in failed.stderr
    assert tfar("decompress", packed, back, "--model", tmp_path / "moved.keras").exit_code == 0


DECODE = """
import sys
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
import tfar
from tfar import compression
with open(sys.argv[2], "rb") as file:
    x = compression.decompress(tfar.zoo.load("pixelcnn_mnist"), file.read())
np.testing.assert_array_equal(x, tfar.zoo.examples("pixelcnn_mnist")[0])
"""


@functools.cache
def digits(portable):
    """The examples of a model of the zoo, compressed."""
    x, _ = zoo.examples("pixelcnn_mnist")
    return compression.compress(zoo.load("pixelcnn_mnist"), x, portable=portable)


@pytest.mark.parametrize(
    "threads, portable", [pytest.param(2, False, marks=pytest.mark.thorough), (1, True)]
)
def test_in_another_process(threads, portable, tmp_path):
    """With other numbers of threads and, of a portable file, without oneDNN."""
    (tmp_path / "x.tfar").write_bytes(digits(portable))
    command = [sys.executable, "-c", DECODE, str(threads), str(tmp_path / "x.tfar")]
    other = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": str(int(not portable))}
    subprocess.run(command, check=True, env={**os.environ, **other})
