"""What the joint distribution and the sampling loop need from a model, and nothing else."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

from tfar.conditions import Condition
from tfar.heads import Head
from tfar.layers import Plan, Sites


@runtime_checkable
class Conditionals(Protocol):
    """A model of p(x_i | x_<i, c), such as `tfar.models.AutoregressiveModel`.

    Attributes:
      event_shape: shape of one example.
      grid_shape: shape of the sites: the event's, less the last axis if the head models vectors.
      num_sites: n, the number of sites.
      num_dimensions: the number of entries of an event.
      head: turns parameters into distributions, and draws.
      condition: what it is conditioned on, or None.
      members: R, the orders or masks of an ensemble, or 1.
      shares: float32 [R], the weights of the members in the mixture.
      permutations: int [R, n], the sites of each member in its order.
      variables: those that ``log_prob`` and ``step`` read.
    """

    event_shape: Sequence[int]
    grid_shape: Sequence[int]
    num_sites: int
    num_dimensions: int
    head: Head
    condition: Condition | None
    members: int
    shares: tf.Tensor
    permutations: np.ndarray
    variables: Sequence[Any]

    @property
    def schedule(self) -> Plan | None:
        """The fastest schedule of the steps, whole rows for `extend`, or None: by whole passes."""

    @property
    def extends(self) -> bool:
        """Whether `extend` takes any number of sites, and steps may follow."""

    def check_member(self, member: Any) -> Any:
        """``member``; ValueError if it is known and out of range."""

    def by_member(self, member: Any, function: Callable[..., Any]) -> Any:
        """``function(model, member)`` of the model that has the member, and its number there."""

    def check_support(self, x: tf.Tensor) -> None:
        """ValueError that names the first value of an eager tensor outside the support."""

    def ordered_for(self, observed: np.ndarray, member: int | None = None) -> "Conditionals":
        """The model in an order that begins with the observed sites, or ValueError."""

    def orders_for(self, known: tf.Tensor, member: Any = None) -> tf.Tensor | None:
        """For each example an order that begins with its known sites; None without such orders."""

    def log_prob(self, inputs: Any, *, member: Any = None, counted: Any = None) -> tf.Tensor:
        """log p(x), [B] nats, of all sites or of those that are counted."""

    def initial_state(
        self,
        batch_size: Any,
        *,
        member: Any = 0,
        condition: Any = None,
        schedule: Plan | None = None,
    ) -> Any:
        """The state before the first site."""

    def parameters(self, x: tf.Tensor, *, condition: Any = None, member: Any = 0) -> tf.Tensor:
        """The parameters of all sites, given the values of all, by one parallel pass."""

    def step(
        self, x: tf.Tensor, state: Any, sites: Sites, *, member: Any = 0
    ) -> tuple[tf.Tensor, Any]:
        """``(params, state)`` of the next sites, given the encoded values of those before."""

    def extend(self, x: tf.Tensor, state: Any, first: int | tf.Tensor) -> tuple[tf.Tensor, Any]:
        """``(params, state)`` of several sites at once, given their values."""

    def select(self, state: Any, examples: tf.Tensor) -> Any:
        """The state of some of the examples."""

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make()`` returned for a key at its first use: compiled samplers."""
