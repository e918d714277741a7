"""Masked autoencoder for distribution estimation.

#### References
M. Germain, K. Gregor, I. Murray, H. Larochelle. MADE: Masked Autoencoder for Distribution
Estimation. ICML 2015.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfar import arguments, conditions, heads, orders
from tfar.arguments import flag, integer, integers, rate
from tfar.layers import Causal, MaskedDense, OwnSizes, Sum, residual_block
from tfar.models.base import AutoregressiveModel
from tfar.typing import Activation, Order, Shape


def hidden_sites(
    num_units: int,
    ranks: Sequence[int] | np.ndarray,
    degrees: str | Sequence[float] | np.ndarray = "even",
    *,
    least: int = 1,
    rng: np.random.RandomState | None = None,
) -> np.ndarray:
    """The site of each unit of a hidden layer: it sees x_j for j before that site in the order.

    Site s is degree s of the paper: a unit of degree s sees the first s inputs. A unit of degree 0
    would see nothing, and nothing would see a unit of degree n.

    Unless degrees are drawn, every unit is assigned to an input, the same in every order, and its
    degree is the rank of that input. In two opposite orders a unit then sees the inputs before its
    own and the inputs after it.

    Args:
      num_units: H.
      ranks: ints [n], the position of each input in the order.
      degrees: "even" (as many units at every input), n weights (units at each input in proportion
        to its weight), or "random" (degrees are drawn).
      least: smallest degree to draw.
      rng: ``np.random.RandomState`` for "random".

    Returns:
      int32 array [H].

    Raises:
      ValueError: if ``degrees`` is anything else.

    >>> hidden_sites(6, ranks=[0, 1, 2]).tolist()
    [1, 1, 1, 1, 2, 2]
    >>> hidden_sites(6, ranks=[2, 1, 0], degrees=[1, 0, 2]).tolist()
    [2, 2, 1, 1, 1, 1]
    """
    ranks = np.asarray(ranks)
    n = len(ranks)
    if n == 1:
        return np.zeros(num_units, np.int32)
    if isinstance(degrees, str) and degrees == "random":
        return rng.randint(least, n, size=num_units).astype(np.int32)  # type: ignore[union-attr]  # given
    if isinstance(degrees, str) and degrees == "even":
        degrees = np.ones(n)
    try:
        weights = np.asarray(degrees, np.float64)
    except (TypeError, ValueError):
        weights = np.array([])
    if weights.shape != (n,) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError(
            f"Expected degrees='even', 'random' or {n} weights, none negative, got {degrees!r}."
        )
    share = np.cumsum(weights) / np.sum(weights)
    middle = (np.arange(num_units) + 0.5) / num_units
    places = np.searchsorted(share, middle).clip(0, n - 1)
    return np.maximum(ranks[places], 1).astype(np.int32)


@keras.saving.register_keras_serializable(package="tfar")
class MADE(AutoregressiveModel):
    """An autoencoder whose weights are masked so that output i depends on x_<i alone.

    h^1 = g(b^1 + (W^1 * M^1) x),  ...,
    p(X_i = 1 | x_<i) = sigmoid(c + (V * M^V) h^L + (A * M^A) x)_i

    Every hidden unit has a degree m: it sees the first m inputs of the order. A unit sees the units
    of the layer below whose degree is at most its own, and output i (counted from 0) those of
    degree at most i. A (``direct``) is strictly triangular. With a condition s, U s is added to
    every b^l, and to c since the first output sees no hidden unit.

    Sampling costs about one pass of multiplications: a unit of degree m is final as soon as m
    inputs are known, and is then added to the layer above, once.

    Several masks (``num_masks``) may share the weights: each has degrees of its own ("random") and,
    if ``order`` is "random" or gives several orders, an order of its own. Each batch trains one of
    them at random (the *order-agnostic* and *connectivity-agnostic* training of the paper), and
    the model is their mixture, p(x) = (1/R) sum_r p_r(x). ``model(x, member=r)`` gives the
    conditionals of member r; ``model(x)`` those of the first.

    Args:
      event_shape: shape of one example.
      hidden: units of each hidden layer.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`, or [R, n], an order for each mask. "random" with several masks
        draws an order for each.
      num_masks: R; by default as many as there are orders.
      degrees: "even", "random", or n weights, see `hidden_sites`: more units may go to the inputs
        that are hard to predict.
      direct: whether inputs are also connected to outputs directly.
      residual: whether hidden layers from the second on add to the one below, which must have
        as many units: h^l = h^{l-1} + g(b^l + (W^l * M^l) h^{l-1}).
      activation: g.
      dropout: rate for hidden units in training.
      seed: for random orders and degrees.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if several masks would all be the same, or residual layers have different widths.

    >>> model = MADE(event_shape=[4], hidden=(6,), num_masks=3, order="random")
    >>> model.members, model.permutations.shape
    (3, (3, 4))
    """

    weights_in_layout = True

    def __init__(
        self,
        event_shape: Shape,
        hidden: Sequence[int] = (500, 500),
        *,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_masks: int | None = None,
        degrees: str | Sequence[float] | np.ndarray = "even",
        direct: bool = False,
        residual: bool = False,
        activation: Activation = "relu",
        dropout: float = 0.0,
        seed: int = 0,
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, condition = heads.get(head), conditions.get(condition, num_classes)
        size = conditions.size(condition)
        hidden = () if hidden in ((), []) else integers("hidden", hidden, least=1)
        n = math.prod(integers("event_shape", event_shape, least=1))
        dropout, seed = rate("dropout", dropout), integer("seed", seed, least=0)
        direct, residual = flag("direct", direct), flag("residual", residual)
        arguments.activation("activation", activation)
        if num_masks is None:
            num_masks = len(order) if orders.several(order) else 1
        # The order is in the masks: the network takes and gives the layout of the data.
        permutations = self._orders(order, n, num_masks, seed)
        ranks = np.argsort(permutations, axis=1).astype(np.int32)  # [R, n]
        degrees = degrees if isinstance(degrees, str) else np.asarray(degrees).tolist()
        if num_masks > 1 and degrees != "random" and len(np.unique(ranks, axis=0)) == 1:
            raise ValueError(
                f"{num_masks} masks of one order and fixed degrees are all the same: give several "
                "orders, order='random' or degrees='random'."
            )
        if residual and len(set(hidden)) > 1:
            raise ValueError(f"Residual layers need the same width, got hidden={list(hidden)}.")
        sites = self._hidden_sites(hidden, ranks, degrees, seed)
        if residual:
            sites = sites[:1] * len(sites)  # a sum must belong to one site
        dtype = kwargs.get("dtype")
        # Where sites differ, their channels are units of their own.
        into, out, channels = ranks, ranks, head.num_params
        if head.sizes is not None:
            into, out = (np.repeat(ranks, each, axis=1) for each in head.sizes)
            channels = 1
        layers, below = [], into
        for above in sites:
            block = [
                MaskedDense(
                    below,
                    above,
                    n,
                    exclusive=not layers,
                    kernel_initializer="he_normal",
                    condition_size=size,
                    dtype=dtype,
                ),
                keras.layers.Activation(activation, dtype=dtype),
            ]
            if dropout:
                block.append(keras.layers.Dropout(dropout, dtype=dtype))
            if residual and layers:
                block = [residual_block(block, dtype)]
            layers += block
            below = above
        layers.append(
            MaskedDense(
                below,
                out,
                n,
                channels=channels,
                exclusive=not layers,
                kernel_initializer="zeros",  # starts at the marginals, see `adapt`
                condition_size=size,
                dtype=dtype,
            )
        )
        network = Causal(layers, dtype=dtype)
        if direct:
            skip = MaskedDense(
                into,
                out,
                n,
                channels=channels,
                exclusive=True,
                use_bias=False,
                kernel_initializer="zeros",
                dtype=dtype,
            )
            network = Sum([network, skip], dtype=dtype)
        if head.sizes is not None:
            network = OwnSizes(network, *head.sizes, dtype=dtype)
        self.hyperparameters = {
            "hidden": [int(units) for units in hidden],
            "num_masks": int(num_masks),
            "degrees": degrees,
            "direct": direct,
            "residual": residual,
            "activation": activation,
            "dropout": float(dropout),
            "seed": int(seed),
        }
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
        self.mask_seeds = keras.random.SeedGenerator(seed)

    @staticmethod
    def _orders(order, n, num_masks, seed):
        integer("num_masks", num_masks, least=1)
        if isinstance(order, str) and order == "random":
            return np.stack([orders.random(n, seed + r) for r in range(num_masks)])
        if orders.several(order):
            if len(order) != num_masks:
                raise ValueError(f"Got {len(order)} orders for {num_masks} masks.")
            return np.stack([orders.get(one, n) for one in order])
        return np.stack([orders.get(order, n)] * num_masks)

    @staticmethod
    def _hidden_sites(hidden, ranks, degrees, seed):
        """The sites of the units of each hidden layer, a list of [R, H]."""
        masks = []
        for r, one in enumerate(ranks):
            rng, least, layers = np.random.RandomState(seed + r), 1, []
            for units in hidden:
                layers.append(hidden_sites(units, one, degrees, least=least, rng=rng))
                least = int(layers[-1].min())  # as in the paper: no unit without inputs
            masks.append(layers)
        return [np.stack(layer) for layer in zip(*masks)]

    def _permutations(self, order):
        count, seed = self.hyperparameters["num_masks"], self.hyperparameters["seed"]
        return self._orders(order, self.num_sites, count, seed)

    def _default_member(self, training):
        if training and self.members > 1:
            return keras.random.randint((), 0, self.members, seed=self.mask_seeds)
        return 0

    def _parameters(self, x, condition, member, training=None):
        return self.network(x, training=training, **self._given(condition, member))
