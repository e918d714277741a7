"""The artefacts, and what publishes them."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support.thorough import beyond
from support.toys import made_up, toy

import tfar
from tfar import cli, datasets, kinds, plots, serving, training, zoo
from tfar.training import feeding, recipes, runs, sources
from tfar.zoo import artefacts, cards, publishing

ROOT = pathlib.Path(__file__).parent.parent


def _kind(name):
    metrics = zoo.info(name)
    recurrence = metrics["recipe"]["config"].get("recurrence")
    return metrics["model"], recurrence, metrics["head"].split("(")[0]


# An artefact of every model and head, since drawing traces for seconds.
OF_EACH_KIND = sorted({_kind(name): name for name in zoo.list()}.values())


@pytest.fixture(scope="module", params=zoo.list())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return zoo.load(name)


def nats_of_an_event(metrics):
    """The test NLL of an event; that of a text is known by the character."""
    sites = metrics["event_shape"][0] if metrics.get("per") == "character" else 1
    return sites * metrics["test"]["nats"]


def test_an_artefact_computes_what_was_published(name, model):
    assert zoo.verify(name, model=model) < 1e-4
    inputs, log_prob = zoo.examples(name)
    x = feeding.events(inputs)
    assert len(x) == len(log_prob) >= 20
    metrics = zoo.info(name)
    assert list(x.shape[1:]) == metrics["event_shape"] == list(model.event_shape)
    assert model.count_params() == metrics["parameters"]
    if metrics["dataset"].endswith("mnist"):
        assert metrics["event_shape"] == [28, 28, 1]
    # The examples are a random part of the test split that the figure is of.
    error = log_prob.std(ddof=1) / np.sqrt(len(x))
    assert abs(-log_prob.mean() - nats_of_an_event(metrics)) < 5 * error
    few = tf.nest.map_structure(lambda part: part[:4], inputs)
    for dtype in (np.int64, np.float32, *([bool] if x.max() <= 1 else [])):
        cast = x[:4].astype(dtype)
        given = {**few, "x": cast} if isinstance(few, dict) else cast
        np.testing.assert_allclose(model.log_prob(given), log_prob[:4], rtol=1e-4)


def test_an_artefact_is_what_its_recipe_makes(name, model):
    recipe = vars(recipes.load(zoo.recipe_path(name)))
    made_by = zoo.info(name)["recipe"]
    recipe["redraw"] = sources.named(recipe.get("redraw"))
    for field in made_by.keys() & recipe.keys():
        assert made_by[field] == json.loads(json.dumps(recipe[field])), field
    config = model.get_config()
    for field in config.keys() - {"name", "dtype"}:
        assert made_by["config"][field] == json.loads(json.dumps(config[field])), field


# Of each model the last, and none that is made of others and draws by whole passes.
ALONE = set(
    {
        zoo.info(name)["model"]: name for name in OF_EACH_KIND if "made_of" not in zoo.info(name)
    }.values()
)


@pytest.mark.parametrize("name", beyond(ALONE, OF_EACH_KIND), indirect=True)
def test_an_artefact_samples(name, model):
    labels = None if model.num_classes is None else np.arange(32) % model.num_classes
    joint = model.joint(condition=labels)
    x, log_prob = joint.experimental_sample_and_log_prob(32 if labels is None else (), seed=1)
    assert x.dtype == tf.int32
    # One site at a time, and all at once.
    np.testing.assert_allclose(log_prob, joint.log_prob(x), rtol=1e-4)
    # Samples are about as likely as data: a model that draws noise is off by hundreds of nats.
    nats = -log_prob.numpy()
    metrics, error = zoo.info(name), nats.std() / np.sqrt(32)
    most = least = nats_of_an_event(metrics)
    if metrics.get("per") == "character":
        least = metrics["training"]["nats"]  # other plays are harder than those it has learned from
    if metrics["dataset"] == "cifar10_jpeg":
        most *= 1.25  # it has learned from too few photographs to draw areas as calm as theirs
    assert least - 5 * error < nats.mean() < most + 5 * error


def test_the_rows_are_those_of_the_test_split(name, model):
    metrics = zoo.info(name)
    try:
        data = datasets.load(metrics["dataset"], "test", download=False)
    except FileNotFoundError as missing:
        pytest.skip(str(missing).splitlines()[0])
    inputs = feeding.inputs(recipes.load(zoo.recipe_path(name)), data)
    assert len(feeding.events(inputs)) == metrics["test"]["examples"]
    expected = feeding.rows_of(kinds.of(model).inputs(inputs), metrics["examples"]["rows"])
    tf.nest.map_structure(np.testing.assert_array_equal, zoo.examples(name)[0], expected)


def test_cards_and_table_are_generated():
    for name in zoo.list():
        card = (zoo.recipe_path(name).parent / "card.md").read_text()
        assert card == cards.card(zoo.info(name))
    results, readme = ((ROOT / page).read_text() for page in ("docs/results.md", "README.md"))
    assert f"{cards.START}\n\n{cards.table('../zoo')}\n\n{cards.END}" in results
    assert f"{cards.BEST}\n\n{cards.best_rows()}\n\n{cards.END_OF_BEST}" in readme


def test_the_best_row_of_a_data_set_is_that_of_its_lowest_figure():
    rows = cards.best_rows().splitlines()[2:]
    found = {row.split(" | ")[0].removeprefix("| "): row for row in rows}
    every = [zoo.info(name) for name in zoo.list()]
    for dataset, row in found.items():
        own = [m for m in every if m["dataset"] == dataset and not m.get("num_classes")]
        best = min(own, key=lambda m: m["test"]["nats"])
        assert f"[`{best['name']}`](zoo/{best['name']}/card.md)" in row
    assert {"binarized_mnist", "mnist", "tiny_shakespeare"} <= set(found)


def test_a_fine_tuned_artefact_differs_and_still_scores():
    model = zoo.load("fvsbn_mnist")
    x, log_prob = zoo.examples("fvsbn_mnist")
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(x, epochs=2, batch_size=8, verbose=0)
    assert model.joint().log_prob(x).numpy().mean() > log_prob.mean()


def test_unknown_names_list_the_near_ones():
    for ask in (zoo.load, zoo.info, zoo.recipe_path):
        with pytest.raises(ValueError, match="no 'made_mnits': did you mean made_mnist"):
            ask("made_mnits")
    with pytest.raises(ValueError, match=r"no '': there are .*fvsbn_mnist"):
        zoo.load("")


def use(folder, data, monkeypatch):
    """A zoo and data sets of its own, for what follows."""
    monkeypatch.setattr(artefacts, "_place", lambda kind: folder / kind)
    monkeypatch.setattr(
        datasets, "load", lambda name, split: data["validation" if split == "test" else split]
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """``(folder, data, metrics)`` of a toy, trained and published in a zoo of its own."""
    folder = tmp_path_factory.mktemp("made")
    data = made_up([3, 3, 1], train=64, validation=40)
    recipe = folder / "zoo" / "toy" / "recipe.py"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(
        "import tfar\nsummary = 'A toy.'\ndataset = 'toy'\nepochs = 2\nbatch_size = 16\n"
        "learning_rate = 1e-2\npaper = {'nats': 9.0, 'what': 'it', 'reference': 'us'}\n"
        "def model(x):\n    return tfar.models.MADE(x.shape[1:], (8,), direct=True)\n"
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(folder, data, monkeypatch)
        training.train(recipes.load_recipe(recipe), folder / "run", verbose=0)
        return folder, data, publishing.publish("toy", folder / "run")


@pytest.fixture
def published(made, tmp_path, monkeypatch):
    """A copy of it, to be changed."""
    folder, data, metrics = made
    shutil.copytree(folder, tmp_path / "published")
    use(tmp_path / "published", data, monkeypatch)
    return tmp_path / "published", data, dict(metrics)


def test_publishing(published):
    folder, data, metrics = published
    assert zoo.list() == ["toy"]
    assert zoo.info("toy") == json.loads(json.dumps(metrics))
    model = zoo.load("toy")
    least = np.abs(zoo.examples("toy")[1]).min()
    assert zoo.verify("toy", model=model) < 6e-6 / least  # they are stored with five decimals
    nats = -model.joint().log_prob(data["validation"]).numpy()
    assert metrics["test"]["nats"] == pytest.approx(nats.mean(), rel=1e-5)
    assert metrics["test"]["standard_error"] == pytest.approx(nats.std(ddof=1) / 40**0.5, rel=1e-4)
    assert metrics["test"]["bits_per_dim"] == pytest.approx(nats.mean() / np.log(2) / 9, rel=1e-5)
    assert "A toy." in (folder / "zoo/toy/card.md").read_text()
    readme = folder / "README.md"
    readme.write_text(f"before\n{cards.START}\nold\n{cards.END}\nafter\n")
    cards.write_table(readme)
    assert "| [`toy`](zoo/toy/card.md) |" in readme.read_text()
    assert readme.read_text().startswith("before\n") and readme.read_text().endswith("after\n")
    for text in ("no marks", f"{cards.START}\n{cards.END}\n{cards.BEST}", cards.END * 2):
        readme.write_text(text)
        with pytest.raises(ValueError, match="needs the lines"):
            cards.write_table(readme)
        assert readme.read_text() == text


def test_an_artefact_is_made_of_others(published):
    folder, data, _ = published
    recipe = folder / "zoo" / "two" / "recipe.py"
    recipe.parent.mkdir()
    recipe.write_text(
        "import tfar\nsummary = 'Two.'\ndataset = 'toy'\nmembers = 'toy', 'toy'\n"
        "paper = {'none': 'it is a toy'}\n"
        "def model(one, two):\n"
        "    other = tfar.models.FVSBN(one.event_shape, order='reversed')\n"
        "    return tfar.models.Mixture([one, other], weights=[3, 1])\n"
    )
    with pytest.raises(ValueError, match="trained models, toy, toy: there is nothing to train"):
        recipes.load_recipe(recipe)
    with pytest.raises(ValueError, match="Expected no run of two"):
        publishing.publish("two", folder / "run")
    metrics = publishing.publish("two")
    assert zoo.list() == ["toy", "two"] and zoo.info("two") == json.loads(json.dumps(metrics))
    assert metrics["made_of"] == {"toy": zoo.checksum("toy")}
    model, x = zoo.load("two"), data["validation"]
    assert np.allclose(model.proportions, [0.75, 0.25])
    expected = 0.75 * zoo.load("toy").joint().prob(x) + 0.25 * 0.5**9
    assert np.allclose(model.joint().prob(x), expected, rtol=1e-3)
    assert zoo.verify("two", model=model) < 1e-5
    card = (folder / "zoo/two/card.md").read_text()
    assert "| made of | `toy` |" in card and "$ tfar publish two" in card
    assert "chooses one of the ensemble" in card
    result = CliRunner().invoke(cli.main, ["publish", "two"])
    assert result.exit_code == 0 and "two: " in result.output, result.output


def test_an_artefact_is_exported_again_with_the_same_weights(published):
    folder, _, metrics = published
    before = zoo.load("toy").get_weights()
    graph = zoo.model_folder("toy") / "saved_model.pb"
    old = graph.stat().st_mtime_ns
    (zoo.model_folder("toy").parent / "partial-1").mkdir()  # of a run that was killed
    again = publishing.export_again("toy")
    assert graph.stat().st_mtime_ns > old
    for a, b in zip(before, zoo.load("toy").get_weights()):
        np.testing.assert_array_equal(a, b)
    assert metrics["signatures"] == again["signatures"]
    assert metrics["limits"] == again["limits"] == serving.limits(zoo.model_folder("toy"))
    assert "- A request may score" in (folder / "zoo/toy/card.md").read_text()
    assert again["sha256"] == serving.digest(zoo.model_folder("toy"))
    for key in publishing.FILED:
        del metrics[key], again[key]
    assert metrics == again
    assert [p.name for p in zoo.model_folder("toy").parent.iterdir()] == ["1"]
    assert not list((folder / "zoo" / "toy").glob("partial-*"))


def test_an_artefact_is_timed(published):
    folder, _, metrics = published
    found = publishing.time_again("toy")
    assert zoo.info("toy") == found and found.pop("times").keys() == {
        "score_ms",
        "draw_ms",
        "cores",
    }
    assert found == json.loads(json.dumps(metrics))
    assert "ms to score an example, of 100 at once" in (folder / "zoo/toy/card.md").read_text()
    result = CliRunner().invoke(cli.main, ["time-again"])
    assert result.exit_code == 0 and "toy: " in result.output and " ms to score, " in result.output


def test_an_artefact_stays_where_the_new_one_fails(published, monkeypatch):
    folder, _, _ = published
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    def fail(metrics):
        raise OSError("No space left on device")

    monkeypatch.setattr(cards, "card", fail)
    with pytest.raises(OSError, match=r"card\.md could not be written: No space left on device"):
        publishing.export_again("toy")
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_is_scored():
    kind, x = kinds.of(tfar.models.FVSBN([3])), np.zeros([5, 3], int)
    assert kind.log_prob(x, batch_size=2).shape == (5,)
    for wrong in (0, -1, 2.5, None):
        with pytest.raises(ValueError, match="Expected batch_size to be an integer of at least 1"):
            kind.log_prob(x, batch_size=wrong)
    for wrong in (None, x.tolist(), {"x": x.tolist()}, 3):
        with pytest.raises(ValueError, match="Expected an array or a dict of arrays, got"):
            kind.log_prob(wrong)
    with pytest.raises(ValueError, match=r"Expected a model of tfar, got 'fvsbn_mnist': tfar\.zoo"):
        kinds.of("fvsbn_mnist")
    with pytest.raises(ValueError, match="Expected page to be a path, got None"):
        cards.write_table(None)
    with pytest.raises(ValueError, match="Expected the folder of a training run of fvsbn_mnist"):
        publishing.publish("fvsbn_mnist", None)
    with pytest.raises(ValueError, match="Expected run to be a path, got 3"):
        publishing.publish("fvsbn_mnist", 3)


def test_a_damaged_artefact_is_refused(published):
    folder = zoo.model_folder("toy")
    (path,) = folder.glob("variables/variables.data*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="is damaged: its SHA-256 is"):
        zoo.load("toy")
    path.unlink()
    with pytest.raises(ValueError, match="is damaged"):
        zoo.load("toy")
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match="is missing"):
        zoo.load("toy")


def changed(held, keys, value=None):
    """A copy of nested dicts without a key, or with another value there."""
    key, *rest = keys.split(".", 1)
    if rest:
        return {**held, key: changed(held[key], rest[0], value)}
    return {k: v for k, v in held.items() if k != key} | ({} if value is None else {key: value})


def test_damaged_metrics(published):
    folder, _, _ = published
    path = folder / "zoo" / "toy" / "metrics.json"
    whole = json.loads(path.read_text())
    for contents, reason in (
        ("", "it is not JSON"),
        ("no JSON", "it is not JSON"),
        (path.read_text()[:-9], "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("{}", "it has no name"),
        ("[]", r"expected an object, got \[\]"),
        ("null", "expected an object, got null"),
        (changed(whole, "test"), "it has no test"),
        (changed(whole, "test.nats"), r"it has no test\.nats"),
        (changed(whole, "test.nats", "a"), r'expected a number as test\.nats, got "a"'),
        (changed(whole, "test.nats", True), r"expected a number as test\.nats, got true"),
        (changed(whole, "summary", 5), "expected a string as summary, got 5"),
        (changed(whole, "event_shape", 5), "expected a list as event_shape, got 5"),
        (
            changed(whole, "event_shape", [3, "3"]),
            r"expected an integer as event_shape\[1\], got \"3\"",
        ),
        (changed(whole, "paper", "none"), 'expected an object as paper, got "none"'),
        (changed(whole, "paper.what"), r"it has no paper\.what"),
        (changed(whole, "paper", {"none": 5}), r"expected a string as paper\.none, got 5"),
        (changed(whole, "sizes.test", 1.5), r"expected an integer as sizes\.test, got 1\.5"),
    ):
        if isinstance(contents, dict):
            contents = json.dumps(contents)
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        message = (
            rf"zoo/toy/metrics\.json is damaged: {reason}\. Reinstall tfar, or restore the file"
        )
        uses = zoo.info, zoo.load, zoo.find, zoo.checksum, zoo.examples, zoo.verify
        for use in (*uses, publishing.export_again, lambda name: cards.table()):
            with pytest.raises(ValueError, match=message):
                use("toy")
        assert zoo.list() == ["toy"] and 'name: "toy"' in zoo.serve_config("/models")


def test_damaged_examples(published):
    folder, _, metrics = published
    path = folder / "zoo" / "toy" / "examples.npz"
    whole = path.read_bytes()
    packed = np.load(path)["packed"]

    def archive(**arrays):
        np.savez(path, **arrays)
        return path.read_bytes()

    np.save(folder / "one.npy", packed)
    for contents, reason in (
        (whole[:-30], "it cannot be read as arrays"),
        (whole[:60], "it cannot be read as arrays"),
        (b"", "it cannot be read as arrays"),
        (b"hello", "it cannot be read as arrays"),
        ((folder / "one.npy").read_bytes(), "it cannot be read as arrays"),
        (archive(), r"expected integers of the shapes .*, got {}"),
        (archive(other=packed), r"expected integers of the shapes .*, got {'other'"),
        (archive(packed=packed[:-1]), r"it cannot be read as arrays: expected 288 bits, got 280"),
        (archive(packed=np.repeat(packed, 2)), r"it cannot be read as arrays: expected 288 bits"),
        (archive(packed=packed * 1.0), "it cannot be read as arrays"),
        (archive(packed=np.array([None])), "it cannot be read as arrays"),
        (
            archive(x=np.ones([32, 3, 3], int)),
            r"expected .* {'x': \(32, 3, 3, 1\)}, got {'x': \(32, 3, 3\)}",
        ),
        (archive(x=np.ones([32, 3, 3, 1])), "expected integers of the shapes"),
        (archive(packed=packed, condition=packed), "expected integers of the shapes"),
    ):
        path.write_bytes(contents)
        message = rf"examples\.npz is damaged: {reason}.* Reinstall tfar, or restore the file"
        for use in (zoo.examples, zoo.verify):
            with pytest.raises(ValueError, match=message):
                use("toy")
    path.unlink()
    with pytest.raises(ValueError, match=r"examples\.npz is damaged: it is missing\. Reinstall"):
        zoo.examples("toy")
    path.write_bytes(whole)
    assert zoo.verify("toy") < 1e-4
    held = path.with_name("metrics.json")
    metrics = json.loads(held.read_text())
    held.write_text(json.dumps(changed(metrics, "examples.log_prob", [1.0])))
    with pytest.raises(
        ValueError, match=r"metrics\.json is damaged: it has 1 log-probabilities for"
    ):
        zoo.examples("toy")


def test_damaged_runs_are_not_published(published):
    folder, _, _ = published
    for name in ("best.json", runs.RECORD):
        path = folder / "run" / name
        whole = path.read_text()
        for contents in ("", "{}", "[]"):
            path.write_text(contents)
            with pytest.raises(ValueError, match=f"{name} is damaged: .* train in another folder"):
                publishing.publish("toy", folder / "run")
        path.write_text(whole)


def test_names_and_paths(published, monkeypatch):
    folder, _, _ = published
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert zoo.find("toy")[1] == "toy"
    model = tfar.testing.randomise(zoo.load("toy"), seed=9)
    serving.export(model, elsewhere / "toy")  # another model of the same name
    model.save(elsewhere / "toy.keras")
    x = np.ones([1, 3, 3, 1])

    def is_own(found):
        return np.allclose(found.log_prob(x), model.log_prob(x), rtol=1e-5)

    with pytest.warns(
        UserWarning, match=r"toy means the model of the zoo, not the folder here: .*\./toy"
    ):
        found, name = zoo.find("toy")
    assert name == "toy" and not is_own(found)
    with pytest.warns(UserWarning, match="means the model of the zoo"):
        assert zoo.checksum("toy") == zoo.info("toy")["sha256"]
    for path in (
        "./toy",
        pathlib.Path("toy"),
        elsewhere / "toy",
        "toy.keras",
        pathlib.Path("toy.keras"),
    ):
        found, name = zoo.find(path)
        assert name is None and is_own(found)
        assert zoo.checksum(path) != zoo.info("toy")["sha256"]
    for path in ("none.keras", "./none", "none/1", pathlib.Path("none"), "toy/none", "toy.keras/a"):
        for use in (zoo.find, zoo.checksum):
            with pytest.raises(FileNotFoundError, match="There is no file and no folder "):
                use(path)
    for use in (zoo.find, zoo.checksum):
        with pytest.raises(ValueError, match="The zoo has no 'tyo': did you mean toy"):
            use("tyo")
    with pytest.raises(
        FileNotFoundError, match="elsewhere is not an export of tfar: it has no assets"
    ):
        zoo.find(elsewhere)


@pytest.mark.parametrize("wrong", [None, 3, b"made_mnist", ["made_mnist"], pathlib.Path("a.keras")])
def test_wrong_types_are_named(wrong):
    for use in (zoo.load, zoo.info, zoo.recipe_path, zoo.model_folder, zoo.examples, zoo.verify):
        with pytest.raises(
            ValueError, match=f"Expected .*name.*a string, got {re.escape(repr(wrong))}"
        ):
            use(wrong)
    for use in (zoo.find, zoo.checksum):
        if not isinstance(wrong, pathlib.Path):
            with pytest.raises(ValueError, match="Expected model to be a path, got "):
                use(wrong)


def test_wrong_arguments_of_verify_and_serve_config():
    for tolerance in (-1, None, "a", float("nan")):
        with pytest.raises(
            ValueError, match="Expected tolerance to be a finite number of at least 0"
        ):
            zoo.verify("fvsbn_mnist", tolerance=tolerance)
    with pytest.raises(ValueError, match="Expected a model of tfar, got 'fvsbn_mnist'"):
        zoo.verify("fvsbn_mnist", model="fvsbn_mnist")
    for wrong in (3, "models", b"/models"):
        with pytest.raises(ValueError, match="Expected an absolute path, as the server does, got"):
            zoo.serve_config(wrong)


def test_other_weights_are_noticed(published):
    model = zoo.load("toy")
    bias = model.network.output_bias
    bias.assign_add(np.full(bias.shape, 0.1))
    with pytest.raises(ValueError, match="off by"):
        zoo.verify("toy", model=model)


def test_slim_models_are_small_and_compute_the_same():
    model = toy().model(np.zeros([1, 6, 6, 1]))
    tfar.testing.randomise(model, seed=0)
    slim = publishing.slim(model)
    x = np.random.default_rng(0).integers(0, 2, [20, 6, 6, 1])
    np.testing.assert_allclose(model.log_prob(x), slim.log_prob(x), rtol=1e-2)
    kernel = slim.network.parts[0].kernel.numpy()
    assert (kernel == 0).mean() > 0.3
    np.testing.assert_array_equal(kernel, np.float16(kernel * 2.0**-5).astype(np.float32) * 2.0**5)


def test_grids():
    x = np.zeros([5, 4, 4, 1])
    x[0] = 1
    picture = plots.grid(x, columns=3, scale=2)
    assert picture.shape == (2 * (2 * 5 + 1), 2 * (3 * 5 + 1), 3)
    assert (picture[2:10, 2:10] == 255).all()
    assert (picture[2:10, 12:20] == 0).all()
    assert (picture[:2] == 96).all()
    colour = np.arange(2 * 2 * 2 * 3).reshape(2, 2, 2, 3) + 100
    assert (plots.grid(colour, scale=1)[1:3, 1:3] == colour[0]).all()
    assert plots.grid(np.eye(7), scale=1).shape == (7, 7, 3)
    categories = plots.grid(np.array([[0, 1, 2, 3]]), scale=1)
    np.testing.assert_array_equal(categories[0, :, 0], [0, 85, 170, 255])
    with pytest.raises(ValueError, match=r"got the shape \[2, 3, 4\]"):
        plots.grid(np.zeros([2, 3, 4]))


def test_an_installed_wheel_has_the_zoo(tmp_path):
    """The wheel, unpacked elsewhere, loads an artefact with nothing of the clone around."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    clone = tmp_path / "clone"
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for file in files.stdout.split():
        if file.split("/")[0] in ("tfar", "zoo", "saved_models", "setup.cfg", "pyproject.toml"):
            (clone / file).parent.mkdir(parents=True, exist_ok=True)
            (clone / file).write_bytes((ROOT / file).read_bytes())
    (clone / "README.md").touch()
    (clone / "LICENSE").touch()
    subprocess.run([*build, "-w", tmp_path / "wheels", "."], cwd=clone, check=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
        # An editable installation would find what is missing in the clone.
        sources = {f for f in files.stdout.split() if f.startswith("tfar/") and f.endswith(".py")}
        assert sources <= set(packed.namelist())
    code = (
        "import tfar, tfar.zoo as z; assert 'site' in tfar.__file__, tfar.__file__;"
        "print(z.verify('fvsbn_mnist'), z.list(), z.recipe_path('fvsbn_mnist'))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "wheels",
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert str(zoo.list()) in run.stdout
    for name in zoo.list():
        digest = serving.digest(tmp_path / f"site/tfar/_saved_models/{name}/1")
        assert digest == zoo.info(name)["sha256"]
