"""The contract of causal layers.

Data reach a network as ``[B, n, c]``: a batch of B examples, n sites in the order in which they
are modelled, c channels per site. A causal layer maps that to ``[B, n, p]`` so that the output of
site i depends on the inputs of sites j <= i only (*inclusive*, PixelCNN's mask B) or of sites
j < i only (*exclusive*, mask A).
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import flag
from tfar.layers.checks import Checked
from tfar.layers.schedule import Plan, Schedule, Sites
from tfar.typing import BatchSize, Initializer, Member, Nest, Rows


class CausalLayer(Checked):
    """A layer that is causal along the sites, in parallel and from one site to the next.

    Views of one function, of which a layer has the first and one or both of the others:

    * ``call(x, condition=None, member=None, training=None)``, every site at once:
      ``[B, n, c] -> [B, n, p]``;
    * ``state = initial_state(batch_size, condition=None, member=None, schedule=None)``, then at
      each time t of the schedule ``y, state = step(x, state, schedule.at(t))``, some sites at a
      time: ``[B, S, c] -> [B, S, p]``. The state is a nest of tensors whose structure, shapes and
      dtypes never change, and never a variable. It holds what later steps need, including the
      condition and the member;
    * ``y, state = extend(x, state, first)``, `call` continued: several sites at once, from site
      number ``first`` on, ``[B, k, c] -> [B, k, p]``, given the state of those before.

    Most layers can only step from one site to the next, S = 1, and need not override `schedule`.

    An inclusive layer takes its input at site t and gives its output at site t. An exclusive layer
    takes its input at site t - 1, and zeros at t = 0, and gives its output at site t. A network
    has exactly one exclusive layer on every path from input to output, so that sampling is the
    loop ``x[t - 1] -> step -> head -> x[t]``. (Where several rows of an image are under way, it
    takes what was in its slot at time t - 1: the site to the left, but an arbitrary value at the
    first site of a row.) In `extend` inputs and outputs are those of the same sites, as in `call`.

    A layer that is ``stationary`` is the same function of the past at every site: it knows no
    positions, and takes sequences of any length.

    Outputs may also depend on two things that are the same at all sites. Most layers ignore both,
    but all take them, since a container passes them to each of its layers:

    * ``condition``, [B, d] numbers, one row for each example: the c of p(x | c). A layer that uses
      it has the attribute ``condition_size``, d, and cannot be called without it.
    * ``member``, an int scalar: the number of one of several masks that share the weights, by
      default the first.

    Args:
      exclusive: whether site i sees sites j < i (True) or j <= i (False).
      **kwargs: passed to ``keras.layers.Layer``.
    """

    def __init__(self, exclusive: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exclusive = flag("exclusive", exclusive)

    def initial_state(
        self,
        batch_size: BatchSize,
        condition: Rows = None,
        member: Member = None,
        schedule: Plan | None = None,
    ) -> Nest:
        """The state before site 0, for ``batch_size`` (int or scalar tensor) examples.

        ``schedule`` is that of the steps, by default from one site to the next; or `WholeRows`,
        for `extend`.
        """
        return ()

    def step(self, x: tf.Tensor, state: Nest, sites: Sites) -> tuple[tf.Tensor, Nest]:
        """``(y, state)`` after the sites of one time: ``x`` is [B, S, c], and ``y`` [B, S, p]."""
        raise NotImplementedError(f"{type(self).__name__} has no step.")

    @property
    def has_step(self) -> bool:
        """Whether the layer, with all that it is made of, has a `step`."""
        return type(self).step is not CausalLayer.step

    def schedule(self, fastest: Schedule) -> Schedule:
        """The fastest schedule that `step` can follow, but no faster than the given one."""
        return fastest.raster()

    def extend(self, x: tf.Tensor, state: Nest, first: tf.Tensor) -> tuple[tf.Tensor, Nest]:
        """``(y, state)`` after several sites: ``x`` is [B, k, c], and ``y`` [B, k, p].

        ``first`` is the number of the first of them, an int scalar. Where `extends` accepts the
        raster of `step`, they may be any number of sites, and `step` may follow with the same
        state. Where it accepts `WholeRows`, they are those of a row.
        """
        raise NotImplementedError(f"{type(self).__name__} has no extend.")

    def extends(self, schedule: Plan) -> bool:
        """Whether `extend` works on states of this schedule, a raster or `WholeRows`."""
        return False

    def select(self, state: Nest, examples: tf.Tensor) -> Nest:
        """The state of some of the examples, whose numbers are ``examples`` [m]."""
        return tf.nest.map_structure(lambda part: tf.gather(part, examples), state)

    def condition_weights(
        self, units: int, initializer: Initializer = "glorot_uniform"
    ) -> keras.Variable | None:
        """Adds the weight U [d, units] of `of_condition`; None if the layer takes no condition."""
        if not self.condition_size:
            return None
        shape = (self.condition_size, units)
        return self.add_weight(shape=shape, initializer=initializer, name="condition_kernel")

    @staticmethod
    def of_condition(condition: Rows, kernel: keras.Variable | None, dtype: Any) -> tf.Tensor:
        """c U, [B, units], for a condition c [B, d] and the weight U; 0 if there is no U."""
        if kernel is None:
            return tf.zeros([], dtype)
        return tf.cast(condition, dtype) @ tf.cast(kernel, dtype)

    @property
    def output_bias(self) -> keras.Variable | None:
        """The variable that is added to the outputs, n p entries, or None."""
        return None

    def depends(self, sources: np.ndarray) -> np.ndarray:
        """Propagates dependencies through the layer.

        Args:
          sources: bool array [n, m]; row i tells which of m things the input of site i depends on.

        Returns:
          bool array, the same for the outputs. ``layer.depends(np.eye(n))`` is the adjacency matrix
          of the layer itself: entry (i, j) tells whether output i depends on input j.
        """
        sources = np.asarray(sources, bool)
        seen = np.tril(np.ones([len(sources)] * 2, bool), -1 if self.exclusive else 0)
        return seen @ sources

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exclusive": self.exclusive}
