"""Mixtures of Gaussians and of logistics, given by tensors."""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class _Mixture(tfd.MixtureSameFamily):
    """p(x) = sum_k softmax(logits)_k f((x - loc_k) / s_k) / s_k, with s = exp(log_scale).

    A ``tfd.MixtureSameFamily`` whose parameters are tensors.
    """

    family = None  # of TFP, of loc and scale

    def __init__(
        self, logits, loc, log_scale, validate_args=False, allow_nan_stats=True, name=None
    ):
        parameters = dict(locals())
        del parameters["__class__"]
        self.logits, self.loc, self.log_scale = (
            tf.convert_to_tensor(t, dtype_hint=tf.float32) for t in (logits, loc, log_scale)
        )
        super().__init__(
            tfd.Categorical(logits=self.logits),
            self.family(self.loc, tf.exp(self.log_scale)),
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            name=name or type(self).__name__,
        )
        self._parameters = self._no_dependency(parameters)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = tfp.util.ParameterProperties
        return {name: properties(event_ndims=1) for name in ("logits", "loc", "log_scale")}

    def invert(self, uniforms):
        """The draw that [..., 2] random numbers in (0, 1) give, of the batch shape [...].

        The first one chooses a component, the second one inverts its distribution function.
        """
        weights = tf.exp(self.logits - tf.reduce_max(self.logits, axis=-1, keepdims=True))
        below = tf.cumsum(weights, axis=-1)
        passed = tf.cast(below <= uniforms[..., :1] * below[..., -1:], tf.int32)
        last = self.logits.shape[-1] - 1
        chosen = tf.minimum(tf.reduce_sum(passed, axis=-1, keepdims=True), last)
        here = tf.one_hot(chosen[..., 0], last + 1, dtype=self.loc.dtype)
        loc, log_scale = (tf.reduce_sum(t * here, axis=-1) for t in (self.loc, self.log_scale))
        return loc + tf.exp(log_scale) * self._quantile_of(uniforms[..., 1])


class GaussianMixture(_Mixture):
    """Mixture of K normal distributions; ``logits``, ``loc`` and ``log_scale`` are [..., K].

    >>> p = GaussianMixture(tf.zeros([2]), [-1.0, 1.0], [0.0, 0.0])
    >>> round(float(p.prob(0.0)), 4)
    0.242
    """

    family = tfd.Normal

    def _quantile_of(self, u):
        return tf.math.ndtri(u)


class LogisticMixture(_Mixture):
    """Mixture of K logistic distributions; ``logits``, ``loc`` and ``log_scale`` are [..., K].

    >>> p = LogisticMixture(tf.zeros([1]), [0.0], [0.0])
    >>> float(p.prob(0.0).numpy())
    0.25
    """

    family = tfd.Logistic

    def _quantile_of(self, u):
        return tf.math.log(u) - tf.math.log1p(-u)
