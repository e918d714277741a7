"""Some sites at a time: by the network's own steps, or one by one by the slow oracle."""

from collections.abc import Callable, Hashable
from typing import Any

import tensorflow as tf

from tfar.arguments import flag, instance, integer
from tfar.heads import Head
from tfar.layers import CausalLayer, Schedule, Sites
from tfar.typing import BatchSize, Member, Nest, OfModel


class Stepping(OfModel):
    """What the sampling loop needs from a model: a schedule, a state, and parameters."""

    @property
    def schedule(self) -> Schedule:
        """The fastest schedule that the network can follow.

        >>> tfar.models.PixelCNN([28, 28, 1], filters=8, blocks=1).schedule
        Schedule(rows=28, columns=28, lag=4)
        """
        rows, *columns = self.grid_shape or [1]
        rows = rows if columns else 1
        fastest = Schedule(rows, self.num_sites // rows, lag=1)
        alike = type(self.head).at is Head.at  # otherwise it needs to know the one site
        if alike and isinstance(self.network, CausalLayer):
            return self.network.schedule(fastest)
        return fastest.raster()

    def initial_state(
        self,
        batch_size: BatchSize,
        *,
        member: Member = 0,
        cached: bool = True,
        condition: Nest = None,
        schedule: Schedule | None = None,
    ) -> Nest:
        """The state before the first site of the order; ``condition`` has ``batch_size`` rows.

        ``schedule`` is that of the steps; by default they go from one site to the next.
        """
        if not tf.is_tensor(batch_size):
            batch_size = integer("batch_size", batch_size, least=0)
        if condition is not None:
            condition = self._encoded(self.condition.tensors(condition))
        member = self.check_member(member)
        if flag("cached", cached) and isinstance(self.network, CausalLayer):
            given = self._given(condition, member)
            return self.network.initial_state(batch_size, **given, schedule=schedule)
        shape = [batch_size, self.num_sites, self.head.num_inputs]
        condition = () if condition is None else condition
        return tf.zeros(shape, self.compute_dtype), condition

    def step(
        self, x: tf.Tensor, state: Nest, sites: Sites, *, member: Member = 0, cached: bool = True
    ) -> tuple[tf.Tensor, Nest]:
        """The parameters of the next sites.

        Args:
          x: [B, S, head.num_inputs], the encoded values of the sites before (zeros at first).
          state: what `initial_state` or the last `step` returned.
          sites: those of the next time of a schedule, counted in the order.
          member: which member of an ensemble.
          cached: False is slow, obviously correct and works for any network: a buffer of the drawn
            sites and a full pass. It goes from one site to the next.

        Returns:
          ``(params, state)`` with float32 ``params`` [B, S, head.num_params].
        """
        instance("sites", sites, Sites, "those of a time, as `Schedule.at` gives them")
        if not tf.TensorShape(getattr(x, "shape", ())).is_compatible_with(
            [None, sites.schedule.slots, self.head.num_inputs]
        ):
            shape = f"[B, {sites.schedule.slots}, {self.head.num_inputs}]"
            raise ValueError(f"Expected x to be a tensor {shape}, got {x!r:.200}.")
        if cached and isinstance(self.network, CausalLayer):
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

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for a key at its first use, for instance a sampler."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
