"""The command line, as a user types it."""

import errno
import os
import subprocess
import sys
import zipfile

import keras
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.cases import mood
from support.toys import made_up

from tfar import cli, datasets, quiet, randomness, serving, tables, testing, text, zoo
from tfar.conditions import Vector
from tfar.heads import Characters, LogisticMixture, Table
from tfar.models import FVSBN, RNADE, CharRNN, GatedPixelCNN, OrderlessNADE
from tfar.zoo import artefacts


def tfar(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys, tfar.cli\n"
        "try: tfar.cli.main(['--help'])\n"
        "except SystemExit as e: assert not e.code\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for command in ("complete", "demo", "evaluate", "info", "list", "sample", "train"):
        assert command in run.stdout


# What TensorFlow writes while it is imported ------------------------------------------------------


def run(*arguments, **environment):
    """A command in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "TFAR_DEBUG")}
    return subprocess.run(
        [sys.executable, "-m", "tfar.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**kept, **environment},
    )


def test_commands_write_nothing_but_their_own_lines(tmp_path):
    done = run("sample", "fvsbn_mnist", "-n", 4, "--out", tmp_path / "new" / "x.npy")
    assert done.returncode == 0
    assert done.stderr == "Loading fvsbn_mnist ...\nDrawing 4 samples ...\n"
    assert np.load(tmp_path / "new" / "x.npy").shape == (4, 28, 28, 1)


@pytest.mark.parametrize(
    ("ending", "debug", "shown"),
    [
        ("raise ImportError('not for this machine')", "", "missing\nError: not for this machine\n"),
        ("os.abort()", "", "missing\n"),
        ("raise KeyboardInterrupt", "", "Error: Interrupted.\n"),
        ("raise KeyboardInterrupt", "1", "missing\nError: Interrupted.\n"),
    ],
)
def test_an_import_that_fails_shows_what_it_wrote(tmp_path, ending, debug, shown):
    (tmp_path / "keras.py").write_text(f"import os\nos.write(2, b'missing\\n')\n{ending}\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = run("sample", "fvsbn_mnist", PYTHONPATH=path, TFAR_DEBUG=debug)
    assert done.returncode and done.stderr == shown


def test_an_import_that_ends_well_shows_nothing():
    code = (
        "import os, sys\nfrom tfar import quiet\n"
        "with quiet._kept_back(): os.write(2, b'noise')\n"
        "os.write(2, b'after')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stderr == b"after"


def test_an_import_is_not_made_twice(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    quiet.import_tensorflow()


def test_the_collector_leaves_what_is_imported_alone():
    code = (
        "import gc\nfrom tfar import quiet\n"
        "quiet.import_tensorflow()\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000, gc.get_freeze_count()\n"
        "assert len(gc.get_objects()) < 10_000, len(gc.get_objects())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_demo_imports_nothing_that_it_does_not_need(tmp_path):
    code = (
        "import sys, tfar.cli\n"
        "tfar.cli.main(sys.argv[1:], standalone_mode=False)\n"
        "unneeded = {'tensorflow_datasets', 'tensorboard', 'grpc', 'tfar.datasets', 'tfar.tables', "
        "'tfar.testing', 'tfar.training'}\n"
        "assert not unneeded & set(sys.modules), unneeded & set(sys.modules)"
    )
    command = ["demo", "--name", "fvsbn_mnist", "--out", tmp_path / "demo.png"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Models, their summaries and what they are --------------------------------------------------------


def test_list_has_columns_that_fit_the_terminal(monkeypatch):
    for columns in (80, 132):
        monkeypatch.setenv("COLUMNS", str(columns))
        listed = tfar("list")
        assert listed.exit_code == 0
        lines = listed.stdout.splitlines()
        assert [line.split()[0] for line in lines] == zoo.list()
        assert max(map(len, lines)) <= columns
        metrics = [zoo.info(name) for name in zoo.list()]
        units = ["nats/char" if m.get("per") == "character" else "nats" for m in metrics]
        assert [line.split()[4] for line in lines] == units
        assert len({line.index(" nats") for line in lines}) == 1
        begins = [line[line.index(" nats") + 12 :].removesuffix(" ...") for line in lines]
        assert all(m["summary"].startswith(b) and b for m, b in zip(metrics, begins))


def test_list_survives_damaged_metrics(monkeypatch):
    def damaged(name, original=zoo.info):
        if name == "made_nips":
            raise ValueError("no JSON")
        return {} if name == "made_mnist" else original(name)

    monkeypatch.setattr(zoo, "info", damaged)
    listed = tfar("list")
    assert listed.exit_code == 0
    lost, broken = listed.stderr.splitlines()
    assert lost.startswith("The metrics of made_mnist are damaged: ")
    assert broken == "The metrics of made_nips are damaged: no JSON"
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert names == [name for name in zoo.list() if name not in ("made_mnist", "made_nips")]


def test_info_of_the_zoo():
    shown = tfar("info", "fvsbn_mnist")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("# fvsbn_mnist")


def test_info_of_a_model_of_ones_own(own):
    def lines(model):
        shown = tfar("info", model)
        assert shown.exit_code == 0, shown.output
        return dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())

    for model in ("labels.keras", "exported"):
        found = lines(own / model)
        assert found.pop("event") == "shape  [2, 2, 1]"
        assert found.pop("parameters").isdecimal()
        assert found == {
            "class": "tfar.models.GatedPixelCNN",
            "head": "Bernoulli(centered=False)",
            "order": "raster",
            "members": "1",
            "condition": "labels from 0 to 1",
            "dtype": "float32, samples int32",
        }
    found = lines(own / "table.keras")
    assert found["columns"] == "side (categorical), x (real)" and found["head"] == "Table"
    assert found["condition"] == "none" and found["dtype"] == "float32, samples float32"
    assert "characters='ab\\n'" in lines(own / "text.keras")["head"]


# Samples ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of small models, files that are none, and data."""
    folder = tmp_path_factory.mktemp("own")
    frame = pd.DataFrame({"side": ["left", "right"] * 10, "x": np.linspace(0, 1, 20)})
    models = {
        "text": CharRNN([4], (5,), cell="rnn", head=Characters("ab\n")),
        "table": OrderlessNADE([2], (4,), head=Table(tables.describe(frame), 2)),
        "image": FVSBN([2, 2, 1]),
        "labels": GatedPixelCNN([2, 2, 1], 4, 2, first_kernel_size=3, num_classes=2),
        "real": RNADE([3], hidden=4, head=LogisticMixture(2)),
        "vector": FVSBN([3], condition=Vector(2)),
        "mood": FVSBN([3], condition=mood()),
    }
    for name, model in models.items():
        testing.randomise(model, seed=1).save(folder / f"{name}.keras")
    serving.export(models["labels"], folder / "exported")
    keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(1)]).save(folder / "plain.keras")
    whole = (folder / "image.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.keras").touch()
    for name, contents in (("other.keras", "a.txt"), ("damaged.keras", "model.weights.h5")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for part in {contents, "config.json", "metadata.json"} - {"a.txt"}:
                archive.writestr(part, "{}")
    for name in ("folder", "folder.keras", "folder.png"):
        (folder / name).mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "saved_model.pb").write_bytes(b"abc")
    for name in ("binary", "binary.npy"):
        (folder / name).write_bytes(bytes(range(256)))
    np.save(folder / "three.npy", np.zeros([4, 3]))
    np.savez(folder / "word.npz", word=0)
    frame.to_csv(folder / "table.csv", index=False)
    for name, contents in {
        "empty.csv": "",
        "header.csv": "side,x\n",
        "columns.csv": "a,b\n1,2\n3,4\n",
        "ragged.csv": "side,x\n1,2,3\n1,2,3,4\n",
        "words.csv": "side,x\nleft,abc\n",
        "unknown.txt": "abcd",
        "recipe.py": "x = 1\n",
        "syntax.py": "def (\n",
        "name.py": "undefined\n",
    }.items():
        (folder / name).write_text(contents)
    return folder


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
def text_model(own):
    path = own / "text.keras"
    return keras.saving.load_model(path), path


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


def test_sample_of_several_texts(text_model, tmp_path):
    model, path = text_model
    options = ("--prompt", "ab", "--length", 30, "--seed", 4)
    seeds = [4, *(randomness.derived(randomness.stateless_seed(4), k) for k in (1, 2))]
    texts = [model.generate("ab", 30, seed=seed) for seed in seeds]
    assert len(set(texts)) == 3
    printed = tfar("sample", path, "-n", 3, *options)
    assert printed.exit_code == 0, printed.output
    assert printed.stdout == "\n---\n".join(texts) + "\n"
    written = tfar("sample", path, "-n", 3, *options, "--out", tmp_path / "new" / "x.txt")
    assert written.exit_code == 0 and written.stdout == f"{tmp_path / 'new' / 'x.txt'}\n"
    assert (tmp_path / "new" / "x.txt").read_text() == printed.stdout


def test_sample_of_a_table(own, tmp_path):
    model = keras.saving.load_model(own / "table.keras")
    options = ("-n", 5, "--seed", 3, "--temperature", 0.5)
    printed = tfar("sample", own / "table.keras", *options)
    assert printed.exit_code == 0, printed.output
    expected = tables.sample(model, 5, seed=3, temperature=0.5)
    assert printed.stdout == expected.to_csv(index=False)
    assert len(tfar("sample", own / "table.keras").stdout.splitlines()) == 1 + 64
    written = tfar("sample", own / "table.keras", *options, "--out", tmp_path / "new" / "x.csv")
    assert written.exit_code == 0 and written.stdout == f"{tmp_path / 'new' / 'x.csv'}\n"
    assert (tmp_path / "new" / "x.csv").read_text() == printed.stdout


def test_sample_of_what_has_no_picture(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = tfar("sample", own / "real.keras", "-n", 5)
    assert drawn.exit_code == 0 and drawn.stdout == "samples.npy\n", drawn.output
    assert np.load("samples.npy").shape == (5, 3)


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
    assert refused.exit_code == 1 and "Expected --num of at most 32" in refused.output


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
        (("--data", "bare"), "m.keras is conditional, and bare has no condition"),
        (("--data", "text"), "of the shape [2, 2, 1] of the model, got []"),
        (("--data", "small"), "of the shape [2, 2, 1] of the model, got [1, 2, 1]"),
        (("--data", "mine", "-n", 4), "Expected --num of at most 3"),
    ):
        refused = complete(*arguments)
        assert refused.exit_code and message in refused.output, refused.output
    assert not out.exists()


def test_complete_of_fewer_images_than_it_shows(tmp_path):
    np.save(tmp_path / "two.npy", np.zeros([2, 28, 28, 1], np.uint8))
    out = tmp_path / "completed.npy"
    rows = ("--rows", 27, "--draws", 1, "--out", out)
    done = run("complete", "nade_mnist", tmp_path / "two.npy", *rows)
    assert done.returncode == 0, done.stderr
    assert np.load(out).shape == (2, 2, 28, 28, 1)


def test_complete_refuses_an_order_without_rows(monkeypatch, tmp_path):
    model = FVSBN([28, 28, 1], order="random")
    for module in (zoo, artefacts):
        monkeypatch.setattr(module, "load", lambda name: model)
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


def test_samples_of_other_conditions(own, tmp_path):
    rows = np.array([[0.5, -20.0], [1.0, 20.0], [-0.25, 3.0]], np.float32)
    np.save(tmp_path / "rows.npy", rows)
    several = {"word": np.array([0, 1, 0]), "place": rows}
    np.savez(tmp_path / "rows.npz", **several)
    np.savez(tmp_path / "one.npz", word=1, place=[5.0, -20.0])
    one = {"word": [1] * 64, "place": [[5.0, -20.0]] * 64}
    for name, given, options, value in (
        ("vector", "0.5,-20", ("-n", 4), rows[[0] * 4]),
        ("vector", "rows.npy", (), rows),
        ("vector", "rows.npy", ("-n", 5), rows[[0, 1, 2, 0, 1]]),
        ("mood", "rows.npz", (), several),
        ("mood", "one.npz", (), one),
    ):
        given = tmp_path / given if given.startswith(("rows", "one")) else given
        options = (*options, "--condition", given, "--seed", 3, "--out", tmp_path / "x.npy")
        result = tfar("sample", own / f"{name}.keras", *options)
        assert result.exit_code == 0, result.output
        joint = keras.saving.load_model(own / f"{name}.keras").joint(condition=value)
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), joint.sample(seed=3))


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
    assert "Expected the published" in result.output


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


# Mistakes -----------------------------------------------------------------------------------------

# A line each: exit status, the command, and what is said of it.
MISTAKES = """
2 | sampel | No such command
2 | --nothing | No such option
2 | list extra | unexpected extra argument
2 | sample | Missing argument 'MODEL'
1 | sample fvsbn_mnst | did you mean fvsbn_mnist
1 | sample none.keras | There is no file none.keras
1 | sample empty.keras | empty.keras is damaged
1 | sample cut.keras | cut.keras is damaged
1 | sample binary | binary is neither a .keras file nor a folder that `tfar export` wrote
1 | sample other.keras | No model can be made from other.keras
1 | sample damaged.keras | No model can be made from damaged.keras
1 | sample folder.keras | folder.keras is damaged
1 | sample plain.keras | Expected a model of tfar in plain.keras, got one of the class
1 | sample folder | folder is neither a .keras file nor a folder that `tfar export` wrote
1 | sample broken | broken is not an export of tfar
2 | sample image.keras --out x.gif | ends neither in .png nor in .npy, .csv, .txt
2 | sample image.keras --out x | ends neither in .png
1 | sample image.keras --out folder.png | folder.png could not be written: it is a folder
1 | sample image.keras --out table.csv/x.npy | table.csv/x.npy could not be written
1 | sample image.keras --out x.csv | expected --out to end in .png or .npy, got 'x.csv'
1 | sample image.keras --out x.txt | expected --out to end in .png or .npy, got 'x.txt'
2 | sample image.keras -n 0 | 0 is not in the range
2 | sample image.keras -n 1.5 | '1.5' is not a valid integer
2 | sample image.keras --seed one | 'one' is not a valid integer
1 | sample image.keras --temperature 0 | temperature to be a finite number
1 | sample image.keras --temperature nan | temperature to be a finite number
1 | sample image.keras --label 0 | image.keras is not conditional: it takes no --condition
1 | sample image.keras --prompt ab | image.keras is a model of images: it takes no --prompt
1 | sample image.keras --length 500 | image.keras is a model of images: it takes no --length
1 | sample image.keras --top-k 1 | it takes no --top-k
1 | sample real.keras --top-p 0.5 | it takes no --top-p
1 | sample real.keras --out x.png | expected --out to end in .npy, got 'x.png'
1 | sample labels.keras --label 2 | Expected labels from 0 to 1 as condition, got 2
1 | sample labels.keras --label 0.5 | 1 in all, separated by commas, or the path of an .npy file
1 | sample vector.keras | vector.keras is conditional: give --condition, finite numbers of shape [2]
1 | sample vector.keras --condition 1,2,3 | 2 in all, separated by commas, or the path of an .npy
1 | sample vector.keras --condition 1,nan | finite numbers of shape [2] as condition, got nan
1 | sample vector.keras --condition none.npy | none.npy could not be read: No such file
1 | sample vector.keras --condition binary.npy | got 'binary.npy' (
1 | sample vector.keras --condition three.npy | condition of shape [..., 2], got float64 (4, 3)
1 | sample mood.keras --condition 1 | the path of an .npz file with the arrays word, place, got '1'
1 | sample mood.keras --condition three.npy | an .npz file with the arrays word, place, got 'three
1 | sample mood.keras --condition word.npz | a dict of ['place', 'word'], got ['word']
1 | sample table.keras --out rows.npy | expected --out to end in .csv, got 'rows.npy'
1 | sample table.keras --label 0 | it takes no --condition
1 | sample table.keras --prompt ab | table.keras is a model of tables: it takes no --prompt
1 | sample table.keras --top-k 1 | it takes no --top-k
1 | sample text.keras --out x.npy | expected --out to end in .txt, got 'x.npy'
1 | sample text.keras --label 0 | it takes no --condition
1 | sample text.keras --prompt abc | no 'c', which the text has at position 2
2 | sample text.keras --length 0 | 0 is not in the range
1 | sample text.keras --top-k 0 | top_k to be an integer of at least 1
1 | sample text.keras --top-p 2 | top_p to be a finite number above 0
1 | score pixelcnn_mnist table.csv | table.csv is damaged, or not an image that can be read
1 | score pixelcnn_mnist folder | There are no images in the folder folder
1 | score real.keras table.csv | Expected table.csv to be an .npy file of vectors
2 | score text.keras none.txt | does not exist
1 | score text.keras folder | Is a directory
1 | score text.keras binary | Expected binary to be text in UTF-8, got other bytes at position 128
1 | score text.keras empty.csv | at least one character in empty.csv, got an empty text
1 | score text.keras unknown.txt | unknown.txt has 'c' in line 1, column 3, a character that the
1 | score text.keras table.csv --adapt unknown.txt | table.csv has 's' in line 1, column 1
1 | evaluate text.keras --data unknown.txt | unknown.txt has 'c' in line 1, column 3
1 | compare text.keras text.keras --data unknown.txt | unknown.txt has 'c' in line 1, column 3
1 | detect text.keras unknown.txt --normal table.csv | unknown.txt has 'c' in line 1, column 3
1 | score table.keras binary | binary is not a CSV file with a header
1 | score table.keras empty.csv | Expected a table in empty.csv, got nothing
1 | score table.keras header.csv | at least one example
1 | score table.keras ragged.csv | ragged.csv is not a CSV file
1 | score table.keras columns.csv | missing: ['side', 'x']
1 | score table.keras words.csv | got 'abc' in row 0
2 | complete fvsbn_mnist | Give either --rows or --mask
1 | complete transformer_shakespeare --rows 3 | transformer_shakespeare is a model of texts
1 | complete table.keras --rows 1 | table.keras is a model of tables
1 | complete made_mushrooms --rows 1 | Expected images
1 | complete fvsbn_mnist --rows 29 | images of at least 29 rows, got 28 rows
2 | complete fvsbn_mnist --rows -1 | -1 is not in the range
1 | complete fvsbn_mnist --rows 1 -n 33 | Expected --num of at most 32
2 | complete fvsbn_mnist --rows 1 --out x.gif | ends neither in .png nor in .npy
2 | complete image.keras --rows 1 | No images are packed with this model: give --data
2 | complete image.keras three.npy --rows 1 --data mnist | Give either FILE or --data
2 | complete image.keras three.npy | Give either --rows or --mask
1 | complete image.keras three.npy --length 3 | image.keras is a model of images: it takes no
1 | complete vector.keras three.npy | a table to complete: vector.keras is a model of vectors
2 | complete table.keras | Give FILE: the tables to complete
2 | complete table.keras none.csv | does not exist
1 | complete table.keras empty.csv | Expected a table in empty.csv, got nothing
1 | complete table.keras header.csv | Expected rows to complete in header.csv, got none
1 | complete table.keras columns.csv | missing: ['side', 'x']
1 | complete table.keras words.csv | got 'abc' in row 0
1 | complete table.keras folder | Is a directory
1 | complete table.keras table.csv --each-line | table.keras is a model of tables: it takes no
1 | complete table.keras table.csv --out x.npy | expected --out to end in .csv, got 'x.npy'
2 | complete text.keras | Give FILE: the texts to complete
1 | complete text.keras unknown.txt | unknown.txt has 'c' in line 1, column 3
1 | complete text.keras binary | Expected binary to be text in UTF-8
1 | complete text.keras empty.csv | at least one character in empty.csv, got an empty text
1 | complete text.keras unknown.txt --rows 3 | text.keras is a model of texts: it takes no --rows
2 | complete text.keras unknown.txt --length 0 | 0 is not in the range
1 | complete image.keras --rows 1 --data mnits | did you mean 'mnist'
2 | evaluate image.keras | give --data
1 | evaluate fvsbn_mnist --data mnits | did you mean
2 | evaluate image.keras --split all | 'all' is not one of
1 | evaluate table.keras --data table.csv --split test | table.csv has no splits: it takes no
1 | evaluate table.keras --data none.csv | none.csv could not be read: No such file
1 | compare text.keras table.keras --data table.csv | Expected two models of the same data
1 | compare image.keras real.keras --data three.npy | got images [2, 2, 1] of 2 values and vectors
2 | compare image.keras labels.keras | Missing option '--data'
2 | train-images none | 'none' does not exist
2 | train-images three.npy --out x.npy | does not end in .keras
2 | train-images three.npy --size 3by3 | neither a number, as 28, nor HxW
1 | train-images three.npy --device gpu:7 | There is no gpu:7
1 | train-images three.npy --device tpu | Expected --device to be cpu, gpu or gpu:N, got 'tpu'
1 | train-images three.npy | three.npy has the shape [4, 3]: expected images
1 | train-images word.npz | Expected in word.npz one array of images
1 | train-images folder | There are no images in the folder folder
1 | train-images table.csv | table.csv is damaged, or not an image
1 | train-text binary | Expected binary to be text in UTF-8
1 | train-text unknown.txt | at least 1,000 characters to learn from, got 4 in 1 line
1 | train-text folder | Is a directory
1 | train-table columns.csv | at least ten rows
1 | train-images binary | binary is damaged, or not an image
2 | train | Missing argument 'RECIPE'
1 | train fvsbn | did you mean
1 | train none.py | There is no recipe file
1 | train recipe.py | unknown names ['x']
1 | train syntax.py | invalid syntax (syntax.py, line 1)
1 | train name.py | name 'undefined' is not defined
2 | train fvsbn_mnist --epochs 0 | 0 is not in the range
2 | train fvsbn_mnist --strategy several | 'several' is not one of
2 | train-table none.csv | 'none.csv' does not exist
2 | train-table folder | 'folder' is a directory
2 | train-table table.csv --out x.csv | does not end in .keras
1 | train-table table.csv --device gpu:7 | There is no gpu:7
1 | train-table table.csv --drop y | The table has no column 'y'
1 | train-table binary | binary is not a CSV file with a header
1 | train-table empty.csv | delimiter
1 | train-table header.csv | at least ten rows
1 | info nothing_at_all | there are
1 | info ../zoo/fvsbn_mnist | did you mean fvsbn_mnist
1 | info none.keras | There is no file none.keras
1 | info plain.keras | got one of the class keras.Sequential
1 | export made_mnist folder | folder exists: export to another version
1 | export image.keras table.csv/1 | table.csv/1 could not be written
1 | demo --name mnist | did you mean
2 | demo --out x.jpg | ends neither in .png nor in .npy
1 | demo --name transformer_shakespeare --out x.png | it takes no --out
1 | serve-config --base-path models | Expected an absolute path
1 | serve-config --out folder | folder could not be written: it is a folder
1 | publish nothing folder | The zoo has no 'nothing'
2 | table --write none.md | 'none.md' does not exist
1 | table --write table.csv | table.csv needs the lines
1 | table --write binary | Expected text in UTF-8
"""


@pytest.mark.parametrize("line", MISTAKES.strip().splitlines())
def test_mistakes(line, own, monkeypatch):
    monkeypatch.chdir(own)
    before = sorted(own.iterdir())
    status, command, message = (part.strip() for part in line.split(" | "))
    result = tfar(*command.split())
    assert isinstance(result.exception, SystemExit), result.output
    assert result.exit_code == int(status), result.output
    assert message in result.stderr
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("Error: ") and sum("Error" in line for line in lines) == 1
    assert not result.stdout
    assert sorted(own.iterdir()) == before


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "Error: Interrupted."),
        (EOFError("no data left"), 1, "Error: EOFError: no data left (TFAR_DEBUG=1"),
        (MemoryError(), 1, "Error: MemoryError (TFAR_DEBUG=1"),
        (RuntimeError("two\nlines"), 1, "Error: RuntimeError: two (TFAR_DEBUG=1"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "x: Permission denied"),
    ],
)
def test_errors_of_any_kind(error, status, message, monkeypatch):
    def find(name):
        raise error

    monkeypatch.setattr(zoo, "find", find)
    result = tfar("sample", "fvsbn_mnist")
    assert result.exit_code == status and isinstance(result.exception, SystemExit)
    assert message in result.stderr and "Aborted" not in result.stderr
    monkeypatch.setenv("TFAR_DEBUG", "1")
    shown = tfar("sample", "fvsbn_mnist").stderr
    assert "in find" in shown or isinstance(error, KeyboardInterrupt)  # of the traceback


def test_a_pipe_that_is_closed_is_no_error(monkeypatch):
    """Of `tfar list | head -1`."""

    def closed():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(zoo, "list", closed)
    assert tfar("list").output == ""


def test_files_are_tried_before_the_work(monkeypatch, tmp_path):
    for module in (zoo, artefacts):
        monkeypatch.setattr(module, "load", None)
    (tmp_path / "x.png").mkdir()
    for command in (["sample", "fvsbn_mnist"], ["complete", "fvsbn_mnist", "--rows", 1], ["demo"]):
        refused = tfar(*command, "--out", tmp_path / "x.png")
        assert "x.png could not be written: it is a folder" in refused.output


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
