"""Heads: from network outputs to distributions, and from data to network inputs.

One head serves `call` and `step`. It samples in data space, so that what is fed back while
sampling is exactly what training saw.
"""

import abc

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfar import distributions
from tfar.text import Vocabulary

tfd = tfp.distributions


class Head(abc.ABC):
    """The family of p(x_i | x_<i), given its parameters.

    Attributes:
      site_shape: shape of the value of a site: () or, for a head of vectors, (C,). Where shapes of
        data are given as [...] below, a head of vectors takes and gives [..., C].
      num_params: parameters a site, the channels that a network has to put out.
      num_inputs: channels a site that `encode` makes, the channels that a network takes in.
      num_uniforms: random numbers that `draw` takes for a value.
      dtype: dtype of samples.
      support: words for what a value may be, for error messages.
      of_logits: whether the parameters are the logits of the values 0, 1, 2, ...
    """

    site_shape = ()
    of_logits = False

    @abc.abstractmethod
    def encode(self, x, dtype=tf.float32):
        """Data ``[...]`` of any dtype to network inputs ``[..., num_inputs]``."""

    @abc.abstractmethod
    def distribution(self, params, temperature=None):
        """Network outputs ``[..., num_params]`` to a ``tfd.Distribution`` of batch shape [...].

        ``temperature`` divides the logits, and multiplies scales: below 1 sharper, above 1 flatter.
        """

    @abc.abstractmethod
    def draw(self, params, uniforms, temperature=None):
        """Values ``[...]`` of p(x; params), of `dtype`, by inversion of random numbers.

        A sampler of ``tfp`` would draw other values under XLA and without it.

        Args:
          params: network outputs [..., num_params].
          uniforms: [..., num_uniforms] in (0, 1).
          temperature: as in `distribution`.
        """

    @abc.abstractmethod
    def marginal(self, x):
        """Examples ``[N, n]``, an array, to the parameters ``[n, num_params]`` of each column's
        own distribution, smoothed as by one more observation of every value."""

    @abc.abstractmethod
    def in_support(self, x):
        """bool ``[...]``: whether each value can occur at all. NaN cannot."""

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def _tempered(logits, temperature):
    return logits if temperature is None else logits / tf.cast(temperature, logits.dtype)


def _tempered_categories(logits, temperature):
    """As `_tempered`, of logits that count up to a constant: none becomes +inf, which is no weight
    beside another."""
    if temperature is None:
        return logits
    return _tempered(logits - tf.reduce_max(logits, axis=-1, keepdims=True), temperature)


@keras.saving.register_keras_serializable(package="tfar")
class Bernoulli(Head):
    """p(x = 1) = sigmoid(a) for x in {0, 1}; one parameter a site. Samples are int32.

    Args:
      centered: whether x enters the network as 2x - 1 and not as x. The function class is the
        same, but gradients are better conditioned where most values are 0.

    >>> Bernoulli().distribution(tf.constant([[0.0]])).probs_parameter().numpy().tolist()
    [0.5]
    """

    num_params = 1
    num_inputs = 1
    num_uniforms = 1
    dtype = tf.int32
    support = "0 or 1"

    def __init__(self, centered=False):
        self.centered = bool(centered)

    def encode(self, x, dtype=tf.float32):
        x = tf.cast(x, dtype)[..., None]
        return 2 * x - 1 if self.centered else x

    def distribution(self, params, temperature=None):
        return tfd.Bernoulli(logits=_tempered(params[..., 0], temperature), dtype=self.dtype)

    def draw(self, params, uniforms, temperature=None):
        on = tf.sigmoid(_tempered(params[..., 0], temperature))
        return tf.cast(uniforms[..., 0] < on, self.dtype)

    def marginal(self, x):
        on = x.astype(np.float64).sum(axis=0) + 1
        return np.log(on / (len(x) + 2 - on))[:, None]

    def in_support(self, x):
        if x.dtype == tf.bool:
            return tf.ones_like(x)
        return (x == 0) | (x == 1)

    def get_config(self):
        return {"centered": self.centered}


@keras.saving.register_keras_serializable(package="tfar")
class Categorical(Head):
    """p(x = k) = softmax(a)_k for x in {0, ..., K - 1}; K parameters a site. Samples are int32.

    Values enter the network one-hot.

    Args:
      num_categories: K, at least 2.

    Raises:
      ValueError: if K is less than 2.

    >>> Categorical(4).distribution(tf.zeros([4])).probs_parameter().numpy().tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    num_uniforms = 1
    dtype = tf.int32
    of_logits = True

    def __init__(self, num_categories):
        if num_categories < 2:
            raise ValueError(f"Categorical needs at least 2 categories, got {num_categories}.")
        self.num_categories = self.num_params = self.num_inputs = int(num_categories)
        self.support = f"an integer from 0 to {self.num_categories - 1}"

    def encode(self, x, dtype=tf.float32):
        return tf.one_hot(tf.cast(x, tf.int32), self.num_categories, dtype=dtype)

    def distribution(self, params, temperature=None):
        logits = _tempered_categories(params, temperature)
        return tfd.Categorical(logits=logits, dtype=self.dtype)

    def draw(self, params, uniforms, temperature=None):
        logits = _tempered_categories(params, temperature)
        weights = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
        below = tf.cumsum(weights, axis=-1)
        passed = tf.cast(below <= uniforms * below[..., -1:], self.dtype)
        return tf.minimum(tf.reduce_sum(passed, axis=-1), self.num_categories - 1)

    def marginal(self, x):
        counts = np.stack([(x == k).sum(axis=0) for k in range(self.num_categories)], axis=-1) + 1
        return np.log(counts / counts.sum(axis=-1, keepdims=True))

    def in_support(self, x):
        x = tf.cast(x, tf.float32)
        return (x >= 0) & (x < self.num_categories) & (x == tf.floor(x))

    def get_config(self):
        return {"num_categories": self.num_categories}


@keras.saving.register_keras_serializable(package="tfar")
class Characters(Categorical):
    """`Categorical` over the characters of a vocabulary, which is saved with the model.

    Values are the numbers of characters; `tfar.text` goes from text to numbers and back.

    Args:
      characters: a string of different characters, see `tfar.text.Vocabulary`.

    >>> Characters("helo").vocabulary.decode([0, 1, 2, 2, 3])
    'hello'
    """

    def __init__(self, characters):
        self.vocabulary = Vocabulary(characters)
        super().__init__(len(self.vocabulary))

    @classmethod
    def of(cls, text):
        """The head of all the characters of a text."""
        return cls(Vocabulary.of(text).characters)

    def get_config(self):
        return {"characters": self.vocabulary.characters}


@keras.saving.register_keras_serializable(package="tfar")
class DiscretizedLogisticMixture(Head):
    """Vectors of C integers 0 ... L - 1, a pixel's colours, by a mixture of discretized logistics.

    A site is a vector along the last axis of the data. Its parameters are K logits, K C locations,
    K C logarithms of scales, clipped to [-7, 7], and K C (C - 1) / 2 couplings, of which the tanh
    is taken; see `tfar.distributions.DiscretizedLogisticMixture`. Locations count from K places
    evenly spaced in (-1, 1), so that components differ where all parameters are 0, as they are
    before training. A temperature divides the logits and multiplies the scales. Values enter the
    network scaled to [-1, 1]. Samples are int32.

    Args:
      num_components: K.
      channels: C.
      levels: L, at least 2.

    Raises:
      ValueError: if one of these is too small.

    >>> head = DiscretizedLogisticMixture(10, channels=3)
    >>> head.num_params, head.site_shape
    (100, (3,))
    """

    dtype = tf.int32

    def __init__(self, num_components, channels=1, levels=256):
        if num_components < 1 or channels < 1 or levels < 2:
            raise ValueError(
                "Expected at least 1 component, 1 channel and 2 levels, got "
                f"{num_components}, {channels} and {levels}."
            )
        self.num_components = int(num_components)
        self.channels = self.num_inputs = int(channels)
        self.levels = int(levels)
        self.site_shape = (self.channels,)
        self.num_uniforms = 1 + self.channels
        self.num_params = self.num_components * (1 + 2 * channels + channels * (channels - 1) // 2)
        self.support = f"an integer from 0 to {self.levels - 1}"

    def encode(self, x, dtype=tf.float32):
        return tf.cast(tf.cast(x, tf.float32) * (2 / (self.levels - 1)) - 1, dtype)

    def distribution(self, params, temperature=None):
        k, c = self.num_components, self.channels
        couplings = c * (c - 1) // 2
        logits, *rest = tf.split(params, [k, k * c, k * c, k * couplings], axis=-1)
        loc, log_scale, coupling = (
            tf.reshape(t, tf.concat([tf.shape(t)[:-1], [k, size]], 0))
            for t, size in zip(rest, (c, c, couplings))
        )
        loc += np.float32(self._places())
        # Below -7 a bin is certain, above 7 the two outer ones share all: gradients vanish.
        log_scale = tf.clip_by_value(log_scale, -7.0, 7.0)
        if temperature is not None:
            log_scale += tf.math.log(tf.cast(temperature, log_scale.dtype))
        return distributions.DiscretizedLogisticMixture(
            _tempered_categories(logits, temperature),
            loc,
            log_scale,
            tf.tanh(coupling),
            self.levels,
            self.dtype,
        )

    def draw(self, params, uniforms, temperature=None):
        return self.distribution(params, temperature).invert(uniforms)

    def _places(self):
        return np.linspace(-1, 1, self.num_components + 2)[1:-1, None]  # [K, 1]

    def marginal(self, x):
        """Components at quantiles of each channel's values and, if K > 1, a wide one.

        The wide one has the weight of one observation in N + 1, and smooths.
        """
        k, (n, c) = self.num_components, x.shape[1:]
        narrow = max(k - 1, 1)
        z = np.sort(x, axis=0) * (2 / (self.levels - 1)) - 1
        loc = z[((np.arange(narrow) + 0.5) / narrow * len(z)).astype(int)]  # [K - 1, n, C]
        least = 1 / (self.levels - 1) if k > 1 else 0.1
        log_scale = np.log(np.maximum(z.std(axis=0) / narrow, least))
        log_scale = np.tile(log_scale, [narrow, 1, 1])
        logits = np.full([n, k], -np.log(narrow))
        if k > 1:
            loc = np.concatenate([loc, np.zeros([1, n, c])])
            log_scale = np.concatenate([log_scale, np.full([1, n, c], -1.0)])
            logits[:, -1] = -np.log(len(x))
        parts = [(loc - self._places()[:, None]), log_scale]
        parts = [part.transpose([1, 0, 2]).reshape([n, -1]) for part in parts]
        couplings = np.zeros([n, k * c * (c - 1) // 2])
        return np.concatenate([logits, *parts, couplings], axis=1)

    def in_support(self, x):
        x = tf.cast(x, tf.float32)
        return (x >= 0) & (x < self.levels) & (x == tf.floor(x))

    def get_config(self):
        return {
            "num_components": self.num_components,
            "channels": self.channels,
            "levels": self.levels,
        }


def get(head):
    """``head``, or `Bernoulli()` for None; ValueError if it is no head (a class, say)."""
    head = Bernoulli() if head is None else head
    if not isinstance(head, Head):
        raise ValueError(f"Expected a head, for instance tfar.heads.Bernoulli(), got {head!r}.")
    return head
