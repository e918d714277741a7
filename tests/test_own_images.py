"""People's own images: read, checked, fitted in one call, and used."""

import functools
import json
import time
import types

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.toys import toy

import tfar
from tfar import cli, kinds, pictures, training
from tfar.heads import Bernoulli, Categorical, DiscretizedLogisticMixture
from tfar.models import MADE, GatedPixelCNN
from tfar.training import budget, checkpoints, recipes


def stripes(count=120, seed=0, side=6):
    """Black-and-white images [N, 6, 6] of one row, of the same value everywhere, for each row."""
    rows = np.random.default_rng(seed).integers(0, 2, [count, side, 1])
    return np.broadcast_to(rows * 255, [count, side, side]).astype(np.uint8)


def write(folder, images, ending=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03}{ending}")


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


# Reading ------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    write(tmp_path / "b", stripes(3))
    write(tmp_path / "a", stripes(2, seed=1))
    (tmp_path / "a" / "notes.txt").write_text("to be")
    (tmp_path / ".hidden.png").write_bytes(b"none")
    found = pictures.read(tmp_path, labels=True)
    expected = np.concatenate([stripes(2, seed=1), stripes(3)])[..., None]
    np.testing.assert_array_equal(found.x, expected)
    assert found.x.dtype == np.uint8 and found.names[:3] == ("a/000.png", "a/001.png", "b/000.png")
    assert found.labels.tolist() == [0, 0, 1, 1, 1] and found.classes == ("a", "b")
    assert found.left_out == 1


def test_images_of_every_mode_become_grey_or_rgb(tmp_path):
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, [4, 5, 3]).astype(np.uint8))
    for mode in ("RGB", "RGBA", "P", "CMYK", "YCbCr"):
        path = tmp_path / f"{mode}.{'tif' if mode in ('CMYK', 'YCbCr') else 'png'}"
        colours.convert(mode).save(path)
        assert pictures.read(path).x.shape == (1, 4, 5, 3), mode
    np.testing.assert_array_equal(pictures.read(tmp_path / "RGBA.png").x[0], colours)
    grey = Image.fromarray(rng.integers(0, 256, [4, 5]).astype(np.uint8))
    for mode in ("L", "LA", "RGB", "RGBA"):
        grey.convert(mode).save(tmp_path / "grey.png")
        np.testing.assert_array_equal(pictures.read(tmp_path / "grey.png").x[0, ..., 0], grey)
    Image.fromarray(stripes(1)[0]).convert("1").save(tmp_path / "one.png")
    np.testing.assert_array_equal(pictures.read(tmp_path / "one.png").x[..., 0], stripes(1))
    turned = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    turned.save(tmp_path / "turned.png", exif=exif)
    assert pictures.read(tmp_path / "turned.png").x.shape == (1, 3, 2, 1)


def test_one_colour_image_makes_all_of_them_rgb(tmp_path):
    write(tmp_path, stripes(2))
    Image.fromarray(np.full([6, 6, 3], (1, 2, 3), np.uint8)).save(tmp_path / "z.png")
    x = pictures.read(tmp_path).x
    assert x.shape == (3, 6, 6, 3) and x[2, 0, 0].tolist() == [1, 2, 3]


def test_images_of_the_same_proportions_are_resized(tmp_path):
    Image.fromarray(np.full([6, 6], 9, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full([13, 12], 7, np.uint8)).save(tmp_path / "b.png")  # but for a pixel
    x = pictures.read(tmp_path, size=3).x
    assert x.shape == (2, 3, 3, 1) and x[:, 0, 0, 0].tolist() == [9, 7]
    Image.fromarray(np.full([4, 8], 7, np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png has 8x4 pixels, and is to have 3x3 pixels, of"):
        pictures.read(tmp_path, size=3)
    wide = pictures.read(np.zeros([5, 4, 8]), size=(2, 4)).x
    assert wide.shape == (5, 2, 4, 1)


def test_arrays_in_files(tmp_path):
    x, labels = stripes(4), np.array([2, 0, 1, 2])
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", images=x, y=labels)
    np.savez(tmp_path / "named.npz", anything=x[..., None].repeat(3, -1).astype(float))
    for name in ("x.npy", "x.npz", "named.npz"):
        np.testing.assert_array_equal(pictures.read(tmp_path / name).x[..., 0], x)
    assert pictures.read(tmp_path / "x.npz", labels=True).labels.tolist() == [2, 0, 1, 2]


def test_levels():
    x = np.arange(256).reshape([1, 16, 16, 1])
    np.testing.assert_array_equal(pictures.to_levels(x, 16), x // 16)
    np.testing.assert_array_equal(pictures.to_levels(x, 256), x)
    for values, levels in (((0, 1), 2), ((0, 255), 2), ((3, 200), 2), ((0, 100), 256), ((1,), 2)):
        assert pictures.natural_levels(np.resize(values, [1, 3, 3, 1])) == levels
    assert pictures.natural_levels(np.resize((0, 255), [1, 3, 3, 3])) == 256


# Bad input: a sentence that names the file, and nothing is written --------------------------------


def animated(path):
    frames = [Image.fromarray(frame) for frame in stripes(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def translucent(path, mode="RGBA"):
    Image.new(mode, (6, 6), (9,) * (len(mode) - 1) + (254,)).save(path)


def cut(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, [6, 6, 3]).astype(np.uint8)).save(
        path
    )
    path.write_bytes(path.read_bytes()[:-40])


def sixteen(path):
    Image.fromarray(np.full([6, 6], 700, np.uint16)).save(path)


def sixteen_of_colour(path):
    """A PNG of RGB in 16 bits, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = b"".join(b"\0" + bytes(6 * 6) for _ in range(6))
    head = struct.pack(">IIBBBBB", 6, 6, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


BAD = {
    "z.gif": (animated, "z.gif is animated, of 3 frames: save each as a file of its own"),
    "z.png": (translucent, "z.png is partly transparent: put it on a background"),
    "zz.png": (lambda path: translucent(path, "LA"), "zz.png is partly transparent"),
    "z.jpg": (lambda path: path.write_text("to be"), "z.jpg is damaged, or not an image"),
    "z.bmp": (lambda path: path.write_bytes(b""), "z.bmp is damaged, or not an image"),
    "cut.png": (cut, "cut.png is damaged, or not an image"),
    "z.tif": (sixteen, "z.tif has 16 bits or more a channel: save it in 8 bits"),
    "z16.png": (sixteen, "z16.png has 16 bits or more a channel"),
    "rgb16.png": (sixteen_of_colour, "rgb16.png has 16 bits or more a channel"),
    "size.png": (
        lambda path: Image.new("L", (5, 6)).save(path),
        "000.png has 6x6 pixels, and {path} has 5x6 pixels. Give a size",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_named_before_training(name, tmp_path, monkeypatch):
    write(tmp_path / "photos", stripes(12))
    make, message = BAD[name]
    path = tmp_path / "photos" / name
    make(path)
    message = message.format(path=path)
    with pytest.raises(ValueError) as error:
        tfar.fit_images(tmp_path / "photos", folder=tmp_path / "run")
    assert message in str(error.value) and "\n" not in str(error.value)
    monkeypatch.chdir(tmp_path)
    shown = run("train-images", "photos", "--out", "mine.keras", "--run", "run")
    assert shown.exit_code == 1 and message.replace(f"{tmp_path}/", "") in shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (stripes(9), {}, "at least 10 images, got 9"),
        (stripes(12) * 0, {}, "all 12 are the same"),
        (np.zeros([20, 3]), {}, r"shape \[20, 3\]: expected images"),
        (np.zeros([20, 3, 6, 6]), {}, r"shape \[20, 3, 6, 6\]: expected images"),
        (np.full([20, 3, 3], 0.5), {}, "values from 0.5 to 0.5.* Multiply it by 255"),
        (np.full([20, 3, 3], 1000), {}, "Divide it by 256"),
        (np.full([20, 3, 3], -1), {}, "values from -1 to -1"),
        (np.full([20, 3, 3], np.nan), {}, "values from nan"),
        (np.full([20, 3, 3, 4], 7), {}, "alpha channel that is not 255"),
        (np.full([20, 3, 3], "a"), {}, "expected numbers from 0 to 255"),
        ([np.zeros([3, 3]), np.zeros([4, 4])], {}, "images of one size"),
        (np.zeros([20, 200, 200]), {}, "images of 200x200 pixels: give a size"),
        (stripes(), {"family": "made_mnist"}, "family to be one of 'pixelcnn'"),
        (stripes(), {"budget": "soon"}, "budget to be a time such as '45s'"),
        (stripes(), {"budget": 0}, "budget to be a finite number above 0"),
        (stripes(), {"budget": "1m", "epochs": 3}, "a budget or a number of epochs, got both"),
        (stripes(), {"binary": True, "levels": 4}, "got both"),
        (stripes(), {"levels": 257}, "levels to be an integer"),
        (stripes(), {"labels": [0, 1]}, "labels to be 120 integers or words"),
        (stripes(), {"labels": [0.5] * 120}, "labels to be 120 integers or words"),
        (stripes(), {"labels": [3] * 120}, "at least two values, got only 3"),
        (stripes(), {"labels": "from-folders"}, "has no labels"),
        (stripes(), {"labels": "folders"}, "labels to be one of 'from-folders'"),
        (stripes(), {"size": (3, 4, 5)}, "size to be a sequence of 2 integers"),
        (stripes(), {"validation": 1.0}, "validation to be"),
        (stripes(), {"precision": "int8"}, "precision to be one of"),
        (np.arange(240 * 3).reshape(20, 3, 4, 3) % 251, {"family": "made"}, "at most 16 levels"),
    ],
)
def test_bad_arrays_and_arguments(x, options, message, tmp_path):
    options = {"epochs": 1, **options} if "budget" not in options else options
    with pytest.raises(ValueError, match=message):
        tfar.fit_images(x, folder=tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())


def test_labels_need_folders(tmp_path):
    write(tmp_path / "a", stripes(3))
    with pytest.raises(ValueError, match=r"Expected several sub-folders in .*, got only 'a'"):
        pictures.read(tmp_path, labels=True)
    write(tmp_path, stripes(1))
    with pytest.raises(ValueError, match=r"000\.png has no label"):
        pictures.read(tmp_path, labels=True)
    np.savez(tmp_path / "x.npz", x=stripes(3))
    with pytest.raises(ValueError, match=r"x\.npz has no labels"):
        pictures.read(tmp_path / "x.npz", labels=True)


# Fitting ------------------------------------------------------------------------------------------


def test_a_fit_is_better_than_independent_pixels(tmp_path):
    model = tfar.fit_images(
        stripes(300), family="made", epochs=20, seed=1, folder=tmp_path, verbose=0
    )
    assert isinstance(model, MADE) and isinstance(model.head, Bernoulli)
    held_out = stripes(200, seed=5)[..., None] // 255
    nats = -model.log_prob(held_out).numpy().mean()
    assert nats < 0.5 * 36 * np.log(2)  # of independent pixels; the truth is 6 log 2
    assert sorted(path.name for path in (tmp_path / "samples").iterdir())[0] == "epoch_01.png"
    assert training.runs.best(tmp_path)["val_nats"] < 0.5 * 36 * np.log(2)


def test_the_head_and_the_network_follow_from_the_images(monkeypatch):
    grey = np.random.default_rng(0).integers(0, 256, [20, 6, 6])
    found = {}

    def train(recipe, folder, data, **options):
        found["model"], found["recipe"] = recipe.model(data["train"]["x"]), recipe
        return found["model"]

    monkeypatch.setattr(budget.loop, "train", train)
    for x, options, head in (
        (stripes(), {}, Bernoulli),
        (grey, {}, DiscretizedLogisticMixture),
        (grey, {"levels": 4}, Categorical),
        (grey, {"binary": True}, Bernoulli),
        (grey[:, :4, :4].repeat(3).reshape(20, 4, 4, 3), {}, DiscretizedLogisticMixture),
    ):
        model = tfar.fit_images(x, epochs=1, **options)
        assert type(model.head) is head and model.event_shape[2] == 1
    colours = np.random.default_rng(0).integers(0, 256, [20, 8, 12, 3])
    model = tfar.fit_images(colours, family="pixelcnn_pp", epochs=1)
    assert model.event_shape == (8, 12, 3) and model.head.channels == 3 and model.levels == 3
    model = tfar.fit_images(grey, family="pixelcnn_pp", epochs=1, binary=True)
    assert model.levels == 2
    words = ["cat", "dog"] * 10
    model = tfar.fit_images(grey, family="gated", epochs=1, labels=words, precision="bfloat16")
    assert isinstance(model, GatedPixelCNN) and model.num_classes == 2
    assert found["recipe"].conditional and found["recipe"].precision == "mixed_bfloat16"


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, monkeypatch):
    x, options = stripes(), {"family": "made", "budget": "20s", "seed": 3, "verbose": 0}
    monkeypatch.setattr(
        budget.loop, "epoch_seconds", lambda *given, **options: budget.loop.EpochSeconds(5.0)
    )
    whole = tfar.fit_images(x, folder=tmp_path / "whole", **options)
    assert json.loads((tmp_path / "whole" / "plan.json").read_text())["epochs"] == 4

    class Stop(checkpoints.Checkpoint):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "Checkpoint", Stop)
        with pytest.raises(KeyboardInterrupt, match="state after 2 epochs"):
            tfar.fit_images(x, folder=tmp_path / "broken", **options)
    # The machine is slower now, and that changes nothing.
    monkeypatch.setattr(
        budget.loop, "epoch_seconds", lambda *given, **options: budget.loop.EpochSeconds(1e9)
    )
    resumed = tfar.fit_images(x, folder=tmp_path / "broken", **options)
    for one, other in zip(whole.get_weights(), resumed.get_weights()):
        np.testing.assert_array_equal(one, other)
    logs = [
        (tmp_path / name / "samples" / "epoch_4.png").read_bytes() for name in ("whole", "broken")
    ]
    assert logs[0] == logs[1]
    with pytest.raises(ValueError, match="a run of a budget of 20 s, not 21 s"):
        tfar.fit_images(x, folder=tmp_path / "broken", **{**options, "budget": 21})
    with pytest.raises(ValueError, match="a run of other data"):
        tfar.fit_images(stripes(seed=7), folder=tmp_path / "broken", **options)


def test_a_budget_decides_on_network_and_epochs(monkeypatch):
    made = []

    def recipe(epochs, size):
        made.append((epochs, size))
        return recipes.Recipe(
            name="toy",
            summary="",
            dataset="toy",
            model=lambda x: MADE(x.shape[1:], (4,)),
            paper={"none": "a toy"},
            epochs=epochs,
            batch_size=8,
            learning_rate=1e-2,
        )

    def chosen(limit, **seconds):
        monkeypatch.setattr(
            budget.loop,
            "epoch_seconds",
            lambda *a, **options: budget.loop.EpochSeconds(seconds[made[-1][1]]),
        )
        ways = {size: lambda n, size=size: recipe(n, size) for size in seconds}
        found = budget.chosen(ways, {}, limit, say=said.append)
        return made[-1][1], found.epochs

    said = []
    assert chosen("1m", large=3, small=1) == ("large", 20)
    assert chosen("1m", large=30, small=4) == ("small", 15)
    assert chosen("1m", large=300, small=200) == ("small", 1)
    assert chosen("1h", large=0.1, small=0.01) == ("large", 200)
    assert said[0] == "A large network, 20 epochs of about 3 s"


def test_a_budget_counts_the_validations_that_there_are(monkeypatch):
    """Of 100 s, 10 epochs of 5 s, and 5 validations of 10 s; 200 epochs would have 20."""
    fake = budget.loop.EpochSeconds(5.0, validation=10.0)
    monkeypatch.setattr(budget.loop, "epoch_seconds", lambda *a, **options: fake)
    made = []

    def recipe(epochs):
        made.append(epochs)
        return types.SimpleNamespace(validate_every=2 if epochs < 100 else 10)

    budget.chosen({"small": recipe}, {}, "100s", say=str)
    assert made[-1] == 10
    fake = budget.loop.EpochSeconds(0.5, validation=1.0)
    budget.chosen({"small": recipe}, {}, "120s", say=str)
    assert made[-1] == 200


def test_a_budget_has_room_for_compiling(monkeypatch):
    """Timing took 10 s, and training compiles the same once more: 40 of 60 s are left."""
    now = [100.0]

    def epoch_seconds(recipe, data, *, samples, most):
        now[0] += 10
        asked.append((samples, most))
        return budget.loop.EpochSeconds({"large": 6.0, "small": 2.0}[recipe.size])

    def chosen(limit, *sizes, **options):
        def recipe(epochs, size):
            made.append((size, epochs))
            return types.SimpleNamespace(size=size, validate_every=1)

        ways = {size: functools.partial(recipe, size=size) for size in sizes}
        budget.chosen(ways, {}, limit, say=str, **options)
        return made[-1]

    asked, made = [], []
    monkeypatch.setattr(budget.loop, "epoch_seconds", epoch_seconds)
    monkeypatch.setattr(budget.time, "monotonic", lambda: now[0])
    assert chosen(60, "small", samples=True) == ("small", 20)
    assert chosen(15, "small") == ("small", 1)
    assert chosen(80, "large", "small") == ("large", 10)
    assert chosen(70, "large", "small") == ("small", 20)  # 20 s for both, and 10 again
    infinity = float("inf")
    assert asked == [(True, infinity), (False, infinity), (False, 8), (False, 7), (False, infinity)]


def test_the_time_of_an_epoch_is_that_of_its_steps(monkeypatch):
    x = stripes()[..., None] // 255
    splits = {"train": x, "validation": x[:30]}
    recipe = toy(shift=0.0)
    small = training.loop.epoch_seconds(recipe, splits)
    assert 0 < small.steps < 10 and 0 < small.validation < 10 and small.samples == 0
    monkeypatch.setattr(kinds.Images, "preview", lambda kind, given: time.sleep(1) or x[:4] * 1)
    assert 1 < training.loop.epoch_seconds(recipe, splits, samples=True).samples < 5
    assert training.loop.epoch_seconds(recipe, splits, samples=True, most=0)[1:] == (0, 0)
    many = {**splits, "train": np.concatenate([x] * 50)}
    assert training.loop.epoch_seconds(recipe, many).steps > 5 * small.steps
    at_once = toy(shift=0.0, steps_per_execution=8)  # times that of all of its steps
    assert 0.1 < training.loop.epoch_seconds(at_once, many).steps / (50 * small.steps) < 2


# From the shell -----------------------------------------------------------------------------------


def test_three_commands_to_a_served_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "photos", stripes(60))
    write(tmp_path / "new", stripes(30, seed=2))
    command = ("train-images", "photos", "--out", "mine.keras", "--family", "made", "--epochs", 3)
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "60 grey images of 6x6 pixels, 2 levels" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("mine.keras: ") and "epoch 3/3" in done.stdout
    log = (tmp_path / "runs" / "mine" / "log.csv").read_text()
    again = run(*command, "--quiet")
    assert again.exit_code == 0 and len(again.stdout.splitlines()) == 1 and not again.stderr
    assert (tmp_path / "runs" / "mine" / "log.csv").read_text() == log

    model = keras.saving.load_model("mine.keras")
    new = kinds.of(model).at("new")
    nats = -model.log_prob(new).numpy()
    error = nats.std(ddof=1) / np.sqrt(30)
    evaluated = run("evaluate", "mine.keras", "--data", "new").stdout
    assert f"{nats.mean():.2f} ± {error:.2f} nats" in evaluated and "30 examples" in evaluated
    assert run("score", "mine.keras", "new").stdout.startswith(f"{-nats.mean():.4f} ± {error:.4f}")
    assert run("score", "mine.keras", "new/000.png").stdout.startswith(f"{-nats[0]:.4f} nats")
    assert "[6, 6, 1]" in run("info", "mine.keras").stdout
    for words in (
        ("sample", "mine.keras", "-n", 4),
        ("complete", "mine.keras", "--rows", 3, "--data", "new", "-n", 2, "--draws", 2),
        ("detect", "mine.keras", "photos", "--normal", "new", "--out", "odd.csv"),
        ("purify", "mine.keras", "new", "--eps", 1),
        ("export", "mine.keras", "served/mine/1"),
    ):
        used = run(*words)
        assert used.exit_code == 0, used.output
    assert len((tmp_path / "odd.csv").read_text().splitlines()) == 61


def test_the_images_of_a_model_are_made_of_other_ones(tmp_path):
    """Resized, in the model's levels and channels, with labels from folders."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, [2, 8, 8, 3]).astype(np.uint8)
    write(tmp_path / "cats", colours)
    write(tmp_path / "dogs", np.full([1, 4, 4], 200, np.uint8))
    options = {"filters": 4, "layers": 1, "head": Categorical(4), "num_classes": 2}
    kind = kinds.of(GatedPixelCNN([4, 4, 3], **options))
    found = kind.at(tmp_path)
    assert found["condition"].tolist() == [0, 0, 1] and found["x"].shape == (3, 4, 4, 3)
    assert found["x"].max() <= 3 and found["x"][2].tolist() == np.full([4, 4, 3], 3).tolist()
    assert np.isfinite(kind.log_probs(found)).all()
    write(tmp_path / "newts", colours)
    with pytest.raises(ValueError, match=r"Expected 2 labels in .*, got 3: cats, dogs, newts"):
        kind.at(tmp_path)
    grey = kinds.of(MADE([8, 8, 1], (4,)))
    with pytest.raises(ValueError, match="have colours, and the model's are grey"):
        grey.at(tmp_path / "cats")
    kind.write(np.full([1, 4, 4, 3], 3), tmp_path / "white.png")
    assert np.asarray(Image.open(tmp_path / "white.png"))[5, 5, 0] == 255


def test_compare_is_paired(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "new", stripes(30, seed=2))
    models = [
        tfar.fit_images(stripes(), family="made", epochs=epochs, verbose=0) for epochs in (1, 8)
    ]
    for name, model in zip("ab", models):
        model.save(f"{name}.keras")
    x = stripes(30, seed=2)[..., None] // 255
    gap = (models[0].log_prob(x) - models[1].log_prob(x)).numpy()
    error = gap.std(ddof=1) / np.sqrt(30)
    shown = run("compare", "a.keras", "b.keras", "--data", "new")
    assert shown.exit_code == 0, shown.output
    last = shown.stdout.splitlines()[-1]
    assert last == (f"difference of log p: {gap.mean():.2f} ± {error:.2f} nats (b.keras is better)")
    same = run("compare", "a.keras", "a.keras", "--data", "new").stdout.splitlines()[-1]
    assert same == "difference of log p: 0.00 ± 0.00 nats (equal)"


# Recipes ------------------------------------------------------------------------------------------

RECIPE = """
import tfar
summary = "Stripes."
paper = {{"none": "mine"}}
epochs = 2
batch_size = 8
learning_rate = 1e-2
{dataset}
def model(x):
    return tfar.models.MADE(x.shape[1:], (4,))
"""


@pytest.mark.parametrize(
    "dataset",
    [
        "dataset = {'train': 'photos/train', 'validation': 'photos/validation.npz'}",
        "def dataset(split):\n    return tfar.pictures.read(f'photos/{split}', size=6).x // 255",
    ],
)
def test_a_recipe_names_files_or_has_a_function(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 40), ("validation", 16)):
        write(tmp_path / "photos" / split, stripes(count))
        np.savez(f"photos/{split}.npz", x=stripes(count))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "recipe.py").write_text(RECIPE.format(dataset=dataset))
    done = run("train", "mine/recipe.py", "--out", "run", "--quiet", "--samples")
    assert done.exit_code == 0, done.output
    best = training.runs.best(tmp_path / "run")
    expected = f"the weights of the lowest validation NLL, {best['val_nats']:.4f} nats, of epoch "
    assert done.output == f"run/model.keras: {expected}{best['epoch']}\n"
    record = json.loads((tmp_path / "run" / "recipe.json").read_text())
    expected = {"train": "photos/train", "validation": "photos/validation.npz"}
    assert record["dataset"] == ("dataset()" if "def" in dataset else expected)
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 2
    assert "is finished" in run("train", "mine/recipe.py", "--out", "run").stdout


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (3, "the name of a data set, a function of a split, or a dict of the files"),
        ({"train": "a"}, r"files of \"train\" and \"validation\", got \['train'\]"),
        ({"train": "a", "validation": 3}, r"dataset\['validation'\] to be a path, got 3"),
    ],
)
def test_no_data_of_a_recipe(dataset, message):
    with pytest.raises(ValueError, match=message):
        toy(dataset=dataset)


def test_files_of_a_recipe_that_are_missing(tmp_path):
    recipe = toy(dataset={split: tmp_path / f"{split}.txt" for split in ("train", "validation")})
    with pytest.raises(FileNotFoundError, match=r"train\.txt could not be read"):
        training.train(recipe, None, verbose=0)
