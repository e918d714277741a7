"""What a model is conditioned on: the c of p(x | c).

======================  =================================  ========================================
condition               one value                          what the network is given, [B, size]
======================  =================================  ========================================
`Labels`                ints 0 ... K - 1                   one-hot
`Vector`                finite numbers                     the numbers
`Embedded`              any of those, or a dict of them    the output of a Keras layer of your own
======================  =================================  ========================================

>>> from tfar.conditions import Embedded, Labels, Vector
>>> model = tfar.models.MADE([4], (8,), condition=Vector(3))
>>> joint = model.joint(condition=np.zeros([2, 5, 3]))
>>> joint.batch_shape, joint.sample(7, seed=1).shape
(TensorShape([2, 5]), TensorShape([7, 2, 5, 4]))
>>> model({"x": np.zeros([6, 4]), "condition": np.ones([6, 3])}).batch_shape
TensorShape([6, 4])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfar.arguments import instance
from tfar.conditions.base import Condition
from tfar.conditions.embedded import Embedded
from tfar.conditions.numbers import Labels, Vector
from tfar.typing import Nest

if TYPE_CHECKING:
    from tfar.sampling.protocol import Conditionals

__all__ = ["Condition", "Embedded", "Labels", "Vector", "checked", "get", "joined", "size"]


def get(condition: Condition | None, num_classes: int | None = None) -> Condition | None:
    """The condition of a model: the given one, `Labels` of a number of classes, or None.

    Raises:
      ValueError: if it is not a condition, or both are given.
    """
    if num_classes is None:
        what = "a tfar.conditions.Labels, Vector or Embedded"
        return None if condition is None else instance("condition", condition, Condition, what)
    if condition is not None:
        raise ValueError("Expected condition or num_classes, which stands for labels, got both.")
    return Labels(num_classes)


def size(condition: Condition | None) -> int:
    """How many numbers of a condition enter the network; 0 for None."""
    return 0 if condition is None else condition.size


def joined(x: Nest, condition: Nest) -> Nest:
    """What a model takes: ``x`` alone where there is no condition, or both in a dict."""
    return x if condition is None else {"x": x, "condition": condition}


def checked(model: Conditionals, value: Nest) -> Nest:
    """The tensors of a value that a model is conditioned on; None if it is not conditional.

    Raises:
      ValueError: if a condition is missing, or given to a model that takes none; if it is
        invalid, or has no static shape.
    """
    if (value is None) != (model.condition is None):
        raise ValueError(
            "This model is not conditional: it takes no condition."
            if model.condition is None
            else f"This model is conditional: give condition=, {model.condition.support}."
        )
    if value is None:
        return None
    tensors = model.condition.tensors(value)  # type: ignore[union-attr]  # not None, as the value
    batch = model.condition.batch_shape(tensors)  # type: ignore[union-attr]
    if not batch.is_fully_defined():
        raise ValueError(f"Expected a condition of a static shape, got the batch shape {batch}.")
    return tensors
