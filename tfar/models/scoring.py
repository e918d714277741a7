"""Scoring: log p(x) of the conditionals, of an ensemble, and the joint distribution."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfar import conditions
from tfar.distributions import casting
from tfar.sampling.joint import Autoregressive
from tfar.typing import Member, Nest, OfModel, Seed

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

MANY = 8  # members from which on a graph is faster than one after the other in eager mode


class Scoring(OfModel):
    """What follows from a model's conditionals: log p(x), and the joint distribution."""

    def log_prob(
        self, inputs: Nest, *, member: Member = None, counted: tf.Tensor | np.ndarray | None = None
    ) -> tf.Tensor:
        """log p(x), [B] float32 nats; for an ensemble log (1/R) sum_r p_r(x), or of one member.

        Of rows with missing entries it is the marginal log-probability of the others; of models of
        one order it is NaN if one of them comes before an entry that is given.

        A value outside the head's support, or an invalid condition, has log-probability -inf.
        ``counted``, bools of the shape of the sites, selects the conditionals that are summed.
        """
        x, condition = self._pick(inputs)
        inputs = conditions.joined(x, condition)
        member = self.check_member(member)
        if counted is not None:
            counted = casting.tensor("counted", counted)
            if (
                counted.dtype != tf.bool
                or counted.shape[-len(self.grid_shape) :] != self.grid_shape
            ):
                raise ValueError(
                    f"Expected counted to be bools of shape {list(self.grid_shape)}, got "
                    f"{counted.dtype.name} of shape {counted.shape}."
                )
        if member is not None or self.members == 1:
            conditionals = self(inputs, member=0 if member is None else member)
            return self._score(inputs, conditionals, counted)
        mixture = self._mixture
        if self.members >= MANY and tf.executing_eagerly():
            options = {"autograph": False, "reduce_retracing": True}
            mixture = self.once("mixture", lambda: tf.function(self._mixture, **options))
        return mixture(inputs, counted)

    def _mixture(self, inputs, counted):
        # Otherwise `map_fn` translates the sources of all that is called, for a second or two.
        score = tf.autograph.experimental.do_not_convert(
            lambda r: self._score(inputs, self(inputs, member=r), counted)
        )
        each = tf.map_fn(
            score,
            tf.range(self.members),
            fn_output_signature=tf.TensorSpec([self._pick(inputs)[0].shape[0]], tf.float32),
            parallel_iterations=1,
        )
        return tf.reduce_logsumexp(each + tf.math.log(self.shares)[:, None], axis=0)

    def _score(self, inputs, conditionals, counted=None):
        x, condition = self._pick(inputs)
        supported = self.head.in_support(x)
        valid = tf.reduce_all(supported, axis=list(range(1, x.shape.rank)))
        if condition is not None:
            valid &= self.condition.valid(condition)
        missing = self.head.missing(x)
        if missing is not None:
            supported &= ~missing
            counted = ~missing if counted is None else counted & ~missing
        # Some of TFP's distributions fail at values outside their support.
        log_prob = casting.log_prob(conditionals, tf.where(supported, x, tf.zeros_like(x)))
        if counted is not None:
            log_prob = tf.where(counted, log_prob, 0.0)
        log_prob = tf.reduce_sum(log_prob, axis=list(range(1, log_prob.shape.rank)))
        if missing is not None and not self.all_orders:
            log_prob = tf.where(self.lacks_earlier(x), np.nan, log_prob)
        return tf.where(valid, log_prob, -np.inf)

    def joint(
        self,
        *,
        member: Member = None,
        cached: bool = True,
        jit_compile: bool = False,
        validate_args: bool = False,
        condition: Nest = None,
        observed: np.ndarray | None = None,
    ) -> Autoregressive:
        """The joint distribution, a `tfar.sampling.Autoregressive`.

        Args:
          member: the number of one member of an ensemble; by default the whole mixture.
          cached: whether to sample by the network's `step`, with caches; False samples by whole
            passes over the guesses of all sites, see `tfar.sampling.fixed_point`, as networks
            without a step always do.
          jit_compile: whether XLA compiles the sampler: this takes seconds for each number of
            samples, and sampling is faster from then on.
          validate_args: whether values are checked inside ``tf.function`` too.
          condition: the condition of a conditional model: one, or a batch, whose shape is the batch
            shape of the distribution.
          observed: bool [*event_shape], for p(the others | those that are observed), see there.
        """
        make = functools.partial(
            Autoregressive,
            self,
            member=member,
            cached=cached,
            jit_compile=jit_compile,
            validate_args=validate_args,
        )
        if condition is not None or self.condition is not None or observed is not None:
            return make(condition=condition, observed=observed)
        return self.once(("joint", repr(make.keywords)), make)  # an invalid option may have no hash

    def sample(
        self,
        sample_shape: int | Sequence[int] | tf.Tensor = (),
        *,
        seed: Seed = None,
        condition: Nest = None,
        member: Member = None,
        **options: Any,
    ) -> tf.Tensor:
        """Samples of ``model.joint(member=member, condition=condition)``, a tensor.

        Args:
          sample_shape: how many, an int or a shape.
          seed: None, an int, a scalar int tensor or a pair of ints.
          condition: the condition of a conditional model: one, or a batch.
          member: the number of one member of an ensemble; by default the whole mixture.
          **options: ``value``, ``temperature``, ``top_k``, ``top_p``, see
            `tfar.sampling.Autoregressive`.

        Returns:
          [*sample_shape, *batch, *event_shape] of the head's dtype; the batch is that of the
          condition, and of ``value``.

        Raises:
          ValueError: if an argument is not as above.

        >>> tfar.models.FVSBN([2, 3]).sample(5, seed=1).shape
        TensorShape([5, 2, 3])
        """
        joint = self.joint(member=member, condition=condition)
        return joint.sample(sample_shape, seed=seed, **options)

    def ordered_for(self, observed: np.ndarray, member: Member = None) -> AutoregressiveModel:
        """The model, or one with the same weights, in an order that begins with the observed sites.

        Args:
          observed: bool [n], in the layout of the data.
          member: the number of a member of an ensemble.

        Raises:
          ValueError: if no order of the model begins with them.
        """
        member, observed = self.check_member(member), self._observed_sites(observed)
        if self.members > 1 and member is None:
            raise ValueError(
                f"Observed sites need one order, and this is an ensemble of {self.members}: use "
                "model.joint(member=r, observed=...)."
            )
        order = self.permutations[member or 0]
        known = observed[order]
        if (known[:-1] < known[1:]).any():
            raise ValueError(
                "The observed sites are not a prefix of this model's order, in which site "
                f"{order[np.argmin(known)]}, not observed, comes before site "
                f"{order[np.flatnonzero(known)[-1]]}: a tfar.models.AnyOrder takes any sites."
            )
        return self

    def orders_for(self, known: tf.Tensor, member: Member = None) -> tf.Tensor | None:
        """For each example an order that begins with its known sites, int32 [..., n].

        None for a model of one order, and of some: only `tfar.models.AnyOrder` has them all.

        Args:
          known: bool [..., n], in the layout.
          member: the number of a member of an ensemble; by default the first.
        """
        return None

    def _observed_sites(self, observed):
        observed = np.asarray(observed)
        if observed.dtype != bool or observed.shape != (self.num_sites,):
            raise ValueError(
                f"Expected observed to be bools of shape {[self.num_sites]}, got "
                f"{observed.dtype} of shape {list(observed.shape)}."
            )
        return observed
