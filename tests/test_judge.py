"""`tfar purify` and `tfar detect`."""

import io

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tfar as library
from tfar import anomaly, cli, zoo
from tfar.models import MADE, GatedPixelCNN


def tfar(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.fixture
def images(tmp_path):
    """Paths of normal and of blank images of MNIST."""
    normal, _ = zoo.examples("fvsbn_mnist")
    np.save(tmp_path / "normal.npy", normal)
    np.save(tmp_path / "blank.npy", np.zeros([6, 28, 28, 1], np.uint8))
    return tmp_path / "normal.npy", tmp_path / "blank.npy"


def test_detect_ranks_among_normal_examples(images, tmp_path):
    normal, blank = images
    model, out = zoo.load("fvsbn_mnist"), tmp_path / "scores.csv"
    arguments = ("detect", "fvsbn_mnist", blank, "--normal", normal)
    for score in ("likelihood", "complexity"):
        done = tfar(*arguments, "--score", score, "--out", out)
        assert done.exit_code == 0, done.output
        detector = anomaly.Detector(model, score=score).fit(np.load(normal))
        found = pd.read_csv(out)
        assert list(found) == ["example", "score", "p_value", "anomaly"]
        np.testing.assert_allclose(found["p_value"], detector.p_values(np.load(blank)), rtol=1e-4)
        assert set(found["anomaly"]) == {int(score == "complexity")}  # blank ones are likely
        number = 6 * (score == "complexity")
        assert f"{number} of 6 examples are odd at the level 0.05, among 32" in done.stderr
    printed = tfar(*arguments, "--score", "complexity").stdout
    assert printed == out.read_text()
    ratio = ("--score", "ratio", "--background", "made_mnist")
    assert tfar(*arguments, *ratio).stdout.count("\n") == 7


def test_detect_in_a_table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"side": rng.choice(["left", "right"], 80), "x": rng.normal(size=80)})
    library.fit_table(frame, epochs=1, verbose=0).save(tmp_path / "m.keras")
    frame.to_csv(tmp_path / "normal.csv", index=False)
    frame[:3].assign(x=99.0).to_csv(tmp_path / "odd.csv", index=False)
    paths = tmp_path / "m.keras", tmp_path / "odd.csv", "--normal", tmp_path / "normal.csv"
    found = pd.read_csv(io.StringIO(tfar("detect", *paths).stdout))
    assert found["anomaly"].tolist() == [1, 1, 1]


def test_purify_writes_what_the_library_gives(tmp_path):
    model = MADE([2, 3, 1], (4,))
    model.save(tmp_path / "m.keras")
    x = np.random.RandomState(0).randint(0, 2, [150, 2, 3, 1]).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "near.npy"
    done = tfar("purify", tmp_path / "m.keras", tmp_path / "x.npy", "--eps", 1, "--out", out)
    assert done.exit_code == 0, done.output
    found = np.load(out)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, model.joint().purify(x, 1))
    assert f"150 examples, {np.mean(found != x):.1%} of the values moved" in done.output
    options = ("--eps", 0, "-n", 7, "--threshold", -3, "--out", out)
    assert tfar("purify", tmp_path / "m.keras", tmp_path / "x.npy", *options).exit_code == 0
    np.testing.assert_array_equal(np.load(out), x[:7])


def test_mistakes(images, tmp_path):
    normal, blank = images
    GatedPixelCNN([2, 2, 1], 4, 1, num_classes=2).save(tmp_path / "c.keras")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.npy").write_bytes(b"no array")
    cases = [
        (("detect", "fvsbn_mnist", normal, "--normal", normal), "ranked among themselves"),
        (("detect", "fvsbn_mnist", blank, "--score", "ratio"), "need each other"),
        (("detect", "fvsbn_mnist", blank, "--background", "made_mnist"), "need each other"),
        (("detect", tmp_path / "c.keras", blank), "give --normal"),
        (("detect", "fvsbn_mnist", tmp_path / "none.npy"), "could not be read"),
        (("detect", "fvsbn_mnist", tmp_path / "broken.npy"), "broken.npy"),
        (("detect", "fvsbn_mnist", "no_such_data"), "no_such_data"),
        (("detect", "fvsbn_mnist", tmp_path / "folder"), "There are no images in the folder"),
        (("detect", "fvsbn_mnist", blank, "--normal", normal, "--level", 0.01), "cannot resolve"),
        (("purify", tmp_path / "c.keras", blank, "--eps", 1), "is conditional"),
        (("purify", "fvsbn_mnist", blank), "--eps"),
        (("purify", "fvsbn_mnist", blank, "--eps", -1), "-1"),
    ]
    for arguments, message in cases:
        out = () if "detect" in arguments else ("--out", tmp_path / "out.npy")
        done = tfar(*arguments, *out)
        assert done.exit_code, arguments
        assert message in done.output, done.output
        assert "Traceback" not in done.output
    assert not (tmp_path / "out.npy").exists()
