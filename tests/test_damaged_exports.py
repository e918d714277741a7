"""Exports and .keras files that are damaged, or not those of a model of tfar."""

import json
import pathlib
import shutil
import zipfile

import keras
import pytest
import tensorflow as tf
from support.cases import shared

import tfar
from tfar import serving, zoo

HINT = r"Export the model again\."


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    model = shared("fvsbn_image")
    folder = tmp_path_factory.mktemp("whole")
    model.save(folder / "model.keras")
    return serving.export(model, folder / "1", max_samples=9, max_rows=9)


@pytest.fixture
def export(whole, tmp_path):
    """A copy, to be damaged."""
    return pathlib.Path(shutil.copytree(whole, tmp_path / "1"))


def test_a_damaged_graph(export):
    file = export / serving.GRAPH
    contents = file.read_bytes()
    for damaged in (b"", b"hello", contents[: len(contents) // 2], contents[:-1]):
        file.write_bytes(damaged)
        for use in (serving.meta_graph, serving.describe):
            with pytest.raises(
                ValueError, match=rf"saved_model\.pb is damaged: it holds no graph\. {HINT}"
            ):
                use(export)
    file.unlink()
    for use in (serving.meta_graph, serving.describe):
        with pytest.raises(
            FileNotFoundError, match=r"is not a SavedModel: it has no saved_model\.pb"
        ):
            use(export)
    with pytest.raises(FileNotFoundError, match="is not an export of tfar: it has no"):
        serving.digest(export / "none")


def test_a_damaged_configuration(export, tmp_path):
    file = export / serving.CONFIG
    config = json.loads(file.read_text())

    def other(**changes):
        return json.dumps({**config, **changes})

    network = {"module": "mine", "class_name": "Mine", "config": {}, "registered_name": "mine>Mine"}
    for damaged, reason in (
        ("", "is damaged: it is not JSON"),
        (file.read_text()[:-9], "is damaged: it is not JSON"),
        ("{}", "is damaged: it has no class_name"),
        ("[1]", r"is damaged: expected an object, got \[1\]"),
        (other(config=5), "is damaged: expected an object as config, got 5"),
        (other(config={}), r"json: .*event_shape'?\. First import the classes"),
        (other(config={**config["config"], "novel": 1}), "json: .*'novel'"),
        (
            other(config={**config["config"], "event_shape": "a"}),
            "No model can be made from .*json: ",
        ),
        (other(config={**config["config"], "head": 5}), "No model can be made from .*json: "),
        (
            json.dumps(network),
            "json: Could not locate class 'Mine'.*First import the classes that are not of tfar",
        ),
    ):
        file.write_text(damaged)
        for use in (serving.restore, zoo.find):
            with pytest.raises(ValueError, match=reason) as refused:
                use(export)
            words = str(refused.value)
            assert str(file) in words and words.endswith(" the model again.")
            assert "\n" not in words and len(words) < 500
    file.write_text(json.dumps(keras.saving.serialize_keras_object(keras.Sequential())))
    with pytest.raises(
        ValueError, match=rf"a model of tfar in {tmp_path}.*, got .*keras\.Sequential"
    ):
        serving.restore(export)
    file.unlink()
    for use in (serving.restore, serving.limits, zoo.find):
        with pytest.raises(
            FileNotFoundError, match=r"is not an export of tfar: it has no assets\.extra"
        ):
            use(export)


def test_damaged_variables(export, tmp_path):
    (data,) = export.glob("variables/variables.data*")
    index = export / "variables" / "variables.index"
    kept = {file: file.read_bytes() for file in (data, index)}
    for file, damaged in (
        (data, b""),
        (data, kept[data][:20]),
        (index, b""),
        (index, b"hello"),
        (index, kept[index][:-9]),
        (data, None),
        (index, None),
    ):
        file.unlink()
        if damaged is not None:
            file.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"is damaged: its variables cannot be read\. {HINT}"):
            serving.restore(export)
        file.write_bytes(kept[file])
    assert serving.restore(export).count_params()


@pytest.mark.parametrize(
    "other, reason",
    [
        (lambda: tfar.models.FVSBN([3, 2]), r"triangular_dense.* has the shape \("),
        (lambda: tfar.models.FVSBN([7]), r"triangular_dense.* has the shape \("),
        (lambda: tfar.models.MADE([6], (9, 9)), r"it has \d+ weights, and the model \d+"),
    ],
)
def test_the_variables_of_another_model(other, reason, export, tmp_path):
    model = other()
    shutil.rmtree(export / "variables")
    there = serving.export(model, tmp_path / "2", max_samples=9, max_rows=9)
    shutil.copytree(there / "variables", export / "variables")
    if model.count_params() == shared("fvsbn_image").count_params():
        assert serving.restore(export)  # of the same shapes, which only a checksum tells apart
        return
    with pytest.raises(ValueError, match=f"is damaged: {reason}"):
        serving.restore(export)


def test_damaged_keras_files(whole, tmp_path):
    good = (whole.parent / "model.keras").read_bytes()
    file = tmp_path / "model.keras"
    crossed = good[:1000] + b"damaged" + good[1007:]
    for damaged, reason in (
        (b"", "is damaged: it is not a .keras file, which is a zip archive"),
        (b"hello", "is damaged: it is not a .keras file, which is a zip archive"),
        (good[:-30], "is damaged: it is not a .keras file, which is a zip archive"),
        (crossed, "No model can be made from .*: Bad CRC-32 for file 'model.weights.h5'"),
    ):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=reason) as refused:
            zoo.find(file)
        words = str(refused.value)
        assert str(file) in words and "\n" not in words and words.endswith(" the model again.")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ValueError, match="No model can be made from"):
        zoo.find(file)
    keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(2)]).save(file)
    with pytest.raises(
        ValueError, match=rf"a model of tfar in {tmp_path}.*, got .*keras\.Sequential"
    ):
        zoo.find(file)
    file.write_bytes(good)
    assert zoo.find(file)[0].count_params() == shared("fvsbn_image").count_params()


# What is to be exported, and where ---------------------------------------------------------------


@pytest.mark.parametrize(
    "model, message",
    [
        ("made_mnist", r"got 'made_mnist': tfar\.zoo\.load\('made_mnist'\) gives it"),
        ("a.keras", r"got 'a\.keras': tfar\.zoo\.find\('a\.keras'\)\[0\] gives it"),
        (None, "got one of the class builtins.NoneType"),
        (keras.Sequential(), "got one of the class keras.Sequential"),
        (tfar.models.FVSBN, "got one of the class builtins.type"),
    ],
)
def test_only_models_of_tfar_are_exported(model, message, tmp_path):
    with pytest.raises(ValueError, match=f"Expected a model of tfar, {message}"):
        tfar.export(model, tmp_path / "1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", [None, 3, b"a", "", ["a"]])
def test_folders_are_paths(folder):
    uses = serving.restore, serving.describe, serving.digest, serving.limits, serving.meta_graph
    for use in (*uses, lambda folder: serving.export(shared("fvsbn_image"), folder)):
        with pytest.raises(ValueError, match="Expected folder to be a path, got"):
            use(folder)


def test_folders_that_cannot_be_written(tmp_path, monkeypatch):
    model = shared("fvsbn_image")
    (tmp_path / "file").write_text("kept")
    for folder in ("file/1", "file/a/1"):
        message = f"{tmp_path / folder} could not be written: a folder above it is a file"
        with pytest.raises(NotADirectoryError, match=message):
            serving.export(model, tmp_path / folder)
    with pytest.raises(FileExistsError, match="file exists: export to another version"):
        serving.export(model, tmp_path / "file")

    def full(*arguments, **options):
        (pathlib.Path(arguments[1]) / "variables").mkdir(parents=True)
        raise tf.errors.ResourceExhaustedError(
            None, None, "{{node}} a/b; No space left [Op:SaveV2]"
        )

    monkeypatch.setattr(tf.saved_model, "save", full)
    message = f"{tmp_path / '1'} could not be written: No space left$"
    with pytest.raises(OSError, match=message):
        serving.export(model, tmp_path / "1")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"
