"""Figures in words: of examples and of texts, and what is compared with a paper."""

import numpy as np
import pytest

import tfar
from tfar import kinds, serving, text
from tfar.heads import Characters
from tfar.kinds import texts
from tfar.models import FVSBN, CharRNN
from tfar.testing import randomise
from tfar.zoo import cards, field


def found(nats, error, examples):
    bits = nats / np.log(2)
    return {
        "nats": nats,
        "standard_error": error,
        "bits_per_dim": bits,
        "examples": examples,
    }


PAPER = {"nats": 1.5, "what": "a model", "reference": "somebody"}


def test_a_figure_of_several_splits_is_that_of_all_their_examples():
    metrics = {
        "validation": found(1.0, 0.03, 100),
        "test": found(2.0, 0.04, 300),
        "per": "character",
        "paper": {**PAPER, "splits": ["validation", "test"]},
    }
    ours = cards.compared(metrics)
    assert ours["nats"] == pytest.approx(1.75)
    # sqrt((0.03 * 100)^2 + (0.04 * 300)^2) / 400
    assert ours["standard_error"] == pytest.approx(np.sqrt(9 + 144) / 400)
    assert cards.versus(metrics) == (
        "1.5000 nats (a model; somebody): on validation and test it has 1.7500 ± 0.0309 nats, "
        "0.2500 nats above, worse"
    )


@pytest.mark.parametrize(
    "nats, words",
    [
        (1.0, "0.50 nats below, better"),
        (2.25, "0.75 nats above, worse"),
        (1.503, "0.003 nats above, worse"),
    ],
)
def test_by_default_the_test_split_is_compared(nats, words):
    metrics = {"validation": found(9.0, 1.0, 10), "test": found(nats, 0.1, 20), "paper": PAPER}
    assert cards.versus(metrics) == f"1.50 nats (a model; somebody): it is {words}"
    metrics["paper"] = {"none": "nobody has tried"}
    assert cards.versus(metrics) == "none: nobody has tried"


def test_figures_of_examples_and_of_characters():
    given = found(np.log(2), 0.0123, 1234)
    assert cards.measured(given) == "0.69 ± 0.01 nats (1.0000 bits/dim, 1,234 examples)"
    words = "0.6931 ± 0.0123 nats (1.0000 bits/char, 1,234 characters)"
    assert cards.measured(given, "character") == words


def test_the_figure_of_a_text_is_the_mean_over_its_characters(monkeypatch):
    monkeypatch.setattr(texts, "BLOCK", 5)
    model = randomise(CharRNN([8], (4,), cell="rnn", head=Characters("ab")), seed=1)
    given = "abbabaabbbaababbaaabab"  # four blocks and two characters
    figure = kinds.of(model).figures(given)
    nats = -text.log_prob(model, given, block=1)
    assert figure["examples"] == 22
    assert figure["nats"] == pytest.approx(nats.mean(), rel=1e-4)
    assert figure["bits_per_dim"] == pytest.approx(nats.mean() / np.log(2), rel=1e-4)
    blocks = nats[:20].reshape([4, 5]).mean(axis=1)
    assert figure["standard_error"] == pytest.approx(blocks.std(ddof=1) / 2, rel=1e-3)
    assert kinds.of(model).per == "character" and kinds.of(FVSBN([3])).per == "example"


def test_a_card_says_what_training_began_with():
    metrics = tfar.zoo.info("pixelcnn_mnist")
    metrics["recipe"] = {
        **metrics["recipe"],
        "start": "made_mnist",
        "start_sha256": "0123456789abcd",
    }
    assert "| begun with | the `made_mnist`, of SHA-256 0123456789ab," in cards.card(metrics)
    metrics["recipe"]["start"] = "somewhere/mine.keras"
    assert "| begun with | the `mine.keras`, of SHA-256" in cards.card(metrics)
    metrics["recipe"]["start"] = "pixelcnn_mnist"
    assert "| begun with | an earlier `pixelcnn_mnist`, of SHA-256" in cards.card(metrics)
    del metrics["recipe"]["start"]
    assert "begun with" not in cards.card(metrics)


def test_a_card_says_what_a_request_may_ask_for():
    metrics = tfar.zoo.info("char_rnn_shakespeare")
    metrics.pop("limits", None)
    assert "A request may" not in cards.card(metrics)
    limits = {"max_bytes": 3 * 2**29, "max_rows": 1234, "max_samples": 567, "max_length": None}
    assert cards.card({**metrics, "limits": limits}).endswith(
        "- A request may score 1,234 rows of `x`, and draw 567 samples, `num_samples`\n"
        "  times the rows.\n  So it takes about 1.5 GiB of memory at most.\n"
    )
    card = cards.card({**metrics, "limits": {**limits, "max_length": 8901}})
    assert "`prompt` and `length` may have 8,901 characters together.\n" in card


@pytest.mark.parametrize("name", tfar.zoo.list())
def test_metrics_tell_the_bounds_of_the_export(name):
    assert tfar.zoo.info(name).get("limits") == serving.limits(tfar.zoo.model_folder(name))


def test_figures_of_the_field_are_of_data_sets_and_apart_from_bounds():
    names = [name.partition(", ") for name in field.BEST]
    assert {name for name, *_ in names} <= set(tfar.datasets.list())
    assert {protocol for *_, protocol in names} - {""} <= set(kinds.Texts.protocols)
    metrics = {"dataset": "binarized_mnist", "num_classes": None}
    assert cards._of_the_field(metrics, exact=True) == "79.20 nats (Diagonal BiLSTM)"
    assert cards._of_the_field(metrics, exact=False).startswith("78.59 nats (BIVA")
    assert "79.20 nats (Diagonal BiLSTM; van" in cards._best(metrics)
    assert "at most 78.59 nats, a bound (BIVA" in cards._best(metrics)
    given = {"dataset": "mnist", "num_classes": 10}  # p(x | c) is another figure
    assert cards._best(given) == "we have found none"
