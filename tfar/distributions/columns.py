"""Independent distributions of several families, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfar.arguments import items
from tfar.distributions import casting


def _is_of_scalars(column):
    return isinstance(column, tfd.Distribution) and column.event_shape.rank in (0, None)


class Columns(tfd.AutoCompositeTensorDistribution):
    """n distributions of scalars as one of batch shape [..., n], whose last axis runs over them.

    ``log_prob``, ``cdf`` and ``sample`` are those of each column. All values are float32, including
    those of discrete columns. Slices of the last axis select columns: ``p[..., 0]`` is the
    distribution of the first one.

    Args:
      columns: a list of ``tfd.Distribution``, of scalar events and of one batch shape [...].
      places: None, or the numbers of the columns that each of them has: their batch shapes are then
        [..., k], for k such columns side by side, which are computed together.
      validate_args, allow_nan_stats, name: as in TFP.

    >>> p = Columns([tfd.Bernoulli(logits=[0.0, 1.0]), tfd.Normal([0.0, 0.0], 1.0)])
    >>> p.batch_shape, p[..., 1].log_prob([0.0, 0.0]).shape
    (TensorShape([2, 2]), TensorShape([2]))
    """

    def __init__(
        self,
        columns: Sequence[tfd.Distribution],
        *,
        places: Sequence[Sequence[int]] | None = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Columns",
    ) -> None:
        parameters = dict(locals())
        what = "a list of distributions of scalars"
        self.columns = items("columns", columns, what, _is_of_scalars)
        self.places = None if places is None else tuple(tuple(own) for own in places)
        shapes = [column.batch_shape for column in self.columns]
        if places is not None:
            shapes = [shape[:-1] for shape in shapes]
        if not all(shape.is_compatible_with(shapes[0]) for shape in shapes):
            raise ValueError(f"Expected columns of one batch shape, got {shapes}.")
        of_each = self.places or [[i] for i in range(len(self.columns))]
        self.count = sum(len(own) for own in of_each)
        parameters["places"] = self.places
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        of_each = lambda self: [int(self.places is not None)] * len(self.columns)  # noqa: E731
        return {"columns": tfp.util.BatchedComponentProperties(event_ndims=of_each)}

    def _batch_shape(self):
        shape = self.columns[0].batch_shape
        return (shape if self.places is None else shape[:-1]).concatenate(self.count)

    def _batch_shape_tensor(self):
        shape = self.columns[0].batch_shape_tensor()
        return tf.concat([shape if self.places is None else shape[:-1], [self.count]], 0)

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _default_event_space_bijector(self):
        return None

    def __getitem__(self, slices: Any) -> tfd.Distribution:
        slices = list(slices) if isinstance(slices, tuple) else [slices]
        rank = self.batch_shape.rank
        taken = sum(one is not None and one is not Ellipsis for one in slices)
        if taken > rank or slices.count(Ellipsis) > 1:
            raise IndexError(f"Too many slices for the batch shape {self.batch_shape}: {slices}.")
        if Ellipsis not in slices:
            slices.append(Ellipsis)
        where = slices.index(Ellipsis)
        slices[where : where + 1] = [slice(None)] * (rank - taken)
        *lead, last = slices
        if last is None:
            raise IndexError("The columns must stay the last axis: no new axis can follow them.")
        try:
            chosen = self.each()[last]
        except (IndexError, TypeError):
            raise IndexError(f"There is no column {last!r} among {self.count}.") from None
        if isinstance(last, slice):
            if not chosen:
                raise IndexError(f"There is no column in {last} of {self.count}.")
            return Columns(
                [column[tuple(lead)] for column in chosen], validate_args=self.validate_args
            )
        return chosen[tuple(lead)]

    def each(self) -> list[tfd.Distribution]:
        """The distribution of each column."""
        if self.places is None:
            return self.columns
        found = {
            i: column[..., k]
            for column, own in zip(self.columns, self.places)
            for k, i in enumerate(own)
        }
        return [found[i] for i in range(self.count)]

    def _of_each(self, function, x):
        if x.shape.rank == 0 or x.shape[-1] == 1:
            x = tf.repeat(tf.reshape(x, tf.concat([tf.shape(x)[:-1], [1]], 0)), self.count, axis=-1)
        elif not x.shape[-1:].is_compatible_with([self.count]):
            raise ValueError(f"Expected x of {self.count} columns, got the shape {x.shape}.")
        if self.places is None:
            return tf.stack([function(p, x[..., i]) for i, p in enumerate(self.columns)], axis=-1)
        found = [function(p, of(x, own)) for p, own in zip(self.columns, self.places)]
        return in_place(found, self.places)

    def _log_prob(self, x):
        return self._of_each(casting.log_prob, x)

    def _cdf(self, x):
        return self._of_each(lambda p, x: tf.cast(p.cdf(tf.cast(x, p.dtype)), tf.float32), x)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, n=len(self.columns))
        drawn = [p.sample(n, seed=own) for p, own in zip(self.columns, seeds)]
        drawn = [tf.cast(x, self.dtype) for x in drawn]
        return tf.stack(drawn, axis=-1) if self.places is None else in_place(drawn, self.places)


def of(x: tf.Tensor, own: Sequence[int], axis: int = -1) -> tf.Tensor:
    """The columns of x whose numbers are given, side by side; ``axis`` runs over columns."""
    if list(own) == list(range(x.shape[axis])):
        return x
    return tf.gather(x, list(own), axis=axis)


def in_place(
    parts: Sequence[tf.Tensor], places: Sequence[Sequence[int]], axis: int = -1
) -> tf.Tensor:
    """What `of` took, each where it was: the columns ``places[j]`` are those of ``parts[j]``."""
    if len(parts) == 1:
        return parts[0]
    return tf.gather(tf.concat(parts, axis), np.argsort(np.concatenate(places)), axis=axis)
