"""What models are conditioned on, beyond the contracts: values, embeddings, own networks, texts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases import mood

from tfar import kinds, testing, text, zoo
from tfar.conditions import Embedded, Labels, Vector
from tfar.heads import Bernoulli, Characters
from tfar.models import (
    FVSBN,
    MADE,
    NADE,
    AutoregressiveModel,
    CharRNN,
    OrderlessNADE,
    Transformer,
)
from tfar.zoo import cards, pinned, publishing

NAN = np.float32(np.nan)


def words(*numbers):
    return {"word": np.array(numbers), "place": np.ones([len(numbers), 2], np.float32)}


@pytest.mark.parametrize(
    "condition, good, bad",
    [
        (Labels(3), np.array([2]), np.array([3])),
        (Labels(3), np.array([2]), np.array([2**32 + 2])),  # which int32 would take for 2
        (Labels(3), np.array([2], np.uint8), np.array([200], np.uint8)),
        (Labels(3, shape=[2]), np.array([[0, 2]]), np.array([[0, -1]])),
        (Vector(2), np.array([[1.0, 2.0]]), np.array([[1.0, np.inf]])),
        (Vector([1, 2]), np.ones([1, 1, 2]), np.array([[[1.0, np.nan]]])),
        (mood(), words(1), words(2)),
        (mood(), words(1), {**words(1), "place": np.array([[0.0, NAN]])}),
    ],
)
def test_an_invalid_condition_has_no_probability_in_a_graph(condition, good, bad):
    model = testing.randomise(MADE([2], (4,), condition=condition))
    x = np.array([[0, 1], [0, 1]])
    both = tf.nest.map_structure(lambda *parts: np.concatenate(parts), good, bad)
    alone = model.log_prob({"x": x[:1], "condition": good})
    with pytest.raises(ValueError, match=r"Expected (labels from 0 to [12]|finite numbers)"):
        model.log_prob({"x": x, "condition": both})

    @tf.function
    def log_prob(x, condition):
        with tf.GradientTape() as tape:
            nats = model.log_prob({"x": x, "condition": condition})
            total = tf.reduce_sum(nats[:1])
        weights = [weight.value for weight in model.trainable_weights]
        return nats, [tf.convert_to_tensor(g) for g in tape.gradient(total, weights)]

    nats, gradients = log_prob(tf.constant(x), tf.nest.map_structure(tf.constant, both))
    np.testing.assert_allclose(nats, [alone[0], -np.inf], rtol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_old_configs_have_classes_and_new_ones_a_condition():
    assert "condition" not in MADE([4], (3,)).get_config()
    labels = MADE([4], (3,), num_classes=3)
    assert labels.num_classes == 3 and labels.condition.size == 3
    assert labels.get_config()["num_classes"] == 3 and "condition" not in labels.get_config()
    vector = MADE([4], (3,), condition=Vector(2))
    assert vector.num_classes is None and "num_classes" not in vector.get_config()


def test_an_embedding_is_trained_with_the_model():
    model = NADE([3], 4, condition=mood())
    model.compile(keras.optimizers.Adam(0.1))
    x = np.array([[0, 0, 0], [1, 1, 1]] * 8)
    data = {"x": x, "condition": words(*[0, 1] * 8)}
    before = [w.numpy() for w in model.condition.layer.weights]
    stream = tf.data.Dataset.from_tensor_slices(data).batch(16).repeat(60)
    model.fit(stream, verbose=0)
    assert all(np.any(w != old) for w, old in zip(model.condition.layer.weights, before))
    np.testing.assert_allclose(model.predict(data, verbose=0), model.log_prob(data), rtol=1e-5)
    assert model.evaluate(data, verbose=0, return_dict=True)["nats"] < 0.5 * np.log(2)
    joint = model.joint(condition=words(0, 1, 0))
    assert joint.batch_shape == [3] and joint[1].batch_shape == []
    drawn = joint[1].sample(20, seed=1)
    assert np.mean(drawn) > 0.8 > 0.2 > np.mean(joint[::2].sample(20, seed=1))


def test_an_embedding_of_a_single_value_by_layers_of_keras():
    table = keras.Sequential([keras.layers.Embedding(5, 3), keras.layers.Flatten()])
    condition = Embedded(Labels(5, shape=[2]), table)
    assert condition.size == 6
    model = testing.randomise(MADE([2], (6,), condition=condition))
    joint = model.joint(condition=[[[0, 4], [1, 1], [2, 3]]])
    assert joint.batch_shape == [1, 3] and joint.sample(2, seed=1).shape == [2, 1, 3, 2]
    clamped = joint.sample(seed=1, value=[[[1.0, np.nan]]])
    assert np.all(clamped[..., 0] == 1)
    observed = model.joint(condition=[0, 4], observed=np.array([True, False]))
    x = np.array([[1, 0], [1, 1]])
    np.testing.assert_allclose(np.sum(np.exp(observed.log_prob(x))), 1.0, rtol=1e-5)


def test_any_sites_are_observed_given_a_condition():
    model = testing.randomise(OrderlessNADE([3], (6,), condition=mood()))
    joint = model.joint(condition=words(0, 1), observed=np.array([False, True, False]))
    x = testing.enumerate_events(model)[:, None]
    p = np.exp(joint.log_prob(x))  # of 8 events and 2 conditions
    for known in (0, 1):
        np.testing.assert_allclose(p[x[:, 0, 1] == known].sum(axis=0), [1, 1], rtol=1e-4)
    assert np.any(np.abs(p[:, 0] - p[:, 1]) > 1e-3)
    assert np.all(joint.sample(5, seed=1, value=x[2])[..., 1] == 1)


class Own(keras.layers.Layer):
    """A user's network that knows nothing of tfar."""

    def build(self, input_shape):
        self.given = keras.layers.Dense(1)
        self.given.build((None, 2))

    def call(self, x, condition):
        past = tf.pad(tf.cumsum(x, axis=1), [[0, 0], [1, 0], [0, 0]])[:, :-1]
        return past * self.given(condition)[:, None] + condition[:, None, :1]

    def compute_output_shape(self, input_shape):
        return input_shape


def test_a_keras_layer_as_network_is_given_the_condition():
    model = AutoregressiveModel(Own(), [3], Bernoulli(), condition=Vector(2))
    testing.randomise(model)
    testing.verify_causality(model)
    testing.verify_normalisation(model)
    testing.verify_sampling(model)


@pytest.mark.parametrize("family", ["rnn", "transformer"])
def test_a_text_has_a_condition(family, tmp_path):
    head, options = Characters("abc"), {"condition": mood()}
    if family == "rnn":
        model = CharRNN([4], (4,), head=head, **options)
    else:
        model = Transformer([4], 4, 1, 2, window=2, tied=True, head=head, **options)
    testing.randomise(model, seed=1, scale=0.5)
    one, other = testing.checks.conditions(model)
    assert model.generate("ab", 30, seed=1, condition=one).startswith("ab")
    assert model.generate(length=30, seed=1, condition=one) != model.generate(
        length=30, seed=1, condition=other
    )
    both = tf.nest.map_structure(lambda *each: np.stack(each), one, other)
    texts, alike = (
        "".join(kinds.of(model).draw(2, seed=1, prompt="ab", length=30, condition=c)).split("---\n")
        for c in (both, one)
    )
    assert texts[0] == alike[0] == model.generate("ab", 30, seed=1, condition=one) + "\n"
    assert texts[1] != alike[1]
    nats = text.log_prob(model, "abba", block=3, condition=other)
    x = model.head.vocabulary.encode("abba")
    np.testing.assert_allclose(nats.sum(), model.joint(condition=other).log_prob(x), rtol=1e-4)
    with pytest.raises(ValueError, match=r"give condition=, a dict of word: labels from 0 to 1"):
        model.generate()
    with pytest.raises(ValueError, match=r"condition of one text, got a batch of shape \(2,\)"):
        model.generate(condition=words(0, 1))
    if family == "rnn":
        testing.verify_export(model, tmp_path / "1")
        signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
        given = {"condition_word": tf.constant([2]), "condition_place": tf.zeros([1, 2])}
        with pytest.raises(tf.errors.InvalidArgumentError, match="word: labels from 0 to 1"):
            signatures["log_prob"](x=tf.constant([x]), **given)
        given["condition_place"] = tf.zeros([2, 2])
        with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows of each part"):
            signatures["log_prob"](x=tf.constant([x]), **given)


@pytest.mark.parametrize("condition, value", [(mood(), words(0, 1)), (Vector(2), np.ones([2, 2]))])
def test_the_zoo_keeps_examples_with_their_conditions(condition, value, tmp_path):
    model = testing.randomise(FVSBN([9], condition=condition))
    inputs = {"x": np.eye(2, 9, dtype=np.uint8), "condition": value}
    metrics = publishing._described(model)
    np.savez(tmp_path / "examples.npz", **zoo.pack(inputs))
    shapes = metrics["condition"]["shapes"]
    found = pinned._unpacked(tmp_path / "examples.npz", (2, 9), shapes)
    np.testing.assert_array_equal(kinds.of(model).log_prob(found), model.log_prob(inputs))
    for words_of in (cards._labels, cards._chosen):
        assert condition.support in words_of(metrics)
    with pytest.raises(ValueError, match="expected integers of the shapes"):
        pinned._unpacked(tmp_path / "examples.npz", (2, 9), {"condition": []})
