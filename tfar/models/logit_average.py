"""Several models of one order as one, by the average of their logits.

#### References
T. Heskes. Selecting Weighting Factors in Logarithmic Opinion Pools. NIPS 1997.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfar.arguments import items
from tfar.heads import Bernoulli, Categorical
from tfar.layers import WeightedSum
from tfar.models.base import AutoregressiveModel


def logit_average(
    models: Sequence[AutoregressiveModel],
    weights: Sequence[float] | None = None,
    **kwargs: Any,
) -> AutoregressiveModel:
    """p(x_i | x_<i) proportional to prod_k p_k(x_i | x_<i)^w_k: one model of several.

    It is exact: the logits of the conditionals are sum_k w_k logits_k. Sampling keeps the caches
    of all if each has steps, or each goes by whole rows, and takes whole passes otherwise, see
    ``model.schedule``. Its network is a `tfar.layers.WeightedSum` of theirs,
    which it shares: `fit` trains the weights and the models, or the weights alone after
    ``for m in models: m.network.trainable = False``.

    Args:
      models: of zeros and ones or of categories, with the same event shape, order, head and
        condition; none is an ensemble. A `MADE` must have the order "raster", since its own order
        is in its masks.
      weights: w_k, by default 1 / K each. They need not sum to 1.
      **kwargs: passed to `AutoregressiveModel`, such as ``name``.

    Raises:
      ValueError: if the models differ in one of these or share weights, or if their number is
        another than that of the weights.

    >>> one, two = (tfar.models.NADE([3], 4) for _ in range(2))
    >>> model = logit_average([one, two], weights=[0.7, 0.3])
    >>> np.allclose(model(np.zeros([1, 3])).logits, 0.7 * one(np.zeros([1, 3])).logits
    ...     + 0.3 * two(np.zeros([1, 3])).logits)
    True
    """
    what = "a list of at least one model of zeros and ones or of categories, not of an ensemble"
    models = items("models", models, what, _is_of_logits)
    first = models[0]
    for model in models:
        for name, of in COMMON.items():
            if of(model) != of(first):
                raise ValueError(
                    f"Expected models of the same {name}, got {of(first)} and {of(model)}."
                )
        if model.weights_in_layout and COMMON["order"](model) != [*range(model.num_sites)]:
            raise ValueError(f"Expected the order 'raster' of a {type(model).__name__}.")
    check_own_weights(models)
    average = AutoregressiveModel(
        WeightedSum([model.network for model in models]),
        first.event_shape,
        first.head,
        order=first.order,
        condition=first.condition,
        **kwargs,
    )
    if weights is not None:
        if np.shape(weights) != (len(models),) or not np.isfinite(weights).all():
            raise ValueError(f"Expected {len(models)} numbers as weights, got {weights!r}.")
        average.network.shares.assign(weights)
    return average


COMMON = {
    "event shape": lambda model: list(model.event_shape),
    "order": lambda model: model.permutations[0].tolist(),
    "head": lambda model: repr(model.head),
    "condition": lambda model: getattr(model.condition, "support", None),
}


def check_own_weights(models: Sequence[AutoregressiveModel]) -> None:
    """Raises ValueError if models share weights: Keras would save them for one of them only."""
    seen: set[int] = set()
    for model in models:
        own = {id(weight) for weight in model.weights}
        if own & seen:
            raise ValueError(
                f"Expected models with weights of their own, got {model} after another that shares "
                "them: make it anew from its config, and set its weights."
            )
        seen |= own


def _is_of_logits(model):
    is_model = isinstance(model, AutoregressiveModel) and model.members == 1
    return is_model and isinstance(model.head, Bernoulli | Categorical)
