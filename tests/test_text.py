"""Text: vocabularies, policies, generation and likelihoods of any length."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support.cases import shared
from support.toys import toy

import tfar
from tfar import cli, datasets, kinds, text, zoo
from tfar.heads import Categorical, Characters, Vocabulary
from tfar.models import CharRNN, Transformer
from tfar.sampling import Policy
from tfar.testing import randomise
from tfar.training import feeding
from tfar.zoo import publishing

SENTENCE = "to be, or not to be: that is the question."


def models():
    head = Characters.of(SENTENCE)
    return {
        "lstm": CharRNN([8], (7, 5), head=head),
        "rnn": CharRNN([6], (6,), cell="rnn", head=head, embedding=3),
        "transformer": Transformer([8], 8, 2, 2, window=3, tied=True, head=head),
    }


@pytest.fixture(params=["lstm", "rnn", "transformer"])
def model(request):
    return randomise(models()[request.param], seed=4, scale=0.5)


# Vocabularies -----------------------------------------------------------------------------------


def test_a_vocabulary_takes_a_text_there_and_back():
    vocabulary = Vocabulary.of("żółw and 🐢\n")
    assert vocabulary.characters == "".join(sorted(set("żółw and 🐢\n")))
    assert vocabulary.decode(vocabulary.encode("🐢 na\nżółw")) == "🐢 na\nżółw"
    assert vocabulary.encode("").shape == (0,)


def test_an_unknown_character_is_named_with_its_place():
    with pytest.raises(ValueError, match="no 'z', which the text has at position 2"):
        Vocabulary("abc").encode("abzz")


@pytest.mark.parametrize("characters", ["", "a", "aba", ["a", "b"], 5, None, b"ab"])
def test_no_vocabulary(characters):
    with pytest.raises(ValueError, match="at least two characters, all different"):
        Vocabulary(characters)


@pytest.mark.parametrize("given", [None, 5, ["a", "b"], b"ab"])
def test_only_strings_are_texts(given):
    for function in (Vocabulary.of, Characters.of, Vocabulary("ab").encode):
        with pytest.raises(ValueError, match="Expected text to be a string, got "):
            function(given)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0, -1], "numbers from 0 to 2, got -1 at position 1"),
        ([3], "numbers from 0 to 2, got 3 at position 0"),
        (1, r"integers of shape \[n\], got int64 of shape \[\]"),
        ([[0, 1]], r"integers of shape \[n\], got int64 of shape \[1, 2\]"),
        ([0.0, 1.0], "got float64"),
        ([True], "got bool"),
        ("ab", "got <U2"),
        (None, "got object"),
    ],
)
def test_numbers_of_no_characters(numbers, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary("abc").decode(numbers)
    assert Vocabulary("abc").decode([]) == ""


def test_a_model_keeps_its_vocabulary(tmp_path):
    model = models()["rnn"]
    model.save(tmp_path / "model.keras")
    import keras

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.head.vocabulary.characters == "".join(sorted(set(SENTENCE)))


# Any length -------------------------------------------------------------------------------------


def test_the_models_of_other_lengths_are_one_model(model):
    """Their conditionals at a site are the same, by one pass and by the loop."""
    numbers = model.head.vocabulary.encode(SENTENCE)[None]
    each = model.of_length(42).call(numbers).log_prob(numbers).numpy()[0]
    short = model(numbers[:, : model.num_sites])
    n = model.num_sites
    np.testing.assert_allclose(short.log_prob(numbers[:, :n])[0], each[:n], rtol=2e-4, atol=1e-5)
    for block in (1, 5, 100):
        found = text.log_prob(model, SENTENCE, block=block)
        expected = [each[i : i + block].sum() for i in range(0, 42, block)]
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)


def test_what_trains_one_length_trains_the_other(model):
    other = model.of_length(11)
    assert [w.path for w in other.weights] == [w.path for w in model.weights]
    assert all(one is another for one, another in zip(other.weights, model.weights))


def test_a_model_that_knows_positions_has_one_length():
    head = Characters("abc")
    for model in (
        Transformer([4], 4, 1, 1, window=2, positions="learned", head=head),
        Transformer([4], 4, 1, 1, head=head),  # it asks all the sites of a window
    ):
        for method in (
            lambda m: m.of_length(5),
            lambda m: m.generate("ab", 3),
            lambda m: text.log_prob(m, "abcab"),
        ):
            with pytest.raises(ValueError, match="at most 4 sites, got 5: a layer of the network"):
                method(model)
        assert len(model.generate("ab", 2)) == 4
        with pytest.raises(ValueError, match="have 4 sites, got 3: a layer of the network"):
            model.of_length(3)
        assert model.of_length(4).event_shape == (4,)


# Generation -------------------------------------------------------------------------------------


def test_a_text_is_a_sample_of_the_model_of_its_length(model):
    """Whatever the pieces: prompt and rest are a clamped sample."""
    vocabulary = model.head.vocabulary
    value = np.full(30, np.nan)
    value[:5] = vocabulary.encode("to be")
    expected = vocabulary.decode(model.of_length(30).joint().sample(seed=3, value=value))
    assert expected.startswith("to be")
    assert model.generate("to be", 25, seed=3) == expected
    for piece in (1, 7, 100):
        pieces = list(text.stream(model, "to be", 25, seed=3, piece=piece))
        assert "".join(pieces) == expected[5:]
        assert [len(p) for p in pieces[:-1]] == [piece] * (len(pieces) - 1)
    unclamped = vocabulary.decode(model.of_length(30).joint().sample(seed=3))
    assert model.generate(length=30, seed=3) == unclamped


def test_seeds_differ_and_none_is_random(model):
    texts = {model.generate(length=30, seed=seed) for seed in (1, 2, None, None)}
    assert len(texts) == 4


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"prompt": "To"}, "no 'T', which the text has at position 0"),
        ({"prompt": None}, "prompt to be a string, got None"),
        ({"prompt": ["t", "o"]}, r"prompt to be a string, got \['t', 'o'\]"),
        ({"prompt": b"to"}, "prompt to be a string, got b'to'"),
        ({"length": 0}, "length to be an integer of at least 1, got 0"),
        ({"length": -1}, "length to be an integer of at least 1, got -1"),
        ({"length": 2.5}, "length to be an integer of at least 1, got 2.5"),
        ({"length": None}, "length to be an integer of at least 1, got None"),
        ({"piece": 0}, "piece to be an integer of at least 1, got 0"),
        ({"piece": 1.5}, "piece to be an integer of at least 1, got 1.5"),
        ({"seed": "one"}, "a seed that is None, an int"),
        ({r"temperature": 0.0}, "temperature to be a finite number .* got 0.0"),
        ({"top_k": 0}, "top_k to be an integer of at least 1, got 0"),
        ({"top_k": 1.5}, "top_k to be an integer of at least 1, got 1.5"),
        ({"top_p": 0}, "top_p to be a finite number above 0 and at most 1, got 0"),
        ({"top_p": 1.01}, "top_p to be a finite number above 0 and at most 1, got 1.01"),
        ({"top_p": np.nan}, "top_p to be a finite number above 0 and at most 1, got nan"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        text.stream(models()["rnn"], **arguments)


def test_lengths_are_integers_of_any_kind():
    model = models()["rnn"]
    expected = model.generate("to", 5, seed=1)
    for length in (np.int64(5), np.uint8(5), np.array(5)):
        assert model.generate("to", length, seed=1) == expected
    assert "".join(text.stream(model, "to", 5, seed=1, piece=np.int64(2))) == expected[2:]


def test_no_model_of_text():
    model = CharRNN([4], (3,), cell="rnn", head=Categorical(3))
    for function in (model.generate, lambda prompt: text.log_prob(model, prompt)):
        with pytest.raises(ValueError, match=r"got a CharRNN with the head Categorical\("):
            function("ab")
    for other in (shared("nade"), "transformer_shakespeare", None):
        for function in (text.generate, text.log_prob):
            with pytest.raises(ValueError, match="Expected a model of text"):
                function(other, "ab")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "at least one character, got an empty text"),
        ({"text": None}, "text to be a string, got None"),
        ({"text": ["to", "be"]}, "text to be a string"),
        ({"text": "to", "block": -1}, "block to be an integer of at least 1, got -1"),
        ({"text": "to", "block": 0}, "block to be an integer of at least 1, got 0"),
        ({"text": "to", "block": 2.0}, "block to be an integer of at least 1, got 2.0"),
    ],
)
def test_bad_arguments_of_log_prob(arguments, message):
    with pytest.raises(ValueError, match=message):
        text.log_prob(models()["rnn"], **arguments)


# Policies ---------------------------------------------------------------------------------------


def kept(p, **policy):
    """The probabilities that a policy leaves of p."""
    return tf.nn.softmax(Policy(**policy).restricted(tf.math.log(p))).numpy()


def test_top_k_and_top_p_and_the_temperature_before_them():
    p = tf.constant([0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(kept(p, top_k=2), [0, 4 / 7, 0, 3 / 7], rtol=1e-5)
    np.testing.assert_allclose(kept(p, top_k=9), p, rtol=1e-5)
    np.testing.assert_allclose(kept(p, top_p=0.39), [0, 1, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(kept(p, top_p=0.41), [0, 4 / 7, 0, 3 / 7], rtol=1e-5)
    np.testing.assert_allclose(kept(p, top_p=1.0), p, rtol=1e-5)
    # Of the two likeliest the first has 4 / 7, and 16 / 25 at half the temperature.
    np.testing.assert_allclose(kept(p, top_k=2, top_p=0.6), [0, 4 / 7, 0, 3 / 7], rtol=1e-5)
    sharp = kept(p, top_k=2, top_p=0.6, temperature=0.5)
    np.testing.assert_allclose(sharp, [0, 1, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(kept(p, temperature=0.5), p**2 / np.sum(p**2), rtol=1e-5)


def test_equally_likely_values_are_kept_together():
    p = tf.constant([[0.3, 0.3, 0.3, 0.1]])
    np.testing.assert_allclose(kept(p, top_k=1), [[1 / 3, 1 / 3, 1 / 3, 0]], rtol=1e-5)


@pytest.mark.parametrize(
    "policy",
    [{"top_k": 2}, {"top_p": 0.5}, {"top_k": 2, "top_p": 0.9}, {"top_k": 3, "temperature": 0.5}],
)
def test_samples_of_a_policy_have_its_frequencies(policy):
    model = randomise(CharRNN([2], (4,), cell="rnn", head=Categorical(4)), seed=2)
    x, log_prob = model.joint().experimental_sample_and_log_prob(4000, seed=1, **policy)
    # The first site's conditional is the same for all; the second's is given the first.
    first = kept(model(np.zeros([1, 2])).probs_parameter()[0, 0], **policy)
    counts = np.bincount(x[:, 0], minlength=4)
    assert np.all(np.abs(counts - 4000 * first) < 5 * np.sqrt(4000 * first * (1 - first)) + 1e-6)
    pairs = np.array([[a, b] for a in range(4) for b in range(4)])
    second = np.stack([kept(q, **policy) for q in model(pairs).probs_parameter()[::4, 1]])
    expected = 4000 * (first[:, None] * second).ravel()
    counts = np.bincount(np.asarray(x) @ [4, 1], minlength=16)
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 1e-6)
    np.testing.assert_allclose(log_prob, model.joint().log_prob(x), rtol=1e-4)


def test_only_categories_can_be_left_out():
    with pytest.raises(ValueError, match=r"choose among the categories .*, and Bernoulli"):
        shared("nade").joint().sample(2, top_k=1)


def test_greedy_is_the_likeliest_character(model):
    """top_k=1 draws what a temperature near 0 does, whatever the seed."""
    one, other = (model.generate("to be", 20, top_k=1, seed=seed) for seed in (1, 2))
    assert one == other == model.generate("to be", 20, temperature=1e-6, seed=3)


def test_a_recipe_of_a_text_trains_on_windows_cut_anew_every_epoch(tmp_path):
    recipe = toy(
        model=lambda given: CharRNN([6], (16,), cell="gru", head=Characters.of(given)),
        shift=0.0,
        batch_size=4,
        epochs=30,
        learning_rate=3e-2,
    )
    data = {"train": "hello, world! " * 12, "validation": "hello, world! " * 2}
    trained = tfar.training.train(recipe, tmp_path, data=data, verbose=0)
    assert -text.log_prob(trained, data["validation"]).sum() / 28 < 0.8
    twice = dataclasses.replace(recipe, epochs=2)
    epochs = [
        np.concatenate(
            [b.numpy() for b in feeding.batches(twice, trained, data["train"], first=(first, 0))]
        )
        for first in (0, 1)
    ]
    assert epochs[0].shape == (2 * 24, 6) and epochs[1].shape == (24, 6)  # 27 windows, 6 batches
    np.testing.assert_array_equal(epochs[0][24:], epochs[1])
    for window in epochs[0]:
        assert trained.head.vocabulary.decode(window) in data["train"]
    starts = [{"".join(map(chr, row)) for row in half} for half in (epochs[0][:24], epochs[1])]
    assert starts[0] != starts[1]


# Protocols ----------------------------------------------------------------------------------------

SPLITS = {"train": SENTENCE * 20, "validation": "to be " * 40, "test": SENTENCE * 12}


def test_crops_have_no_past_and_what_adapts_has_all_of_it(model):
    kind, told = kinds.of(model), SPLITS["validation"] + SPLITS["test"]
    (length,) = model.event_shape
    found = kind.by_protocol("crops", SPLITS.get)
    each = [
        -model.log_prob(kind.encode(told[first : first + length])[None])[0] / length
        for first in range(0, len(told) - length + 1, length)
    ]
    np.testing.assert_allclose(found["nats"], np.mean(each), rtol=1e-5)
    error = np.std(each, ddof=1) / np.sqrt(len(each))
    np.testing.assert_allclose(found["standard_error"], error, rtol=1e-4)
    assert found["examples"] == len(each) * length
    found = kind.by_protocol("adaptive", SPLITS.get)
    nats = -text.log_prob(model, told, adapt=SPLITS["train"]).sum()
    np.testing.assert_allclose(found["nats"], nats / len(told), rtol=1e-6)
    assert found["nats"] < kind.figures(told)["nats"]
    with pytest.raises(ValueError, match="a protocol for texts, crops, adaptive, got 'crop'"):
        kind.by_protocol("crop", SPLITS.get)


def test_evaluate_by_protocol(model, tmp_path, monkeypatch):
    model.save(tmp_path / "text.keras")
    monkeypatch.setattr(datasets, "load", lambda name, split: SPLITS[split])
    (tmp_path / "told.txt").write_text(SENTENCE)

    def evaluate(*options):
        return CliRunner().invoke(cli.main, ["evaluate", str(tmp_path / "text.keras"), *options])

    data = "--data", "tiny_shakespeare"
    done = evaluate(*data, "--protocol", "crops")
    found = kinds.of(model).by_protocol("crops", SPLITS.get)
    assert done.exit_code == 0 and f", crops: {found['nats']:.4f}" in done.output
    for options, message in (
        ((*data, "--protocol", "crop"), "Expected a protocol for texts, crops, adaptive"),
        ((*data, "--protocol", "crops", "--split", "test"), "it takes no --split"),
        (("--data", str(tmp_path / "told.txt"), "--protocol", "crops"), "needs a data set"),
    ):
        done = evaluate(*options)
        assert done.exit_code and message in done.output, done.output


def test_published_figures_of_protocols_are_checked():
    metrics = zoo.info("transformer_shakespeare")
    publishing.check_published(metrics, "crops", metrics["protocols"]["crops"])
    with pytest.raises(ValueError, match="Expected the published"):
        publishing.check_published(metrics, "adaptive", metrics["protocols"]["crops"])


def test_an_artefact_is_measured_again(model, monkeypatch):
    written = []
    monkeypatch.setattr(zoo, "load", lambda name: model)
    monkeypatch.setattr(zoo, "info", lambda name: {"name": name, "dataset": "told"})
    monkeypatch.setattr(datasets, "load", lambda name, split: SPLITS[split])
    monkeypatch.setattr(publishing, "_write", lambda metrics: written.append(metrics) or metrics)
    found = publishing.measure_again("toy")
    assert written == [found] and found["protocols"].keys() == {"crops", "adaptive"}
    kind = kinds.of(model)
    assert found["protocols"]["crops"] == kind.by_protocol("crops", SPLITS.get)
