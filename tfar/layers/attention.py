"""Causal self-attention, with a cache of keys and values (Vaswani et al. 2017)."""

import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import flag, integer
from tfar.layers.base import CausalLayer
from tfar.layers.dense import Dense
from tfar.layers.products import products, softmax
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training

LATEST = 16  # number of latest sites that a cache keeps apart


def rotate(x: tf.Tensor, positions: tf.Tensor | np.ndarray | Sequence[int]) -> tf.Tensor:
    """Rotates pairs of channels by angles that grow with the position (rotary positions).

    (x_i, x_{i + D/2}) is rotated by the angle position * 10000^(-2 i / D), so that the product of a
    query and a key depends only on how far apart they are.

    Args:
      x: [B, n, H, D], D even.
      positions: ints [n].

    Returns:
      float32 [B, n, H, D].

    #### References
    J. Su, Y. Lu, S. Pan, B. Wen, Y. Liu. RoFormer: Enhanced Transformer with Rotary Position
    Embedding. arXiv:2104.09864, 2021, section 3.2.

    >>> x = tf.constant([1.0, 0.0], shape=[1, 1, 1, 2])
    >>> rotate(x, [1]).numpy().ravel().round(3)  # by one radian
    array([0.54 , 0.841], dtype=float32)
    """
    half = x.shape[-1] // 2
    speeds = np.float32(10_000.0 ** (-np.arange(half) / half))
    angles = tf.cast(positions, tf.float32)[:, None] * speeds
    cos, sin = tf.cos(angles)[:, None], tf.sin(angles)[:, None]
    a, b = tf.split(tf.cast(x, tf.float32), 2, axis=-1)
    return tf.concat([a * cos - b * sin, a * sin + b * cos], axis=-1)


def as_bias(seen: tf.Tensor) -> tf.Tensor:
    """The additive mask of logits, 0 where ``seen`` and -inf elsewhere: faster than Keras' mask."""
    return tf.where(seen, 0.0, -np.inf)


@keras.saving.register_keras_serializable(package="tfar")
class CausalSelfAttention(CausalLayer):
    """Every site attends to the sites up to itself, or the last ``window`` of them:

    y_i = W_o [head_1, ..., head_H],  head_h = sum_j a_ij v_j,
    a_i = softmax_j(q_i . k_j / sqrt(D)) over i - window < j <= i,

    with q, k and v of each head linear in x, and D = c / H. Computed by Keras' fused attention.
    Inclusive: [B, n, c] becomes [B, n, c].

    `step` caches the keys and values of the sites that can be attended to: time and memory per site
    are linear in their number. The latest few are cached apart, so that older ones are seldom
    copied.

    Args:
      num_heads: H, which divides c.
      window: number of sites that a site attends to, including itself; None for all. With a window
        the layer is stationary, rotary or not: sequences may be of any length.
      rotary: whether q_i . k_j depends on i - j, see `rotate`; D must then be even.

    Raises:
      ValueError: if H does not divide the channels, or if D is odd with ``rotary``.

    #### References
    A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. Gomez, L. Kaiser, I. Polosukhin.
    Attention Is All You Need. NIPS 2017, section 3.2.

    >>> layer = CausalSelfAttention(num_heads=2, window=3)
    >>> layer(np.zeros([2, 5, 8])).shape
    TensorShape([2, 5, 8])
    """

    def __init__(
        self, num_heads: int, *, window: int | None = None, rotary: bool = True, **kwargs: Any
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(**kwargs)
        self.num_heads = integer("num_heads", num_heads, least=1)
        self.window = None if window is None else integer("window", window, least=1)
        self.rotary = flag("rotary", rotary)
        self.stationary = window is not None

    def build(self, input_shape: KerasShape) -> None:
        n, channels = input_shape[1:]
        each, rest = divmod(channels, self.num_heads)
        if rest or (self.rotary and each % 2):
            raise ValueError(
                f"{self.num_heads} heads of the same, {'even ' * self.rotary}size do not fit into "
                f"{channels} channels."
            )
        self.head_size = each
        self.reach = n if self.window is None else self.window
        policy = self.dtype_policy
        self.qkv = Dense(3 * channels, use_bias=False, dtype=policy, name="qkv")
        self.projection = Dense(channels, dtype=policy, name="projection")
        self.qkv.build(input_shape)
        self.projection.build(input_shape)

    # Keras names a layer in a file of weights by the first attribute, in the order of the alphabet,
    # that leads to it. These are the names in files, old and new.
    inside = property(operator.attrgetter("qkv"))
    outside = property(operator.attrgetter("projection"))

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return input_shape

    def _projected(self, x, positions):
        """Queries, keys and values of sites, each [B, n, H, D]."""
        shape = [tf.shape(x)[0], tf.shape(x)[1], 3 * self.num_heads, self.head_size]
        qkv = tf.reshape(self.qkv(x), shape)
        if not self.rotary:
            return tf.split(qkv, 3, axis=2)
        qk, v = tf.split(qkv, [2 * self.num_heads, self.num_heads], axis=2)
        return *tf.split(tf.cast(rotate(qk, positions), v.dtype), 2, axis=2), v

    def call(
        self, x: tf.Tensor, condition: Rows = None, member: Member = None, training: Training = None
    ) -> tf.Tensor:
        n = x.shape[1]
        q, k, v = self._projected(x, tf.range(n))
        if n > 2 * self.reach:
            y = self._in_blocks(q, k, v)
        else:
            bias = as_bias(self._within(tf.range(n)[:, None] - tf.range(n)))
            y = keras.ops.dot_product_attention(q, k, v, bias=bias[None, None])
        return self.projection(tf.reshape(y, [-1, n, self.num_heads * self.head_size]))

    def _in_blocks(self, q, k, v):
        """Attention over many windows: blocks of one attend to themselves and the one before.

        The cost is linear in the number of sites, not quadratic.
        """
        n, size = q.shape[1], self.reach
        blocks = -(-n // size)
        pad = [[0, 0], [0, blocks * size - n], [0, 0], [0, 0]]
        shape = [-1, blocks, size, self.num_heads, self.head_size]
        q, k, v = (tf.reshape(tf.pad(t, pad), shape) for t in (q, k, v))
        k, v = (
            tf.concat([tf.pad(t[:, :-1], [[0, 0], [1, 0], *[[0, 0]] * 3]), t], axis=2)
            for t in (k, v)
        )
        # The attention treats the heads of all blocks as its heads.
        q, k, v = (tf.transpose(t, [0, 2, 1, 3, 4]) for t in (q, k, v))
        shape = [blocks * self.num_heads, self.head_size]
        q, k, v = (tf.reshape(t, [-1, t.shape[1], *shape]) for t in (q, k, v))
        places = tf.range(2 * size)
        seen = self._within(tf.range(size, 2 * size)[:, None] - places)
        first = seen & (places >= size)  # there is no block before it
        seen = tf.concat([first[None], tf.tile(seen[None], [blocks - 1, 1, 1])], axis=0)
        bias = as_bias(tf.repeat(seen, self.num_heads, axis=0))
        y = keras.ops.dot_product_attention(q, k, v, bias=bias[None])
        y = tf.reshape(y, [-1, size, blocks, self.num_heads, self.head_size])
        y = tf.transpose(y, [0, 2, 1, 3, 4])
        return tf.reshape(y, [-1, blocks * size, self.num_heads, self.head_size])[:, :n]

    def _within(self, offset):
        """bool: whether a site attends to the one ``offset`` sites before it."""
        return (offset >= 0) & (offset < self.reach)

    def _cache_sizes(self):
        """Sites of the two parts of the cache: older ones, and the latest."""
        latest = min(LATEST, self.reach)
        return -(-(self.reach - 1) // latest) * latest, latest

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """(older sites, the latest): keys and values, [2, B, H, sites, D].

        The latest sites fill a part of a fixed size, which joins the older ones when it is full.
        """
        return tuple(
            tf.zeros([2, batch_size, self.num_heads, sites, self.head_size], self.compute_dtype)
            for sites in self._cache_sizes()
        )

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        (older, latest), x = state, tf.cast(x, self.compute_dtype)
        sizes, count = self._cache_sizes(), tf.shape(x)[1]
        here = first + tf.range(count)
        shape = [-1, count, self.num_heads, self.head_size]
        projected = [tf.reshape(part, shape) for part in self._projected(x, here)]
        q, *new = tf.unstack(tf.transpose(tf.stack(projected), [0, 1, 3, 2, 4]))
        known = tf.concat([older, latest, tf.stack(new)], axis=3)
        # Site numbers: those of the latest part that are not there yet belong to new sites.
        begun = first - first % sizes[1]
        cached = tf.range(-sizes[0], sizes[1]) + begun
        cached = tf.where(cached < first, cached, -1)
        numbers = tf.concat([cached, here], axis=0)
        seen = (numbers >= 0) & self._within(here[:, None] - numbers)
        logits = tf.cast(tf.matmul(q, known[0], transpose_b=True), tf.float32)
        weights = tf.nn.softmax(tf.where(seen, logits * self.head_size**-0.5, -np.inf))
        y = tf.transpose(tf.matmul(tf.cast(weights, x.dtype), known[1]), [0, 2, 1, 3])
        y = self.projection(tf.reshape(y, [-1, count, self.num_heads * self.head_size]))
        after = first + count
        wanted = tf.range(-sizes[0], sizes[1]) + after - after % sizes[1]
        places = tf.where(wanted < first, wanted - begun, wanted - first + sizes[1]) + sizes[0]
        known = tf.gather(known, tf.clip_by_value(places, 0, sum(sizes) + count - 1), axis=3)
        return y, tuple(tf.split(known, sizes, axis=3))

    def extends(self, schedule: Plan) -> bool:
        return True

    def select(self, state: Nest, examples: tf.Tensor) -> Nest:
        return tuple(tf.gather(part, examples, axis=1) for part in state)

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        (older, latest), site = state, sites.one
        sizes = self._cache_sizes()
        place = site % sizes[1]
        x = tf.cast(x, self.compute_dtype)
        shape = [-1, self.num_heads, 1, self.head_size]
        q, *new = (tf.reshape(part, shape) for part in self._projected(x, sites.number))
        here = (tf.range(sizes[1]) == place)[:, None]
        latest = tf.where(here, tf.stack(new), latest)
        # The site numbers of both parts: entries before the first site or after this one are empty.
        cached = tf.concat([tf.range(-sizes[0], 0), tf.range(sizes[1])], 0) + site - place
        seen = (cached >= 0) & self._within(site - cached)
        logits = [products(q, part[0], transpose_y=True) for part in (older, latest)]
        logits = tf.cast(tf.concat(logits, -1), tf.float32) * self.head_size**-0.5
        weights = tf.cast(softmax(tf.where(seen, logits, -np.inf)), x.dtype)
        parts = zip(tf.split(weights, sizes, axis=-1), (older, latest))
        y = sum(products(weight, part[1]) for weight, part in parts)
        y = self.projection(tf.reshape(y, [-1, 1, self.num_heads * self.head_size]))
        older = tf.cond(
            place == sizes[1] - 1,
            lambda: tf.concat([older, latest], axis=3)[:, :, :, sizes[1] :],
            lambda: older,
        )
        return y, (older, latest)

    def depends(self, sources: np.ndarray) -> np.ndarray:
        sites = np.arange(len(sources))
        return self._within(sites[:, None] - sites) @ np.asarray(sources, bool)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window": self.window,
            "rotary": self.rotary,
        }
