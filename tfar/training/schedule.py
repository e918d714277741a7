"""The learning rate of a run."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["Schedule"]


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate: a warm-up and a cosine decay to 0, repeated in every cycle.

    Args:
      rates: the peak of each cycle.
      cycles: the number of steps of each cycle.
      warmup: the fraction of them in the warm-up.

    #### References
    I. Loshchilov, F. Hutter. SGDR: Stochastic Gradient Descent with Warm Restarts. ICLR 2017.

    >>> rate = Schedule([1.0, 0.5], cycles=[10, 5], warmup=0.2)
    >>> [round(float(rate(step)), 2) for step in (0, 1, 2, 6, 9, 10, 11, 13, 15, 99)]
    [0.0, 0.5, 1.0, 0.5, 0.04, 0.0, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, rates: Sequence[float], cycles: Sequence[int], warmup: float) -> None:
        self.rates, self.cycles = [float(rate) for rate in rates], [int(c) for c in cycles]
        self.warmup = float(warmup)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._rate(tf.cast(step, tf.float32))

    # An optimizer computes the rate once for every weight that decays. A function that is called,
    # not inlined, is traced and optimised once: otherwise it would be a seventh of the graph of a
    # training step. Keras' `CosineDecay`, the same for a cycle, uses `tf.cond`, which takes longer.
    @functools.partial(tf.function, autograph=False, experimental_attributes={"_noinline": True})
    def _rate(self, step):
        first, rate = 0, tf.constant(0.0)
        for peak, steps in zip(self.rates, self.cycles):
            rise, done = max(1, round(self.warmup * steps)), step - first
            fallen = tf.minimum((done - rise) / max(1, steps - rise), 1.0)
            height = tf.where(done < rise, done / rise, 0.5 * (1 + tf.cos(np.pi * fallen)))
            rate = tf.where(done < 0, rate, peak * height)
            first += steps
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"rates": self.rates, "cycles": self.cycles, "warmup": self.warmup}
