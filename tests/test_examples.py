"""The examples, on made-up data."""

import json
import pathlib
import re
import runpy
import shutil
import types

import keras
import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from tfar import anomaly, zoo
from tfar import text as model_text
from tfar.anomaly import scores
from tfar.heads import Characters
from tfar.models import CharRNN
from tfar.testing import randomise

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLES / "autoencoder_or_made.py"))


@pytest.fixture(scope="module")
def trained(example):
    """``(models, x)``: 8 pixels, all copies of the first."""
    keras.utils.set_random_seed(0)
    x = np.tile(np.random.default_rng(0).integers(0, 2, [64, 1]), [1, 8]).astype(np.float32)
    # One long epoch: what Keras does between two takes longer than their steps.
    return example["train"](np.tile(x, [200, 1]), (7, 9), epochs=1, batch_size=16), x


def test_what_sums_to_one(example, trained):
    models, x = trained
    assert example["sum_over_all_images"](models["MADE"], 8) == pytest.approx(1, abs=1e-5)
    assert example["sum_over_all_images"](models["autoencoder"], 8) > 1.5
    least = example["entropy"](x)
    assert least == pytest.approx(np.log(2), abs=0.05)
    loss = {name: example["nats"](model, x).mean() for name, model in models.items()}
    assert loss["autoencoder"] < least <= loss["MADE"]


def test_nats_are_those_of_the_model(example, trained):
    models, x = trained
    found = example["nats"](models["MADE"], x)
    np.testing.assert_allclose(found, -models["MADE"].log_prob(x).numpy(), rtol=1e-5)
    inputs = models["autoencoder"](x).numpy().astype(np.float64)
    probs = 1 / (1 + np.exp(-inputs))
    expected = -np.log(np.where(x == 1, probs, 1 - probs)).sum(axis=1)
    np.testing.assert_allclose(example["nats"](models["autoencoder"], x), expected, rtol=1e-4)


def test_who_sees_what(example, trained):
    models, x = trained
    made = example["jacobian"](models["MADE"], x[:4])
    assert made.shape == (8, 8) and not np.triu(made).any() and np.tril(made, -1).any()
    assert np.triu(example["jacobian"](models["autoencoder"], x[:4])).any()


def test_table_and_picture(example, tmp_path):
    rng = np.random.default_rng(0)
    x = (rng.random([40, 784]) < 0.3).astype(np.float32)
    toy = x[:, :8]
    models, toys = example["train"](x, (5, 6), 1), example["train"](toy, (5, 6), 1)
    jacobians = {name: example["jacobian"](model, x[:2]) for name, model in models.items()}
    rows = example["figures"](models, toys, toy, x, jacobians)
    assert [len(row) for row in rows.values()] == [2, 2, 2, 2]
    assert rows["8 pixels: sum over all 256 images of exp(-loss)"][1] == "1.0000"
    decoded = example["decode_noise"](models["autoencoder"], x, 3, rng)
    iterated = example["iterate_from_noise"](models["autoencoder"], x, 3, rng, times=2)
    assert decoded.shape == iterated.shape == (3, 784) and set(np.unique(iterated)) == {0, 1}
    example["draw"]({"one": decoded, "two": iterated}, jacobians, tmp_path / "a.png")
    assert matplotlib.image.imread(tmp_path / "a.png").std() > 0.05


# Anomalies --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anomalies():
    return runpy.run_path(str(EXAMPLES / "anomalies.py"))


USING = ["anomalies", "pixeldefend", "adaptive_text", "compression", "odd_rows"]
PAGES = {**dict.fromkeys(USING, "using"), "own_tables": "tables", "table_peers": "tables"}


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_are_those_that_were_measured(name, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)  # where an example is in two files
    held = json.loads((EXAMPLES / f"{name}.json").read_text())
    page = (EXAMPLES.parent / "docs" / f"{PAGES[name]}.md").read_text()
    filled = runpy.run_path(str(EXAMPLES / f"{name}.py"))["filled"]
    assert filled(page, held) == page
    other = json.loads(re.sub(r"0\.(\d\d)", r"0.1\1", json.dumps(held)))
    assert filled(page, other) != page


def test_files_are_smaller_than_those_of_others():
    example = runpy.run_path(str(EXAMPLES / "compression.py"))
    x, log_prob = zoo.examples("made_mnist")
    own = example["ours"](zoo.load("made_mnist"), x, "made_mnist")
    assert own["ideal_bytes"] == pytest.approx(-log_prob.sum() / np.log(2) / 8, rel=1e-4)
    others = example["others_of_images"](x)
    assert own["bytes"] / len(x) < min(others.values())
    assert others["PNG, a file each"] > others["PNG, one sheet"] > others["xz -9e, one stream"] / 2
    text = example["others_of_text"]("to be, or not to be", "to be, or not to be? " * 9)
    assert text["xz -9e"] > text["xz -9e, given the training text"]


@pytest.mark.thorough
def test_odd_rows_are_told_from_others(tmp_path):
    """Rows that break the tie between two columns, which no column shows by itself."""
    example = runpy.run_path(str(EXAMPLES / "odd_rows.py"))
    example["ours"].__globals__["STEPS"] = 300
    rng = np.random.default_rng(0)
    x = rng.normal(size=[700, 1]) * [1.0, 1.0] + 0.1 * rng.normal(size=[700, 2])
    y = (np.arange(700) >= 600).astype(int)
    x[y == 1, 1] *= -1
    np.savez(tmp_path / "1_made_up.npz", X=x, y=y)
    train, test, odd = example["split"](x, y, 0)
    assert len(train) == 300 and len(test) == 400 and odd.sum() == 100
    assert not (train[:, None] == test).all(axis=2).any()
    row = example["measure"](tmp_path / "1_made_up.npz", 0)
    for name in ("pseudolikelihood", "likelihood", "kernels", "kNN", "LOF"):
        assert row[name] > 0.9, row
    lines = list(example["table"]([row, row]))
    assert len(lines) == 9 and f"| kNN | {100 * row['kNN']:.2f} |  |" in lines


def test_small_tables_beside_scikit_learn(monkeypatch):
    """Two columns that a mixture of two Gaussians made: no worse than the one chosen there."""
    example = runpy.run_path(str(EXAMPLES / "own_tables.py"))
    rng = np.random.default_rng(0)
    right = rng.random(200) < 0.5
    x = np.where(right, 3.0, -3.0)[:, None] * [1, 1] + rng.normal(size=[200, 2])
    scope = example["measure"].__globals__
    monkeypatch.setitem(scope, "DRAWS", 8)
    monkeypatch.setitem(scope["SETS"], "made_up", lambda: types.SimpleNamespace(data=x))
    row = example["measure"]("made_up", 0)
    assert abs(row["mixture_gap"]) < 0.3 and row["rmse"] < 1 and 0.4 < row["coverage"] < 1
    assert "| made_up, 140 x 2 |" in list(example["table"]([row]))[2]


def test_peers_of_tables_are_compared_row_by_row(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    example = runpy.run_path(str(EXAMPLES / "table_peers.py"))
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"x": rng.normal(size=200), "c": rng.choice(["a", "b"], size=200)})
    other = pd.DataFrame({"c": rng.choice(["a", "b"], size=200), "x": rng.normal(size=200)})
    assert abs(example["told_apart"](x, other) - 0.5) < 0.1
    assert example["told_apart"](x, other.assign(x=other.x + 3)) > 0.9
    assert example["paired"](np.array([1.0, 3.0]), np.array([0.0, 0.0])) == (2.0, 1.0)
    own = runpy.run_path(str(EXAMPLES / "own_tables.py"))
    assert example["SETS"].keys() == own["SETS"].keys()


def test_peers_with_bins_have_densities():
    """A density that is uniform in each bin, and the last one's beyond the ends."""
    peers = runpy.run_path(str(EXAMPLES / "table_peers_torch.py"))
    x = np.array([-5.0, 0.0, 0.9, 1.0, 2.9, 3.0, 9.0])
    widths = peers["log_widths"]([0.0, 1.0, 3.0], x)
    np.testing.assert_allclose(widths, np.log([1, 1, 1, 2, 2, 2, 2]))
    train, test, truth = peers["made_up"](0)
    assert len(train) == 5000 and list(train) == list(test) and len(test) == len(truth) == 3000
    again = peers["fresh"](0)
    assert list(again) == list(test) and not np.isin(again.x0, test.x0).any()


def test_adaptive_text_is_measured_in_bits(monkeypatch):
    example = runpy.run_path(str(EXAMPLES / "adaptive_text.py"))
    model = randomise(CharRNN([8], (5,), head=Characters("abc")))
    monkeypatch.setattr(zoo, "load", lambda name: model)
    told = "abcab" * 120
    rows = example["measure"]("toy", told, "cab" * 9)
    alone = -model_text.log_prob(model, told).sum() / np.log(2) / len(told)
    assert rows[0]["bits"] == pytest.approx(alone, rel=1e-4)
    assert rows[0]["bits"] > rows[1]["bits"] > 0 and rows[2]["standard_error"] > 0


def test_anomalies_are_told_from_normal_images(anomalies):
    model = zoo.load("fvsbn_mnist")
    x, _ = zoo.examples("fvsbn_mnist")
    odd = {"blank": 0 * x[:5], "inverted": 1 - x}
    background = zoo.load("made_mnist")
    blank, inverted = anomalies["measure"](model, background, x[::2], x[1::2], odd)
    ratios = scores.ratio(background)(model, np.concatenate([x[::2], 1 - x]))
    expected = anomaly.report(ratios[:16], ratios[16:], seed=0)["auroc"]["value"]
    assert inverted["ratio"]["auroc"]["value"] == expected
    assert blank["images"] == 5 and blank["likelihood"]["auroc"]["value"] == 0.0
    assert blank["complexity"]["auroc"]["value"] == inverted["likelihood"]["auroc"]["value"] == 1.0


# PixelDefend ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pixeldefend():
    return runpy.run_path(str(EXAMPLES / "pixeldefend.py"))


@pytest.fixture(scope="module")
def classified(pixeldefend):
    """``(classifier, x, y)``: grey bars, of which the column is the class, in noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 2000)
    bars = 2 * y[:, None] <= np.arange(28)
    bars &= np.arange(28) < 2 * y[:, None] + 5
    x = rng.integers(0, 30, [2000, 28, 28, 1]) + 40 * bars[:, None, :, None]
    return pixeldefend["train"]({"x": x, "condition": y}, 5), x[:60].astype(float), y[:60]


@pytest.mark.parametrize("eps", [0, 8, 25])
@pytest.mark.parametrize("attack", ["rand", "fgsm", "bim", "pgd"])
def test_attacks_stay_within_eps(attack, eps, pixeldefend, classified):
    model, x, y = classified
    near = pixeldefend[attack](model, x, y, eps, np.random.default_rng(0))
    assert np.abs(near - x).max() == eps
    assert np.array_equal(near, np.round(near)) and near.min() >= 0 and near.max() <= 255


def test_attacks_fool_a_classifier_and_know_of_a_defence(pixeldefend, classified):
    model, x, y = classified
    rng = np.random.default_rng(0)

    def right(x):
        return np.mean(pixeldefend["predicted"](model, x) == y)

    def defend(x):  # it has no gradient
        return 32.0 * np.round(x / 32)

    clean = right(x)
    assert clean > 0.9
    for attack in ("fgsm", "bim", "pgd"):
        assert right(pixeldefend[attack](model, x, y, 25, rng)) < clean - 0.3
    near = pixeldefend["bpda"](model, x, y, 25, rng, defend=defend)
    assert np.abs(near - x).max() <= 25
    assert right(defend(near)) < right(defend(x)) - 0.3


def test_the_table_and_the_picture_of_pixeldefend(pixeldefend, tmp_path):
    figure = pixeldefend["accuracy"](np.arange(100) < 80)
    assert figure == {"value": 0.8, "standard_error": pytest.approx(0.04)}
    row = {"classifier": "plain", "attack": "BPDA", "eps": 8, "purified": figure}
    row["auroc"] = {"value": 0.91}
    last = list(pixeldefend["table"]([row]))[-1]
    assert last == "| plain | BPDA | 8 |  | 80.0 ± 4.0 |  | 0.910 |"
    pixeldefend["draw"](
        tmp_path / "p.png", {"clean ": np.linspace(0, 1, 50), "FGSM 8": np.zeros(9)}
    )
    assert matplotlib.image.imread(tmp_path / "p.png").shape[2] == 4


def test_every_set_of_a_folder_is_fitted(tmp_path, monkeypatch, capsys):
    """Four columns, all copies of the first: log 2."""
    module = runpy.run_path(str(EXAMPLES / "binary_sets.py"))
    copies = np.tile(np.random.default_rng(0).integers(0, 2, [240, 1]), [1, 4])
    parts = np.split(copies, [200, 220])
    names = "train", "valid", "test"
    np.savez(tmp_path / "nips.npz", **{f"{name}_data": x for name, x in zip(names, parts)})
    np.savez(tmp_path / "other.npz", x=copies)
    (tmp_path / "deep").mkdir()
    for name, x in zip(names, parts):
        np.savetxt(tmp_path / "deep" / f"mine.{name}.data", x, fmt="%d", delimiter=",")
    read = dict(module["sets"](tmp_path))
    assert list(read) == ["nips", "mine"]
    for splits in read.values():
        for found, expected in zip(splits(), parts):
            np.testing.assert_array_equal(found, expected)
    shutil.rmtree(tmp_path / "deep")
    monkeypatch.delitem(module["MODELS"], "orderless NADE")  # which takes seconds
    monkeypatch.setattr("sys.argv", ["binary_sets.py", str(tmp_path), "--epochs", "30"])
    module["main"]()
    (line,) = capsys.readouterr().out.splitlines()[2:]
    name, sizes, test, *_ = line.split(" | ")
    assert (
        name == "| nips"
        and "| MADE |" in line
        and sizes == "200 / 20 / 20 x 4"
        and "272.39 nats" in line
    )
    assert np.log(2) - 0.1 < float(test.split(" ± ")[0]) < 1.5  # of no dependence: 4 log 2
    np.savez(tmp_path / "nips.npz", **{f"{name}_data": x + 1 for name, x in zip(names, parts)})
    with pytest.raises(ValueError, match=r"Expected zeros and ones in .*nips\.npz"):
        dict(module["sets"](tmp_path))["nips"]()
    monkeypatch.setattr("sys.argv", ["binary_sets.py", str(tmp_path / "deep")])
    with pytest.raises(SystemExit):
        module["main"]()
