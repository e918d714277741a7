"""Mixtures of discretized logistics over the integers of a range."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfar import randomness
from tfar.arguments import integer
from tfar.distributions import casting


class IntegerMixture(tfd.AutoCompositeTensorDistribution):
    """p(x) = sum_k pi_k [F((x + 1/2 - loc_k) / s_k) - F((x - 1/2 - loc_k) / s_k)], x = 0 ... L - 1.

    F is the logistic distribution function, pi = softmax(logits) and s = exp(log_scale). The first
    bin reaches down to minus infinity and the last one up to infinity, so that p sums to 1; bins
    are differences on a logarithmic scale, exact for arbitrarily small probabilities.

    Args:
      logits, loc, log_scale: [..., K].
      levels: L.
      validate_args, allow_nan_stats, name: as in TFP. Values that are not integers from 0 to L - 1
        have log-probability -inf.

    #### References
    T. Salimans, A. Karpathy, X. Chen, D. P. Kingma. PixelCNN++. ICLR 2017, section 2.1.

    >>> p = IntegerMixture(tf.zeros([1]), [1.0], [0.0], levels=3)
    >>> p.prob([0.0, 1.0, 2.0]).numpy().round(4)
    array([0.3775, 0.2449, 0.3775], dtype=float32)
    """

    def __init__(
        self,
        logits: tf.Tensor,
        loc: tf.Tensor,
        log_scale: tf.Tensor,
        *,
        levels: int,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "IntegerMixture",
    ) -> None:
        parameters = dict(locals())
        self.logits, self.loc, self.log_scale = casting.parameters(
            1, logits=logits, loc=loc, log_scale=log_scale
        )
        self.levels = integer("levels", levels, least=1)
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
        properties = tfp.util.ParameterProperties
        return {name: properties(event_ndims=1) for name in ("logits", "loc", "log_scale")}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _default_event_space_bijector(self):
        return None  # discrete

    def _log_prob(self, x):
        inside = (x >= 0) & (x < self.levels) & (x == tf.floor(x))
        x = tf.where(inside, x, 0.0)[..., None]  # keeps NaN out of the gradients
        precision = tf.exp(-self.log_scale)
        centre, half = (x - self.loc) * precision, 0.5 * precision
        upper, lower = tf.math.log_sigmoid(centre + half), tf.math.log_sigmoid(half - centre)
        both = tf.math.log(-tf.math.expm1(-2 * half))
        first, last = x <= 0, x >= self.levels - 1
        each = tf.where(last, 0.0, upper) + tf.where(first, 0.0, lower)
        each += tf.where(first | last, 0.0, both)
        log_prob = tf.reduce_logsumexp(tf.nn.log_softmax(self.logits) + each, axis=-1)
        return tf.where(inside, log_prob, -np.inf)

    def invert(self, uniforms: tf.Tensor) -> tf.Tensor:
        """The draw that [..., 2] uniform numbers in (0, 1) give, for the batch shape [...].

        The first number chooses a component, the second inverts its distribution function.
        """
        chosen = randomness.category(self.logits, uniforms[..., 0])
        here = tf.one_hot(chosen, self.logits.shape[-1], dtype=self.loc.dtype)
        loc, log_scale = (tf.reduce_sum(t * here, axis=-1) for t in (self.loc, self.log_scale))
        u = uniforms[..., 1]
        x = loc + tf.exp(log_scale) * (tf.math.log(u) - tf.math.log1p(-u))
        return tf.clip_by_value(tf.round(x), 0.0, self.levels - 1.0)

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor(), [2]], 0)
        return self.invert(randomness.uniforms(tfp.random.sanitize_seed(seed), 0, shape))
