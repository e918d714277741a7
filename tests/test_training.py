"""Recipes and the trainer."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support.cases import mood
from support.thorough import beyond
from support.toys import made_up, made_up_of_8_bits, toy

import tfar
from tfar import cli, datasets, kinds, private, training, zoo
from tfar.heads import Categorical, GaussianMixture, Poisson
from tfar.kinds import images
from tfar.models import FVSBN, MADE
from tfar.training import feeding, loop, recipes, runs
from tfar.zoo import artefacts, publishing

EVENT_SHAPES = {
    "binarized_mnist": [28, 28, 1],
    "caltech101_silhouettes": [28, 28, 1],
    "mnist": [28, 28, 1],
    "cifar10_jpeg": [32, 32, 3],
    "fashion_mnist": [28, 28, 1],
    "dynamic_mnist": [28, 28, 1],
    "dna": [180],
    "dna_nucleotides": [60],
    "mushrooms": [112],
    "mushrooms_attributes": [21],
    "nips": [500],
    "wine_quality_red": [11],
    "wine_quality_white": [11],
}
OF_8_BITS = {"mnist", "cifar10_jpeg", "fashion_mnist"}


@pytest.fixture
def eagerly():
    """Runs functions without tracing them: two steps of a deep network take a third of the time."""
    yield tf.config.run_functions_eagerly
    tf.config.run_functions_eagerly(False)


ZOO = artefacts._place("zoo")
RECIPES = [
    path.parent.name
    for path in sorted(ZOO.glob("*/recipe.py"))
    if isinstance(recipes.load(path), recipes.Recipe)
]


def one_of_each_model():
    """Of recipes with the same model, all of images or all of texts: the last one."""
    found = {}
    for name in RECIPES:
        made = zoo.info(name) if name in zoo.list() else {}
        found[made.get("model", name), made.get("per")] = name
    return set(found.values())


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.parametrize("name", beyond(one_of_each_model(), RECIPES))
def test_every_recipe_runs_two_steps(name, tmp_path, eagerly):
    """Traced steps are in other tests, and here those of long recurrences and for XLA."""
    recipe = recipes.load_recipe(ZOO / name / "recipe.py")
    eagerly(not recipe.jit_compile and recipe.dataset != "tiny_shakespeare")
    # More images take time and show no more.
    recipe = dataclasses.replace(recipe, batch_size=2, validate_every=1, redraw=None)
    if recipe.dataset == "tiny_shakespeare":
        data = {"train": "to be, or not to be. " * 30 * recipe.batch_size, "validation": "be." * 99}
    else:
        make = made_up_of_8_bits if recipe.dataset in OF_8_BITS else made_up
        data = make(EVENT_SHAPES[recipe.dataset], train=2 * recipe.batch_size, validation=4)
    data = {split: feeding.inputs(recipe, part) for split, part in data.items()}
    model = training.train(recipe, tmp_path, epochs=1, data=data, verbose=0)
    best = json.loads((tmp_path / "best.json").read_text())
    assert np.isfinite(best["loss"])
    assert best["epoch"] == 1
    x = kinds.of(model).inputs(data["validation"])
    x = feeding.replaced(model, x, recipe.replaced, np.random.default_rng(recipe.seed))
    np.testing.assert_allclose(-model.log_prob(x).numpy().mean(), best["val_nats"], rtol=2e-2)


def test_a_conditional_recipe_trains_on_a_structure_and_needs_it(tmp_path):
    recipe = toy(
        model=lambda x: tfar.models.GatedPixelCNN(
            x.shape[1:], 4, 2, first_kernel_size=3, condition=mood()
        ),
        conditional=True,
        epochs=4,
        learning_rate=3e-2,
        shift=0.0,
    )
    data = made_up_of_8_bits([3, 3, 1], train=960)
    for part in data.values():  # the image says which word it has, and nothing else does
        words = part["condition"] % 2
        part["x"] = np.ones_like(part["x"]) * words[:, None, None, None]
        part["condition"] = {"word": words, "place": np.zeros([len(words), 2])}
    model = training.train(recipe, tmp_path, data=data, verbose=0)
    nats = -model.log_prob(data["validation"]).numpy().mean()
    assert nats < 0.5 * np.log(2)  # which image it is costs log 2 where the word is not known
    once = dataclasses.replace(recipe, epochs=1)
    epochs = [list(feeding.batches(once, model, data["train"])) for _ in range(2)]
    for one, other in zip(*epochs):
        assert set(one) == {"x", "condition"} and one["x"].shape == (16, 3, 3, 1)
        np.testing.assert_array_equal(one["x"], other["x"])
        centre = one["x"].numpy()[:, 1, 1, 0]
        np.testing.assert_array_equal(centre, one["condition"]["word"])
    other = {**data["train"], "condition": {**data["train"]["condition"], "place": 1.0}}
    assert runs.digest(data["train"]) != runs.digest(other)
    with pytest.raises(ValueError, match="toy is conditional, and toy has no condition"):
        feeding.inputs(recipe, data["train"]["x"])


def test_no_thread_tunes_the_stream():
    """Where one did, freeing an interrupted run took up to a minute."""
    stream = feeding.batches(toy(), FVSBN([3, 3, 1]), made_up([3, 3, 1])["train"])
    assert stream.options().autotune.enabled is False


def test_the_kept_weights_are_the_validated_averages(tmp_path):
    data = made_up([3, 3, 1])
    model = training.train(toy(), tmp_path, data=data, verbose=0)
    best = json.loads((tmp_path / "best.json").read_text())
    nats = -model.joint().log_prob(data["validation"]).numpy().mean()
    np.testing.assert_allclose(nats, best["val_nats"], rtol=1e-5)
    log = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    assert best["val_nats"] == pytest.approx(log["val_nats"].min(), rel=1e-6)


def test_a_folder_belongs_to_one_recipe(tmp_path):
    data = made_up([3, 3, 1])
    training.train(toy(), tmp_path, epochs=1, data=data, verbose=0)
    with pytest.raises(ValueError, match=r"another recipe \(epochs differ\)"):
        training.train(toy(), tmp_path, data=data, verbose=0)
    wider = toy(epochs=1, model=lambda x: tfar.models.MADE(x.shape[1:], (9,), dropout=0.2))
    with pytest.raises(ValueError, match=r"another recipe \(config differ\)"):
        training.train(wider, tmp_path, data=data, verbose=0)


def test_only_images_are_shifted(tmp_path):
    with pytest.raises(ValueError, match=r"Expected images \[N, H, W, C\] to shift, got \[64, 9\]"):
        training.train(toy(), tmp_path, data=made_up([9]))


def test_a_finished_run_is_not_run_again(tmp_path):
    data = made_up([3, 3, 1])
    training.train(toy(), tmp_path, data=data, verbose=0)
    log = (tmp_path / "log.csv").read_text()
    training.train(toy(), tmp_path, data=data, verbose=0)
    assert (tmp_path / "log.csv").read_text() == log


def test_worse_weights_do_not_replace_better_ones(tmp_path):
    model = tfar.models.FVSBN([3])
    averages = keras.callbacks.Callback()  # none to swap
    keep = runs.BestWeights(tmp_path, averages)
    keep.set_model(model)
    keep.on_epoch_end(0, {"val_nats": 2.0})
    kept = (tmp_path / runs.BEST).read_bytes()
    model.trainable_variables[1].assign_add(np.ones([3, 1]))
    for worse in (3.0, float("nan"), 2.5):
        resumed = runs.BestWeights(tmp_path, averages)
        resumed.set_model(model)
        resumed.on_epoch_end(1, {"val_nats": worse})
    assert (tmp_path / runs.BEST).read_bytes() == kept
    assert not list(tmp_path.glob("partial*"))


def test_training_stops_when_validation_has_not_been_better_for_long(tmp_path):
    """At a huge rate the first epochs are the best."""
    recipe = toy(learning_rate=5.0, epochs=30, patience=3)
    training.train(recipe, tmp_path, data=made_up([3, 3, 1]), verbose=0)
    best = json.loads((tmp_path / "best.json").read_text())["epoch"]
    epochs = len((tmp_path / "log.csv").read_text().splitlines()) - 1
    assert epochs == best + 3 < 30


def test_validation_may_be_seldom(tmp_path):
    training.train(toy(validate_every=3), tmp_path, data=made_up([3, 3, 1]), verbose=0)
    assert json.loads((tmp_path / "best.json").read_text())["epoch"] in (3, 4)
    header, *rows = (line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines())
    column = header.index("val_nats")
    assert [index for index, row in enumerate(rows, 1) if row[column] != "NA"] == [
        3,
        4,
    ]  # the last one too
    assert len(rows) == 4


def test_batches_depend_on_seed_and_epoch_only():
    x = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    recipe, model = toy(batch_size=3, shift=0.0, epochs=3), FVSBN([1, 1, 1])
    stream = np.stack(list(feeding.batches(recipe, model, x).as_numpy_iterator()))[..., 0]
    later = np.stack(list(feeding.batches(recipe, model, x, first=(1, 0)).as_numpy_iterator()))
    assert stream.shape == (9, 3, 1, 1)
    np.testing.assert_array_equal(stream[3:], later[..., 0])
    assert len(np.unique(stream[:3])) == 9  # no example twice in an epoch
    assert not np.array_equal(stream[:3], stream[3:6])
    other = dataclasses.replace(recipe, seed=2, epochs=1)
    other = np.stack(list(feeding.batches(other, model, x).as_numpy_iterator()))[..., 0]
    assert not np.array_equal(stream[:3], other)


def test_examples_are_drawn_anew_in_each_epoch():
    """And by the seed and the epoch, so that a resumed run sees the same."""
    x = np.zeros([12, 2, 2, 1], np.uint8)

    def redraw(rng):
        return rng.integers(0, 2, x.shape).astype(np.uint8)

    recipe, model = toy(batch_size=4, shift=0.0, epochs=3, redraw=redraw), FVSBN([2, 2, 1])
    stream = np.stack(list(feeding.batches(recipe, model, x).as_numpy_iterator()))
    later = np.stack(list(feeding.batches(recipe, model, x, first=(1, 0)).as_numpy_iterator()))
    np.testing.assert_array_equal(stream[3:], later)
    for epoch in range(3):
        drawn = redraw(np.random.default_rng([recipe.seed, epoch]))
        shown = stream[3 * epoch : 3 * epoch + 3].reshape([12, 4])
        assert sorted(shown.tolist()) == sorted(drawn.reshape([12, 4]).tolist())
    other = dataclasses.replace(recipe, redraw=lambda rng: x[1:])
    with pytest.raises(ValueError, match=r"redraw of toy to return uint8 of shape \[12, 2, 2, 1\]"):
        feeding.redrawn(other, x, None)


def test_a_run_with_redrawn_examples_is_recorded_and_resumed(tmp_path):
    data = made_up([3, 3, 1])

    def redraw(rng):
        return rng.integers(0, 2, data["train"].shape).astype(np.uint8)

    recipe = toy(epochs=1, redraw=redraw)
    training.train(recipe, tmp_path, data=data, verbose=0)
    assert json.loads((tmp_path / "recipe.json").read_text())["redraw"] == "redraw()"
    training.train(recipe, tmp_path, data=data, verbose=0)
    with pytest.raises(ValueError, match="another recipe \\(redraw differ"):
        training.train(dataclasses.replace(recipe, redraw=None), tmp_path, data=data, verbose=0)


def test_shifted_moves_by_at_most_a_pixel():
    x = np.zeros([2000, 5, 5, 1], np.uint8)
    x[:, 2, 2] = 1
    moved = images.shifted(x, 0.9, np.random.default_rng(0))
    assert (moved.sum(axis=(1, 2, 3)) == 1).all()
    rows, columns = np.nonzero(moved[..., 0])[1:]
    counts = np.zeros([5, 5])
    np.add.at(counts, (rows, columns), 1)
    assert counts[1:4, 1:4].sum() == 2000
    assert (
        np.abs(counts[1:4, 1:4] / 2000 - 0.1 - 0.1 * np.eye(3)[1][:, None] * np.eye(3)[1]) < 0.03
    ).all()
    edge = np.zeros([500, 5, 5, 1], np.uint8)
    edge[:, 0, 0] = 1
    assert set(np.unique(images.shifted(edge, 1.0, np.random.default_rng(0)).sum((1, 2, 3)))) == {
        0,
        1,
    }


def test_replaced_values_are_uniform_and_others_stay():
    """A fifth of the grey levels, others in each epoch, and as many of the validation's."""
    x = np.full([32, 5, 5, 1], 7, np.uint8)
    model = MADE([5, 5, 1], (4,), head=Categorical(256))
    recipe = toy(replaced=0.2, shift=0.0, epochs=2)
    drawn = np.stack(list(feeding.batches(recipe, model, x).as_numpy_iterator()))
    first, second = drawn[:2].ravel(), drawn[2:].ravel()
    for epoch in (first, second):
        assert np.mean(epoch != 7) == pytest.approx(0.2, abs=0.05)
        assert 110 < np.mean(epoch[epoch != 7]) < 145 and epoch.max() > 240
    assert np.any(first != second)
    for head in (Poisson(), GaussianMixture(2)):
        with pytest.raises(ValueError, match="Values are replaced by uniform ones"):
            feeding.replaced(MADE([25], (4,), head=head), x, 0.1, np.random.default_rng(0))


def test_shift_falls_to_zero():
    x = np.zeros([64, 5, 5, 1], np.uint8)
    x[:, 2, 2] = 1
    recipe = toy(shift=1.0, shift_until=0.5)
    stream = feeding.batches(recipe, FVSBN([5, 5, 1]), x)
    moved = [float(np.mean(batch[:, 2, 2] == 0)) for batch in stream.as_numpy_iterator()]
    assert np.mean(moved[:4]) > 0.6
    assert max(moved[8:]) == 0


@pytest.mark.parametrize(
    "field, value, said",
    [
        ("name", None, "a string, got None"),
        ("summary", 3, "a string, got 3"),
        (
            "dataset",
            b"mnist",
            "the name of a data set, a function of a split, or a dict of the files",
        ),
        ("model", "made", "a function, got 'made'"),
        ("redraw", "mnist", "a function, got 'mnist'"),
        ("paper", {}, "a dict of nats, what, reference, or"),
        ("paper", {"nats": 80.0}, "a dict of nats, what, reference, or"),
        ("paper", "none", "a dict of nats, what, reference, or"),
        ("epochs", 0, "an integer of at least 1, got 0"),
        ("epochs", 2.5, "an integer of at least 1, got 2.5"),
        ("epochs", True, "an integer of at least 1, got True"),
        ("batch_size", 0, "an integer of at least 1, got 0"),
        ("batch_size", "16", "an integer of at least 1, got '16'"),
        ("validate_every", 0, "an integer of at least 1, got 0"),
        ("learning_rate", -1, "a finite number above 0, got -1"),
        ("learning_rate", 0, "a finite number above 0, got 0"),
        ("learning_rate", float("nan"), "a finite number above 0, got nan"),
        ("learning_rate", (0.1, -0.1), "a finite number above 0, got -0.1"),
        ("learning_rate", None, "a finite number above 0, got None"),
        ("conditional", 1, "one of True, False, got 1"),
        ("jit_compile", "yes", "one of True, False, got 'yes'"),
        ("cycles", 2, "a sequence of integers of at least 1, got 2"),
        ("cycles", (30, -2), r"a sequence of integers of at least 1, got \(30, -2\)"),
        ("cycles", (1.5, 2.5), r"a sequence of integers of at least 1, got \(1.5, 2.5\)"),
        ("optimizer", "sgd", "one of 'adamw', 'muon', got 'sgd'"),
        ("optimizer", ["adamw"], r"one of 'adamw', 'muon', got \['adamw'\]"),
        ("precision", "bfloat16", "one of 'float32', 'mixed_bfloat16', 'mixed_float16', got"),
        ("warmup", 2, "a finite number of at least 0 and at most 1, got 2"),
        ("warmup", -0.1, "a finite number of at least 0 and at most 1, got -0.1"),
        ("weight_decay", -1, "a finite number of at least 0, got -1"),
        ("clip_norm", -1, "a finite number above 0, got -1"),
        ("clip_norm", 0, "a finite number above 0, got 0"),
        ("ema", 1.5, "a finite number of at least 0 and below 1, got 1.5"),
        ("ema", 1, "a finite number of at least 0 and below 1, got 1"),
        ("shift", 2, "a finite number of at least 0 and at most 1, got 2"),
        ("shift", (0.5, -1), "a finite number of at least 0 and at most 1, got -1"),
        ("shift_until", 0, "a finite number above 0 and at most 1, got 0"),
        ("noise", -1, "a finite number of at least 0, got -1"),
        ("replaced", 1.5, "a finite number of at least 0 and at most 1, got 1.5"),
        ("patience", -1, "an integer of at least 1, got -1"),
        ("patience", 0, "an integer of at least 1, got 0"),
        ("seed", -1, "an integer of at least 0 and at most 4294967295, got -1"),
        ("seed", 1.0, "an integer of at least 0 and at most 4294967295, got 1.0"),
        ("seed", None, "an integer of at least 0 and at most 4294967295, got None"),
    ],
)
def test_every_field_of_a_recipe_is_checked(field, value, said):
    with pytest.raises(ValueError, match=f"^Expected {field} to be {said}"):
        toy(**{field: value})


def test_numbers_of_numpy_are_recorded_as_pythons(tmp_path):
    numbers = {"epochs": np.int64(1), "learning_rate": np.float32(0.01), "shift": np.float64(0)}
    recipe = toy(**numbers, cycles=[np.int8(1)])
    training.train(recipe, tmp_path, data=made_up([3, 3, 1]), verbose=0)
    held = json.loads((tmp_path / "recipe.json").read_text())
    assert (held["epochs"], held["learning_rate"], held["cycles"]) == (1, np.float32(0.01), [1])


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "epochs = 3\nepoch = 4\n_hidden = 1\n",
            r"unknown names \['epoch'\] \(epochs for epoch\? ",
        ),
        ("epochs = 3\n", r"missing names \['batch_size', "),
        ("WHOLE\nname = 'mine'\n", r"unknown names \['name'\]"),
        (
            "WHOLE\noptimizer = 'sgd'\n",
            "Expected optimizer to be one of 'adamw', 'muon', got 'sgd'",
        ),
        ("WHOLE\nepochs, cycles = 28, (30, 2)\n", r"The cycles \[30, 2\] .* up to 28 epochs"),
        ("WHOLE\nepochs, cycles = 28, (36)\n", "Expected cycles to be a sequence of integers"),
        ("x = 1\nepochs = x / 0\n", r"recipe.py, line 2: ZeroDivisionError: division by zero"),
        ("x = 1\n\nepochs = = 2\n", r"recipe.py, line 3: SyntaxError: "),
        ("open('none.txt')\n", r"recipe.py, line 1: FileNotFoundError: .*none.txt"),
        ("raise SystemExit(3)\n", r"recipe.py, line 1: SystemExit: 3"),
        ("input()\n", r"recipe.py, line 1: (OSError|EOFError): "),
        ("\0", "recipe.py.*: source code .*null bytes"),
    ],
)
def test_bad_recipe_files_are_refused(text, said, tmp_path):
    whole = zoo.recipe_path("pixelcnn_mnist").read_text()
    (tmp_path / "recipe.py").write_text(text.replace("WHOLE", whole))
    with pytest.raises(ValueError, match=said) as refused:
        recipes.load_recipe(tmp_path / "recipe.py")
    assert str(tmp_path / "recipe.py") in str(refused.value)


def test_what_is_no_recipe_file_is_refused(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"There is no recipe file {path}"):
            recipes.load_recipe(path)
    with pytest.raises(ValueError, match="Expected path to be a path, got None"):
        recipes.load_recipe(None)


def test_too_little_data_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one batch of 16, got 8"):
        training.train(toy(), tmp_path, data=made_up([3, 3, 1], train=8))


@pytest.mark.parametrize("steps, warmup", [(40, 0.25), (40, 0.0), (7, 0.9), (1, 0.5)])
def test_a_cycle_of_the_schedule_is_that_of_keras_without_branches(steps, warmup):
    schedule = training.Schedule([0.1, 0.3], [11, steps], warmup)
    rise = max(1, round(warmup * steps))
    keras_s = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - rise), warmup_target=0.3, warmup_steps=rise
    )
    for step in range(steps + 3):
        np.testing.assert_allclose(schedule(11 + step), keras_s(step), rtol=1e-6, atol=1e-7)
    graph = tf.function(schedule).get_concrete_function(tf.TensorSpec([], tf.int64)).graph
    (inside,) = graph.as_graph_def().library.function
    operations = [op.type for op in graph.get_operations()] + [node.op for node in inside.node_def]
    assert "Cos" in operations and not {"If", "StatelessIf"} & set(operations)


@pytest.mark.parametrize("make, most", [(keras.optimizers.AdamW, 60), (training.Muon, 50)])
def test_a_weight_adds_few_operations_to_the_graph_of_a_step(make, most):
    """What is the same for all weights (rate, corrections, momentum) is computed out of it."""
    sizes = []
    for layers in (1, 6):
        optimizer = make(training.Schedule([1e-2], [9], 0.1), use_ema=True, weight_decay=0.1)
        private.average_briefly(optimizer)
        model = keras.Sequential([keras.layers.Dense(4) for _ in range(layers)])
        model.build([None, 4])
        optimizer.build(model.trainable_variables)
        step = tf.function(optimizer.apply)
        shapes = [tf.TensorSpec(weight.shape) for weight in model.trainable_variables]
        sizes.append(len(step.get_concrete_function(shapes).graph.get_operations()))
    assert (sizes[1] - sizes[0]) / 10 < most, sizes


def test_cycles_run_the_schedule_again_from_half_the_rate(tmp_path):
    recipe = toy(cycles=(3, 2), epochs=5, shift=1.0, shift_until=1.0, warmup=0.25)
    fractions = [feeding.shifted_fraction(recipe, epoch) for epoch in range(5)]
    np.testing.assert_allclose(fractions, [1, 2 / 3, 1 / 3, 1, 1 / 2])
    schedule = training.Schedule([1e-2, 5e-3], [12, 8], recipe.warmup)
    rates = np.array([float(schedule(step)) for step in range(20)])
    other = training.Schedule([1e-2], [8], recipe.warmup)
    again = np.array([float(other(step)) for step in range(8)])
    np.testing.assert_allclose(rates[12:], again / 2, rtol=1e-6)
    assert rates[0] == 0 and rates[3] == rates.max() == np.float32(1e-2)
    data = made_up([3, 3, 1])
    training.train(recipe, tmp_path / "whole", data=data, verbose=0)
    # A run of one cycle goes on as one of two.
    training.train(
        toy(**{**vars(recipe), "cycles": ()}), tmp_path / "first", epochs=3, data=data, verbose=0
    )
    (tmp_path / "first/recipe.json").unlink()
    training.train(recipe, tmp_path / "first", data=data, verbose=0)
    whole, first = (
        np.genfromtxt(tmp_path / name / "log.csv", delimiter=",", names=True)
        for name in ("whole", "first")
    )
    assert len(whole) == 5 and len(set(whole["val_nats"])) == 5
    np.testing.assert_array_equal(whole["loss"], first["loss"])
    np.testing.assert_array_equal(whole["val_nats"], first["val_nats"])
    # Other epochs are one cycle.
    training.train(recipe, tmp_path / "other", epochs=2, data=data, verbose=0)
    recorded = json.loads((tmp_path / "other/recipe.json").read_text())
    assert recorded["epochs"] == 2 and recorded["cycles"] == []
    with pytest.raises(ValueError, match=r"The cycles \[3, 2\] of toy do not add up to 6 epochs"):
        training.train(
            dataclasses.replace(recipe, epochs=6),
            tmp_path / "odd",
            epochs=None,
            data=data,
            verbose=0,
        )


def test_each_cycle_may_have_a_rate_and_a_shift_of_its_own():
    recipe = toy(cycles=(4, 2), epochs=6, learning_rate=(1.0, 0.3), shift=(0.5, 0), shift_until=1.0)
    assert recipe.periods == [(0, 4, 1.0, 0.5), (4, 2, 0.3, 0)]
    fractions = [feeding.shifted_fraction(recipe, epoch) for epoch in range(6)]
    np.testing.assert_allclose(fractions, [0.5, 0.375, 0.25, 0.125, 0, 0])
    other = recipes.lasting(recipe, 9)
    assert (other.cycles, other.learning_rate, other.shift) == ((), 1.0, 0.5)
    with pytest.raises(ValueError, match="toy has 2 learning rates for 1 cycles"):
        dataclasses.replace(recipe, cycles=())
    with pytest.raises(ValueError, match="toy has 3 shifts for 2 cycles"):
        dataclasses.replace(recipe, shift=(1, 1, 0))


def test_a_run_may_begin_with_a_trained_model(tmp_path, monkeypatch):
    """It is the last cycle: as many epochs, from half the rate, of those weights."""
    data = made_up([3, 3, 1])
    trained = training.train(toy(), tmp_path / "first", data=data, verbose=0)
    trained.save(tmp_path / "first.keras")
    start = str(tmp_path / "first.keras")
    rates, schedule = [], training.Schedule
    monkeypatch.setattr(
        loop,
        "Schedule",
        lambda *a: rates.append(a) or schedule([1e-9 * rate for rate in a[0]], *a[1:]),
    )
    recipe = toy(cycles=(4, 2), epochs=6)
    more = training.train(recipe, tmp_path / "more", data=data, verbose=0, start=start)
    assert rates == [([recipe.learning_rate / 2], [2 * 4], recipe.warmup)]
    for one, other in zip(trained.get_weights(), more.get_weights()):
        np.testing.assert_allclose(one, other, atol=1e-6)
    log = np.genfromtxt(tmp_path / "more/log.csv", delimiter=",", names=True)
    assert log["epoch"].tolist() == [4, 5]
    held = json.loads((tmp_path / "more/recipe.json").read_text())
    assert held["start"] == start and held["start_sha256"] == zoo.checksum(start)
    with pytest.raises(ValueError, match=r"another recipe \(start differ\)"):
        training.train(recipe, tmp_path / "more", data=data, verbose=0)
    short = training.train(recipe, tmp_path / "short", epochs=1, data=data, verbose=0, start=start)
    np.testing.assert_allclose(short.get_weights()[1], more.get_weights()[1], atol=1e-6)
    assert json.loads((tmp_path / "short/recipe.json").read_text())["cycles"] == [4, 1]


def test_a_run_begins_with_a_model_of_its_own_kind_only(tmp_path):
    data = made_up([3, 3, 1])
    start = str(tmp_path / "start.keras")
    training.train(toy(), tmp_path / "first", epochs=1, data=data, verbose=0).save(start)

    def refused(match, start=start, **changes):
        recipe = toy(**changes)
        with pytest.raises(ValueError, match=match):
            training.train(recipe, tmp_path / "other", data=data, verbose=0, start=start)
        assert not (tmp_path / "other").exists()

    def turned(x):
        return tfar.models.MADE(x.shape[1:], (8,), order="reversed")

    refused("start.keras cannot be the start of toy, whose model has another order", model=turned)
    refused("another hidden", model=lambda x: tfar.models.MADE(x.shape[1:], (9,)))
    refused("made_mnits", start="made_mnits")
    undropped = toy(epochs=1, model=lambda x: tfar.models.MADE(x.shape[1:], (8,)))
    training.train(undropped, tmp_path / "undropped", data=data, verbose=0, start=start)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_precision_trains_float32_weights(precision, tmp_path):
    data = made_up([3, 3, 1])
    for part in data.values():
        part[:] = part[:, :1, :1]  # all pixels are the same
    recipe = toy(epochs=16, ema=0.5, clip_norm=1.0, shift=0.0, learning_rate=0.1)
    model = training.train(recipe, tmp_path, data=data, verbose=0, precision=precision)
    assert model.compute_dtype == precision
    assert all(weight.dtype == "float32" for weight in model.trainable_variables)
    assert model.log_prob(data["validation"]).dtype == "float32"
    log = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    assert log["val_nats"][-1] < 0.7 * log["val_nats"][0]
    other = "float16" if precision == "float32" else "float32"
    with pytest.raises(ValueError, match=r"another recipe \(precision differ\)"):
        training.train(recipe, tmp_path, data=data, verbose=0, precision=other)


class Unread(dict):
    """Data that nobody looks at."""

    def __getitem__(self, split):
        raise AssertionError("data are read")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            {"recipe": "pixelcnn_mnist"},
            "a tfar.training.Recipe, got 'pixelcnn_mnist': .*load_",
        ),
        ({"folder": 5}, "folder to be a path, got 5"),
        ({"folder": ""}, "folder to be a path, got ''"),
        ({"epochs": 0}, "epochs to be an integer of at least 1, got 0"),
        ({"epochs": "3"}, "epochs to be an integer of at least 1, got '3'"),
        ({"verbose": 3}, "verbose to be one of 'auto', 0, 1, 2, False, True, got 3"),
        ({"verbose": "loud"}, "verbose to be one of .*, got 'loud'"),
        ({"strategy": "mirror"}, "strategy to be one of 'default', 'mirrored', .*, got 'mirror'"),
        ({"strategy": ["default"]}, r"strategy to be one of .*, got \['default'\]"),
        ({"precision": "float64"}, "precision to be one of 'float32', .*, got 'float64'"),
        ({"precision": 16}, "precision to be one of 'float32', .*, got 16"),
        ({"save_every": 0}, "save_every to be an integer of at least 1, got 0"),
        ({"save_every": -1}, "save_every to be an integer of at least 1, got -1"),
        ({"save_every": 2.5}, "save_every to be an integer of at least 1, got 2.5"),
        ({"tensorboard": "yes"}, "tensorboard to be one of False, True, got 'yes'"),
        ({"start": 5}, "start to be a string, got 5"),
        ({"data": 5}, "data to be .*, got int"),
        ({"data": {"train": np.ones([9, 3])}}, r"data to be .*, got \['train'\]"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_read(arguments, said, tmp_path):
    data = Unread(train=0, validation=0)
    options = {"recipe": toy(), "folder": tmp_path / "run", "data": data, **arguments}
    with pytest.raises(ValueError, match=f"^Expected .*{said}"):
        training.train(**options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "split, part, said",
    [
        ("train", None, "Expected the train data to be an array of numbers, .*, got NoneType None"),
        ("train", 5.0, "Expected the train data to be .*, got float 5.0"),
        ("train", np.array(["a", "b"]), "Expected the train data to be .*, got ndarray array"),
        ("validation", {"y": np.ones(3)}, "Expected the validation data .* got a dict of 'y': nd"),
        ("validation", np.zeros([4, 3, 2, 1]), r"Expected x of shape \[batch, 3, 3, 1\], got"),
        ("validation", np.zeros([0, 3, 3, 1]), "Expected at least one example"),
        ("validation", np.full([4, 3, 3, 1], 7), "takes 0 or 1, got 7"),
        ("train", np.full([64, 3, 3, 1], 7), "takes 0 or 1, got 7"),
    ],
)
def test_wrong_data_are_refused_before_they_are_learned_from(split, part, said, tmp_path):
    data = {**made_up([3, 3, 1]), split: part}
    with pytest.raises(ValueError, match=said):
        training.train(toy(), tmp_path / "run", data=data, verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_function_that_returns_no_model_is_named(tmp_path):
    recipe = toy(model=lambda x: None)
    with pytest.raises(ValueError, match=r"function model of toy to return a .*Model, got None"):
        training.train(recipe, tmp_path / "run", data=made_up([3, 3, 1]))


RECIPE = """import tfar
summary = 'A toy.'
dataset = 'toy'
epochs = 2
batch_size = 16
learning_rate = 1e-2
paper = {'nats': 9.0, 'what': 'it', 'reference': 'us'}
def model(x):
    return tfar.models.FVSBN(x.shape[1:])
"""


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """``(train, recipe, run)``: the command with arguments of a recipe file, and its folders."""
    data = made_up([3, 3, 1])
    monkeypatch.setattr(datasets, "load", lambda name, split: data.get(split, data["train"]))
    recipe = tmp_path / "toy" / "recipe.py"
    recipe.parent.mkdir()
    recipe.write_text(RECIPE)

    def train(*arguments):
        options = ["train", recipe, "--out", tmp_path / "run", *arguments]
        return CliRunner().invoke(cli.main, [str(argument) for argument in options])

    return train, recipe, tmp_path / "run"


def test_a_finished_run_is_said_to_be_so_without_data(shell, monkeypatch):
    train, recipe, run = shell
    first = train()
    assert first.exit_code == 0, first.output
    written = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}

    def load(name, split):
        raise ValueError("data are read")

    monkeypatch.setattr(datasets, "load", load)
    again = train()
    assert again.exit_code == 0, again.output
    assert f"{run} is finished. {run / 'model.keras'}: the weights" in again.stdout
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == written
    for arguments in (["--epochs", 3], ["--precision", "bfloat16"], ["--start", "made_mnist"]):
        refused = train(*arguments)
        assert refused.exit_code == 1 and "holds a run of another recipe (" in refused.output
    kept = {name: (run / name).read_bytes() for name in ("model.keras", "checkpoint.npz")}
    for name, content in kept.items():  # neither is finished without it
        (run / name).unlink()
        assert "data are read" in train().output
        (run / name).write_bytes(content)
    recipe.write_text(RECIPE.replace("FVSBN(", "MADE("))
    assert "data are read" in train().output
    (run / "best.json").write_text("{")
    recipe.write_text(RECIPE)
    assert "best.json is damaged" in train().output


def test_only_whole_runs_are_published(shell, monkeypatch):
    train, recipe, run = shell
    monkeypatch.setattr(artefacts, "_place", lambda kind: recipe.parent.parent)
    with pytest.raises(FileNotFoundError, match="is not the folder of a training run"):
        publishing.publish("toy", run)
    assert train().exit_code == 0
    content = bytearray((run / "best.weights.h5").read_bytes())
    content[-1] ^= 1
    (run / "best.weights.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"best.weights.h5 is damaged"):
        publishing.publish("toy", run)
    assert [path.name for path in recipe.parent.iterdir()] == ["recipe.py"]


def test_patience_finishes_a_run(shell, monkeypatch):
    train, recipe, run = shell
    recipe.write_text(RECIPE.replace("epochs = 2", "epochs, patience, shift = 20, 1, 0.5"))
    recipe.write_text(recipe.read_text().replace("1e-2", "5.0"))
    assert train().exit_code == 0
    assert len((run / "log.csv").read_text().splitlines()) < 20
    assert "is finished" in train().output


def test_the_output_is_tried_before_training(shell, monkeypatch):
    train, _, run = shell
    (run / "model.keras").mkdir(parents=True)
    monkeypatch.setattr(datasets, "load", lambda name, split: 1 / 0)
    refused = train()
    assert refused.exit_code == 1
    assert "model.keras could not be written: it is a folder" in refused.output


def test_ctrl_c_in_the_shell(shell, monkeypatch):
    train, _, run = shell

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(runs.Log, "on_epoch_end", on_epoch_end)
        stopped = train()
    assert stopped.exit_code == 130 and "Aborted" not in stopped.output
    said = (
        f"Interrupted. The best weights and the state after 1 epochs and 0 steps are kept in {run}."
    )
    assert f"{said} Train again to resume." in stopped.output
    assert train().exit_code == 0
