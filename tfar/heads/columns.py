"""The head for rows of a table: a head for each column."""

import itertools
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import distributions
from tfar.arguments import flag, items
from tfar.heads.base import Head
from tfar.typing import Temperature


@keras.saving.register_keras_serializable(package="tfar")
class Columns(Head):
    """p(x_i | x_<i) with a family per site: site i, counted in the layout, has heads[i].

    All values are float32, including those of discrete columns. ``at(i)`` is the head of one site.

    Args:
      heads: heads of scalars, such as `Bernoulli`, `Categorical` and `GaussianMixture`.
      own_sizes: whether networks that can (`MADE` and `OrderlessNADE`) have as many weights for
        each column as its head needs, and not as many as the widest. Models that were saved by
        older versions have False.

    Raises:
      ValueError: if the list is empty, or a head is for vectors.

    >>> head = Columns([tfar.heads.Bernoulli(), tfar.heads.GaussianMixture(2)])
    >>> head.num_params, head.distribution(tf.zeros([5, 2, 6])).batch_shape
    (6, TensorShape([5, 2]))
    """

    dtype = tf.float32

    def __init__(self, heads: Sequence[Head], *, own_sizes: bool = True) -> None:
        self.heads = items("heads", heads, "a list of at least one head, of scalars", _is_scalar)
        self.num_params, self.num_inputs, self.num_uniforms = (
            max(getattr(head, name) for head in self.heads)
            for name in ("num_params", "num_inputs", "num_uniforms")
        )
        self.own_sizes = flag("own_sizes", own_sizes)
        inputs, params = [h.num_inputs for h in self.heads], [h.num_params for h in self.heads]
        if own_sizes and len(set(zip(inputs, params))) > 1:
            self.sizes = inputs, params
        self.support = "what each column takes (" + ", ".join(h.support for h in self.heads) + ")"
        if all(head.digits is not None for head in self.heads):
            sizes = itertools.zip_longest(*(head.digits for head in self.heads), fillvalue=1)
            self.digits = tuple(max(size) for size in sizes)
        # A table of hundreds of columns has a few different heads: a graph has operations for each.
        alike: dict[str, list[int]] = {}
        for i, head in enumerate(self.heads):
            alike.setdefault(f"{type(head)} {head!r}", []).append(i)
        self.places = tuple(tuple(own) for own in alike.values())
        self.different = [self.heads[own[0]] for own in self.places]
        self.group = np.zeros(len(self.heads), np.int32)  # the number of each column's head
        for number, own in enumerate(self.places):
            self.group[list(own)] = number

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        return self._together(lambda head, x: self._encoded(head, x, dtype), x, axis=-2)

    def _together(self, function, x, axis):
        """``function(head, x of its columns)`` of each different head, [..., n] or [..., n, c]."""
        each = zip(self.different, self.places)
        found = [function(head, distributions.columns.of(x, own)) for head, own in each]
        return distributions.columns.in_place(found, self.places, axis)

    def _encoded(self, head, x, dtype):
        """The code of some columns, padded with zeros to the widest."""
        return _padded(head.encode(x, dtype), self.num_inputs, 0)

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        each = [
            head.distribution(
                distributions.columns.of(params, own, axis=-2)[..., : head.num_params], temperature
            )
            for head, own in zip(self.different, self.places)
        ]
        return distributions.Columns(each, places=self.places)

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        each = [
            self._drawn(head, params[..., i, :], uniforms[..., i, :], temperature)
            for i, head in enumerate(self.heads)
        ]
        return tf.stack(each, axis=-1)

    def _drawn(self, head, params, uniforms, temperature):
        params, uniforms = params[..., : head.num_params], uniforms[..., : head.num_uniforms]
        return tf.cast(head.draw(params, uniforms, temperature), self.dtype)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        rows = []
        for i, head in enumerate(self.heads):
            params = head.marginal(x[:, i : i + 1])
            rows.append(np.pad(params, ((0, 0), (0, self.num_params - head.num_params))))
        return np.concatenate(rows)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        return self._together(lambda head, x: head.in_support(x), x, axis=-1)

    def to_digits(self, x: tf.Tensor) -> tf.Tensor:
        count = len(self.digits or ())
        each = [_padded(h.to_digits(x[..., i]), count, 0) for i, h in enumerate(self.heads)]
        return tf.stack(each, axis=-2)

    def from_digits(self, digits: tf.Tensor) -> tf.Tensor:
        each = [self._of_digits(head, digits[..., i, :]) for i, head in enumerate(self.heads)]
        return tf.stack(each, axis=-1)

    def _of_digits(self, head, digits):
        return tf.cast(head.from_digits(digits[..., : len(head.digits)]), self.dtype)

    def digit_log_probs(self, params: tf.Tensor, digits: tf.Tensor, i: int) -> tf.Tensor:
        """A digit that a column has not is 0, and a value that its digit has not is impossible."""
        if self.digits is None:
            return super().digit_log_probs(params, digits, i)  # raises
        each = [
            self._digit(head, params[..., j, :], digits[..., j, :], i)
            for j, head in enumerate(self.heads)
        ]
        return tf.stack(each, axis=-2)

    def _digit(self, head, params, digits, i):
        log_probs = tf.zeros_like(params[..., :1])
        if i < len(head.digits):
            digits = digits[..., : len(head.digits)]
            log_probs = head.digit_log_probs(params[..., : head.num_params], digits, i)
        return _padded(log_probs, self.digits[i], -np.inf)

    def at(self, site: int | tf.Tensor) -> Any:
        if not isinstance(site, tf.Tensor):
            return self.heads[site]
        return _OwnColumns(self, site) if site.shape.rank else _OneColumn(self, site)

    def get_config(self) -> dict[str, Any]:
        heads = [keras.saving.serialize_keras_object(head) for head in self.heads]
        return {"heads": heads, "own_sizes": self.own_sizes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        heads = [keras.saving.deserialize_keras_object(head) for head in config["heads"]]
        return cls(heads, own_sizes=config.get("own_sizes", False))

    def __repr__(self) -> str:
        return f"Columns({self.heads!r})"


def _is_scalar(head):
    return isinstance(head, Head) and not head.site_shape


class _OneColumn:
    """The head of the column whose number is a tensor, as the sampling loop needs it."""

    def __init__(self, columns: Columns, site: tf.Tensor) -> None:
        self.columns, self.site = columns, site
        self.of_logits = False

    def _switch(self, function):
        branches = [lambda head=head: function(head) for head in self.columns.different]
        return tf.switch_case(self._group(), branches)

    def _group(self):
        return tf.gather(self.columns.group, self.site)

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        return self._switch(lambda head: self.columns._encoded(head, x, dtype))

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        return self._switch(lambda h: self.columns._drawn(h, params, uniforms, temperature))

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        return self._switch(lambda h: h.log_prob(params[..., : h.num_params], x))

    def from_digits(self, digits: tf.Tensor) -> tf.Tensor:
        return self._switch(lambda head: self.columns._of_digits(head, digits))

    def digit_log_probs(self, params: tf.Tensor, digits: tf.Tensor, i: int) -> tf.Tensor:
        return self._switch(lambda head: self.columns._digit(head, params, digits, i))


class _OwnColumns(_OneColumn):
    """The heads of columns whose numbers are a tensor [B], an own one for each example."""

    def _switch(self, function):
        """``function(head)`` is [B, ...]; of each row that of its own column is taken."""
        return self._chosen([function(head) for head in self.columns.different])

    def _chosen(self, each):
        taken = each[0]
        for i, found in enumerate(each[1:], 1):
            taken = tf.where(self._has(i, found), found, taken)
        return taken

    def _has(self, i, like):
        """Which rows of a tensor [B, ...] have the i-th of the different heads, [B, 1 ...]."""
        return tf.reshape(self._group() == i, [-1, *[1] * (like.shape.rank - 1)])

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """With 0 for the values of other columns, at which some distributions fail."""
        return self._chosen(
            [
                head.log_prob(params[..., : head.num_params], tf.where(self._has(i, x), x, 0))
                for i, head in enumerate(self.columns.different)
            ]
        )


def _padded(x, size, value):
    """x [..., k] with ``value`` for what is missing to [..., size]."""
    missing = [[0, 0]] * (x.shape.rank - 1) + [[0, size - x.shape[-1]]]
    return tf.pad(x, missing, constant_values=value)
