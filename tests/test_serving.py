"""Exports without Keras and TFP: other processes, other loaders, clients and servers."""

import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import requests
import tensorflow as tf
from absl.testing import flagsaver
from google.protobuf import text_format
from support.cases import MODELS, inputs, shared
from support.server import Model, from_json, serve_grpc, serve_rest
from support.thorough import beyond
from tensorflow.python.tools import saved_model_cli
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.config import model_server_config_pb2

import tfar
from tfar import serving, testing, zoo
from tfar.models import Transformer
from tfar.serving import client, costs, generation, signatures

NAMES = [
    "fvsbn_image",
    "made_masks",
    "gated_pixel_cnn_labels",
    "pixel_cnn_pp_labels",
    "transformer_window",
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """``{name: (model, folder)}`` of some tiny models."""
    folder = tmp_path_factory.mktemp("exports")
    return {
        name: (model := shared(name), serving.export(model, folder / name / "1")) for name in NAMES
    }


@pytest.fixture(scope="module")
def served(exports):
    """``{name: Model}`` of the exports, as stock TensorFlow loads them."""
    return {name: Model(folder) for name, (_, folder) in exports.items()}


@pytest.fixture
def held(exports):
    """Of a name, tiny or of the zoo, ``(model, folder)``."""

    def find(name):
        if name in exports:
            return exports[name]
        return zoo.load(name), zoo.model_folder(name)

    return find


def asked(model, count=3):
    """What ``log_prob`` takes: samples, and labels of a conditional model."""
    if model.num_classes is None:
        return {"x": model.joint().sample(count, seed=0).numpy()}
    labels = np.arange(count, dtype=np.int32) % model.num_classes
    return {"x": model.joint(condition=labels).sample(seed=0).numpy(), "condition": labels}


def scores(model, given):
    return model.log_prob(given if model.num_classes else given["x"]).numpy()


def drawn(model, seed, count=4):
    """``(inputs of sample, the samples that the model itself draws)``."""
    arguments = {"num_samples": count, "seed": seed, "temperature": 0.8}
    label = None if model.num_classes is None else [1, 0]
    joint = model.joint(condition=label)
    if label:
        arguments["condition"] = label
    return arguments, joint.sample(count, seed=seed, temperature=0.8).numpy()


# Without Keras, TFP and tfar --------------------------------------------------------------------

ALONE = """
import gc, json, sys
gc.set_threshold(50_000, 20, 100)  # as conftest.py
for module in ("keras", "tf_keras", "tensorflow_probability", "tfar"):
    sys.modules[module] = None
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
for folder, file in json.load(open(sys.argv[1])):
    signatures = tf.saved_model.load(folder).signatures
    held = np.load(file)
    x = {k: tf.constant(held[k]) for k in ("x", "condition") if k in held}
    label = {k: v for k, v in x.items() if k == "condition"}
    member = {"member": tf.constant(0)} if "member" in held else {}
    draws = dict(num_samples=tf.constant(2), seed=tf.constant([1, 2]), temperature=tf.constant(1.0))
    for name in ("log_prob", "serving_default"):
        found = signatures[name](**x)["log_prob"].numpy()
        np.testing.assert_allclose(found, held["log_prob"], rtol=1e-4)
    parameters = signatures["conditionals"](**x, **member)
    assert sorted(parameters.pop("order").numpy()) == list(range(held["sites"]))
    for value in parameters.values():
        assert value.shape[0] == len(found) and np.isfinite(value).all()
    if "draws" not in held:
        print("ok", folder)
        continue
    # A sample completes itself: what is known comes back, and all is known.
    sample = signatures["sample"](**draws, **label)["samples"]
    first = sample[0] if label else sample
    known = tf.ones(first.shape, tf.bool)
    again = signatures["complete"](x=first, known=known, **draws, **label, **member)["samples"]
    np.testing.assert_array_equal(again[1], first)
    if "generate" in signatures:
        prompt = dict(prompt=tf.constant(""), length=tf.constant(9), top_k=tf.constant(9))
        prompt.update(seed=draws["seed"], temperature=draws["temperature"], top_p=tf.constant(0.9))
        text = signatures["generate"](**prompt)["text"].numpy()
        assert len(text.decode()) == 9
    rows = {"x": first, **label}
    assert np.isfinite(signatures["log_prob"](**rows)["log_prob"]).all()
    print("ok", folder)
assert not [m for m in ("keras", "tensorflow_probability", "tfar") if sys.modules.get(m)]
"""


def run_alone(cases, folder, drawn=None):
    """Runs ``(sites, members, SavedModel, inputs, log p)`` in a process without our Python.

    It draws from all, or from those whose paths are ``drawn``.
    """
    listed = []
    for number, (sites, members, path, given, log_prob) in enumerate(cases):
        held = {**given, "log_prob": log_prob, "sites": sites}
        if drawn is None or path in drawn:
            held["draws"] = True
        if members > 1:
            held["member"] = 0
        np.savez(folder / f"{number}.npz", **held)
        listed.append([str(path), str(folder / f"{number}.npz")])
    (folder / "cases.json").write_text(json.dumps(listed))
    (folder / "alone.py").write_text(ALONE)
    run = subprocess.run(
        [sys.executable, folder / "alone.py", folder / "cases.json"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("ok") == len(listed)


def test_exports_run_where_there_is_only_tensorflow(exports, tmp_path):
    cases = []
    for model, folder in exports.values():
        given = asked(model)
        cases.append((model.num_sites, model.members, folder, given, scores(model, given)))
    run_alone(cases, tmp_path)


def one_of_each_model():
    """Those of the zoo that are trained."""
    named = {name: zoo.info(name) for name in zoo.list()}
    each = {one["model"]: name for name, one in named.items() if "made_of" not in one}
    return list(each.values())


@pytest.mark.parametrize(
    "scored", [one_of_each_model, pytest.param(zoo.list, marks=pytest.mark.thorough)]
)
def test_the_zoo_runs_where_there_is_only_tensorflow(scored, tmp_path):
    """All are scored; drawing takes seconds, and is tried of one of each model that is trained."""
    cases, drawn = [], {zoo.model_folder(name) for name in one_of_each_model()}
    for name in scored():
        given, log_prob = zoo.examples(name)
        given = given if isinstance(given, dict) else {"x": given}
        given = {key: value.astype(np.int32) for key, value in given.items()}
        metrics = zoo.info(name)
        entries = 1 if metrics["head"].startswith("DiscretizedLogistic") else 0
        shape = metrics["event_shape"][: len(metrics["event_shape"]) - entries]
        sites = int(np.prod(shape))
        cases.append((sites, metrics["members"], zoo.model_folder(name), given, log_prob))
    run_alone(cases, tmp_path, drawn)


@pytest.mark.parametrize("name", zoo.list())
def test_the_zoo_holds_stock_operations_only(name):
    testing.verify_graph(zoo.model_folder(name))


# TensorFlow's own tools and its C library -------------------------------------------------------

TRIED = [*NAMES, "pixelcnn_mnist"]  # the rest of the zoo is called as stock TensorFlow does above


# Large graphs, which take seconds, are loaded into a session by the C loader.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "pixel_cnn_pp_labels"])
def test_saved_model_cli(held, name, tmp_path, monkeypatch, capsys):
    model, folder = held(name)

    def cli(*arguments):
        monkeypatch.setattr(sys, "argv", ["saved_model_cli", *map(str, arguments)])
        with pytest.raises(SystemExit) as end, flagsaver.flagsaver():
            saved_model_cli.main()
        assert not end.value.code
        return capsys.readouterr().out

    shown = cli("show", "--dir", folder, "--all")
    for signature in ("serving_default", "log_prob", "conditionals", "sample", "complete"):
        assert f"signature_def['{signature}']" in shown
    assert f"shape: (-1, {', '.join(map(str, model.event_shape))})" in shown
    given = asked(model)
    for key, value in given.items():
        np.save(tmp_path / f"{key}.npy", value)
    files = ";".join(f"{key}={tmp_path / key}.npy" for key in given)
    run = ["run", "--dir", folder, "--tag_set", "serve", "--outdir", tmp_path, "--overwrite"]
    cli(*run, "--signature_def", "log_prob", "--inputs", files)
    np.testing.assert_allclose(np.load(tmp_path / "log_prob.npy"), scores(model, given), rtol=1e-4)
    arguments, expected = drawn(model, [1, 2])
    exact = ";".join(f"{key}={value!r}" for key, value in arguments.items() if key != "temperature")
    np.save(tmp_path / "temperature.npy", np.float32(arguments["temperature"]))
    files = f"temperature={tmp_path}/temperature.npy"
    cli(*run, "--signature_def", "sample", "--inputs", files, "--input_exprs", exact)
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy"), expected)


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """The compiled C program."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("There is no C compiler here: cc, gcc and clang are not on the PATH.")
    program = tmp_path_factory.mktemp("c") / "load_saved_model"
    library = tf.sysconfig.get_lib()
    source = pathlib.Path(__file__).parent / "support" / "load_saved_model.c"
    subprocess.run(
        [
            *(compiler, "-Wall", "-Werror", source, "-o", program, f"-I{library}/include"),
            *(f"-L{library}", "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"),
            f"-Wl,-rpath,{library}",
        ],
        check=True,
    )
    return program


@pytest.mark.parametrize("name", beyond({"gated_pixel_cnn_labels", "transformer_window"}, TRIED))
def test_the_c_loader_runs_log_prob_and_sample(held, loader, name):
    model, folder = held(name)
    signature_def = serving.meta_graph(folder).signature_def
    arguments, numbers = [], []

    def add(signature, given, output):
        inputs = signature_def[signature].inputs
        arguments.append(len(given))
        for key, value in given.items():
            value = np.asarray(value)
            dtype = "float" if inputs[key].dtype == tf.float32.as_datatype_enum else "int32"
            arguments.extend([inputs[key].name, dtype, value.ndim, *value.shape])
            numbers.extend(value.ravel().tolist())
        arguments.append(signature_def[signature].outputs[output].name)

    given = asked(model)
    draws, expected = drawn(model, [1, 2])
    add("log_prob", given, "log_prob")
    add("sample", draws, "samples")
    add("sample", {**draws, "num_samples": 0}, "samples")  # is refused
    result = subprocess.run(
        [loader, folder, *map(str, arguments)],
        input=" ".join(map(str, numbers)),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1, result.stderr[-2000:]
    assert "3: " in result.stderr and "at least 1" in result.stderr  # INVALID_ARGUMENT
    log_prob, samples = (np.array(line.split(), float) for line in result.stdout.splitlines())
    np.testing.assert_allclose(log_prob, scores(model, given), rtol=1e-4)
    np.testing.assert_array_equal(samples, expected.ravel())


# The contract ------------------------------------------------------------------------------------


class AtOne(signatures.Functions):
    def sample(self, num_samples, seed, temperature, **given):
        return super().sample(num_samples, seed, tf.ones([]), **given)


class OneSeed(signatures.Functions):
    def sample(self, num_samples, seed, temperature, **given):
        return super().sample(num_samples, tf.constant([3, 1]), temperature, **given)


class IgnoresKnown(signatures.Functions):
    def complete(self, x, known, **given):
        return super().complete(x, known & False, **given)


class RasterPrefix(signatures.Functions):
    def _prefix(self, x, known, member):
        return tf.reshape(x, [-1, 6]), tf.reshape(known, [-1, 6])


class FirstMember(signatures.Functions):
    def conditionals(self, member, **given):
        return super().conditionals(member=0, **given)


class FirstLabel(signatures.Functions):
    def log_prob(self, x, condition):
        return super().log_prob(x, tf.zeros_like(condition))


class OtherBits(signatures.Functions):
    def log_prob(self, **given):
        found = super().log_prob(**given)
        return {**found, "bits_per_dim": -found["log_prob"] / self.model.num_dimensions}


class OtherNats(signatures.Functions):
    def log_prob(self, **given):
        found = super().log_prob(**given)
        return {**found, "log_prob": found["log_prob"] + 0.01}


class Python(signatures.Functions):
    def log_prob(self, x):
        x = tf.ensure_shape(tf.py_function(lambda x: x, [x], tf.int32), x.shape)
        return super().log_prob(x=x)


class Compiled(signatures.Functions):
    def log_prob(self, x):
        score = tf.function(lambda x: self.model.log_prob(x), jit_compile=True, autograph=False)
        found = super().log_prob(x=x)
        return {**found, "log_prob": score(x)}


@pytest.mark.parametrize(
    "name, planted, message",
    [
        ("fvsbn_image", AtOne, r"draw different samples \(at 0.5\)"),
        ("fvsbn_image", OneSeed, r"draw different samples"),
        ("fvsbn_image", IgnoresKnown, r"completes a prefix differently"),
        ("fvsbn_image", RasterPrefix, r"completes a prefix differently|a prefix of the order"),
        ("made_masks", FirstMember, r"The exported conditionals differ"),
        ("gated_pixel_cnn_labels", FirstLabel, r"log_prob of the export differs"),
        ("fvsbn_image", OtherBits, r"bits_per_dim of log_prob differs"),
        ("fvsbn_image", OtherNats, r"log_prob of the export differs"),
        ("fvsbn_image", Python, r"The export holds \['EagerPyFunc'\]"),
        ("fvsbn_image", Compiled, r"The export holds \['XlaMustCompile'\]"),
    ],
)
def test_the_contract_fails_on_a_planted_bug(name, planted, message, tmp_path, monkeypatch):
    monkeypatch.setattr(signatures, "Functions", planted)
    with pytest.raises((AssertionError, tf.errors.InvalidArgumentError), match=message):
        testing.verify_export(shared(name), tmp_path / "1")


def test_the_contract_fails_where_weights_are_lost(tmp_path, monkeypatch):
    model = shared("fvsbn_image")
    monkeypatch.setattr(serving, "restore", lambda folder: MODELS["fvsbn_image"]())
    with pytest.raises(AssertionError, match="restore gives another"):
        testing.verify_export(model, tmp_path / "1")


# Bad input --------------------------------------------------------------------------------------


def test_bad_input_is_an_invalid_argument_with_a_sentence(exports, served):
    for name, (model, _) in exports.items():
        call = served[name].loaded.signatures
        given = asked(model)
        draws = {
            "num_samples": tf.constant(2),
            "seed": tf.constant([1, 2]),
            "temperature": tf.constant(1.0),
        }
        label = {"condition": tf.constant([1])} if model.num_classes else {}
        x = tf.constant(given["x"])
        known = np.ones(x.shape, bool)
        hole = known.copy()
        first = model.permutations[0][0]
        hole.reshape([3, model.num_sites, -1])[:, first] = False
        rows = {"condition": tf.constant([1, 0, 1])} if model.num_classes else {}
        member = {"member": tf.constant(0)} if model.members > 1 else {}
        every = {**draws, **rows, **member}
        refused = [
            ("log_prob", {"x": x - 1, **rows}, r"Expected every entry of x to be"),
            ("log_prob", {"x": x + 300, **rows}, r"Expected every entry of x to be"),
            ("log_prob", {"x": x[:0], **rows}, r"at least one example"),
            ("conditionals", {"x": x - 1, **rows, **member}, r"Expected every entry of x to be"),
            ("complete", {"x": x, "known": hole, **every}, "a prefix of the order"),
            ("complete", {"x": x - 1, "known": known, **every}, "every entry of x"),
            (
                "complete",
                {"x": x, "known": known[:1], **every},
                r"of one shape, got\] \[3 .*\] \[1",
            ),
        ]
        for count in (0, -3):
            bad = {"num_samples": tf.constant(count)}
            refused.append(
                (
                    "sample",
                    {**draws, **label, **bad},
                    r"num_samples to be at least 1, got\] \[(0|-3)",
                )
            )
            bad = {"x": x, "known": known, **every, **bad}
            refused.append(("complete", bad, r"num_samples to be at least 1, got\] \[(0|-3)"))
        for temperature in (0.0, -1.0, np.nan, np.inf):
            bad = {"temperature": tf.constant(temperature)}
            refused.append(("sample", {**draws, **label, **bad}, "Expected temperature to be from"))
        if model.num_classes:
            last = model.num_classes - 1
            for bad in (3 + last, -1):
                bad = {"condition": tf.constant([bad])}
                refused.append(
                    (
                        "sample",
                        {**draws, **bad},
                        rf"Expected labels from 0 to {last} as condition, got\] \[({3 + last}|-1)",
                    )
                )
            refused.append(("log_prob", {"x": x, **label}, "one condition for each row of x"))
        if model.members > 1:
            for bad in (-1, model.members):
                bad = {"x": x, "member": tf.constant(bad)}
                refused.append(
                    ("conditionals", bad, r"Expected member to be from 0 to 2, got\] \[(-1|3)")
                )
        if model.head.site_shape:
            part = known.copy()
            part[..., 0] = False
            refused.append(("complete", {"x": x, "known": part, **every}, "along the last axis"))
        wrong = {"x": tf.cast(x, tf.float32), **rows}
        refused.append(("log_prob", wrong, "expected to be a int32 tensor but is a float tensor"))
        more_axes = {"x": x[..., None], **rows}
        many = {"num_samples": tf.constant(2**31 - 1)}
        refused.append(
            (
                "sample",
                {**draws, **label, **many},
                "at most 10000 samples, num_samples times the rows",
            )
        )
        refused.append(("log_prob", more_axes, "is not compatible with expected shape"))
        more = {**draws, **label, "seed": tf.constant([1, 2, 3])}
        refused.append(("sample", more, r"Shape of tensor .*seed.* \[3\] is not compatible"))
        for signature, wrong, message in refused:
            wrong = {key: tf.constant(value) for key, value in wrong.items()}
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                call[signature](**wrong)
        assert len(call) == 5 + ("generate" in call), name


def test_an_export_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    model = shared("fvsbn_image")
    folder = serving.export(model, tmp_path / "toy" / "1")
    before = serving.digest(folder)
    with pytest.raises(FileExistsError, match=r"1 exists: export to another version"):
        tfar.export(model, folder)
    assert serving.digest(folder) == before
    save = tf.saved_model.save

    def stopped(module, folder, **options):
        save(module, folder, **options)
        raise OSError("no space left")

    with monkeypatch.context() as context, pytest.raises(OSError, match="no space left"):
        context.setattr(tf.saved_model, "save", stopped)
        serving.export(model, tmp_path / "toy" / "2")
    assert [p.name for p in (tmp_path / "toy").iterdir()] == ["1"]
    with pytest.raises(FileNotFoundError, match="is not an export of tfar"):
        serving.restore(tmp_path / "toy")


def test_what_is_restored_is_uncompiled(tmp_path):
    model = MODELS["fvsbn_image"]()
    model.compile(type("Unregistered", (keras.optimizers.SGD,), {})(0.1))
    model.fit(inputs(model, 4), verbose=0)
    restored = serving.restore(serving.export(model, tmp_path / "1"))
    assert not restored.compiled
    for one, other in zip(restored.weights, model.weights):
        np.testing.assert_array_equal(one, other)


# Clients and servers ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clients(served):
    """The two clients, of servers that run all the exports."""
    with serve_rest(served) as url, serve_grpc(served) as address:
        yield {"rest": client.Rest(url), "grpc": client.Grpc(address)}


@pytest.mark.parametrize("kind", ["rest", "grpc"])
@pytest.mark.parametrize("name", NAMES)
def test_clients_get_what_the_model_says(exports, clients, kind, name):
    model, _ = exports[name]
    ask = clients[kind].predict
    given = asked(model)
    found = ask(name, **{key: value.tolist() for key, value in given.items()})
    np.testing.assert_allclose(found["log_prob"], scores(model, given), rtol=1e-4)
    assert set(found) == {"log_prob", "bits_per_dim"} and found["log_prob"].dtype == np.float32
    arguments, expected = drawn(model, [3, 4])
    found = ask(name, "sample", **arguments)
    assert set(found) == {"samples"} and found["samples"].dtype == np.int32
    np.testing.assert_array_equal(found["samples"], expected)
    member = {"member": 0} if model.members > 1 else {}
    found = ask(name, "conditionals", **given, **member)
    np.testing.assert_array_equal(found["order"], model.permutations[0])
    assert found["logits"].dtype == np.float32 and found["logits"].shape[0] == 3
    draws = {"num_samples": 2, "seed": [3, 4], "temperature": 1.0}
    known = np.ones(given["x"].shape, bool)
    found = ask(name, "complete", version=1, known=known, **given, **draws, **member)
    np.testing.assert_array_equal(found["samples"][1], given["x"])


TEXT = {"length": 20, "seed": [1, 2], "temperature": 0.9, "top_k": 2, "top_p": 0.95}


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_clients_generate_text(exports, clients, kind):
    model, _ = exports["transformer_window"]
    for prompt in ("", "abba"):
        found = clients[kind].predict("transformer_window", "generate", prompt=prompt, **TEXT)
        assert found["text"].item() == model.generate(prompt, **TEXT)
    with pytest.raises(RuntimeError, match=r"characters that the model knows, got\] \[d\]"):
        clients[kind].predict("transformer_window", "generate", prompt="abd", **TEXT)
    with pytest.raises(ValueError, match="Expected prompt to be a string, got 7"):
        clients[kind].predict("transformer_window", "generate", prompt=7, **TEXT)


def test_bad_requests_for_text(exports, served):
    model, _ = exports["transformer_window"]
    generate = served["transformer_window"].loaded.signatures["generate"]
    given = {key: tf.constant(value) for key, value in {"prompt": "ab", **TEXT}.items()}
    for change, message in (
        ({"prompt": b"a\xff"}, "Expected prompt in UTF-8, got other bytes"),
        (
            {"prompt": b"\x80" * 50_000},
            r"at most 10000 characters of prompt and length \(max_length",
        ),
        ({"prompt": b"\x80" * 5_000}, "Expected prompt in UTF-8, got other bytes"),
        ({"prompt": "aé\x00漢"}, "Expected prompt to have characters that the model knows, got"),
        ({"prompt": "a" * 9_981}, r"at most 10000 characters .* got\] \[9981\] \[20\]"),
        ({"length": 9_999}, r"at most 10000 characters .* got\] \[2\] \[9999\]"),
        ({"length": 2**31 - 1}, r"at most 10000 characters of prompt and length"),
        ({"length": 0}, "Expected length to be at least 1, got"),
        ({"length": -3}, "Expected length to be at least 1, got"),
        ({"temperature": 0.0}, r"Expected temperature to be from 1e-30 to 1e\+30, got"),
        ({"top_k": 0}, "Expected top_k to be at least 1, got"),
        ({"top_p": 0.0}, "Expected top_p above 0 and of at most 1, got"),
        ({"top_p": np.float32(np.nan)}, "Expected top_p above 0 and of at most 1, got"),
    ):
        wrong = {key: tf.constant(value) for key, value in change.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            generate(**{**given, **wrong})
    assert len(generate(**{**given, "prompt": tf.constant("")})["text"].numpy()) == 20
    positions = Transformer([4], 4, 1, 1, positions="learned", head=model.head)
    short = generation.Generation(
        positions, costs.Limits(max_bytes=2**30, max_rows=9, max_samples=9, max_length=9)
    )
    message = "at most 4 characters of prompt and length .the sites of the model"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        short(**{**given, "length": tf.constant(3)})
    assert len(short(**{**given, "length": tf.constant(2)})["text"].numpy()) == 4


def test_clients_ask_again_when_another_version_is_served(exports, served):
    label = {"condition": [0]}
    model, _ = exports["fvsbn_image"]
    models = {"toy": served["fvsbn_image"]}
    with serve_rest(models) as url:
        rest = client.Rest(url)
        rest.predict("toy", x=asked(model)["x"])
        models["toy"] = served["gated_pixel_cnn_labels"]
        assert rest.predict("toy", x=np.zeros([1, 2, 3, 1], int), **label)["log_prob"].shape == (1,)


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_clients_say_what_is_wrong(clients, kind):
    ask = clients[kind].predict
    x = np.zeros([1, 2, 3, 1], int)
    with pytest.raises(RuntimeError, match="Servable not found"):
        ask("nothing", x=x)
    with pytest.raises(ValueError, match=r"fvsbn_image has the signatures \['complete', "):
        ask("fvsbn_image", "smaple", x=x)
    with pytest.raises(ValueError, match=r"log_prob takes \['x'\], got \['y'\]"):
        ask("fvsbn_image", "log_prob", y=x)
    for wrong in (x + 0.5, None, "a"):
        with pytest.raises(ValueError, match="Expected x to be an array of int32, got "):
            ask("fvsbn_image", x=wrong)
    draws = {"num_samples": 1, "seed": [1, 2]}
    with pytest.raises(
        ValueError, match="Expected temperature to be an array of float32, got float64 1e"
    ):
        ask("fvsbn_image", "sample", temperature=1e300, **draws)
    refused = {"rest": ValueError, "grpc": RuntimeError}[kind]
    with pytest.raises(refused, match=r"no NaN and no infinity|Expected temperature to be from"):
        ask("fvsbn_image", "sample", temperature=np.nan, **draws)
    with pytest.raises(RuntimeError, match="Expected every entry of x to be 0 or 1"):
        ask("fvsbn_image", x=x + 2)
    with pytest.raises(RuntimeError, match="Expected num_samples to be at least 1"):
        ask("fvsbn_image", "sample", num_samples=0, seed=[1, 2], temperature=1.0)


@pytest.mark.parametrize("nobody", [client.Rest, client.Grpc])
def test_a_server_that_is_not_there(nobody):
    with pytest.raises(RuntimeError):
        nobody(*["http://localhost:9" if nobody is client.Rest else "localhost:9"]).predict(
            "a", x=1
        )


def test_request_and_response_bodies_are_those_of_the_protos(exports, served, clients, monkeypatch):
    """REST bodies become PredictRequests, gRPC ones are, and both hold the same."""
    model, _ = exports["fvsbn_image"]
    arguments, expected = drawn(model, [5, 6])
    sent = {}

    post, predict = requests.post, clients["grpc"].stub.Predict

    def spy_post(url, json, **options):
        sent["rest"] = from_json(json, served["fvsbn_image"])
        assert url.endswith("/v1/models/fvsbn_image/versions/1:predict")
        return post(url, json=json, **options)

    def spy_predict(request, **options):
        sent["grpc"] = predict_pb2.PredictRequest.FromString(request.SerializeToString())
        return predict(request, **options)

    monkeypatch.setattr(requests, "post", spy_post)
    monkeypatch.setattr(clients["grpc"].stub, "Predict", spy_predict)
    for kind in sorted(clients):
        found = clients[kind].predict("fvsbn_image", "sample", version=1, **arguments)
        np.testing.assert_array_equal(found["samples"], expected)
    assert sent["grpc"].model_spec.name == "fvsbn_image"
    assert sent["grpc"].model_spec.version.value == 1
    assert sent["grpc"].model_spec.signature_name == "sample"
    assert set(sent["rest"].inputs) == set(sent["grpc"].inputs)
    for key, tensor in sent["rest"].inputs.items():
        other = sent["grpc"].inputs[key]
        assert tensor.dtype == other.dtype
        np.testing.assert_array_equal(tf.make_ndarray(tensor), tf.make_ndarray(other))


def test_the_servers_configuration_names_the_whole_zoo(tmp_path):
    parsed = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(zoo.serve_config("/models/"), parsed)
    configs = parsed.model_config_list.config
    assert [c.name for c in configs] == zoo.list()
    assert {c.base_path for c in configs} == {f"/models/{name}" for name in zoo.list()}
    text_format.Parse(zoo.serve_config(), parsed := model_server_config_pb2.ModelServerConfig())
    for config in parsed.model_config_list.config:
        assert config.model_platform == "tensorflow"
        assert (zoo.model_folder(config.name)).parent.samefile(config.base_path)
        # A base path holds versions, folders that are numbers, and nothing else.
        versions = [p.name for p in zoo.model_folder(config.name).parent.iterdir()]
        assert versions == ["1"]


def test_concurrent_callers_get_the_right_answers(exports):
    """A short run of the benchmark, which compares every answer and watches memory."""
    program = pathlib.Path(__file__).parent.parent / "benchmarks" / "serving.py"
    _, folder = exports["fvsbn_image"]
    run = subprocess.run(
        [sys.executable, program, "--model", folder, "--seconds", "5"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "\n0 errors; memory" in run.stdout
