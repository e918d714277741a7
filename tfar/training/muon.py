"""Muon, orthogonalised momentum, for kernels with any number of axes (Jordan et al. 2024).

#### References
K. Jordan, Y. Jin, V. Boza, J. You, F. Cesista, L. Newhouse, J. Bernstein. Muon: An optimizer for
hidden layers in neural networks. 2024, kellerjordan.github.io/posts/muon.

J. Liu et al. Muon is Scalable for LLM Training. arXiv 2502.16982, 2025, section 2.2 (the scale).
"""

import functools
import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfar.arguments import integer, items, number

__all__ = ["Muon"]


@keras.saving.register_keras_serializable(package="tfar")
class Muon(keras.optimizers.Muon):
    """``keras.optimizers.Muon``, for kernels of convolutions too.

    For a kernel W [..., c, f] taken as a matrix of f columns, with gradient G and m, n its sides:

        M <- mu M + G,    W <- W - 0.2 rate sqrt(max(m, n)) O(G + mu M)

    where O(A) = U V^T, for A = U S V^T, is approximated by five Newton-Schulz iterations. The step
    is as large as Adam's would be, so that the same rates and weight decay fit.

    Weights called "kernel" are updated in this way, unless their layer is called "output" (as the
    last convolution of a PixelCNN is). All others, including biases, are updated as by AdamW.
    Keras' own class also leaves kernels with more than two axes to AdamW, and a PixelCNN has such
    kernels.

    Args:
      learning_rate: as in Keras, a number of at least 0, or a schedule.
      weight_decay: of all weights except those excluded by ``exclude_from_weight_decay``.
      **kwargs: passed to ``keras.optimizers.Muon``; ``exclude_layers`` leaves more to AdamW.

    Raises:
      ValueError: if a rate or a decay is negative or not a number.

    >>> dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros")
    >>> dense.build([None, 2])
    >>> gradient = np.diag([1.0, 0.001])  # a step in both directions all the same
    >>> Muon(0.01).apply([tf.constant(gradient, tf.float32)], dense.trainable_variables)
    >>> bool(np.linalg.cond(dense.kernel.numpy()) < 100)
    True
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if not callable(learning_rate) and not hasattr(learning_rate, "get_config"):
            number("learning_rate", learning_rate, least=0)
        if weight_decay is not None:
            number("weight_decay", weight_decay, least=0)
        if "momentum" in kwargs:
            number("momentum", kwargs["momentum"], least=0, below=1)
        if "ns_steps" in kwargs:
            integer("ns_steps", kwargs["ns_steps"], least=1)
        if kwargs.get("exclude_layers"):
            what = "a list of regular expressions"
            items("exclude_layers", kwargs["exclude_layers"], what, lambda p: isinstance(p, str))
        kwargs.setdefault("adam_weight_decay", weight_decay)
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)

    def _should_use_adamw(self, variable):
        hidden = variable.name == "kernel" and len(variable.shape) > 1
        excluded = any(re.search(pattern, variable.path) for pattern in self.exclude_layers)
        return not hidden or excluded or "output" in variable.path.split("/")

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        update = ops.add(gradient, self.momentum * m) if self.nesterov else m
        matrix = ops.reshape(update, (-1, variable.shape[-1]))
        factors = self.muon_a, self.muon_b, self.muon_c
        step = lr * orthogonal(matrix, factors, self.ns_steps)
        if self.rms_rate is not None:  # as in `lr_adjust`, which computes the root in the graph
            step = step * math.sqrt(max(matrix.shape)) * self.rms_rate
        self.assign_sub(variable, ops.reshape(step, variable.shape))

    def _adamw_update_step(self, gradient, variable, learning_rate, m, v):
        taken = tf.convert_to_tensor(self.iterations)
        rate = corrected(learning_rate, taken, (self.adam_beta_1, self.adam_beta_2))
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1 - self.adam_beta_1))
        square = ops.square(gradient)
        self.assign_add(v, ops.multiply(ops.subtract(square, v), 1 - self.adam_beta_2))
        self.assign_sub(variable, ops.divide(m * rate, ops.sqrt(v) + self.epsilon))


# Functions that are called, not inlined: for the hundred kernels of a PixelCNN++ they would be most
# of the graph of a training step otherwise, and take half of the time to the first step.
called = functools.partial(
    tf.function, autograph=False, experimental_attributes={"_noinline": True}
)


@called
def corrected(rate: tf.Tensor, iterations: tf.Tensor, betas: Sequence[float]) -> tf.Tensor:
    """The rate of an AdamW step, corrected for moments that begin at 0, as in Keras' class.

    >>> rate = corrected(tf.constant(0.1), tf.constant(0), (0.9, 0.999))
    >>> round(float(rate), 6) == round(0.1 * 0.001**0.5 / 0.1, 6)
    True
    """
    first, second = (tf.pow(beta, tf.cast(iterations + 1, tf.float32)) for beta in betas)
    return rate * tf.sqrt(1 - second) / (1 - first)


@called
def orthogonal(x: tf.Tensor, factors: Sequence[float], steps: int) -> tf.Tensor:
    """O(A) for a matrix [m, n], by Newton-Schulz iterations, as in Keras' class.

    >>> orthogonal(tf.linalg.diag([5.0, 3.0]), (3.4445, -4.7750, 2.0315), 5).numpy().round()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    a, b, c = factors
    tall = x.shape[0] > x.shape[1]
    x = tf.transpose(x) if tall else x
    x /= tf.norm(x) + 1e-7  # no singular value is over 1
    for _ in range(steps):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + (b * square + c * square @ square) @ x
    return tf.transpose(x) if tall else x
