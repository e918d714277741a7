"""Probes of plain Keras layers: whether they act on every site by itself, or only on the past.

Each runs the layer a few times, on random numbers and with random weights, and then restores it.
`tfar.testing.verify_causality` may find what a probe misses.
"""

import inspect
from collections.abc import Iterator
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfar import private

SITES = 8  # number of sites whose input is changed


def check_pointwise(layer: keras.layers.Layer, num_sites: int, channels: int) -> None:
    """Raises ValueError unless a built layer treats sites of [B, n, c] alike and independently.

    That is: all sites at once give what each gives alone; and if the input of one site changes, in
    training too, only the output of that site changes.
    """
    if _is_known(layer):
        return
    with _Probed(layer) as probed:
        x = probed.inputs(num_sites, channels)
        y = probed(x, training=False)
        if y.ndim != 3 or y.shape[:2] != x.shape[:2]:
            raise ValueError(
                f"{_named(layer)} gives {list(y.shape)} for {list(x.shape)}, not one output for "
                f"each site [batch, sites, channels]. {REMEDY}"
            )
        try:
            alone = probed(x.reshape([-1, 1, channels]), training=False)
        except Exception as error:  # layers that take no single site raise any
            raise ValueError(f"{_named(layer)} does not take a site by itself. {REMEDY}") from error
        if alone.shape[1:] != (1, y.shape[2]) or not _same(alone.reshape(y.shape), y):
            raise ValueError(f"{_named(layer)} does not act on every site by itself. {REMEDY}")
        for training, changed, before, after in probed.changes(x):
            others = (
                np.delete(np.arange(num_sites), changed) if changed is not None else slice(None)
            )
            if not _same(before[others], after[others]):
                when = " in training" if training else ""
                raise ValueError(f"{_named(layer)} mixes sites or examples{when}. {REMEDY}")


def _is_known(layer):
    """Whether a layer is certainly pointwise: deep networks have a hundred of these."""
    from tfar.layers.dense import Dense

    if type(layer) in (Dense, keras.layers.Dense, keras.layers.Activation):
        return layer.activation.__module__.startswith("keras.")
    if type(layer) is keras.layers.LayerNormalization:
        return layer.axis in (-1, 2, [-1], [2])
    return type(layer) is keras.layers.Dropout


def condition_size(layer: keras.layers.Layer, size: int) -> int:
    """The size of the condition that a layer takes: its ``condition_size``, or ``size`` for a Keras
    layer that has the argument ``condition``; 0 for a layer that takes none."""
    if hasattr(layer, "condition_size"):
        return layer.condition_size
    return size if "condition" in inspect.signature(layer.call).parameters else 0


def check_exclusive(
    layer: keras.layers.Layer, num_sites: int, channels: int, *, condition_size: int = 0
) -> None:
    """Raises ValueError if output i of a built layer [B, n, c] -> [B, n, p] sees input j >= i."""
    with _Probed(layer, condition_size) as probed:
        x = probed.inputs(num_sites, channels)
        for training, changed, before, after in probed.changes(x):
            seen = slice(None if changed is None else changed + 1)
            if not _same(before[seen], after[seen]):
                when = " in training" if training else ""
                raise ValueError(
                    f"{_named(layer)} is not a valid network{when}: the output of a site depends "
                    "on its own input, on later ones or on other examples. Output i may depend on "
                    "inputs j < i only, as in tfar.layers.Causal([tfar.layers.Shift(), ...]); see "
                    "tfar.layers.CausalLayer."
                )


REMEDY = (
    "A layer that sees several sites must be a tfar.layers.CausalLayer: write one, or use "
    "CausalConv2D, CausalSelfAttention or Recurrent."
)


class _Probed:
    """A layer with random weights, as a function of arrays, which is restored at the end."""

    def __init__(self, layer: keras.layers.Layer, condition_size: int = 0) -> None:
        self.layer, self.rng = layer, np.random.RandomState(0)
        self.condition = np.float32(self.rng.normal(size=condition_size))

    def __enter__(self) -> Self:
        self.held = [variable.numpy() for variable in self.layer.variables]
        for weight in self.layer.trainable_variables:
            scale = np.sqrt(np.prod(weight.shape[:-1])) or 1.0
            weight.assign(self.rng.normal(size=weight.shape, scale=1 / scale))
        self.state = [variable.numpy() for variable in self.layer.variables]
        return self

    def __exit__(self, *_: Any) -> None:
        self._put(self.held)

    def _put(self, values):
        for variable, value in zip(self.layer.variables, values):
            if not np.array_equal(variable.numpy(), value):
                variable.assign(value)

    def __call__(self, x: np.ndarray, training: bool) -> np.ndarray:
        self._put(self.state)  # seeds and moving averages: both calls drop the same units
        takes = {"training": training} if private.takes_training(self.layer) else {}
        if self.condition.size:
            takes["condition"] = tf.constant(np.tile(self.condition, [len(x), 1]))
        return np.asarray(tf.cast(self.layer(tf.constant(x), **takes), tf.float32))

    def inputs(self, num_sites: int, channels: int) -> np.ndarray:
        return self.rng.normal(size=[2, num_sites, channels]).astype(np.float32)

    def changes(self, x: np.ndarray) -> Iterator[tuple[bool, int | None, np.ndarray, np.ndarray]]:
        """Yields (training, site, output before, output after), for one site changed at a time.

        And for an example that is unchanged while others change: its site is None.
        """
        sites = np.unique(np.linspace(0, x.shape[1] - 1, SITES).astype(int))
        changed = [None, *sites, *sites]
        before = np.repeat(x[:1], len(changed), axis=0)
        after = before.copy()
        for row, site in enumerate(sites, 1):  # up and down: a maximum sees only one of them
            after[row, site] += 3.0
            after[row + len(sites), site] -= 3.0
        for training in (False, True) if private.takes_training(self.layer) else (False,):
            outputs = self(before, training), self(after, training)
            for site, *pair in zip(changed, *outputs):
                yield training, site, *pair


def _same(one, other):
    return np.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def _named(layer):
    return f"{type(layer).__name__} {layer.name!r}"
