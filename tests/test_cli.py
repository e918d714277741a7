"""The command line, as a user types it."""

import subprocess
import sys
import time

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner
from test_training import made_up

from tfar import cli, datasets, testing, text, zoo
from tfar.heads import Characters
from tfar.models import FVSBN, CharRNN, GatedPixelCNN


def tfar(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys, tfar.cli\n"
        "try: tfar.cli.main(['--help'])\n"
        "except SystemExit as e: assert not e.code\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    start = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert time.perf_counter() - start < 5  # 0.2 s on a machine that does nothing else
    for command in ("complete", "demo", "evaluate", "info", "list", "sample", "train"):
        assert command in run.stdout


def test_list_and_info():
    listed = tfar("list")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == zoo.list()
    shown = tfar("info", "fvsbn_mnist")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("# fvsbn_mnist")


def test_sample_writes_a_picture_and_the_same_seed_draws_it_again(tmp_path):
    for out in ("a.png", "b.png", "c.npy"):
        result = tfar("sample", "fvsbn_mnist", "-n", 4, "--seed", 3, "--out", tmp_path / out)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    x = np.load(tmp_path / "c.npy")
    assert x.shape == (4, 28, 28, 1)
    picture = matplotlib.image.imread(tmp_path / "a.png")[3:87:3, 3:87:3, 0]
    np.testing.assert_array_equal(picture, x[0, ..., 0])
    other = tfar("sample", "fvsbn_mnist", "-n", 4, "--seed", 4, "--out", tmp_path / "d.npy")
    assert other.exit_code == 0
    assert not np.array_equal(np.load(tmp_path / "d.npy"), x)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png", "c.npy", "d.npy"]


@pytest.fixture
def text_model(tmp_path):
    model = CharRNN([4], (5,), "rnn", head=Characters("ab\n"))
    path = tmp_path / "text.keras"
    testing.randomise(model, 1).save(path)
    return model, path


def test_sample_of_a_text_goes_on_from_the_prompt(text_model):
    model, path = text_model
    policy = {"temperature": 5.0, "top_k": 2, "top_p": 0.6}
    options = [f"--{key.replace('_', '-')}={value}" for key, value in policy.items()]
    result = tfar("sample", path, "--prompt", "abba", "--length", 40, "--seed", 2, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout == model.generate("abba", 40, seed=2, **policy) + "\n"
    for key in policy:
        fewer = {name: value for name, value in policy.items() if name != key}
        assert model.generate("abba", 40, seed=2, **fewer) + "\n" != result.stdout
    refused = tfar("sample", path, "--prompt", "abc")
    assert refused.exit_code == 1 and "no 'c', which the text has at position 2" in refused.output
    assert tfar("sample", "fvsbn_mnist", "--prompt", "abba").exit_code == 1


def test_score_of_a_text(text_model, tmp_path):
    model, path = text_model
    (tmp_path / "text.txt").write_text("abba\nbaba")
    nats = text.log_prob(model, "abba\nbaba").sum()
    for file in (tmp_path / "text.txt", "-"):
        result = CliRunner().invoke(cli.main, ["score", str(path), str(file)], input="abba\nbaba")
        assert result.exit_code == 0, result.output
        assert f"{nats:.2f} nats, 9 characters, {nats / 9:.4f} nats" in result.stdout
        assert f"{-nats / 9 / np.log(2):.4f} bits a character" in result.stdout


def test_complete_keeps_the_rows_that_are_given(tmp_path):
    out = tmp_path / "x.npy"
    arguments = ("complete", "fvsbn_mnist", "--rows", 14, "-n", 3, "--draws", 2, "--out", out)
    assert tfar(*arguments).exit_code == 0
    x = np.load(out)
    assert x.shape == (3, 3, 28, 28, 1)
    expected, _ = zoo.examples("fvsbn_mnist")
    np.testing.assert_array_equal(x[:, 0], expected[:3])
    kept = np.all(x[:, 1:] == x[:, :1], axis=(0, 1, 3, 4))
    reverse = zoo.load("fvsbn_mnist").order == "reversed"
    assert kept[14:].all() if reverse else kept[:14].all()
    assert not kept.all()
    assert not np.array_equal(x[:, 1], x[:, 2])
    picture = tfar(*arguments[:-1], tmp_path / "x.png")
    assert picture.exit_code == 0
    height, width, _ = matplotlib.image.imread(tmp_path / "x.png").shape
    assert (height, width) == (3 * (3 * 29 + 1), 3 * (3 * 29 + 1))
    refused = tfar("complete", "fvsbn_mnist", "--rows", 14, "-n", 99, "--out", out)
    assert refused.exit_code == 1 and "There are 32 test images" in refused.output


def test_complete_of_labels(tmp_path):
    out = tmp_path / "x.npy"
    name = "gated_pixelcnn_mnist_labels"
    arguments = ("complete", name, "--rows", 27, "-n", 2, "--draws", 2, "--out", out)
    assert tfar(*arguments).exit_code == 0
    inputs, _ = zoo.examples(name)
    x, labels = inputs["x"][:2], inputs["condition"][:2]
    expected = np.where(np.arange(28)[:, None, None] < 27, x, np.nan)
    drawn = zoo.load(name).joint(condition=labels).sample(2, seed=0, value=expected)
    np.testing.assert_array_equal(np.load(out)[:, 1:], drawn.numpy().swapaxes(0, 1))


def test_complete_with_a_model_of_ones_own(monkeypatch, tmp_path):
    x, labels = np.arange(12).reshape([3, 2, 2, 1]) % 2, np.array([2, 0, 1])
    sets = {"mine": {"x": x, "condition": labels}, "bare": x, "text": "abc", "small": x[:, 1:]}
    monkeypatch.setattr(datasets, "load", lambda name, split: sets[name] if split == "test" else 0)
    model = GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=3)
    testing.randomise(model, seed=1).save(tmp_path / "m.keras")
    out = tmp_path / "x.npy"

    def complete(*arguments):
        options = ("-n", 3, "--draws", 2, "--out", out)
        return tfar("complete", tmp_path / "m.keras", "--rows", 1, *options, *arguments)

    assert complete("--data", "mine").exit_code == 0
    value = np.where(np.arange(2)[:, None, None] < 1, x, np.nan)
    drawn = model.joint(condition=labels).sample(2, seed=0, value=value).numpy()
    np.testing.assert_array_equal(
        np.load(out), np.concatenate([x[:, None], drawn.swapaxes(0, 1)], 1)
    )
    out.unlink()
    for arguments, message in (
        ((), "No images are packed with this model: give --data"),
        (("--data", "bare"), "m.keras is conditional, and bare has no labels"),
        (("--data", "text"), "of the shape [2, 2, 1] of the model, got []"),
        (("--data", "small"), "of the shape [2, 2, 1] of the model, got [1, 2, 1]"),
        (("--data", "mine", "-n", 4), "There are 3 test images"),
    ):
        refused = complete(*arguments)
        assert refused.exit_code and message in refused.output, refused.output
    assert not out.exists()


def test_complete_refuses_an_order_without_rows(monkeypatch, tmp_path):
    model = FVSBN([28, 28, 1], order="random")
    monkeypatch.setattr(zoo, "load", lambda name: model)
    result = tfar("complete", "fvsbn_mnist", "--rows", 14, "--out", tmp_path / "x.png")
    assert result.exit_code == 1 and "does not draw row by row" in result.output
    assert not list(tmp_path.iterdir())


def test_samples_of_labels(tmp_path):
    model = GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=2)
    testing.randomise(model, seed=1).save(tmp_path / "m.keras")
    drawn = {}
    for label in ((), ("--label", 0), ("--label", 1)):
        out = tmp_path / "x.npy"
        result = tfar("sample", tmp_path / "m.keras", "-n", 20, *label, "--out", out)
        assert result.exit_code == 0, result.output
        drawn[label] = np.load(out)
    in_turn, first, second = drawn.values()
    assert in_turn.shape == (20, 2, 2, 1) and not np.array_equal(first, second)
    np.testing.assert_array_equal(in_turn[::2], first[::2])
    np.testing.assert_array_equal(in_turn[1::2], second[1::2])
    refused = tfar("sample", tmp_path / "m.keras", "--label", 2, "--out", out)
    assert refused.exit_code == 1 and "Labels are from 0 to 1, got 2" in refused.output
    refused = tfar("sample", "fvsbn_mnist", "--label", 2, "--out", out)
    assert refused.exit_code == 1 and "it takes no --label" in refused.output
    refused = tfar("sample", "char_rnn_shakespeare", "--label", 2)
    assert refused.exit_code == 1 and "it takes no --label" in refused.output


def test_export_and_what_is_exported(tmp_path):
    testing.randomise(FVSBN([2, 2, 1]), seed=1).save(tmp_path / "m.keras")
    folder = tmp_path / "mine" / "1"
    result = tfar("export", tmp_path / "m.keras", folder)
    assert result.exit_code == 0 and result.stdout.strip() == str(folder), result.output
    for model, out in ((tmp_path / "m.keras", "a.npy"), (folder, "b.npy")):
        assert tfar("sample", model, "-n", 9, "--out", tmp_path / out).exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    again = tfar("export", tmp_path / "m.keras", folder)
    assert again.exit_code == 1 and "exists: export to another version" in again.output


def test_serve_config(tmp_path):
    out = tmp_path / "models.config"
    assert tfar("serve-config", "--base-path", "/models", "--out", out).exit_code == 0
    assert out.read_text() == zoo.serve_config("/models")
    refused = tfar("serve-config", "--base-path", "models", "--out", tmp_path / "other.config")
    assert refused.exit_code == 1 and "Expected an absolute path" in refused.output
    assert [p.name for p in tmp_path.iterdir()] == ["models.config"]


def test_demo(tmp_path):
    result = tfar("demo", "--out", tmp_path / "demo.png")
    assert result.exit_code == 0, result.output
    metrics = zoo.info("pixelcnn_mnist")
    assert (
        f"{metrics['test']['nats']:.2f} ± {metrics['test']['standard_error']:.2f}" in result.output
    )
    assert "verified here" in result.output
    assert matplotlib.image.imread(tmp_path / "demo.png").ndim == 3


def test_evaluate_reproduces_the_published_figure():
    try:
        datasets.load("mushrooms", "test", download=False)
    except FileNotFoundError as missing:
        pytest.skip(str(missing).splitlines()[0])
    result = tfar("evaluate", "made_mushrooms")
    assert result.exit_code == 0, result.output
    test = zoo.info("made_mushrooms")["test"]
    assert f"{test['nats']:.2f} ± {test['standard_error']:.2f} nats" in result.output


def test_evaluate_notices_another_figure(monkeypatch):
    x, log_prob = zoo.examples("fvsbn_mnist")
    monkeypatch.setattr(datasets, "load", lambda name, split: x)
    result = tfar("evaluate", "fvsbn_mnist")  # of 32 examples, which is not that of 10,000
    assert result.exit_code == 1
    assert f"{-log_prob.mean():.2f} ± " in result.output
    assert "published were" in result.output


def test_evaluate_refuses_data_of_another_kind(monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name, split: np.full([4, 28, 28, 1], 255))
    result = tfar("evaluate", "fvsbn_mnist", "--data", "mnist")
    assert result.exit_code == 1
    assert "takes 0 or 1, got 255" in result.output


def test_train_from_a_recipe_file_then_use_the_model(tmp_path, monkeypatch):
    data = made_up([3, 3, 1])
    monkeypatch.setattr(datasets, "load", lambda name, split: data[split])
    recipe = tmp_path / "toy" / "recipe.py"
    recipe.parent.mkdir()
    recipe.write_text(
        "import tfar\nsummary = 'A toy.'\ndataset = 'toy'\nepochs = 2\nbatch_size = 16\n"
        "learning_rate = 1e-2\npaper = {'nats': 9.0, 'what': 'it', 'reference': 'us'}\n"
        "def model(x):\n    return tfar.models.FVSBN(x.shape[1:])\n"
    )
    result = tfar("train", recipe, "--out", tmp_path / "run", "--epochs", 1)
    assert result.exit_code == 0, result.output
    model = tmp_path / "run" / "model.keras"
    evaluated = tfar("evaluate", model, "--data", "toy", "--split", "validation")
    assert "16 examples" in evaluated.output, evaluated.output
    assert tfar("sample", model, "-n", 2, "--out", tmp_path / "x.png").exit_code == 0
    assert tfar("evaluate", model).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["sample", "fvsbn_mnst"], 1, "did you mean fvsbn_mnist"),
        (["info", "nothing_at_all"], 1, "there are"),
        (["train", "fvsbn"], 1, "did you mean"),
        (["sample", "fvsbn_mnist", "--out", "x.gif"], 2, "neither in .png nor in .npy"),
        (["demo", "--out", "x.jpg"], 2, "neither in .png nor in .npy"),
        (["info", "../zoo/fvsbn_mnist"], 1, "did you mean fvsbn_mnist"),
        (["sample", "fvsbn_mnist", "-n", "0"], 2, "not in the range"),
        (["sample", "fvsbn_mnist", "--temperature", "0"], 1, "temperature to be a finite number"),
        (["evaluate", "fvsbn_mnist", "--data", "mnits"], 1, "did you mean"),
        (["sample", "no/such.keras"], 1, "no/such.keras"),
        (["complete", "fvsbn_mnist", "--rows", "29"], 1, "images of at least 29 rows"),
        (["complete", "made_mushrooms", "--rows", "1"], 1, "Expected images"),
        (["complete", "fvsbn_mnist"], 2, "--rows"),
        (["sampel"], 2, "No such command"),
    ],
)
def test_mistakes(arguments, status, message):
    result = tfar(*arguments)
    assert result.exit_code == status, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_missing_data_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFAR_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def unreachable(name, split, *, download=True, original=datasets.load):
        return original(name, split, download=False)

    monkeypatch.setattr(datasets, "load", unreachable)
    result = tfar("evaluate", "fvsbn_mnist")
    assert result.exit_code == 1
    assert "TFDS_DATA_DIR" in result.output
