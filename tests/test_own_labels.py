"""Labels with names: those of the sub-folders of people's images."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import tfar
from tfar import cli, conditions, kinds, pictures, serving, testing
from tfar.models import MADE, GatedPixelCNN, OrderlessNADE


def write(folder, count, seed):
    """Black-and-white images; each folder has another share of white."""
    folder.mkdir(parents=True)
    x = np.random.default_rng(seed).random([count, 4, 4]) < (seed + 1) / 4
    for number, image in enumerate(x.astype(np.uint8) * 255):
        Image.fromarray(image).save(folder / f"{number:02}.png")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with images of cats and dogs, and a model of them."""
    folder = tmp_path_factory.mktemp("labels")
    write(folder / "photos" / "dog", 20, seed=0)
    write(folder / "photos" / "cat", 20, seed=2)
    done = run(
        *("train-images", folder / "photos", "--labels", "from-folders", "--family", "made"),
        *("--epochs", 1, "--run", folder / "run", "--out", folder / "m.keras"),
    )
    assert done.exit_code == 0, done.output
    assert "label 0: cat\nlabel 1: dog\n" in done.stderr
    serving.export(keras.saving.load_model(folder / "m.keras"), folder / "served")
    return folder


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.mark.parametrize("name", ["m.keras", "served"])
def test_names_are_kept_and_taken_for_their_numbers(name, fitted, tmp_path):
    model = fitted / name
    assert "labels from 0 to 1 (cat, dog)" in run("info", model).stdout
    drawn = {}
    for label in ("cat", "dog", "0", "1"):
        out = tmp_path / f"{label}.npy"
        done = run("sample", model, "-n", 20, "--label", label, "--out", out)
        assert done.exit_code == 0, done.output
        drawn[label] = np.load(out)
    np.testing.assert_array_equal(drawn["cat"], drawn["0"])
    np.testing.assert_array_equal(drawn["dog"], drawn["1"])
    assert (drawn["cat"] != drawn["dog"]).any()
    for label, got in (("bird", "'bird'"), ("2", "2"), ("Cat", "'Cat'"), ("-1", "'-1'")):
        refused = run("sample", model, "--label", label, "--out", tmp_path / "x.npy")
        assert refused.exit_code == 1 and not (tmp_path / "x.npy").exists()
        message = f"Error: Expected labels from 0 to 1 (cat, dog) as condition, got {got}"
        assert refused.stderr.splitlines()[-1].startswith(message)


def test_folders_are_numbered_as_the_model_has_them(fitted, tmp_path):
    """One of them is enough, and has its own number."""
    kind = kinds.of(keras.saving.load_model(fitted / "m.keras"))
    write(tmp_path / "some" / "dog", 3, seed=0)
    assert kind.at(tmp_path / "some")["condition"].tolist() == [1, 1, 1]
    x = np.zeros([2, 4, 4], np.uint8)
    np.savez(tmp_path / "x.npz", x=x, labels=["dog", "cat"])
    assert kind.at(tmp_path / "x.npz")["condition"].tolist() == [1, 0]
    np.savez(tmp_path / "x.npz", x=x, labels=[0, 1])
    assert kind.at(tmp_path / "x.npz")["condition"].tolist() == [0, 1]
    np.savez(tmp_path / "x.npz", x=x, labels=["dog", "newt"])
    write(tmp_path / "some" / "bird", 3, seed=1)
    for source, label in (("some", "bird"), ("x.npz", "newt")):
        message = f"has the label '{label}', and the model knows cat, dog"
        with pytest.raises(ValueError, match=message):
            kind.at(tmp_path / source)


def test_names_say_more_than_the_numbers():
    x = np.random.default_rng(0).integers(0, 2, [40, 4, 4])
    for labels, names in (
        (["b", "a"] * 20, ("a", "b")),
        ([1000, 7] * 20, ("7", "1000")),
        ([0, 1] * 20, None),
        (["1", "0"] * 20, None),
    ):
        model = tfar.fit_images(x, labels=labels, family="made", epochs=1, verbose=0)
        assert model.condition.names == names and model.num_classes == 2
        assert ("num_classes" in model.get_config()) == (names is None)
    found = pictures.Pictures(x=x[..., None].astype(np.uint8))
    with pytest.raises(ValueError, match="The images have no labels: read them with labels=True"):
        tfar.fit_images(found, labels="from-folders", epochs=1)


def test_models_take_names():
    labels = conditions.Labels(2, names=["cat", "dog"])
    model = testing.randomise(MADE([3], (4,), condition=labels), seed=1)
    one, other = (model.joint(condition=value) for value in (["dog", "cat"], [1, 0]))
    x = np.array([0, 1, 1])
    np.testing.assert_array_equal(one.log_prob(x), other.log_prob(x))
    again = MADE.from_config(model.get_config())
    assert again.condition.names == ("cat", "dog") and again.num_classes == 2
    old = GatedPixelCNN([2, 2, 1], 4, 1, num_classes=3)
    assert old.condition.names is None and old.get_config()["num_classes"] == 3
    assert "names" not in old.condition.get_config()
    any_order = OrderlessNADE([3], (4,), condition=labels)
    assert any_order.of_order("reversed").condition.names == ("cat", "dog")
    with pytest.raises(ValueError, match=r"\(cat, dog\) as condition, got 'bird'"):
        model.joint(condition=["cat", "bird"])
    for names in (["cat"], ["cat", "cat"], "ab", [0, 1]):
        with pytest.raises(ValueError, match="names to be 2 different words"):
            conditions.Labels(2, names=names)
