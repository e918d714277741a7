"""Which parts of an example are odd: the pixels of an image, the cells of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfar import kinds
from tfar.arguments import instance

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel
    from tfar.typing import Nest

BATCH = 200


def surprise(
    model: AutoregressiveModel, x: Nest, *, background: AutoregressiveModel | None = None
) -> np.ndarray:
    """-log p(x_i | x_<i) of every site, nats, or log p_0(x_i | x_<i) - log p(x_i | x_<i).

    The sum over the sites is -log p(x), or minus the score of `ratio`: a map of where that comes
    from. Of an ensemble, the first member is taken.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      x: examples as the model takes them, [N, *event_shape] or a dict with "condition" too.
      background: p_0, a model of the same examples.

    Returns:
      float32 [N, *grid_shape]: [N, H, W, C], or [N, H, W] if the head models vectors.

    Raises:
      ValueError: if a model does not take the examples, or the models have other sites.

    >>> model = tfar.models.FVSBN([2, 2, 1])
    >>> maps = surprise(model, np.zeros([3, 2, 2, 1]))
    >>> maps.shape, np.allclose(maps.sum((1, 2, 3)), -model.log_prob(np.zeros([3, 2, 2, 1])))
    ((3, 2, 2, 1), True)
    """
    found = _by_site(model, x)
    if background is None:
        return found
    before = _by_site(background, x)
    sites, others = found.reshape([len(found), -1]), before.reshape([len(before), -1])
    if sites.shape != others.shape:
        raise ValueError(
            f"Expected a background of sites {list(found.shape[1:])}, got {list(before.shape[1:])}."
        )
    return (sites - others).reshape(found.shape)


def _by_site(model, x):
    from tfar.models import AutoregressiveModel

    instance("model", model, AutoregressiveModel, "a tfar.models.AutoregressiveModel")
    inputs = kinds.of(model).held(x)

    def make():
        def of(inputs):
            events = inputs["x"] if isinstance(inputs, dict) else inputs
            return model.head.log_prob(_params(model, inputs), events)

        return tf.function(of, autograph=False, reduce_retracing=True)

    of, count = model.once("surprise", make), len(tf.nest.flatten(inputs)[0])
    parts = [
        of(tf.nest.map_structure(lambda a, i=i: tf.constant(a[i : i + BATCH]), inputs)).numpy()
        for i in range(0, count, BATCH)
    ]
    return -np.concatenate(parts).astype(np.float32)


def _params(model, inputs):
    x, condition = model._pick(inputs)
    y = model.parameters(x, condition=condition, member=0)
    return tf.reshape(y, [-1, *model.grid_shape, model.head.num_params])


def cells(model: AutoregressiveModel, x: Any) -> np.ndarray:
    """-log p(x_i | all other entries) of every cell of rows, nats: a high one is odd in its row.

    Densities are those of the codes of a table; `tfar.tables.surprise` has them in its units.
    Missing entries are no others, and have 0 nats themselves. Nor are entries that their columns do
    not take, whose own figure is inf.

    Args:
      model: a model of all orders, such as `tfar.fit_table` makes.
      x: rows [N, n], or a data frame.

    Returns:
      float32 [N, n].

    Raises:
      ValueError: if the model has one order, or does not take the rows.

    >>> model = tfar.models.OrderlessNADE([3], (4,))
    >>> cells(model, np.zeros([5, 3])).shape
    (5, 3)
    """
    from tfar.models import AnyOrder

    instance("model", model, AnyOrder, "a model of all orders, as fit_table makes them")
    if model.condition is not None:
        raise ValueError("Expected a model without a condition.")
    kind = kinds.of(model)
    x = np.asarray(kind.held(x))
    outside = kind.outside(x)
    if outside.any():
        x = np.where(outside, np.nan, x).astype(x.dtype)  # they tell nothing about the others
    found = np.zeros([len(x), model.num_sites], np.float32)
    of = model.once("cells", lambda: tf.function(model.log_prob_of_site, autograph=False))
    for first in range(0, len(x), BATCH):
        rows = tf.constant(x[first : first + BATCH])
        for site in range(model.num_sites):
            found[first : first + BATCH, site] = -of(rows, tf.constant(site)).numpy()
    found[outside.reshape(found.shape)] = np.inf
    return found
