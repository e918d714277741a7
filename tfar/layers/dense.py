"""Dense layers: plain ones, and masked ones whose units belong to sites (Germain et al. 2015)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import flag, initializer, integer
from tfar.layers.base import CausalLayer
from tfar.layers.products import product
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, Initializer, KerasShape, Member, Nest, Rows, Training


@keras.saving.register_keras_serializable(package="tfar")
class Dense(keras.layers.Dense):
    """``keras.layers.Dense`` whose bias also learns in bfloat16 on a CPU: y = g(x W + b).

    The gradient of b is a sum over all sites of a batch. Keras adds the bias by TensorFlow's
    `BiasAdd`, for which a CPU accumulates this sum in bfloat16, where it stops growing at 256 times
    its terms; for a plain sum of tensors a CPU accumulates it in float32.

    >>> x, dense = tf.ones([4096, 1], tf.bfloat16), Dense(2, dtype="mixed_bfloat16")
    >>> with tf.GradientTape() as tape:
    ...     y = dense(x)
    >>> tape.gradient(y, dense.bias.value).numpy().tolist()  # Keras' layer: [256.0, 256.0]
    [4096.0, 4096.0]
    """

    def call(self, inputs: tf.Tensor, training: Training = None) -> tf.Tensor:
        y = product(inputs, self.kernel)
        y = y + tf.cast(self.bias, y.dtype) if self.use_bias else y
        return self.activation(y)


def units_by_site(
    sites: Sequence[int] | np.ndarray, num_sites: int
) -> tuple[np.ndarray, np.ndarray]:
    """The units of each site, as a table.

    Args:
      sites: int array [U], the site of each unit.
      num_sites: number of sites n.

    Returns:
      ``(table, valid)``: int32 [n, M] and bool [n, M] with M the largest number of units that one
      site has. ``table[t, :k]`` are the k units of site t; the rest is invalid padding.

    >>> table, valid = units_by_site([0, 2, 2], num_sites=3)
    >>> table.tolist(), valid.tolist()
    ([[0, 0], [0, 0], [1, 2]], [[True, False], [False, False], [True, True]])
    """
    units = [np.flatnonzero(np.asarray(sites) == t) for t in range(num_sites)]
    width = max(1, *(len(u) for u in units))
    table = np.stack([np.pad(u, (0, width - len(u))) for u in units]).astype(np.int32)
    valid = np.stack([np.arange(width) < len(u) for u in units])
    return table, valid


def _sites(name, sites, num_sites):
    """Sites as int32 [R, U], from one row of them or several."""
    try:
        array = np.asarray(sites)
    except ValueError:  # rows of different lengths
        array = np.array([])
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"Expected {name} to be integers [U] or [R, U], got {sites!r}.")
    if array.min() < 0 or array.max() >= num_sites:
        raise ValueError(
            f"Expected {name} in 0 ... {num_sites - 1}, got {array.min()} ... {array.max()}."
        )
    return np.atleast_2d(array.astype(np.int32))


@keras.saving.register_keras_serializable(package="tfar")
class MaskedDense(CausalLayer):
    """y = x (W * M) + b, where each input and output unit belongs to a site.

    M[u, v] = 1 if ``in_sites[u] <= out_sites[v]`` (``<`` if exclusive), else 0. An input unit
    has ``c`` channels and an output unit ``channels``, so the layer maps
    ``[B, U, c] -> [B, V, channels]``. The site of a hidden unit is MADE's degree, counted so that
    a unit of site s may be read by the outputs of sites >= s.

    A unit of site t is final once the inputs of site t are known. `step` therefore adds the input
    units of one site to the running pre-activations of all output units, and returns those of
    site t: over all sites this is one pass of multiplications. `step` pads the units of a site with
    zeros to the largest number that any site has.

    Several masks may share the kernel (MADE's order- and connectivity-agnostic training): with
    ``in_sites`` [R, U] and ``out_sites`` [R, V], ``member`` is the scalar number of the mask.

    Args:
      in_sites: ints [U] or [R, U], the site of each input unit.
      out_sites: ints [V] or [R, V].
      num_sites: n; sites are 0 ... n - 1.
      channels: output channels of a unit.
      exclusive: whether an output sees the inputs of its own site (False) or not (True).
      use_bias: whether there is a bias.
      kernel_initializer: as in Keras.
      condition_size: entries of a condition s, or 0; with one, U s is added to the output units.

    Raises:
      ValueError: if a site is out of range, or the numbers of masks differ.

    #### References
    M. Germain, K. Gregor, I. Murray, H. Larochelle. MADE: Masked Autoencoder for Distribution
    Estimation. ICML 2015, section 3 and algorithm 1.

    >>> layer = MaskedDense([0, 1, 2], [0, 1, 2], num_sites=3, exclusive=True)
    >>> layer.depends(np.eye(3)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    """

    def __init__(
        self,
        in_sites: Sequence[int] | Sequence[Sequence[int]] | np.ndarray,
        out_sites: Sequence[int] | Sequence[Sequence[int]] | np.ndarray,
        num_sites: int,
        *,
        channels: int = 1,
        exclusive: bool = False,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        condition_size: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(exclusive=exclusive, **kwargs)
        self.num_sites = integer("num_sites", num_sites, least=1)
        self.in_sites = _sites("in_sites", in_sites, self.num_sites)
        self.out_sites = _sites("out_sites", out_sites, self.num_sites)
        if len(self.in_sites) != len(self.out_sites):
            raise ValueError(
                f"in_sites describe {len(self.in_sites)} masks, out_sites {len(self.out_sites)}."
            )
        self.channels = integer("channels", channels, least=1)
        self.use_bias = flag("use_bias", use_bias)
        self.kernel_initializer = initializer("kernel_initializer", kernel_initializer)
        self.condition_size = integer("condition_size", condition_size, least=0)

    def build(self, input_shape: KerasShape) -> None:
        units = self.in_sites.shape[1]
        if input_shape[1] != units:
            raise ValueError(f"Expected {units} input units, got the shape {tuple(input_shape)}.")
        self.in_channels = input_shape[2]
        width = self.out_sites.shape[1] * self.channels
        self.kernel = self.add_weight(
            shape=(units * self.in_channels, width),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = (
            self.add_weight(shape=(width,), initializer="zeros", name="bias")
            if self.use_bias
            else None
        )
        self.condition_kernel = self.condition_weights(width, self.kernel_initializer)

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (input_shape[0], self.out_sites.shape[1], self.channels)

    def _masked(self, kernel, member):
        """kernel * M, in the compute dtype."""
        member = 0 if member is None else member
        inputs = tf.gather(tf.constant(self.in_sites), member)[:, None]
        outputs = tf.gather(tf.constant(self.out_sites), member)[None, :]
        seen = inputs < outputs if self.exclusive else inputs <= outputs
        mask = tf.cast(seen, self.compute_dtype)[:, None, :, None]  # [U, 1, V, 1]
        shape = [inputs.shape[0], self.in_channels, outputs.shape[1], self.channels]
        kernel = tf.reshape(tf.cast(kernel, self.compute_dtype), shape)
        return tf.reshape(kernel * mask, self.kernel.shape)

    def weight_mask(self) -> tf.Tensor:
        """[U c, V p] float32: 1 where some mask keeps a weight."""
        members = [self._masked(tf.ones_like(self.kernel), r) for r in range(len(self.in_sites))]
        return tf.reduce_max(tf.cast(members, tf.float32), axis=0)

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        y = tf.reshape(x, [-1, self.kernel.shape[0]]) @ self._masked(self.kernel, member)
        y += self._biases(condition, y.dtype)
        return tf.reshape(y, [-1, self.out_sites.shape[1], self.channels])

    def _biases(self, condition, dtype):
        """The term added to the outputs: [], [V p] or, given a condition, [B, V p]."""
        added = self.of_condition(condition, self.condition_kernel, dtype)
        return added + tf.cast(self.bias, dtype) if self.use_bias else added

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        member = 0 if member is None else member

        def tables(sites):
            table, valid = zip(*(units_by_site(s, self.num_sites) for s in sites))
            width = max(t.shape[1] for t in table)
            pad = [np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in (*table, *valid)]
            both = tf.constant(np.stack(pad).astype(np.int32).reshape(2, len(sites), -1, width))
            return tf.gather(both, member, axis=1)  # [2, n, M]

        # Sums over sites run in float32, as inside a matrix product of bfloat16s.
        shape = [batch_size, self.kernel.shape[1]]
        sums = tf.zeros(shape, tf.float32) + self._biases(condition, tf.float32)
        # The masked kernel is made once, not at every step.
        kernel = tf.reshape(
            self._masked(self.kernel, member), [-1, self.in_channels, self.kernel.shape[1]]
        )
        return sums, kernel, tables(self.in_sites), tables(self.out_sites)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        sums, kernel, in_table, out_table = state
        site = sites.one
        # At site 0 an exclusive layer gets zeros, so any rows of the kernel will do.
        now = tf.maximum(site - 1, 0) if self.exclusive else site
        units, valid = in_table[0, now], in_table[1, now]
        rows = tf.gather(kernel, units)  # [M, c, V * p]
        rows *= tf.cast(valid, rows.dtype)[:, None, None]
        rows = tf.reshape(rows, [-1, kernel.shape[2]])
        sums += tf.cast(tf.cast(x[:, 0], rows.dtype) @ rows, tf.float32)
        by_unit = tf.reshape(sums, [-1, self.out_sites.shape[1], self.channels])
        y = tf.gather(by_unit, out_table[0, site], axis=1)  # [B, M, p]
        y *= tf.cast(out_table[1, site], y.dtype)[:, None]
        y = tf.reshape(y, [-1, 1, out_table.shape[2] * self.channels])
        return tf.cast(y, self.compute_dtype), (sums, kernel, in_table, out_table)

    @property
    def output_bias(self) -> keras.Variable | None:
        return self.bias

    def depends(self, sources: np.ndarray) -> np.ndarray:
        """As in `CausalLayer`, for the first mask; rows are units."""
        outputs, inputs = self.out_sites[0][:, None], self.in_sites[0][None, :]
        seen = outputs > inputs if self.exclusive else outputs >= inputs
        return seen @ np.asarray(sources, bool)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "in_sites": self.in_sites.tolist(),
            "out_sites": self.out_sites.tolist(),
            "num_sites": self.num_sites,
            "channels": self.channels,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "condition_size": self.condition_size,
        }
