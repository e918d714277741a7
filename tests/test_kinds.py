"""The kind of data is one object: nobody else tells images, texts and tables apart."""

import pathlib
import re
import subprocess
import sys

import keras
import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support import toys

import tfar
from tfar import cli, datasets, kinds, plots, testing, training
from tfar.heads import Bernoulli, Categorical, Characters, LogisticMixture, Table
from tfar.models import FVSBN, MADE, RNADE, CharRNN, GatedPixelCNN, OrderlessNADE
from tfar.zoo import cards, publishing

PACKAGE = pathlib.Path(tfar.__file__).parent
# What the kinds are made of.
DEFINITIONS = ("kinds/", "heads/", "tables/", "text/", "plots.py", "serving/generation.py")
BRANCHES = (
    r"\bis_text\(|\bis_table\(|\bdrawable\(|\b_kind\(",
    r"isinstance\([^)]*\b(Characters|Table|Vocabulary|DataFrame)\b",
    r"(getattr|hasattr)\([^)]*[\"'](vocabulary|columns|check_length)[\"']",
    r"len\([^)]*event_shape\) *[=!]=|ndim\(?[^=]*\)? *[=!]= *4",
    r"[=!]= *[\"'](character|text|texts|table|tables|image|images)[\"']",
    r"\.vocabulary\b",
)


def test_nobody_else_asks_for_the_kind():
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(DEFINITIONS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if not line.lstrip().startswith((">>>", "..."))
        and any(re.search(branch, line) for branch in BRANCHES)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("model", "name", "endings"),
    [
        (lambda: CharRNN([4], (3,), cell="rnn", head=Characters("ab")), "texts", [".txt"]),
        (lambda: CharRNN([4], (3,), cell="rnn", head=Categorical(2)), "vectors", [".png", ".npy"]),
        (lambda: MADE([4], (3,), head=Characters("ab")), "vectors", [".png", ".npy"]),
        (lambda: OrderlessNADE([1], (3,), head=Table([COLUMN], 2)), "tables", [".csv"]),
        (lambda: FVSBN([2, 2, 3]), "images", [".png", ".npy"]),
        (lambda: FVSBN([2, 2, 2]), "images", [".npy"]),
        (lambda: RNADE([3], hidden=4, head=LogisticMixture(2)), "vectors", [".npy"]),
        (lambda: FVSBN([2, 2]), "arrays", [".npy"]),
    ],
)
def test_the_kind_of_a_model(model, name, endings):
    kind = kinds.of(model())
    assert (kind.name, kind.endings) == (name, endings)


COLUMN = {"name": "x", "mean": 0.0, "std": 1.0}


def test_words_need_neither_tensorflow_nor_pandas():
    code = (
        "import sys; from tfar import cli, kinds\n"
        "assert kinds.per('example').digits == 2 and kinds.per('character').digits == 4\n"
        "cli.main(['list'], standalone_mode=False)\n"
        "assert not {'tensorflow', 'keras', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with pytest.raises(ValueError, match="one of 'character', 'example', 'row', got 'pixel'"):
        kinds.per("pixel")


# A kind of one's own ------------------------------------------------------------------------------

NOTES = "cdefgab"


class Tunes(kinds.Kind):
    """Four notes each: read from lines of letters, drawn as such."""

    name = samples = "tunes"
    formats = (".abc",)
    number = 3
    printed = True
    per = "tune"
    digits = 3
    bits_unit = "bits/note"

    @staticmethod
    def fits(model):
        return model.event_shape == (4,) and model.head.num_params == len(NOTES)

    def inputs(self, data):
        return np.array([[NOTES.index(note) for note in line] for line in data.split()])

    def adapt(self, data):
        super().adapt(self.inputs(data))

    def count(self, data):
        return len(data.split())

    def epoch(self, data, rng, shift):
        return self.inputs(data)

    def read(self, content, name):
        return content.decode()

    def strings(self, samples):
        return ["".join(NOTES[note] for note in tune) + "\n" for tune in samples]

    def signatures(self, limits):
        def transpose(x):
            return {"x": (x + 1) % len(NOTES)}

        return {"transpose": (transpose, {"x": tf.TensorSpec([None, 4], tf.int32)})}

    def verify_signatures(self, signatures):
        self.transposed.append(signatures["transpose"](x=tf.range(3, 7)[None])["x"].numpy())

    transposed = []


def test_a_kind_of_ones_own_is_one_class(tmp_path, monkeypatch):
    """It is trained, drawn, written, scored and exported, and nothing else knows it."""
    monkeypatch.setattr(kinds, "KINDS", [*kinds.KINDS])
    assert kinds.register(Tunes) is Tunes and kinds.formats()[-1] == ".abc"
    given = {"train": "cdef edcb\n" * 16, "validation": "cdef cdeg"}

    def model(x):
        assert x is given["train"]
        return MADE([4], (8,), head=Categorical(len(NOTES)))

    recipe = toys.toy(model=model, epochs=1, shift=0.0)
    trained = training.train(recipe, None, data=given, verbose=0)
    kind, path = kinds.of(trained), tmp_path / "m.keras"
    trained.save(path)

    def tfar(*arguments):
        result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    printed = tfar("sample", path, "--seed", 2)
    assert printed == "".join(kind.strings(kind.draw(3, seed=2)))
    assert re.fullmatch(rf"([{NOTES}]{{4}}\n){{3}}", printed)
    out = tmp_path / "x.abc"
    assert tfar("sample", path, "--seed", 2, "--out", out) == f"{out}\n"
    assert out.read_text() == printed
    nats = trained.log_prob(kind.inputs(printed)).numpy()
    scored = tfar("score", path, out)
    assert scored.startswith(f"{nats.mean():.4f} ± ") and scored.endswith("a tune, tunes: 3\n")
    monkeypatch.setattr(datasets, "load", lambda name, split: printed)
    found = kind.figures(printed)
    assert f" nats ({-nats.mean() / np.log(2) / 4:.4f} bits/note, 3 tunes)" in cards.measured(
        found, "tune"
    )
    assert cards.measured(found, "tune") in tfar("evaluate", path, "--data", "mine")
    testing.verify_export(trained, tmp_path / "1")
    np.testing.assert_array_equal(Tunes.transposed, [[[4, 5, 6, 0]]])


def test_no_kind():
    class Nameless(kinds.Kind):
        pass

    for wrong in (None, "texts", FVSBN, kinds.of(FVSBN([2])), Nameless):
        with pytest.raises(ValueError, match=r"a subclass of tfar\.kinds\.Kind with its own fits"):
            kinds.register(wrong)
    with pytest.raises(ValueError, match="Expected a model of tfar, got one of the class"):
        kinds.of(keras.Sequential([keras.layers.Dense(1)]))


def test_the_contract_fails_where_a_text_is_another():
    kind = kinds.of(CharRNN([4], (3,), cell="rnn", head=Characters("ab")))
    with pytest.raises(AssertionError, match="The export continues '' with 'a', the model with"):
        kind.verify_signatures({"generate": lambda **given: {"text": tf.constant("a")}})


# Images -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "rows", "kept"),
    [
        ("raster", 2, [1, 1, 0]),
        ("raster", 0, [0, 0, 0]),
        ("reversed", 1, [0, 0, 1]),
        ([3, 2, 0, 1, 4, 5], 2, [1, 1, 0]),
    ],
)
def test_the_first_rows_are_those_that_are_drawn_first(order, rows, kept):
    kind = kinds.of(FVSBN([3, 2, 1], order=order))
    found = kind.first_rows(np.zeros([4, 3, 2, 1]), rows)
    np.testing.assert_array_equal(found, np.broadcast_to(np.reshape(kept, [3, 1, 1]), [3, 2, 1]))


def test_where_there_are_no_first_rows():
    kind = kinds.of(FVSBN([3, 2, 1], order=[0, 2, 1, 3, 4, 5]))
    x = np.zeros([4, 3, 2, 1])
    for wrong, rows, message in (
        (x, 1, "does not draw row by row, so no rows can be kept"),
        (x, 4, "images of at least 4 rows, got 3 rows"),
        (x, -1, "rows to be an integer of at least 0, got -1"),
        (x[..., 0], 1, r"of the shape \[3, 2, 1\] of the model, got \[3, 2\]"),
        ("abc", 1, r"of the shape \[3, 2, 1\] of the model, got \[\]"),
    ):
        with pytest.raises(ValueError, match=message):
            kind.first_rows(wrong, rows)


def test_completions_stand_beside_their_images_and_keep_the_labels(tmp_path):
    network = GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=2)
    kind = kinds.of(testing.randomise(network, seed=1, scale=2.0))
    x, labels = np.array([[[[1], [0]]] * 2] * 3), [0, 1, 0]
    kept = kind.first_rows(x, 1)
    both, found = kind.complete({"x": x, "condition": labels}, kept, draws=40, seed=3)
    assert np.isinf(found.effective).all()
    assert both.shape == (3, 41, 2, 2, 1)
    np.testing.assert_array_equal(both[:, 0], x)
    np.testing.assert_array_equal(both[:, :, 0], np.broadcast_to([[1], [0]], [3, 41, 2, 1]))
    value = np.where(kept, x, np.nan)
    drawn = network.joint(condition=labels).sample(40, seed=3, value=value)
    np.testing.assert_array_equal(both[:, 1:], np.swapaxes(drawn, 0, 1))
    kind.write(both[:, :3], tmp_path / "x.png")
    plots.save_grid(both[:, :3].reshape([-1, 2, 2, 1]), tmp_path / "y.png", columns=3)
    pictures = [matplotlib.image.imread(tmp_path / name) for name in ("x.png", "y.png")]
    np.testing.assert_array_equal(*pictures)


def test_samples_without_a_picture_are_not_shown():
    """Training with --tensorboard ended in an error after the first epoch."""
    for channels, head in ((2, Bernoulli()), (1, LogisticMixture(2))):
        kinds.of(MADE([2, 2, channels], (4,), head=head)).show()


# Figures ------------------------------------------------------------------------------------------


def test_found_figures_are_compared_with_those_published():
    published = {"test": {"nats": 80.0}}
    for split, nats in (("test", 80.007), ("test", 79.993), ("train", 99.0)):
        publishing.check_published(published, split, {"nats": nats})
    for nats in (80.009, 79.991):
        with pytest.raises(ValueError, match=rf"the published 80\.0000 nats, got {nats}"):
            publishing.check_published(published, "test", {"nats": nats})
