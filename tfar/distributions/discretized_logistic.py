"""Mixtures of discretized logistic distributions (Salimans et al. 2017)."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfar import randomness
from tfar.arguments import integer
from tfar.distributions import casting


class DiscretizedLogisticMixture(tfd.AutoCompositeTensorDistribution):
    """Vectors of C integers 0 ... L - 1, the colours of a pixel, coupled linearly in a mixture.

    With z = 2 x / (L - 1) - 1 in [-1, 1] and K components,

        p(x) = sum_k pi_k prod_c [F_kc(z_c + 1 / (L - 1)) - F_kc(z_c - 1 / (L - 1))]
        F_kc(z) = sigmoid((z - m_kc) / s_kc),   m_kc = loc_kc + sum_{b < c} coupling_kcb z_b

    where the first bin reaches down to minus infinity and the last one up to infinity, so that
    p sums to 1. The difference is computed as log sigmoid(u) + log sigmoid(-l) +
    log(1 - exp(l - u)) for a bin from l to u, which is exact for arbitrarily small probabilities.

    Args:
      logits: [..., K], of pi.
      loc: [..., K, C].
      log_scale: [..., K, C], of s.
      coupling: [..., K, C (C - 1) / 2], the rows of the lower triangle one after the other.
      levels: L, at least 2.
      dtype: dtype of samples.
      validate_args, allow_nan_stats, name: as in TFP. Values that are not integers from 0 to L - 1
        have log-probability -inf, whether or not arguments are validated.

    #### References
    T. Salimans, A. Karpathy, X. Chen, D. P. Kingma. PixelCNN++: Improving the PixelCNN with
    Discretized Logistic Mixture Likelihood and Other Modifications. ICLR 2017, sections 2.1 and
    2.2.

    >>> p = DiscretizedLogisticMixture(
    ...     tf.zeros([2]), tf.zeros([2, 1]), tf.zeros([2, 1]), tf.zeros([2, 0]), levels=3
    ... )
    >>> p.prob([[0], [1], [2]]).numpy().round(4)
    array([0.3775, 0.2449, 0.3775], dtype=float32)
    """

    def __init__(
        self,
        logits: tf.Tensor,
        loc: tf.Tensor,
        log_scale: tf.Tensor,
        coupling: tf.Tensor,
        *,
        levels: int = 256,
        dtype: tf.DType = tf.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiscretizedLogisticMixture",
    ) -> None:
        parameters = dict(locals())
        (self.logits,) = casting.parameters(1, logits=logits)
        self.loc, self.log_scale, self.coupling = casting.parameters(
            2, loc=loc, log_scale=log_scale, coupling=coupling
        )
        self.levels = integer("levels", levels, least=2)
        k, c = self.loc.shape[-2:]
        self.channels = c
        expected = {"logits": [k], "log_scale": [k, c], "coupling": [k, c * (c - 1) // 2]}
        for which, axes in expected.items():
            shape = getattr(self, which).shape
            if not shape[-len(axes) :].is_compatible_with(axes):
                raise ValueError(
                    f"Expected {which} of the shape [..., {', '.join(map(str, axes))}], for {k} "
                    f"components and {c} channels as in loc, got {shape}."
                )
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = tfp.util.ParameterProperties
        return {
            "logits": properties(event_ndims=1),
            "loc": properties(event_ndims=2),
            "log_scale": properties(event_ndims=2),
            "coupling": properties(event_ndims=2),
        }

    def _event_shape(self):
        return tf.TensorShape([self.channels])

    def _event_shape_tensor(self):
        return tf.constant([self.channels], tf.int32)

    def _default_event_space_bijector(self):
        return None  # discrete

    def _centred(self, x):
        return tf.cast(x, self.loc.dtype) * (2.0 / (self.levels - 1)) - 1.0

    def _mean_of(self, loc, coupling, earlier):
        """m of channel c from ``earlier``, the z of the channels before it: [..., K]."""
        c = len(earlier)
        first = c * (c - 1) // 2
        mean = loc[..., c]
        for b, z in enumerate(earlier):
            mean += coupling[..., first + b] * z[..., None]
        return mean

    def _log_prob(self, x):
        x = tf.cast(x, self.loc.dtype)
        inside = (x >= 0) & (x < self.levels) & (x == tf.floor(x))
        x = tf.where(inside, x, tf.zeros_like(x))  # keeps NaN out of the gradients
        log_prob = tf.nn.log_softmax(self.logits)
        for c in range(self.channels):
            log_prob += self._log_bins(x, c)
        log_prob = tf.reduce_logsumexp(log_prob, axis=-1)
        return tf.where(tf.reduce_all(inside, axis=-1), log_prob, -np.inf)

    def _log_bins(self, x, c):
        """The logarithm of channel c's factor, for each component: [..., K], of x [..., C]."""
        z = self._centred(x)
        mean = self._mean_of(self.loc, self.coupling, [z[..., b] for b in range(c)])
        precision = tf.exp(-self.log_scale[..., c])
        centre = (z[..., c, None] - mean) * precision
        half = precision / (self.levels - 1)
        upper, lower = tf.math.log_sigmoid(centre + half), tf.math.log_sigmoid(half - centre)
        both = tf.math.log(-tf.math.expm1(-2 * half))
        first, last = x[..., c, None] <= 0, x[..., c, None] >= self.levels - 1
        zero = tf.zeros_like(both)
        return (
            tf.where(last, zero, upper)
            + tf.where(first, zero, lower)
            + tf.where(first | last, zero, both)
        )

    def log_channel(self, x: tf.Tensor, c: int) -> tf.Tensor:
        """log p(x_c = v | x_0, ..., x_(c-1)) of every value v: [..., L], of integers x [..., C]."""
        log_weights = self.logits
        for b in range(c):
            log_weights += self._log_bins(tf.cast(x, self.loc.dtype), b)
        here = tf.one_hot(c, self.channels, dtype=x.dtype)
        values = tf.range(self.levels, dtype=x.dtype)[:, None]
        tried = tf.cast(x[..., None, :] * (1 - here) + values * here, self.loc.dtype)
        each = self._for_candidates()._log_bins(tried, c)  # [..., L, K]
        return tf.reduce_logsumexp(tf.nn.log_softmax(log_weights)[..., None, :] + each, axis=-1)

    def _for_candidates(self):
        """The distribution of the batch shape [..., 1], for several values of each vector."""
        return DiscretizedLogisticMixture(
            self.logits[..., None, :],
            self.loc[..., None, :, :],
            self.log_scale[..., None, :, :],
            self.coupling[..., None, :, :],
            levels=self.levels,
        )

    def most_likely_near(self, x: tf.Tensor, eps: int) -> tf.Tensor:
        """For each channel in turn, argmax over z, |z - x_c| <= eps, of p(z | channels before).

        The channels before are those that were taken; of several such z it is the least.
        """
        taken, log_weights, others = x, tf.nn.log_softmax(self.logits), self._for_candidates()
        for c in range(self.channels):
            here = tf.one_hot(c, self.channels, dtype=x.dtype)
            candidates = x[..., c, None] + tf.range(-eps, eps + 1)  # [..., m]
            valid = (candidates >= 0) & (candidates < self.levels)
            candidates = tf.clip_by_value(candidates, 0, self.levels - 1)
            tried = taken[..., None, :] * (1 - here) + candidates[..., None] * here
            tried = tf.cast(tried, self.loc.dtype)
            each = log_weights[..., None, :] + others._log_bins(tried, c)  # [..., m, K]
            log_prob = tf.where(valid, tf.reduce_logsumexp(each, axis=-1), -np.inf)
            best = tf.argmax(log_prob, axis=-1, output_type=tf.int32)
            value = tf.gather(candidates, best, axis=-1, batch_dims=best.shape.rank)
            taken = taken * (1 - here) + value[..., None] * here
            own = tf.gather(each, best, axis=-2, batch_dims=best.shape.rank)
            log_weights = own
        return taken

    def invert(self, uniforms: tf.Tensor) -> tf.Tensor:
        """The draw that [..., 1 + C] uniform numbers in (0, 1) give, for the batch shape [...].

        The first number chooses a component; each of the others inverts F of a channel. Each
        channel sees the quantised values of those before it, as in ``log_prob``.
        """
        chosen = randomness.category(self.logits, uniforms[..., 0])
        chosen = tf.one_hot(chosen, self.logits.shape[-1], dtype=self.loc.dtype)
        loc, log_scale, coupling = (
            tf.reduce_sum(t * chosen[..., None], axis=-2, keepdims=True)
            for t in (self.loc, self.log_scale, self.coupling)
        )
        earlier, drawn = [], []
        for c in range(self.channels):
            u = uniforms[..., 1 + c]
            noise = tf.exp(log_scale[..., 0, c]) * (tf.math.log(u) - tf.math.log1p(-u))
            z = self._mean_of(loc, coupling, earlier)[..., 0] + noise
            # Clipped before the cast to an integer: a logistic has no bounds.
            x = tf.clip_by_value((z + 1) * (0.5 * (self.levels - 1)), 0.0, self.levels - 1.0)
            x = tf.round(x)
            earlier.append(self._centred(x))
            drawn.append(tf.cast(x, self.dtype))
        return tf.stack(drawn, axis=-1)

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor(), [1 + self.channels]], 0)
        seed = tfp.random.sanitize_seed(seed)
        return self.invert(randomness.uniforms(seed, 0, shape))
