"""Text models that learn as they read: exact, causal, and equal to slower ways."""

import collections
import itertools

import numpy as np
import pytest
from click.testing import CliRunner
from support.cases import shared

from tfar import cli, compression, text
from tfar.heads import Characters
from tfar.models import CharRNN, Transformer
from tfar.testing import randomise
from tfar.text import adaptive
from tfar.text.counts import DISCOUNT, ORDER, Counts

VOCABULARY = "abc"


@pytest.fixture(scope="module")
def model():
    return randomise(CharRNN([4], (5,), head=Characters(VOCABULARY)), seed=2)


def total(model, length, adapt):
    """The sum of the probabilities of all texts of a length."""
    texts = map("".join, itertools.product(VOCABULARY, repeat=length))
    return sum(np.exp(text.log_prob(model, each, adapt=adapt).sum()) for each in texts)


@pytest.mark.parametrize("adapt", ["", "abcabcab"])
def test_sums_to_one(model, adapt):
    assert total(model, 4, adapt) == pytest.approx(1, abs=1e-6)


class Peeking(adaptive.Mixer):
    """Says how likely a symbol is after it has learnt it."""

    def log_probs(self, network):
        p = np.exp(super().log_probs(network))
        return super().log_probs(network) + adaptive.BIAS_RATE * (1 - p)


class Unnormalised(adaptive.Mixer):
    """Adds the biases to probabilities that sum to 1 without them."""

    def log_probs(self, network):
        return super().log_probs(network) + self._biases[self._last]


@pytest.mark.parametrize("planted", [Peeking, Unnormalised])
def test_planted(planted, model, monkeypatch):
    monkeypatch.setattr(adaptive, "Mixer", planted)
    assert total(model, 4, "") != pytest.approx(1, abs=1e-3)


def test_it_sees_only_what_came_before(model):
    """Other characters later on change nothing before them, and something after."""
    rng = np.random.RandomState(0)
    one = "".join(rng.choice(list(VOCABULARY), 40))
    other = one[:20] + one[20:][::-1]
    nats = [text.log_prob(model, each, block=1, adapt="ab") for each in (one, other)]
    np.testing.assert_array_equal(nats[0][:20], nats[1][:20])
    assert not np.allclose(nats[0][30:], nats[1][30:])


def test_blocks_and_pieces_make_no_difference(model, monkeypatch):
    told = "abcabbcacab" * 5
    whole = text.log_prob(model, told, block=len(told), adapt="abc")
    for block in (1, 7, 54):
        parts = text.log_prob(model, told, block=block, adapt="abc")
        assert len(parts) == -(-len(told) // block)
        assert parts.sum() == pytest.approx(whole[0], abs=1e-4)
    monkeypatch.setattr(text, "READ", 3)
    np.testing.assert_allclose(text.log_prob(model, told, block=7, adapt="abc").sum(), whole, 1e-4)


def test_what_repeats_becomes_likelier(model):
    told = "abcacbbacb" * 30
    alone, learnt = (text.log_prob(model, told, block=10, adapt=a) for a in (None, ""))
    assert learnt[-1] > learnt[0] + 1 and learnt[-1] > alone[-1] + 1
    primed = text.log_prob(model, told, block=10, adapt=told)
    assert primed[1] > learnt[1]


def slow(read, updates, num_symbols, order):
    """The docstring of `Counts`, by dictionaries of counts."""
    both = np.concatenate([np.zeros(order, int), read, updates]).tolist()
    rows = []
    for start in (order, order + len(read)):
        counts = collections.defaultdict(lambda: np.zeros(num_symbols))
        for place in range(start, len(both)):
            for k in range(order + 1):
                counts[tuple(both[place - k : place])][both[place]] += 1
        p = np.full(num_symbols, 1 / num_symbols)
        for k in range(order + 1):
            n = counts[tuple(both[len(both) - k :])]
            if n.sum():
                left = DISCOUNT * np.count_nonzero(n) * p
                p = (np.maximum(n - DISCOUNT, 0) + left) / n.sum()
        rows.append(p)
    return rows


def test_counts_are_those_of_dictionaries():
    rng = np.random.RandomState(1)
    for num_symbols, size in ((2, 60), (3, 90), (40, 200)):
        symbols = rng.randint(0, num_symbols, size) * (rng.rand(size) < 0.6)
        counts = Counts(num_symbols)
        half = size // 2
        counts.read(symbols[: half // 2])
        counts.read(symbols[half // 2 : half])
        for k in range(half, size, 7):
            expected = slow(symbols[:half], symbols[half:k], num_symbols, counts.order)
            np.testing.assert_allclose(np.exp(counts.log_probs()), expected, rtol=1e-9)
            for symbol in symbols[k : k + 7].tolist():
                counts.update(symbol)


@pytest.mark.parametrize("num_symbols, order", [(2, 10), (65, ORDER), (128, 8), (256, 7)])
def test_the_longest_context_fits_in_63_bits(num_symbols, order):
    counts = Counts(num_symbols)
    assert counts.order == order and num_symbols**counts.order < 2**63
    counts.read(np.full(30, num_symbols - 1))
    counts.update(num_symbols - 1)
    assert np.exp(counts.log_probs()[0, -1]) > 0.9


def test_compressed(model):
    told = "abcacbbacb" * 40
    content = compression.compress(model, told, adapt="abc")
    assert compression.decompress(model, content, adapt="abc") == told
    nats = text.log_prob(model, told, adapt="abc").sum()
    assert len(content) < -1.01 * nats / np.log(2) / 8 + 100
    for other in (None, "", "abd"[:2]):
        with pytest.raises(ValueError, match="another text to adapt from"):
            compression.decompress(model, content, adapt=other)


def test_bad_input(model):
    with pytest.raises(ValueError, match="no 'z', which the text has at position 0"):
        text.log_prob(model, "ab", adapt="z")
    with pytest.raises(ValueError, match="Expected adapt to be a string, got 3"):
        text.log_prob(model, "ab", adapt=3)
    plain = shared("own_plain")
    x = np.zeros([1, *plain.event_shape], int)
    with pytest.raises(ValueError, match="only a model of text learns"):
        compression.compress(plain, x, adapt="")


def test_in_the_shell(tmp_path):
    model = randomise(Transformer([8], 8, 1, 2, window=4, head=Characters("ab\n")))
    model.save(tmp_path / "m.keras")
    told, primer = "abba\nab" * 9, "abba"
    (tmp_path / "told.txt").write_text(told)
    (tmp_path / "primer.txt").write_text(primer)
    paths = [str(tmp_path / name) for name in ("m.keras", "told.txt", "x.tfar", "back.txt")]
    adapt = ["--adapt", str(tmp_path / "primer.txt")]

    def tfar(*arguments):
        return CliRunner().invoke(cli.main, [*map(str, arguments)])

    nats = text.log_prob(model, told, adapt=primer).sum()
    said = tfar("score", *paths[:2], *adapt).stdout
    assert f"{nats:.2f} nats" in said and "(adaptive)" in said
    assert tfar("compress", *paths[:3], *adapt).exit_code == 0
    assert tfar("decompress", *paths[2:], *adapt).exit_code == 0
    assert (tmp_path / "back.txt").read_text() == told
    refused = tfar("compress", "fvsbn_mnist", paths[1], paths[2], *adapt)
    assert refused.exit_code == 1
