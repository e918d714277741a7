"""Heads for counts: Poisson and negative binomial."""

import abc

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar.heads.base import Head
from tfar.typing import Temperature

MOST = 2**24 - 1  # the largest count: float32 holds all integers up to it
LARGEST_MEAN = 1e6
RADIX = 64  # of the four digits of a count


class _Counts(Head):
    """What the two families share: counts, their code, and draws by bisection.

    Parameters are float32, and distributions float64: log k! of a count of 10^5 is a million nats,
    which float32 resolves to an eighth of a nat.
    """

    num_inputs = 1
    num_uniforms = 1
    dtype = tf.int32
    support = f"an integer from 0 to {MOST}"
    on_a_scale = True
    digits = (RADIX,) * 4

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        return tf.cast(tf.math.log1p(tf.cast(x, tf.float32)), dtype)[..., None]

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        if temperature is not None:
            raise ValueError(f"{self} has no distribution at a temperature: it only draws at one.")
        return self._family(tf.cast(params, tf.float64))

    @abc.abstractmethod
    def _family(self, params):
        """The distribution of float64 parameters."""

    @abc.abstractmethod
    def _cdf(self, x, params):
        """P(X <= x), float64, of float64 counts and parameters."""

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        """The least k with P(X <= k) > u.

        At a temperature T it is the quantile at Phi(T Phi^-1(u)), with Phi the normal
        distribution function: T multiplies the normal score of u, its distance from the median.
        (p^(1/T) of either family is in neither.)
        """
        u = tf.cast(uniforms[..., 0], tf.float64)
        if temperature is not None:
            scores = tf.math.ndtri(u) * tf.cast(temperature, tf.float64)
            u = 0.5 * tf.math.erfc(-tf.clip_by_value(scores, -8.0, 8.0) / np.sqrt(2))
        params = tf.cast(params, tf.float64)

        def halve(low, high):  # P(X <= low) <= u < P(X <= high), except for the largest count
            middle = tf.floor((low + high) / 2)
            above = self._cdf(middle, params) > u
            return tf.where(above, low, middle), tf.where(above, middle, high)

        ends = -tf.ones_like(u), MOST * tf.ones_like(u)
        steps = MOST.bit_length()
        _, drawn = tf.while_loop(lambda *_: True, halve, ends, maximum_iterations=steps)
        return tf.cast(drawn, self.dtype)

    def to_digits(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, tf.int32)[..., None] // self._places() % RADIX

    def from_digits(self, digits: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(digits * self._places(), axis=-1)

    def _places(self):
        return RADIX ** np.arange(3, -1, -1, dtype=np.int32)

    def digit_log_probs(self, params: tf.Tensor, digits: tf.Tensor, i: int) -> tf.Tensor:
        """By differences of the distribution function, and of the last digit by p itself."""
        places = self._places()
        least = tf.reduce_sum(digits[..., :i] * places[:i], axis=-1, keepdims=True)
        first = tf.cast(least + places[i] * tf.range(RADIX), tf.float64)
        params = tf.cast(params, tf.float64)[..., None, :]
        if i == len(places) - 1:
            log_prob = self._family(params).log_prob(first)
        else:
            below = tf.where(first > 0, self._cdf(tf.maximum(first - 1, 0), params), 0)
            below_next = self._cdf(first + places[i] - 1, params)
            log_prob = tf.math.log(tf.maximum(below_next - below, 1e-300))
        return tf.cast(tf.nn.log_softmax(log_prob), tf.float32)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float64)
        return (x >= 0) & (x <= MOST) & (x == tf.floor(x))


@keras.saving.register_keras_serializable(package="tfar")
class Poisson(_Counts):
    """p(x) = m^x e^-m / x! with m = e^a for counts x = 0, 1, 2, ...; one parameter per site.

    a is at most log 10^6. Counts enter the network as log(1 + x), and may be up to 2^24 - 1.
    Samples are int32, drawn by inverting the distribution function, and so exact. A temperature
    moves them towards or away from the median, see `draw`; there is no distribution at one.

    >>> head = Poisson()
    >>> float(head.distribution(tf.zeros([1])).mean())
    1.0
    """

    num_params = 1

    def _family(self, params):
        return tfd.Poisson(log_rate=tf.minimum(params[..., 0], np.log(LARGEST_MEAN)))

    def _cdf(self, x, params):
        rate = tf.exp(tf.minimum(params[..., 0], np.log(LARGEST_MEAN)))
        return upper_gamma(x + 1, rate + tf.zeros_like(x))

    def marginal(self, x: np.ndarray) -> np.ndarray:
        return np.log((x.astype(np.float64).sum(axis=0) + 1) / (len(x) + 1))[:, None]


@keras.saving.register_keras_serializable(package="tfar")
class NegativeBinomial(_Counts):
    """p(x) = Gamma(x + r) / (Gamma(r) x!) (r / (r + m))^r (m / (r + m))^x, counts of mean m.

    The parameters of a site are a and b with m = e^a, at most 10^6, and r = e^b, between e^-7 and
    10^6: the variance m + m^2 / r is above a Poisson's, and approaches it as r grows. All else is
    as in `Poisson`.

    >>> head = NegativeBinomial()
    >>> p = head.distribution(tf.constant([0.0, 0.0]))
    >>> float(p.mean()), round(float(p.variance()), 6)
    (1.0, 2.0)
    """

    num_params = 2

    def _clipped(self, params):
        """a and b."""
        mean, concentration = tf.unstack(params, axis=-1)
        top = np.log(LARGEST_MEAN)
        return tf.minimum(mean, top), tf.clip_by_value(concentration, -7.0, top)

    def _family(self, params):
        mean, concentration = self._clipped(params)
        return tfd.NegativeBinomial(tf.exp(concentration), logits=mean - concentration)

    def _cdf(self, x, params):
        mean, concentration = self._clipped(params)
        shape = tf.exp(concentration) + tf.zeros_like(x)
        return tf.math.betainc(shape, x + 1, tf.sigmoid(concentration - mean) + tf.zeros_like(x))

    def marginal(self, x: np.ndarray) -> np.ndarray:
        """By matching moments."""
        mean = (x.astype(np.float64).sum(axis=0) + 1) / (len(x) + 1)
        excess = np.maximum(x.astype(np.float64).var(axis=0) - mean, 1e-3 * mean)
        return np.log(np.stack([mean, mean**2 / excess], axis=1))


def upper_gamma(a: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Q(a, x) = Gamma(a, x) / Gamma(a), float64, for any a: P(X < a) for a Poisson X of mean x.

    TensorFlow's own series stops after 2,000 terms, and is off by 1e-4 at a = x = 3e5. From
    a = 10^4 on, the first term of the uniform asymptotic expansion is accurate to 1e-9.

    #### References
    N. M. Temme. The asymptotic expansion of the incomplete gamma functions. SIAM J. Math. Anal. 10,
    1979, equations 1.4 and 3.2.

    >>> upper_gamma(tf.constant([2.0], tf.float64), tf.constant([1.0], tf.float64)).numpy().round(6)
    array([0.735759])
    """
    large, one = a > 1e4, tf.ones_like(a)
    exact = tf.math.igammac(tf.where(large, one, a), tf.where(large, one, x))
    mu = tf.where(large, (x - a) / a, one)
    eta = tf.sign(mu) * tf.sqrt(tf.maximum(2 * (mu - tf.math.log1p(mu)), 0.0))
    near = tf.abs(eta) < 1e-2
    far_eta, far_mu = tf.where(near, one, eta), tf.where(near, one, mu)
    series = -1 / 3 + eta / 12 - 2 * eta**2 / 135 + eta**3 / 864
    first = tf.where(near, series, 1 / far_mu - 1 / far_eta)
    tail = tf.exp(-0.5 * a * eta**2) * first / tf.sqrt(2 * np.pi * a)
    return tf.where(large, 0.5 * tf.math.erfc(eta * tf.sqrt(a / 2)) + tail, exact)
