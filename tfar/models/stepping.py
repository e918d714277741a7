"""One site at a time: by the network's own steps, or by the slow oracle."""

from collections.abc import Callable, Hashable
from typing import Any

import tensorflow as tf

from tfar.arguments import flag, integer
from tfar.layers import CausalLayer
from tfar.typing import BatchSize, Member, Nest, OfModel


class Stepping(OfModel):
    """What the sampling loop needs from a model: a state, and the parameters of the next site."""

    def initial_state(
        self,
        batch_size: BatchSize,
        *,
        member: Member = 0,
        cached: bool = True,
        condition: Nest = None,
    ) -> Nest:
        """The state before the first site of the order; ``condition`` has ``batch_size`` rows."""
        if not tf.is_tensor(batch_size):
            batch_size = integer("batch_size", batch_size, least=0)
        if condition is not None:
            condition = self._encoded(self.condition.tensors(condition))
        member = self.check_member(member)
        if flag("cached", cached) and isinstance(self.network, CausalLayer):
            return self.network.initial_state(batch_size, **self._given(condition, member))
        shape = [batch_size, self.num_sites, self.head.num_inputs]
        condition = () if condition is None else condition
        return tf.constant(0), tf.zeros(shape, self.compute_dtype), condition

    def step(
        self, x: tf.Tensor, state: Nest, *, member: Member = 0, cached: bool = True
    ) -> tuple[tf.Tensor, Nest]:
        """The parameters of the next site of the order.

        Args:
          x: [B, head.num_inputs], the encoded value of the previous site (zeros at first).
          state: what `initial_state` or the last `step` returned.
          member: which member of an ensemble.
          cached: False is slow, obviously correct and works for any network: a buffer of the drawn
            sites and a full pass.

        Returns:
          ``(params, state)`` with float32 ``params`` [B, head.num_params].
        """
        if not tf.TensorShape(getattr(x, "shape", ())).is_compatible_with(
            [None, self.head.num_inputs]
        ):
            raise ValueError(
                f"Expected x to be a tensor [B, {self.head.num_inputs}], got {x!r:.200}."
            )
        if cached and isinstance(self.network, CausalLayer):
            params, state = self.network.step(tf.cast(x, self.compute_dtype), state)
            return tf.cast(params, tf.float32), state
        site, seen, condition = state
        permutation = tf.gather(tf.constant(self.permutations), member)
        before = tf.one_hot(tf.gather(permutation, tf.maximum(site - 1, 0)), self.num_sites)
        before = tf.cast(before, seen.dtype)[:, None]
        seen += before * tf.cast(x, seen.dtype)[:, None]
        known = None if isinstance(condition, tuple) else condition
        params = self._parameters(seen, known, member)[:, permutation[site]]
        return tf.cast(params, tf.float32), (site + 1, seen, condition)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for a key at its first use, for instance a sampler."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
