"""Text as sequences of characters: generation and likelihoods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfar import arguments, conditions, kinds, randomness
from tfar.sampling import Policy, loop
from tfar.text import adaptive
from tfar.text.fit import fit_text
from tfar.typing import Nest, Progress, Seed, Temperature

if TYPE_CHECKING:
    from tfar.models import SequenceModel

READ = 256  # characters at a time: attention takes memory for the square of it

__all__ = ["fit_text", "generate", "is_text", "log_prob", "stream", "windows"]


def is_text(model: Any) -> bool:
    """Whether a model is a text model: of sequences, with a head that has a vocabulary."""
    return kinds.Texts.fits(model)


def windows(numbers: np.ndarray, length: int, *, first: int = 0) -> np.ndarray:
    """A sequence [N] cut into windows [(N - first) // length, length], from ``first`` on.

    A remainder at the end is left out.

    >>> windows(np.arange(8), 3, first=1).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    count = (len(numbers) - first) // length
    return numbers[first : first + count * length].reshape([count, length])


def stream(
    model: SequenceModel,
    prompt: str = "",
    length: int = 500,
    *,
    temperature: Temperature = None,
    top_k: int | tf.Tensor | None = None,
    top_p: Temperature = None,
    seed: Seed = None,
    piece: int = 16,
    condition: Nest = None,
) -> Iterator[str]:
    """Continues a prompt, and yields the drawn characters piece by piece.

    Args:
      model: a `tfar.models.SequenceModel` whose head is one of characters.
      prompt: a string; an empty one starts where a text of the training set starts.
      length: how many characters to draw, whatever the length of the model's training windows.
      temperature, top_k, top_p: see `tfar.sampling.Policy`.
      seed: as in `tfar.sampling.Autoregressive`; ``piece`` does not change what it draws.
      piece: characters that are yielded at once.
      condition: the condition of this text, for a conditional model.

    Yields:
      strings of ``piece`` characters; the last may be shorter.

    Raises:
      ValueError: if an argument is not as above, before anything is drawn.
    """
    vocabulary = _vocabulary(model)
    length = arguments.integer("length", length, least=1)
    piece = arguments.integer("piece", piece, least=1)
    policy, seed = Policy(temperature, top_k, top_p), randomness.stateless_seed(seed)
    known = vocabulary.encode(arguments.string("prompt", prompt))
    model.check_length(len(known) + length)
    carry = _begin(model, condition)
    return _pieces(model, vocabulary, known, length, policy, seed, piece, carry)


def _begin(model, condition):
    """The initial state of the sampling loop, for one text."""
    condition = conditions.checked(model, condition)
    if condition is None:
        return loop.begin(model, 1)
    batch = model.condition.batch_shape(condition)
    if batch.rank:
        raise ValueError(f"Expected the condition of one text, got a batch of shape {batch}.")
    return loop.begin(model, 1, condition=model.condition.rows(condition, [1]))


def _pieces(model, vocabulary, known, length, policy, seed, piece, carry):
    advance = loop.compiled_advance(model)
    carry = _read(model, carry, known)
    for start in range(0, length, piece):
        count = tf.constant(min(piece, length - start))
        carry, drawn = advance(carry, count, seed, policy)
        yield vocabulary.decode(drawn.numpy()[:, 0])


def _read(model, carry, numbers):
    """The carry after characters that are given."""
    read = loop.compiled_read(model)
    for start in range(0, len(numbers), READ):
        carry = read(carry, tf.constant(numbers[None, start : start + READ]))
    return carry


def generate(model: SequenceModel, prompt: str = "", length: int = 500, **options: Any) -> str:
    """The prompt and what is drawn after it, a string; see `stream`."""
    return prompt + "".join(stream(model, prompt, length, **options))


def log_prob(
    model: SequenceModel,
    text: str,
    *,
    block: int = 256,
    progress: Progress = None,
    condition: Nest = None,
    adapt: str | None = None,
) -> np.ndarray:
    """log p of a text of any length, block by block: each given everything before it.

    With ``adapt`` the model learns as it reads: it is mixed with counts of what followed which
    characters, in a text that it is given first and in what it has read, see
    `tfar.text.adaptive.Mixer`. This is exact, too: what the mixture gives all texts of a length
    sums to 1, but its figures are *adaptive* ones, and are compared with such.

    Memory does not grow with the text: at most 256 characters are read at a time, by one pass if
    the network has `extend` (see `tfar.layers.CausalLayer`), by steps otherwise.

    Args:
      model: as in `stream`.
      text: a string.
      block: characters per block, at least 1.
      progress: wrapper of the iterable of blocks, for instance a progress bar.
      condition: as in `stream`.
      adapt: the text that is counted first, for instance that of the training, or "" for none; None
        for the model alone. Counts take 12 bytes a character, and 0.1 to 0.2 ms for each that is
        read.

    Returns:
      float64 [ceil(len(text) / block)] nats, whose sum is log p(text).

    Raises:
      ValueError: if the text is empty, or has a character that the model does not know, or another
        argument is not as above.
    """
    block = arguments.integer("block", block, least=1)
    if progress is not None and not callable(progress):
        raise ValueError(f"Expected progress to be None or a function of blocks, got {progress!r}.")
    numbers = _vocabulary(model).encode(text)
    if not len(numbers):
        raise ValueError("Expected at least one character, got an empty text.")
    model.check_length(len(numbers))
    carry, nats = _begin(model, condition), []
    starts = range(0, len(numbers), block)
    if adapt is not None:
        mixer, state = mixer_of(model, adapt), carry[2]
        options: Any = {"state": state, "piece": READ, "progress": progress}
        return np.add.reduceat(adaptive.log_probs(model, numbers, mixer, **options), starts)
    for start in starts if progress is None else progress(starts):
        carry = _read(model, (*carry[:3], tf.zeros([1])), numbers[start : start + block])
        nats.append(float(carry[3][0]))
    return np.array(nats)


def mixer_of(model: SequenceModel, adapt: str) -> adaptive.Mixer:
    """The mixer of a text model with counts of a text, see `log_prob`.

    Raises:
      ValueError: if it is not a string of the model's characters, or if the network has no
        `extend`.
    """
    primer = _vocabulary(model).encode(arguments.string("adapt", adapt))
    if not model.extends:
        raise ValueError(f"{model.network.name!r} cannot be adapted: it has no `extend`.")
    return adaptive.Mixer(model.head.num_categories, primer)  # type: ignore[attr-defined]  # of characters


def _vocabulary(model):
    if not is_text(model):
        head = getattr(model, "head", None)
        raise ValueError(
            "Expected a model of text, a tfar.models.SequenceModel whose head is a "
            f"tfar.heads.Characters, got a {type(model).__name__}"
            + (f" with the head {head}." if head else ".")
        )
    return model.head.vocabulary
