"""The conditionals of a finite mixture, whose components are Gaussian, categorical or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import choice, integer, integers
from tfar.distributions.mixtures import spread
from tfar.layers.base import CausalLayer
from tfar.layers.schedule import Plan, Sites
from tfar.typing import BatchSize, KerasShape, Member, Nest, Rows, Training

COVARIANCES = "full", "tied", "diag"
LIMIT = 7.0  # of log-scales, as in `tfar.heads.GaussianMixture`
HALF_LOG_2_PI = np.float32(0.5 * np.log(2 * np.pi))


class Ordered(NamedTuple):
    """The weights of n sites, in an order, of K components; or of s of them, by `Components.at`.

    There are M factors: K, or 1 if the components share it. The first axis is 1, or B if each
    example has an order of its own.

    Attributes:
      loc: [1, n, K], 0 at categorical sites.
      scale: [1, n, K] or [1, n, 1], of x_i given x_<i.
      factor: [1, M, n, n], C with C C^T the covariance, or [1, 0, n, n] without correlations.
      whitened: [1, n, K], C^-1 loc if the components share C, else [1, n, 0].
      log_p: [1, n, K, V], of categories; 0 for what a site does not have.
      real, binary: [1, n], 1 for real sites, and for those of 0 or 1; otherwise 0.
    """

    loc: tf.Tensor
    scale: tf.Tensor
    factor: tf.Tensor
    whitened: tf.Tensor
    log_p: tf.Tensor
    real: tf.Tensor
    binary: tf.Tensor

    def at(self, site: int | tf.Tensor) -> Ordered:
        """Those of one site, n = 1, with a row of each factor."""
        rows = self.factor[:, :, site, None]
        others = {k: part[:, site, None] for k, part in self._asdict().items() if k != "factor"}
        return Ordered(**others, factor=rows)


@keras.saving.register_keras_serializable(package="tfar")
class Components(CausalLayer):
    """p(x_i | x_<i) = sum_k w_k(x_<i) p_k(x_i | x_<i),  w_k(x_<i) = pi_k p_k(x_<i) / p(x_<i).

    These are the conditionals of p(x) = sum_k pi_k p_k(x): a softmax attends to the components that
    explain the sites so far. p_k is Gaussian in the real sites, with mean m_k and covariance
    C_k C_k^T, and independent in the others. The outputs are what a `tfar.heads.Columns` of
    `GaussianMixture`, `Bernoulli` and `Categorical` heads takes. Exclusive.

    The weights belong to sites of the layout, and the order is the argument ``order`` of `call` and
    `initial_state`, a permutation [n] as in `tfar.orders`, or None for the raster order; for `step`
    also orders [B, n], an own one for each example. p(x) is the same in every order. All arithmetic
    is in float32.

    Args:
      components: K.
      logits: for each site how many logits its head takes: the number of categories, 1 for a site
        of 0 or 1, or 0 for a real one.
      covariance: of the real sites, in units of the head: "full", each component its own; "tied",
        one for all; "diag", each its own, without correlations.
      condition_size: entries of a condition s, or 0; the weights are then
        pi(s) = softmax(b + U s).
    """

    def __init__(
        self,
        components: int,
        logits: Sequence[int],
        *,
        covariance: str = "full",
        condition_size: int = 0,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("exclusive", None)
        super().__init__(exclusive=True, **kwargs)
        self.components = integer("components", components, least=1)
        self.logits = list(integers("logits", logits, least=0))
        self.covariance = choice("covariance", covariance, COVARIANCES)
        self.condition_size = integer("condition_size", condition_size, least=0)
        self.num_values = max(v if v > 1 else 2 * v for v in self.logits)  # 0: all are real
        self.channels = max(v or 3 * self.components for v in self.logits)

    def build(self, input_shape: KerasShape) -> None:
        n, k = len(self.logits), self.components
        m = 1 if self.covariance == "tied" else k
        self.weight_logits = self.add_weight(shape=(k,), initializer="zeros", name="weight_logits")
        normal = keras.initializers.RandomNormal(stddev=1.0)  # components must differ
        self.loc = self.add_weight(shape=(n, k), initializer=normal, name="loc")
        self.log_scale = self.add_weight(shape=(n, m), initializer="zeros", name="log_scale")
        if self.covariance != "diag":
            self.below = self.add_weight(shape=(m, n, n), initializer="zeros", name="below")
        if self.num_values:
            self.categories = self.add_weight(
                shape=(n, k, self.num_values), initializer=normal, name="categories"
            )
        self.condition_kernel = self.condition_weights(k)

    def compute_output_shape(self, input_shape: KerasShape) -> KerasShape:
        return (*input_shape[:2], self.channels)

    def log_weights(self, condition: Rows = None) -> tf.Tensor:
        """log pi, [1, K], or [B, K] given a condition."""
        logits = tf.cast(self.weight_logits, tf.float32)[None]
        added = self.of_condition(condition, self.condition_kernel, tf.float32)
        return tf.nn.log_softmax(logits + added)

    def ordered(self, order: tf.Tensor | None = None) -> Ordered:
        """The weights in an order [n], or in orders [B, n]."""
        counts = np.array(self.logits)
        is_real = (counts == 0).astype(np.float32)
        loc = tf.cast(self.loc, tf.float32) * is_real[:, None]
        scale = tf.exp(tf.clip_by_value(tf.cast(self.log_scale, tf.float32), -LIMIT, LIMIT))
        factor = tf.zeros([0, len(counts), len(counts)])
        if self.covariance != "diag":
            related = np.tril(np.outer(is_real, is_real), -1)
            factor = tf.cast(self.below, tf.float32) * related
            factor += tf.linalg.diag(tf.transpose(scale))
        log_p = tf.zeros([len(counts), 0, 0])
        if self.num_values:
            sizes = np.where(counts == 1, 2, np.where(counts == 0, self.num_values, counts))
            absent = (sizes[:, None] <= np.arange(self.num_values))[:, None]
            logits = tf.where(absent, -np.inf, tf.cast(self.categories, tf.float32))
            log_p = tf.where(absent, 0.0, tf.nn.log_softmax(logits))
        is_binary = (counts == 1).astype(np.float32)
        of_sites = loc, scale, log_p, tf.constant(is_real), tf.constant(is_binary)
        if order is not None and order.shape.rank == 2:  # to factor covariances takes most time
            order, examples = tf.raw_ops.UniqueV2(x=order, axis=[0])
            order = tf.ensure_shape(order, [None, len(counts)])  # for the gradient
        if order is not None:
            of_sites = tuple(tf.gather(part, order) for part in of_sites)
            factor = tf.gather(factor, order, axis=1)  # [M, n, n] or [M, B, n, n]
        if order is None or order.shape.rank == 1:
            of_sites, factor = tuple(part[None] for part in of_sites), factor[:, None]
        loc, scale, log_p, real, binary = of_sites
        factor = tf.transpose(factor, [1, 0, 2, 3])
        if self.covariance != "diag" and order is not None:
            factor = _triangular(factor)
            scale = tf.linalg.matrix_transpose(tf.linalg.diag_part(factor))
        whitened = loc[..., :0]
        if self.covariance == "tied":
            whitened = tf.linalg.triangular_solve(factor[:, 0], loc)
        found = Ordered(loc, scale, factor, whitened, log_p, real, binary)
        if order is None or order.shape.rank == 1:
            return found
        return tf.nest.map_structure(lambda part: tf.gather(part, examples), found)

    def call(
        self,
        x: tf.Tensor,
        condition: Rows = None,
        member: Member = None,
        training: Training = None,
        *,
        order: tf.Tensor | None = None,
    ) -> tf.Tensor:
        x, weights = tf.cast(x, tf.float32), self.ordered(order)
        loc = self._loc(x, weights)
        before = tf.cumsum(self._each(x, loc, weights), axis=1, exclusive=True)
        log_w = tf.nn.log_softmax(self.log_weights(condition)[:, None] + before)
        return tf.cast(self._outputs(log_w, loc, weights), self.compute_dtype)

    def log_prob(
        self, x: tf.Tensor, condition: Rows = None, but: int | tf.Tensor | None = None
    ) -> tf.Tensor:
        """log p(x), [B] nats in units of the head, without the conditionals; in the layout.

        The memory is that of a site's K components, not of those of all sites.

        Args:
          x: codes [B, n, c]. A site whose first entry is NaN is missing, and left out of p.
          condition: as in `call`.
          but: the number of a site i, for log p(x_i | the others) instead.
        """
        x, weights = tf.cast(x, tf.float32), self.ordered()
        missing = tf.math.is_nan(x[..., 0])
        x = tf.where(missing[..., None], tf.zeros_like(x), x)
        each = tf.cond(
            tf.reduce_any(missing),
            lambda: self._marginal(x, missing, weights),
            lambda: self._density(x, weights),
        )
        total = self.log_weights(condition) + each
        whole = tf.reduce_logsumexp(total, axis=1)
        if but is None:
            return whole
        return whole - tf.reduce_logsumexp(total - self._given_the_rest(x, but, weights), axis=1)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
        *,
        order: tf.Tensor | None = None,
    ) -> Nest:
        """(the ordered weights, log w [B, K], z [B, K or 1, n])."""
        k, m = self.components, self.components if self.covariance == "full" else 1
        log_w = tf.broadcast_to(self.log_weights(condition), [batch_size, k])
        return self.ordered(order), log_w, tf.zeros([batch_size, m, len(self.logits)])

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        (weights, log_w, z), site = state, sites.one
        x, last = tf.cast(x, tf.float32), tf.maximum(site - 1, 0)
        before, here = weights.at(last), weights.at(site)
        seen = tf.cast(site > 0, tf.float32)
        loc = self._loc_at(z, before)
        log_w = tf.nn.log_softmax(log_w + seen * self._each(x, loc, before)[:, 0])
        if self.covariance != "diag":
            values, c = x[:, :, 0] * before.real, before.factor[:, :, 0, last]  # [B, 1], [1, M]
            mean = loc[:, 0] if self.covariance == "full" else self._sum_at(z, before)
            new = (values - mean) / c * before.real
            z += new[..., None] * seen * tf.one_hot(last, len(self.logits))
        y = self._outputs(log_w[:, None], self._loc_at(z, here), here)
        return tf.cast(y, self.compute_dtype), (weights, log_w, z)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "components": self.components,
            "logits": self.logits,
            "covariance": self.covariance,
            "condition_size": self.condition_size,
        }

    # Means of the real sites given those before ---------------------------------------------------

    def _loc(self, x, weights):
        """The mean of x_i given x_<i in each component, [B, n, K] or [1, n, K], in one order."""
        if self.covariance == "diag":
            return weights.loc
        u, c = x[..., 0] * weights.real, weights.factor[0]
        below = tf.linalg.set_diag(c, tf.zeros_like(tf.linalg.diag_part(c)))
        if self.covariance == "tied":
            mean = tf.transpose(below[0] @ tf.linalg.triangular_solve(c[0], tf.transpose(u)))
            return mean[..., None] + weights.scale * weights.whitened
        centred = tf.transpose(u[..., None] - weights.loc, [2, 1, 0])  # [K, n, B]
        z = tf.linalg.triangular_solve(c, centred)
        return weights.loc + tf.transpose(below @ z, [2, 1, 0])

    def _sum_at(self, z, weights):
        """sum_{j<i} C_ij z_j at one site, [B, M]."""
        return tf.reduce_sum(z * weights.factor[:, :, 0], axis=-1)

    def _loc_at(self, z, weights):
        """As `_loc`, of one site, [B or 1, 1, K], given z of the sites before."""
        if self.covariance == "diag":
            return weights.loc
        before = self._sum_at(z, weights)[:, None]
        if self.covariance == "tied":
            return before + weights.scale * weights.whitened
        return before + weights.loc

    # Log-densities of the components --------------------------------------------------------------

    def _each(self, x, loc, weights):
        """log p_k(x_i | x_<i), [B, n, K], of codes [B, n, c] with the means ``loc``."""
        z = (x[..., :1] - loc) / weights.scale
        each = -0.5 * z**2 - tf.math.log(weights.scale) - HALF_LOG_2_PI
        if not self.num_values:
            return each
        return tf.where(weights.real[..., None] > 0, each, self._of_categories(x, weights))

    def _of_categories(self, x, weights):
        """log p_k of the codes of categories, linear in the codes."""
        many = _padded(x, self.num_values)
        two = _padded(tf.concat([1 - x[..., :1], x[..., :1]], axis=-1), self.num_values)
        codes = tf.where(weights.binary[..., None] > 0, two, many)
        return tf.linalg.matvec(weights.log_p, codes)

    def _density(self, x, weights):
        """log p_k(x), [B, K], site by site."""
        if self.covariance == "full":
            return tf.reduce_sum(self._each(x, self._loc(x, weights), weights), axis=1)
        u, where = x[..., 0] * weights.real, weights.loc[0]
        if self.covariance == "tied":
            where = weights.whitened[0]
            u = tf.transpose(tf.linalg.triangular_solve(weights.factor[0, 0], tf.transpose(u)))

        def add(i, total):
            one = weights.at(i)
            z, scale = u[:, i, None] - where[i], one.scale[0]
            z = z / scale if self.covariance == "diag" else z
            each = -0.5 * z**2 - tf.math.log(scale) - HALF_LOG_2_PI
            if self.num_values:
                codes = self._of_categories(x[:, i, None], one)[:, 0]
                each = tf.where(one.real > 0, each, codes)
            return i + 1, total + each

        start = tf.constant(0), tf.zeros([tf.shape(x)[0], self.components])
        return tf.while_loop(lambda i, _: i < len(self.logits), add, start)[1]

    def _marginal(self, x, missing, weights):
        """As `_density`, of the sites that are not missing, in orders that begin with them.

        Their correlations must be factored for each example, which takes B M n^2 numbers.
        """
        if self.covariance == "diag":
            each = self._each(x, weights.loc, weights)
            return tf.reduce_sum(tf.where(missing[..., None], 0.0, each), axis=1)
        order = tf.argsort(tf.cast(missing, tf.int32), axis=1, stable=True)
        own = self.ordered(order)
        x, missing = (tf.gather(part, order, axis=1, batch_dims=1) for part in (x, missing))
        centred = tf.transpose((x[..., :1] - own.loc) * own.real[..., None], [0, 2, 1])  # [B, K, n]
        right = tf.transpose(centred, [0, 2, 1])[:, None]  # [B, 1, n, K], for one factor
        right = centred[..., None] if self.covariance == "full" else right
        z = tf.linalg.triangular_solve(own.factor, right)
        each = z[..., 0] if self.covariance == "full" else tf.transpose(z[:, 0], [0, 2, 1])
        each = -0.5 * tf.transpose(each, [0, 2, 1]) ** 2 - tf.math.log(own.scale) - HALF_LOG_2_PI
        if self.num_values:
            categories = self._of_categories(x, own)
            each = tf.where(own.real[..., None] > 0, each, categories)
        return tf.reduce_sum(tf.where(missing[..., None], 0.0, each), axis=1)

    def _given_the_rest(self, x, site, weights):
        """log p_k(x_i | all other sites), [B, K], of one site, in the layout."""
        one, here = weights.at(site), x[:, site, None]
        if self.covariance == "diag":
            return self._each(here, one.loc, one)[:, 0]
        # x_i given the others has the precision P_ii, and the mean x_i - (P (x - m))_i / P_ii.
        factor, loc = weights.factor[0], weights.loc[0]
        unit = tf.one_hot(tf.fill([factor.shape[0], 1], site), len(self.logits), axis=1)
        column = tf.linalg.triangular_solve(factor, unit)
        row = tf.linalg.triangular_solve(factor, column, adjoint=True)[..., 0]  # [M, n]
        scale = tf.gather(row, site, axis=1) ** -0.5
        u = x[..., 0] * weights.real
        far = u @ tf.transpose(row) - tf.reduce_sum(tf.transpose(row) * loc, axis=0)
        mean = u[:, site, None] - far * scale**2
        return self._each(here, mean[:, None], one._replace(scale=scale[None, None]))[:, 0]

    # Outputs --------------------------------------------------------------------------------------

    def _outputs(self, log_w, loc, weights):
        """What the heads take, [B, n, channels]."""
        k = self.components
        shape = tf.shape(log_w)
        log_scale = tf.broadcast_to(tf.math.log(weights.scale), shape)
        loc = tf.broadcast_to(loc - spread(k), shape)
        real = _padded(tf.concat([log_w, loc, log_scale], axis=-1), self.channels)
        if not self.num_values:
            return real
        log_p = tf.reduce_logsumexp(log_w[..., None] + weights.log_p, axis=-2)
        odds = _padded(log_p[..., 1:2] - log_p[..., :1], self.channels)
        categories = tf.where(weights.binary[..., None] > 0, odds, _padded(log_p, self.channels))
        return tf.where(weights.real[..., None] > 0, real, categories)


def _triangular(factor):
    """The lower triangular factors, with a positive diagonal, of the covariances C C^T.

    C^T = Q R gives C C^T = R^T R, without squaring what may be nearly singular.
    """
    r = tf.linalg.qr(tf.linalg.matrix_transpose(factor)).r
    signs = tf.sign(tf.linalg.diag_part(r))[..., None]
    return tf.linalg.matrix_transpose(r * signs)


def _padded(x, channels):
    """x [..., c] with zeros to, or cut to, [..., channels]."""
    missing = channels - x.shape[-1]
    if missing <= 0:
        return x[..., :channels]
    return tf.pad(x, [[0, 0]] * (x.shape.rank - 1) + [[0, missing]])
