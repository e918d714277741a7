"""Mixtures of Gaussians and of logistics, given by tensors."""

import statistics

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfar import private, randomness
from tfar.distributions import casting

# Beyond this many scales from loc, z^2 overflows, and with it log p or its gradient: log p is -inf.
FAR = 1e19


def spread(components: int) -> np.ndarray:
    """The quantiles (k + 1/2) / K of a standard normal, float32 [K]: where components begin.

    >>> [round(float(place), 2) for place in spread(3)]
    [-0.97, 0.0, 0.97]
    """
    middles = (np.arange(components) + 0.5) / components
    return np.array([statistics.NormalDist().inv_cdf(p) for p in middles], np.float32)


class _Mixture(tfd.MixtureSameFamily):
    """p(x) = sum_k softmax(logits)_k f((x - loc_k) / s_k) / s_k, with s = exp(log_scale).

    A ``tfd.MixtureSameFamily`` whose parameters are tensors. ``log_prob`` is never NaN for finite
    values: it is -inf where every component is more than 1e19 scales away, with a gradient of 0.
    """

    family: type[tfd.Distribution]  # of TFP, with arguments loc and scale

    def __init__(
        self,
        logits: tf.Tensor,
        loc: tf.Tensor,
        log_scale: tf.Tensor,
        *,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str | None = None,
    ) -> None:
        parameters = dict(locals())
        del parameters["__class__"]
        self.logits, self.loc, self.log_scale = casting.parameters(
            1, logits=logits, loc=loc, log_scale=log_scale
        )
        k = self.logits.shape[-1]
        for which, t in (("loc", self.loc), ("log_scale", self.log_scale)):
            if t.shape[-1] not in (1, k, None) and k is not None:
                raise ValueError(
                    f"Expected {which} of {k} components, like logits, got the shape {t.shape}."
                )
        super().__init__(
            tfd.Categorical(logits=self.logits),
            self.family(self.loc, tf.exp(self.log_scale)),
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            name=name or type(self).__name__,
        )
        private.set_parameters(self, parameters)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = tfp.util.ParameterProperties
        return {name: properties(event_ndims=1) for name in ("logits", "loc", "log_scale")}

    def _log_prob(self, x):
        # TFP's logistic is NaN where (x - loc) / s overflows, and so are the gradients of both.
        z = (x[..., None] - self.loc) * tf.exp(-self.log_scale)
        near = tf.abs(z) < FAR
        each = self._log_density(tf.where(near, z, 0.0)) - self.log_scale
        weights = tf.broadcast_to(tf.nn.log_softmax(self.logits), tf.shape(z))
        some = tf.reduce_any(near, axis=-1)
        each = tf.where(near | ~some[..., None], weights + each, -np.inf)
        return tf.where(some, tf.reduce_logsumexp(each, axis=-1), -np.inf)

    def invert(self, uniforms: tf.Tensor) -> tf.Tensor:
        """The draw that [..., 2] uniform numbers in (0, 1) give, for the batch shape [...].

        The first number chooses a component, the second inverts its distribution function.
        """
        chosen = randomness.category(self.logits, uniforms[..., 0])
        here = tf.one_hot(chosen, self.logits.shape[-1], dtype=self.loc.dtype)
        loc, log_scale = (tf.reduce_sum(t * here, axis=-1) for t in (self.loc, self.log_scale))
        return loc + tf.exp(log_scale) * self._quantile_of(uniforms[..., 1])


class GaussianMixture(_Mixture):
    """Mixture of K normal distributions; ``logits``, ``loc`` and ``log_scale`` are [..., K].

    >>> p = GaussianMixture(tf.zeros([2]), [-1.0, 1.0], [0.0, 0.0])
    >>> round(float(p.prob(0.0)), 4)
    0.242
    """

    family = tfd.Normal

    def _log_density(self, z):
        return -0.5 * z**2 - np.float32(0.5 * np.log(2 * np.pi))

    def _quantile_of(self, u):
        return tf.math.ndtri(u)


class LogisticMixture(_Mixture):
    """Mixture of K logistic distributions; ``logits``, ``loc`` and ``log_scale`` are [..., K].

    >>> p = LogisticMixture(tf.zeros([1]), [0.0], [0.0])
    >>> float(p.prob(0.0).numpy())
    0.25
    """

    family = tfd.Logistic

    def _log_density(self, z):
        return -tf.abs(z) - 2 * tf.math.log1p(tf.exp(-tf.abs(z)))

    def _quantile_of(self, u):
        return tf.math.log(u) - tf.math.log1p(-u)
