"""What a request costs, by hand and by resident memory, and the bounds that follow."""

import functools
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support.cases import shared

from tfar import serving
from tfar.cli import main
from tfar.heads import Categorical, Characters
from tfar.models import FVSBN, MADE, CharRNN, OrderlessNADE, Transformer
from tfar.serving import costs

FLOATS = tf.TensorSpec([100], tf.float32)  # 400 bytes


def looped(x):
    """Three of 400 bytes: what is carried, a sine and a sum."""
    return tf.while_loop(lambda i, _: i < 9, lambda i, y: (i + 1, tf.sin(y) + y), (0, tf.cos(x)))[1]


def listed(x):
    """Nine rows in a list, and stacked."""
    rows = tf.TensorArray(tf.float32, 9, element_shape=[100])
    rows = tf.while_loop(
        lambda i, _: i < 9,
        lambda i, rows: (i + 1, rows.write(i, x * tf.cast(i, tf.float32))),
        (0, rows),
        parallel_iterations=1,
    )[1]
    return rows.stack()


def ahead(x):
    """Nothing of [100, 100] waits for the iteration before: ten of them are under way at once."""
    return tf.while_loop(
        lambda i, _: i < 99,
        lambda i, y: (i + 1, y + tf.reduce_sum(x[:, None] * x * tf.cast(i, tf.float32))),
        (0, 0.0),
    )[1]


@pytest.mark.parametrize(
    "function, least, most",
    [
        (lambda x: tf.reshape(tf.identity(x), [10, 10]), 0, 0),
        (lambda x: tf.sin(tf.cos(tf.sin(tf.cos(x)))), 800, 800),
        (lambda x: sum([tf.sin(x * k) for k in (1.0, 2.0, 3.0)]), 1200, 2400),  # one by one, or all
        (lambda x: tf.cast(x, tf.bool), 100, 100),
        (lambda x: tf.cond(x[0] > 0, lambda: tf.sin(x), lambda: tf.sin(x) + tf.cos(x)), 1200, 1210),
        (lambda x: tf.function(lambda x: tf.sin(tf.cos(x)))(x), 800, 800),
        (looped, 1200, 1250),
        (listed, 7200, 8100),
        (ahead, 10 * 80_000, 10 * 80_000 + 500),
    ],
)
def test_the_peak_of_small_functions(function, least, most):
    assert least <= costs.peak_bytes(function, FLOATS) <= most


def test_what_a_graph_does_not_tell_is_taken_for_many():
    def chosen(x):
        return tf.boolean_mask(x, x > 0) * 2.0

    few, many = (costs.peak_bytes(chosen, FLOATS, unknown=n) for n in (1, 1000))
    assert few < 1000 and many > 8000


@pytest.mark.parametrize(
    "small, large",
    [
        (MADE([20], (30,)), MADE([20], (300,))),
        (MADE([20], (30,)), MADE([60], (30,))),
        (MADE([20], (30,)), MADE([20], (30,), head=Categorical(9))),
        (Transformer([20], 8, 1, 2), Transformer([20], 32, 1, 2)),
    ],
)
def test_larger_models_cost_more(small, large):
    for cost in (costs.scoring_bytes, costs.drawing_bytes):
        assert 1.2 * cost(small) < cost(large) < 20 * cost(small)


def test_the_members_of_an_ensemble_take_turns():
    one, many = (
        OrderlessNADE([6], (8, 8), order="random", num_orders=number) for number in (1, 50)
    )
    for cost in (costs.scoring_bytes, costs.drawing_bytes):
        assert cost(one) <= cost(many) < 2 * cost(one)


# Limits -------------------------------------------------------------------------------------------


def test_limits_follow_from_memory_or_are_given():
    model = MADE([20], (30,))
    found = costs.limits(model)
    assert found.max_bytes == 2**31 and found.max_samples == 10_000 and found.max_length is None
    assert found.max_rows == 2**31 // costs.scoring_bytes(model)
    found = costs.limits(model, max_bytes=2**20)
    assert found.max_rows == 2**20 // costs.scoring_bytes(model)
    assert found.max_samples == 2**20 // costs.drawing_bytes(model)
    few = {"max_bytes": 2**20, "max_rows": 3, "max_samples": 4}
    found = costs.limits(model, **{**few, "max_samples": np.int64(4)})
    assert found == costs.Limits(**few, max_length=None)
    text = CharRNN([4], (3,), head=Characters("abc"))
    assert costs.limits(text, **few).max_length == 10_000
    assert costs.limits(text, **few, max_length=5).max_length == 5


@pytest.mark.parametrize("name", ["max_samples", "max_rows", "max_length", "max_bytes"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "9", float("nan"), [3]])
def test_limits_are_positive_integers(name, value, tmp_path):
    model = CharRNN([4], (3,), head=Characters("abc"))
    with pytest.raises(ValueError, match=f"Expected {name} to be an integer of at least 1, got"):
        serving.export(model, tmp_path / "1", **{name: value})
    assert not list(tmp_path.iterdir())


def test_limits_that_mean_nothing(tmp_path):
    with pytest.raises(ValueError, match="max_length is for models of text"):
        serving.export(FVSBN([3]), tmp_path / "1", max_length=9)
    with pytest.raises(ValueError, match=r"max_bytes of at least \d+, which one .* got 9: give"):
        serving.export(FVSBN([3]), tmp_path / "1", max_bytes=9)
    with pytest.raises(ValueError, match="max_bytes to be an integer of at least 1, got None"):
        serving.export(FVSBN([3]), tmp_path / "1", max_bytes=None)


def test_the_command_sets_limits(tmp_path):
    CharRNN([4], (3,), head=Characters("abc")).save(tmp_path / "model.keras")
    command = ["export", str(tmp_path / "model.keras"), str(tmp_path / "1")]
    given = ["--max-rows=3", "--max-samples=4", "--max-length=5", "--max-bytes=100000"]
    for wrong in ("--max-rows=0", "--max-samples=-1", "--max-length=2.5", "--max-bytes=a"):
        assert CliRunner().invoke(main, [*command, wrong]).exit_code == 2
    result = CliRunner().invoke(main, [*command, *given])
    assert result.exit_code == 0, result.output
    assert list(serving.limits(tmp_path / "1").values()) == [100_000, 3, 4, 5]


# In the graph -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gated_pixel_cnn_labels", "made_masks"])
def test_requests_are_bounded(name, tmp_path):
    model = shared(name)
    folder = serving.export(model, tmp_path / "1", max_samples=6, max_rows=4)
    call = tf.saved_model.load(str(folder)).signatures
    assert serving.limits(folder) == {
        "max_bytes": 2**31,
        "max_rows": 4,
        "max_samples": 6,
        "max_length": None,
    }
    draws = {"seed": tf.constant([1, 2]), "temperature": tf.constant(1.0)}
    member = {"member": tf.constant(0)} if model.members > 1 else {}

    def rows(count):
        x = tf.zeros([count, *model.event_shape], tf.int32)
        return {"x": x, **labels(count)}

    def labels(count):
        return {"condition": tf.zeros([count], tf.int32)} if model.num_classes else {}

    def ask(signature, count, num_samples):
        given = {**draws, "num_samples": tf.constant(num_samples)}
        if signature == "sample":
            return call["sample"](**given, **labels(count))
        if signature == "complete":
            given.update(rows(count), known=tf.zeros([count, *model.event_shape], tf.bool))
            return call["complete"](**given, **member)
        return call[signature](**rows(count), **(member if signature == "conditionals" else {}))

    for signature in ("log_prob", "serving_default", "conditionals"):
        ask(signature, 4, 1)
        message = r"at most 4 rows of x \(max_rows of this export; send parts\), got\] \[5\]"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            ask(signature, 5, 1)
    each = 1 if model.num_classes is None else 3
    ask("sample", each, 6 // each)
    ask("complete", 3, 2)
    for signature, count, number in (("sample", each, 7), ("complete", 7, 1), ("complete", 4, 2)):
        drawn = number * (count if signature == "complete" else each)
        message = rf"at most 6 samples, .* \(max_samples of this export; .*, got\] \[{drawn}\]"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            ask(signature, count, number)


def grown(function):
    """What a function returns, and the bytes by which resident memory grew at most meanwhile."""

    def status(key):
        line = next(line for line in status_file.read_text().splitlines() if key in line)
        return 1024 * int(line.split()[1])

    status_file = pathlib.Path("/proc/self/status")
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    except OSError:
        pytest.skip("Only Linux tells the peak of resident memory from here on.")
    before = status("VmRSS")
    function()
    return status("VmHWM") - before


def test_a_request_at_its_bounds_takes_the_memory_that_it_may(tmp_path):
    model, budget = Transformer([64], 32, 1, 2), 2**27
    folder = serving.export(model, tmp_path / "1", max_bytes=budget)
    bounds = serving.limits(folder)
    call = tf.saved_model.load(str(folder)).signatures
    draws = {"seed": tf.constant([1, 2]), "temperature": tf.constant(1.0)}

    def score(rows):
        call["log_prob"](x=tf.zeros([rows, 64], tf.int32))

    def draw(samples):
        call["sample"](num_samples=tf.constant(samples), **draws)

    for ask, most in ((score, bounds["max_rows"]), (draw, bounds["max_samples"])):
        ask(1)  # what a first call takes is not what rows take
        assert most > 100 and grown(functools.partial(ask, most)) < budget
