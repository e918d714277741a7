"""Which parts of examples are odd: maps of images, cells of rows, windows of texts."""

import io

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.cases import inputs, shared

import tfar as library
from tfar import anomaly, cli, zoo
from tfar.heads import Characters, DiscretizedLogisticMixture
from tfar.models import MADE, CharRNN, OrderlessNADE
from tfar.testing import enumerate_events, randomise

NAMES = ["made_given_orders", "pixel_cnn_pp_labels", "gated_pixel_cnn_labels", "nade_categorical"]


@pytest.mark.parametrize("name", NAMES)
def test_maps_add_up_to_log_p(name):
    """Also in several batches, with conditions, channels and other orders."""
    model = shared(name)
    x = inputs(model, 203)
    maps = anomaly.surprise(model, x)
    assert maps.shape == (203, *model.grid_shape)
    total = model.log_prob(x, member=0).numpy()
    np.testing.assert_allclose(maps.reshape([203, -1]).sum(axis=1), -total, rtol=1e-4, atol=1e-4)


def test_a_site_is_as_odd_as_its_conditional_says():
    model = randomise(MADE([3], (8,), order=[2, 0, 1]), seed=1)
    x = enumerate_events(model)
    expected = -model(x).log_prob(x).numpy()
    np.testing.assert_allclose(anomaly.surprise(model, x), expected, rtol=1e-4, atol=1e-6)


def test_maps_of_ratios_add_up_to_the_score():
    one, two = (randomise(MADE([2, 3, 1], (8,)), seed=s) for s in (1, 2))
    x = np.random.RandomState(0).randint(0, 2, [9, 2, 3, 1])
    maps = anomaly.surprise(one, x, background=two)
    expected = anomaly.ratio(two)(one, x)
    np.testing.assert_allclose(maps.sum((1, 2, 3)), -expected, rtol=1e-4, atol=1e-5)
    vectors = MADE([2, 3, 1], (4,), head=DiscretizedLogisticMixture(1, channels=1, levels=2))
    found = anomaly.surprise(one, x, background=vectors)  # its sites are pixels
    assert found.shape == (9, 2, 3, 1)


def test_a_cell_is_as_odd_as_the_others_say():
    """p(x_i | x_-i) of a model of all orders, by the joint distribution given the others."""
    model = randomise(OrderlessNADE([4], (8,)), seed=3)
    x = enumerate_events(model)
    found = anomaly.cells(model, x)
    for site in range(4):
        joint = model.joint(observed=np.arange(4) != site)
        np.testing.assert_allclose(found[:, site], -joint.log_prob(x), rtol=1e-4, atol=1e-5)
    scores = anomaly.pseudolikelihood(model, x)
    np.testing.assert_allclose(scores, -found.sum(axis=1), rtol=1e-5)
    detector = anomaly.Detector(model, "pseudolikelihood", level=0.2).fit(x)
    assert detector.predict(x[scores.argmin()][None]).tolist() == [-1]
    for of in (anomaly.cells, anomaly.pseudolikelihood):
        with pytest.raises(ValueError, match="model of all orders"):
            of(MADE([4], (8,)), x)


def tfar(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def test_the_odd_cell_of_a_row_is_named(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "y": x + 0.1 * rng.normal(size=300), "z": rng.normal(size=300)})
    library.fit_table(frame[:200], epochs=8, verbose=0).save(tmp_path / "m.keras")
    frame[200:].to_csv(tmp_path / "normal.csv", index=False)
    odd = frame[:2].copy()
    odd.loc[0, "z"] = 60.0
    odd.to_csv(tmp_path / "odd.csv", index=False)
    paths = tmp_path / "m.keras", tmp_path / "odd.csv", "--normal", tmp_path / "normal.csv"
    done = tfar("detect", *paths)
    found = pd.read_csv(io.StringIO(done.stdout))
    assert found["oddest_cell"][0] == "z" and found["anomaly"][0] == 1
    assert found["surprise"][0] > found["surprise"][1]
    refused = tfar("detect", *paths, "--map", tmp_path / "map.png")
    assert refused.exit_code == 1 and "takes no --map" in refused.stderr


@pytest.mark.parametrize("ending", ["npy", "png"])
def test_maps_in_the_shell(ending, tmp_path):
    normal, _ = zoo.examples("fvsbn_mnist")
    np.save(tmp_path / "normal.npy", normal)
    np.save(tmp_path / "x.npy", normal[:3, ::-1])
    arguments = "fvsbn_mnist", tmp_path / "x.npy", "--normal", tmp_path / "normal.npy"
    done = tfar("detect", *arguments, "--map", tmp_path / f"map.{ending}")
    assert done.exit_code == 0, done.output
    if ending == "png":
        picture = matplotlib.image.imread(tmp_path / "map.png")
        assert picture.shape[0] < 28 * 4 and len(np.unique(picture)) > 20
        return
    expected = anomaly.surprise(zoo.load("fvsbn_mnist"), normal[:3, ::-1])
    np.testing.assert_allclose(np.load(tmp_path / "map.npy"), expected, rtol=1e-5)


def test_windows_of_a_text(tmp_path):
    model = randomise(CharRNN([5], (6,), head=Characters("abcd")), seed=1)
    model.save(tmp_path / "m.keras")
    usual, other = model.generate(length=300, seed=1), "d" * 12
    (tmp_path / "normal.txt").write_text(usual)
    (tmp_path / "x.txt").write_text(other)
    paths = tmp_path / "m.keras", tmp_path / "x.txt", "--normal", tmp_path / "normal.txt"
    done = tfar("detect", *paths)
    assert done.exit_code == 0, done.output
    found = pd.read_csv(io.StringIO(done.stdout))
    expected = model.log_prob(np.full([2, 5], 3)).numpy()
    np.testing.assert_allclose(found["score"], expected, rtol=1e-4)
    (tmp_path / "x.txt").write_text("abc")
    assert "at least 5 characters" in tfar("detect", *paths).stderr
