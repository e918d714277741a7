"""The joint distribution of an autoregressive model."""

import math
import os
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfar import conditions, randomness
from tfar.arguments import flag, integer, number
from tfar.distributions import casting
from tfar.sampling import completion, loop, prefix, purification
from tfar.sampling.policy import Policy
from tfar.sampling.protocol import Conditionals
from tfar.typing import Member, Nest, Seed


class Autoregressive(tfd.Distribution):
    """p(x) = prod_i p(x_i | x_<i), the product of a model's conditionals.

    For a conditional model it is p(x | c) = prod_i p(x_i | x_<i, c), with ``condition`` c, one or a
    batch, see `tfar.conditions`: the distribution has the batch shape of c.

    * ``log_prob(x)``: [...] nats for ``x`` [..., *event_shape] of any integer, bool or float dtype,
      by one parallel pass. Values outside the support raise ``ValueError`` in eager mode; inside
      ``tf.function`` they have log-probability -inf, or raise ``InvalidArgumentError`` with
      ``validate_args=True``.
    * ``sample(sample_shape, seed, value=None, temperature=None, top_k=None, top_p=None)``: by a
      ``tf.while_loop``, compiled. Samples have the dtype of the model's head (int32 for discrete
      ones). The same seed gives the same samples.
    * ``experimental_sample_and_log_prob`` gives both in one run of the loop.

    With ``observed`` it is p(x_u | x_o), the unobserved sites given the observed ones, for an ``x``
    that holds both: ``log_prob(x)`` scores x_u only, and ``sample(value=x)`` keeps x_o and draws
    x_u. The observed sites must be a prefix of the order; a model of all orders, such
    as `tfar.models.OrderlessNADE`, takes any sites.

    Arguments of ``sample`` besides TFP's own:

    * ``seed``: ``None``, an int, a scalar int tensor, or a pair of ints (TFP's stateless seed).
    * ``value``: [*batch, *event_shape], float with NaN where an entry is drawn. The given
      entries must be a prefix of the order and are returned unchanged; a model of all orders takes
      any entries, others in each example. If an array is shorter along the first axis of the event,
      the rest is drawn (the lower rows of an image). The samples have shape
      ``sample_shape + batch + event_shape``.
    * ``temperature``, ``top_k``, ``top_p``: see `tfar.sampling.Policy`. They change what is
      drawn, not ``log_prob``.

    For an ensemble of R orders, p(x) = (1/R) sum_r p_r(x): a sample draws its order first, and
    ``value`` needs one member (``model.joint(member=r)``).

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: the number of one member of an ensemble; None for the mixture.
      cached: whether to sample by the network's `step`, with caches; False uses whole passes over
        the guesses of all sites until none changes, see `tfar.sampling.fixed_point`: the same
        draws, in at most n passes and mostly far fewer. Networks without a step always do.
      jit_compile: whether XLA compiles the sampler, once for every number of samples. This takes
        seconds, and pays if the same number is drawn repeatedly; the draws are the same except
        where a conditional differs in its last digits.
      validate_args: whether values are checked inside ``tf.function`` too.
      condition: the condition of a conditional model.
      observed: bool [*event_shape], which entries are given; None for the joint distribution.
      name: name of the distribution.

    Raises:
      ValueError: on invalid arguments, with what was expected and what came.

    >>> model = tfar.models.FVSBN(event_shape=[3])
    >>> joint = model.joint()
    >>> x = joint.sample(2, seed=1, value=[1.0, np.nan, np.nan])
    >>> x.shape, x.dtype, x[:, 0].numpy().tolist()
    (TensorShape([2, 3]), tf.int32, [1, 1])
    >>> joint.log_prob(x).shape
    TensorShape([2])
    """

    def __init__(
        self,
        model: Conditionals,
        *,
        member: Member = None,
        cached: bool = True,
        jit_compile: bool = False,
        validate_args: bool = False,
        condition: Nest = None,
        observed: np.ndarray | None = None,
        name: str = "Autoregressive",
    ) -> None:
        parameters = dict(locals())
        if isinstance(model, type) or not isinstance(model, Conditionals):
            raise ValueError(
                f"Expected model to be a tfar.models.AutoregressiveModel, got {model!r:.200}."
            )
        member = model.check_member(member)
        cached, jit_compile = flag("cached", cached), flag("jit_compile", jit_compile)
        validate_args = flag("validate_args", validate_args)
        self.observed = self._checked_observed(model, observed)
        if self.observed is not None:
            sites = self.observed.reshape([model.num_sites, -1])[:, 0]
            model = model.ordered_for(sites, member)
            member = member if model.members > 1 else None
        if jit_compile and member is None and model.members > 1:
            raise ValueError(
                "XLA needs fixed shapes, and the number of samples from each member of an ensemble "
                "is random: use model.joint(member=r, jit_compile=True)."
            )
        self.model = model
        self.member = member
        self.cached = cached
        self.jit_compile = jit_compile
        self.condition = parameters["condition"] = conditions.checked(model, condition)
        self._variables = [v.value for v in model.variables]  # a Keras model is not a tf.Module
        super().__init__(
            dtype=model.head.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=False,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        def event_ndims(joint):
            return tf.nest.map_structure(lambda s: s.shape.rank, joint.model.condition.structure)

        return {"condition": tfp.util.ParameterProperties(event_ndims=event_ndims)}

    @staticmethod
    def _checked_observed(model, observed):
        """A bool array [*event_shape], or None."""
        if observed is None:
            return None
        observed = np.asarray(observed)
        if observed.dtype != bool or observed.shape != model.event_shape:
            raise ValueError(
                f"Expected bools of shape {list(model.event_shape)} as observed, got "
                f"{observed.dtype} of shape {list(observed.shape)}."
            )
        sites = observed.reshape([model.num_sites, -1])
        if (sites != sites[:, :1]).any():
            raise ValueError(
                "All entries along the last axis of a site must be observed together, or none."
            )
        return observed

    def _batch_shape(self):
        if self.condition is None:
            return tf.TensorShape([])
        return self.model.condition.batch_shape(self.condition)

    def _batch_shape_tensor(self):
        return tf.constant(self._batch_shape().as_list(), tf.int32)

    def _event_shape(self):
        return tf.TensorShape(self.model.event_shape)

    def _event_shape_tensor(self):
        return tf.constant(self.model.event_shape, tf.int32)

    def _default_event_space_bijector(self):
        return tfp.bijectors.Identity() if self.dtype.is_floating else None

    def __getitem__(self, slices: Any) -> tfd.Distribution:
        if self.condition is None and slices not in (..., ()):
            raise IndexError(
                f"The batch shape of this joint distribution is [], got the slices {slices}: only "
                "joint(condition=...) has a batch."
            )
        return super().__getitem__(slices)

    # Scoring ------------------------------------------------------------------------------------

    # TFP converts arrays with the distribution's dtype as a hint, which truncates 0.5 to 0: they
    # become tensors of their own dtype before that.

    def _call_log_prob(self, value, name, **kwargs):
        return super()._call_log_prob(casting.tensor("x", value), name, **kwargs)

    def _call_prob(self, value, name, **kwargs):
        return super()._call_prob(casting.tensor("x", value), name, **kwargs)

    def _log_prob(self, x):
        flat, condition, lead = self._flat(x)
        inputs = conditions.joined(flat, condition)
        counted = {} if self.observed is None else {"counted": self._unknown_sites()}
        log_prob = self.model.log_prob(inputs, member=self.member, **counted)
        return tf.reshape(log_prob, lead)

    def _flat(self, x):
        """``(examples, conditions, lead)`` of valid x [*lead, *event_shape], [N, ...] each."""
        event_shape, rank = self.model.event_shape, len(self.model.event_shape)
        if (x.shape.rank or 0) < rank or not x.shape[-rank:].is_compatible_with(event_shape):
            raise ValueError(f"Expected [..., *{list(event_shape)}], got the shape {x.shape}.")
        condition = self.condition
        if condition is not None:
            lead = tf.broadcast_dynamic_shape(tf.shape(x)[:-rank], self._batch_shape_tensor())
            static = tf.broadcast_static_shape(x.shape[:-rank], self._batch_shape())
            x = tf.broadcast_to(x, tf.concat([lead, event_shape], 0))
            x = tf.ensure_shape(x, static + event_shape)
            condition = self.model.condition.rows(condition, lead)
        lead = x.shape[:-rank]
        rows = -1 if lead.num_elements() is None else lead.num_elements()
        flat = tf.reshape(x, [rows, *event_shape])
        if tf.executing_eagerly():
            self.model.check_support(flat)
        else:
            flat = self._asserting(flat, self._supported(flat))
        return flat, condition, lead if lead.is_fully_defined() else tf.shape(x)[: lead.rank]

    def _unknown_sites(self):
        return ~self.observed.reshape([*self.model.grid_shape, -1])[..., 0]

    def _supported(self, x):
        head = self.model.head
        return tf.reduce_all(head.in_support(x)), f"{head} takes {head.support}."

    def _asserting(self, x, *checks):
        """x, after ``(condition, message)`` checks if arguments are validated in graphs."""
        if not self.validate_args:
            return x
        asserted = [tf.debugging.Assert(condition, [message]) for condition, message in checks]
        with tf.control_dependencies(asserted):
            return tf.identity(x)

    # Sampling -----------------------------------------------------------------------------------

    # TFP casts sample shapes to int32, which turns 2.5 and 2**32 + 2 into 2.

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        return super()._call_sample_n(self._checked_shape(sample_shape), seed, **kwargs)

    def _call_sample_and_log_prob(self, sample_shape, seed, **kwargs):
        return super()._call_sample_and_log_prob(self._checked_shape(sample_shape), seed, **kwargs)

    def _checked_shape(self, sample_shape):
        """``sample_shape``; ValueError if it is known to be invalid or too large to be drawn."""
        static = sample_shape
        if tf.is_tensor(sample_shape):
            static = tf.get_static_value(sample_shape)
            if static is None:  # known only in the graph
                return sample_shape
        static = static.tolist() if isinstance(static, np.ndarray | np.generic) else static
        sizes = static if isinstance(static, list | tuple | tf.TensorShape) else [static]
        sizes = [integer("the number of samples", size, least=0) for size in sizes]
        entries = math.prod(sizes) * math.prod(self._batch_shape()) * self.model.num_dimensions
        # Samples are stacked, then transposed: memory holds them twice.
        needed, held = 2 * entries * self.dtype.size, _memory()
        if needed > held or math.prod(sizes) >= 2**31:
            raise ValueError(
                f"{math.prod(sizes):,} samples take at least {needed / 2**30:,.0f} GiB, and this "
                f"machine has {held / 2**30:,.0f} GiB: draw fewer at a time."
            )
        return sample_shape

    @property
    def own_orders(self) -> bool:
        """Whether examples are drawn in orders of their own, where the model has all."""
        return self.cached and not self.jit_compile and self.observed is None

    def _sample_n(self, n, seed=None, value=None, **policy):
        return self.sample_and_score(n, seed, value, False, policy=Policy(**policy))[0]

    def _sample_and_log_prob(self, sample_shape, seed=None, value=None, **policy):
        n = tf.reduce_prod(sample_shape)
        scored = self.observed is None
        x, log_prob = self.sample_and_score(n, seed, value, scored, policy=Policy(**policy))
        if not scored:  # the loop scores observed sites, too
            log_prob = self._log_prob(x)
        lead = tf.concat([sample_shape, tf.shape(log_prob)[1:]], 0)
        x = tf.reshape(x, tf.concat([lead, self.model.event_shape], 0))
        return x, tf.reshape(log_prob, lead)

    def purify(self, x: Any, eps: int, *, threshold: float | None = None) -> tf.Tensor:
        """The most likely values near those of ``x``, one site after the other (PixelDefend):

        x*_i = argmax over z, |z - x_i| <= eps, of p(z | x*_<i).

        The range lies round the given value, the condition is on the purified ones; the channels of
        a site follow each other likewise. With eps = 0, x* is x; with the largest eps it is greedy
        decoding. By the sampling loop, with caches.

        This helps a classifier against attacks that do not know of it. An attack that does, by
        gradients at the purified image, succeeds mostly (Athalye, Carlini, Wagner, ICML 2018).

        Args:
          x: [..., *event_shape], valid values.
          eps: an int from 0, in units of x.
          threshold: nats; examples with log p(x) of at least it stay as they are (the adaptive form
            of the paper). None purifies all.

        Returns:
          [..., *event_shape] of the dtype of samples, with the batch shape of a condition broadcast
          to that of x.

        Raises:
          ValueError: if an argument is not as above; if the head's values are not integers on a
            scale (real values, characters, columns of a table); for an ensemble, which has no one
            order (use ``model.joint(member=r)``); or with ``observed``.

        #### References
        Y. Song, T. Kim, S. Nowozin, S. Ermon, N. Kushman. PixelDefend: Leveraging Generative Models
        to Understand and Defend against Adversarial Examples. ICLR 2018, section 4.

        >>> model = tfar.models.MADE([4], (8,), head=tfar.heads.Categorical(256))
        >>> x = np.array([[3, 250, 7, 0]])
        >>> near = model.joint().purify(x, 16)
        >>> near.shape, bool(np.abs(near - x).max() <= 16)
        (TensorShape([1, 4]), True)
        """
        eps = integer("eps", eps, least=0)
        if threshold is not None:
            threshold = number("threshold", threshold)
        purification.check(self)
        x = casting.tensor("x", x)
        flat, condition, lead = self._flat(x)
        options = {"eps": eps, "condition": condition}
        near = purification.purified(self.model, self.member, self._sampler(), flat, **options)
        if threshold is not None:
            inputs = conditions.joined(flat, condition)
            likely = self.model.log_prob(inputs, member=self.member) >= threshold
            likely = tf.reshape(likely, [-1, *[1] * len(self.model.event_shape)])
            near = tf.where(likely, tf.cast(flat, near.dtype), near)
        return tf.reshape(near, tf.concat([lead, self.model.event_shape], 0))

    def complete(
        self, value: Any, draws: int = 1, *, particles: int = 256, seed: Seed = None
    ) -> completion.Completion:
        """Examples of which any entries are given, with the others drawn several times.

        Exact if the given sites are a prefix of the order, or the model has all orders: then it is
        ``sample(value=...)``, in one run of the loop whatever entries each example has. Else by a
        particle filter (Gordon et al. 1993; here a bootstrap filter with systematic resampling),
        which is approximate: its draws are from p(x_u | x_o) for infinitely many particles, and
        `Completion.effective` says how many count. For a model that is sampled by steps or by rows.

        Args:
          value: [B, *event_shape], NaN where an entry is drawn; all the entries along the last axis
            of a site, or none.
          draws: how many times.
          particles: for each example, all side by side, in memory too. Those that fit a
            given site badly are replaced by others.
          seed: as in ``sample``.

        Returns:
          `tfar.sampling.Completion`: ``samples`` [draws, B, *event_shape], ``log_prob`` of what is
          drawn given the others, ``evidence`` log p(x_o), and ``effective``.

        Raises:
          ValueError: if an argument is not as above; for an ensemble (use
            ``model.joint(member=r)``); or if the network has no steps and the sites need them.

        #### References
        N. J. Gordon, D. J. Salmond, A. F. M. Smith. Novel approach to nonlinear/non-Gaussian
        Bayesian state estimation. IEE Proceedings F 140, 1993.
        A. Doucet, A. M. Johansen. A Tutorial on Particle Filtering and Smoothing: Fifteen Years
        Later. 2009, sections 3.5 and 4.

        >>> joint = tfar.models.FVSBN([3]).joint()
        >>> found = joint.complete([[np.nan, 1.0, np.nan]], draws=4, seed=1)
        >>> found.samples.shape, found.samples[:, 0, 1].tolist()
        ((4, 1, 3), [1, 1, 1, 1])
        """
        return completion.complete(self, value, draws, particles=particles, seed=seed)

    def _set_sample_static_shape(self, x, sample_shape, **kwargs):
        # The batch of a clamped value stands between sample and event shape, where TFP expects
        # the (empty) batch shape of the distribution.
        if kwargs.get("value") is not None:
            return x
        return super()._set_sample_static_shape(x, sample_shape, **kwargs)

    def sample_and_score(
        self,
        n: int | tf.Tensor,
        seed: Seed,
        value: Any = None,
        scored: bool | Literal["drawn", "known"] = True,
        *,
        policy: Policy | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """``(samples, log_prob)``, [n, *batch, *event_shape] and [n, *batch] nats.

        ``scored`` says of which sites: of all, of those that are "drawn" given the others, or of
        those that are "known"; None is returned if it is False.
        """
        policy = Policy() if policy is None else policy
        policy.check(self.model.head)
        given: dict[str, Any] = {}
        condition, batch = self.condition, self._batch_shape()
        if self.observed is not None:
            value = prefix.observed_of(self.event_shape, self.observed, value)
        if value is not None:
            clamped = prefix.clamped(self.model, value, self.member, own=self.own_orders)
            values = self._asserting(clamped.values, *clamped.checks)
            clamped = clamped._replace(values=values)
            batch = tf.broadcast_static_shape(batch, clamped.known.shape[:-1])
            for name in ("values", "known", "order"):
                part = getattr(clamped, name)
                if part is not None:
                    shape = part.shape[clamped.known.shape.rank - 1 :]
                    given[name] = tf.reshape(tf.broadcast_to(part, batch + shape), [-1, *shape])
        if condition is not None:
            condition = self.model.condition.rows(condition, batch)  # type: ignore[union-attr]
        size = batch.num_elements()
        static = tf.get_static_value(n)
        n = n if static is None else int(static)
        # Each of the n samples holds the whole batch.
        rows = n * size
        if not self.jit_compile and tf.executing_eagerly():
            rows = tf.convert_to_tensor(rows, tf.int32)  # one trace serves every number of samples
        values, known, order, condition = tf.nest.map_structure(
            lambda v: None if v is None else tf.tile(v, [n, *[1] * (v.shape.rank - 1)]),
            (*(given.get(name) for name in ("values", "known", "order")), condition),
        )
        arguments = randomness.stateless_seed(seed), policy, values, known, condition, scored
        member = self.member if order is None else order
        x, log_prob = loop.draw(self.model, member, self._sampler(), rows, *arguments)
        lead = tf.concat([[n], batch.as_list()], 0) if batch.rank else [n]
        x = tf.reshape(x, tf.concat([lead, self.model.event_shape], 0))
        return x, tf.reshape(log_prob, lead) if scored else None

    def _sampler(self):
        """What `tfar.sampling.loop.draw` runs."""
        if self.jit_compile:
            return loop.compiled_by_xla(self.model, self.member or 0, self.cached)
        kind = loop.compiled if tf.executing_eagerly() else loop.plain
        return kind(self.model, self.cached)


def _memory():
    """Bytes of this machine's memory; infinity if the system does not report it."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
