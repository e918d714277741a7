"""Parameters of all sites at once, or of some sites at a time."""

from collections.abc import Callable, Hashable
from typing import Any

import tensorflow as tf

from tfar.arguments import instance, integer
from tfar.heads import Head
from tfar.layers import CausalLayer, Plan, Schedule, Sites, WholeRows, one_by_one
from tfar.typing import BatchSize, Member, Nest, OfModel, Training


class Stepping(OfModel):
    """What sampling needs from a model: a schedule, a state, and parameters."""

    @property
    def schedule(self) -> Plan | None:
        """How samples are drawn: the fastest schedule of the network's steps, or by whole rows.

        None for a network without steps, which is sampled by whole passes.

        >>> tfar.models.PixelCNN([28, 28, 1], filters=8, blocks=1).schedule
        Schedule(rows=28, columns=28, lag=4)
        >>> tfar.models.GatedPixelCNN([28, 28, 1], filters=8, layers=2).schedule
        WholeRows(rows=28, columns=28)
        """
        if not isinstance(self.network, CausalLayer):
            return None
        rows, *columns = self.grid_shape or [1]
        rows = rows if columns else 1
        fastest = Schedule(rows, self.num_sites // rows, lag=1)
        alike = type(self.head).at is Head.at  # otherwise it needs to know the one site
        if self._has_step:
            return self.network.schedule(fastest) if alike else fastest.raster()
        whole = WholeRows(fastest.rows, fastest.columns)
        return whole if alike and self.network.extends(whole) else None

    @property
    def extends(self) -> bool:
        """Whether `extend` takes any number of sites, and steps may follow."""
        if not isinstance(self.network, CausalLayer):
            return False
        alike = type(self.head).at is Head.at
        return alike and self.network.extends(one_by_one(self.num_sites))

    @property
    def _has_step(self):
        return isinstance(self.network, CausalLayer) and self.network.has_step

    def parameters(
        self,
        x: tf.Tensor,
        *,
        condition: Nest = None,
        member: Member = 0,
        training: Training = None,
    ) -> tf.Tensor:
        """The parameters of all sites in one pass, [B, n, head.num_params] float32, in the layout.

        ``x`` [B, *event_shape], or [B, n, *site_shape], and ``condition`` are as a call takes them.

        >>> tfar.models.FVSBN([3]).parameters(tf.zeros([2, 3])).shape
        TensorShape([2, 3, 1])
        """
        x = tf.reshape(x, [-1, self.num_sites, *self.head.site_shape])
        condition = self._encoded(condition, training)
        missing = None if self.all_orders else self.head.missing(x)
        if missing is not None:  # a kernel's zeros times NaN are NaN
            x = tf.where(missing, tf.zeros_like(x), x)
        x = self.head.encode(x, self.compute_dtype)
        return tf.cast(self._parameters(x, condition, member, training), tf.float32)

    def initial_state(
        self,
        batch_size: BatchSize,
        *,
        member: Member = 0,
        condition: Nest = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """The state before the first site of the order; ``condition`` has ``batch_size`` rows.

        ``schedule`` is that of the steps, by default from one site to the next; or `WholeRows`,
        for `extend`.
        """
        if not tf.is_tensor(batch_size):
            batch_size = integer("batch_size", batch_size, least=0)
        if condition is not None:
            condition = self._encoded(self.condition.tensors(condition))
        member = self.check_member(member)
        if self._has_step or isinstance(schedule, WholeRows):
            given = self._given(condition, member)
            return self.network.initial_state(batch_size, **given, schedule=schedule)
        shape = [batch_size, self.num_sites, self.head.num_inputs]
        condition = () if condition is None else condition
        return tf.zeros(shape, self.compute_dtype), condition

    def step(
        self, x: tf.Tensor, state: Nest, sites: Sites, *, member: Member = 0
    ) -> tuple[tf.Tensor, Nest]:
        """The parameters of the next sites.

        Of a network without a step the state is a buffer of the drawn sites, and each step is a
        full pass.

        Args:
          x: [B, S, head.num_inputs], the encoded values of the sites before (zeros at first).
          state: what `initial_state` or the last `step` returned.
          sites: those of the next time of a schedule, counted in the order.
          member: which member of an ensemble.

        Returns:
          ``(params, state)`` with float32 ``params`` [B, S, head.num_params].
        """
        instance("sites", sites, Sites, "those of a time, as `Schedule.at` gives them")
        if not tf.TensorShape(getattr(x, "shape", ())).is_compatible_with(
            [None, sites.schedule.slots, self.head.num_inputs]
        ):
            shape = f"[B, {sites.schedule.slots}, {self.head.num_inputs}]"
            raise ValueError(f"Expected x to be a tensor {shape}, got {x!r:.200}.")
        if self._has_step:
            params, state = self.network.step(tf.cast(x, self.compute_dtype), state, sites)
            return tf.cast(params, tf.float32), state
        (seen, condition), site = state, sites.one
        permutation = tf.gather(tf.constant(self.permutations), member)
        before = tf.one_hot(tf.gather(permutation, tf.maximum(site - 1, 0)), self.num_sites)
        before = tf.cast(before, seen.dtype)[:, None]
        seen += before * tf.cast(x, seen.dtype)
        known = None if isinstance(condition, tuple) else condition
        params = self._parameters(seen, known, member)[:, permutation[site], None]
        return tf.cast(params, tf.float32), (seen, condition)

    def extend(self, x: tf.Tensor, state: Nest, first: int | tf.Tensor) -> tuple[tf.Tensor, Nest]:
        """``(params, state)`` of several sites at once, given their values: a pass continued.

        See `tfar.layers.CausalLayer.extend`, and ``network.extends`` for which networks have it.

        Args:
          x: [B, k, *site_shape], values of the sites.
          state: what `initial_state` or the last `extend` returned.
          first: the number of the first site in the order.

        Returns:
          ``(params, state)`` with float32 ``params`` [B, k, head.num_params].
        """
        x = self.head.encode(x, self.compute_dtype)
        params, state = self.network.extend(x, state, tf.convert_to_tensor(first))
        return tf.cast(params, tf.float32), state

    def select(self, state: Nest, examples: tf.Tensor) -> Nest:
        """The state of some of the examples, whose numbers are ``examples`` [m]."""
        return self.network.select(state, examples)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for a key at its first use, for instance a sampler."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
