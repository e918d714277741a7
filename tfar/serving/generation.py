"""The signature ``generate`` of text models, with every argument checked in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfar.sampling import Policy, loop
from tfar.serving.signatures import (
    SEED,
    TEMPERATURE,
    at_least_1,
    checked_condition,
    positive,
    require,
)
from tfar.text import READ
from tfar.typing import Nest

if TYPE_CHECKING:
    from tfar.models import SequenceModel
    from tfar.serving.costs import Limits


class Generation:
    """Continues a prompt; called with the tensors that `specs` describes."""

    def __init__(self, model: SequenceModel, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        self.specs = {
            "prompt": tf.TensorSpec([], tf.string),
            "length": tf.TensorSpec([], tf.int32),
            "seed": SEED,
            "temperature": TEMPERATURE,
            "top_k": tf.TensorSpec([], tf.int32),
            "top_p": tf.TensorSpec([], tf.float32),
        }
        if model.condition is not None:
            self.specs.update(model.condition.named(model.condition.specs()))

    def __call__(
        self,
        prompt: tf.Tensor,
        length: tf.Tensor,
        *,
        seed: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        condition: Nest = None,
    ) -> dict[str, tf.Tensor]:
        points = tf.constant([ord(c) for c in self.model.head.vocabulary.characters])  # type: ignore[attr-defined]
        length, temperature = at_least_1("length", length), positive(temperature)
        top_k, inside = at_least_1("top_k", top_k), (top_p > 0) & (top_p <= 1)
        top_p = require(top_p, (inside, "Expected top_p above 0 and of at most 1, got", top_p))
        given, length = self._checked_prompt(prompt, length, points)
        if condition is not None:
            kind: Any = self.model.condition
            condition = checked_condition(kind, kind.rows(condition, [1]))
        policy = Policy(temperature, top_k, top_p)
        carry = loop.begin(self.model, 1, condition=condition)
        carry = self._read(carry, given)
        _, drawn = loop.advance(self.model, carry, length, seed, policy)
        text = tf.gather(points, tf.concat([given, drawn[:, 0]], axis=0))
        return {"text": tf.strings.unicode_encode(text, "UTF-8")}

    def _read(self, carry, given):
        """The carry after the prompt, by `READ` characters at a time."""

        def read(start, *carry):
            part = given[None, start : start + READ]
            return start + READ, *loop.read(self.model, carry, part)

        _, *carry = tf.while_loop(lambda start, *_: start < tf.size(given), read, [0, *carry])
        return tuple(carry)

    def _checked_prompt(self, prompt, length, points):
        """The indices of a prompt's characters, int32 [n], and the length.

        Memory for the length must not be allocated before both have been checked.
        """
        most, reason = self.limits.max_length, "max_length of this export; give less"
        if self.model.longest is not None and self.model.longest < most:
            most, reason = self.model.longest, "the sites of the model; give less"
        # A byte that begins no character does not count; a character has at most four bytes.
        size = tf.cast(tf.strings.length(prompt, "UTF8_CHAR"), tf.int64)
        short = size + tf.cast(length, tf.int64) <= most
        allowed = f"Expected at most {most} characters of prompt and length ({reason}), got"
        short &= tf.strings.length(prompt) <= 4 * most
        prompt = require(prompt, (short, allowed, size, length))
        valid = tf.strings.unicode_transcode(prompt, "UTF-8", "UTF-8") == prompt
        prompt = require(prompt, (valid, "Expected prompt in UTF-8, got other bytes."))
        given = tf.strings.unicode_decode(prompt, "UTF-8")
        same = given[:, None] == points
        known = tf.reduce_any(same, axis=1)
        others = tf.strings.unicode_encode(given[~known][:9], "UTF-8")
        message = "Expected prompt to have characters that the model knows, got"
        same = require(same, (known, message, others))
        with tf.control_dependencies([same]):
            length = tf.identity(length)
        return tf.argmax(same, axis=1, output_type=tf.int32), length
