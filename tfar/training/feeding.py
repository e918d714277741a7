"""The examples that models are trained on, in an order that a seed fixes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfar import kinds
from tfar.training.recipes import Recipe
from tfar.typing import Nest

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

__all__ = [
    "batches",
    "events",
    "inputs",
    "redrawn",
    "replaced",
    "rows_of",
    "shifted_fraction",
    "steps_per_epoch",
]


def inputs(recipe: Recipe, data: Any, *, split: str = "train") -> Any:
    """The inputs of a recipe's model, from what a data set's function returned.

    Args:
      recipe: a `tfar.training.Recipe`.
      data: an array, a dict of arrays "x" and "condition", which may be a dict of arrays itself,
        or a string.
      split: its name, for messages.

    Returns:
      The array of examples or, if the recipe is conditional, the dict; a string as it is.

    Raises:
      ValueError: if the recipe is conditional and the data have no condition, or they are of
        another type.
    """
    parts = data if isinstance(data, dict) else {"x": data}
    arrays = tf.nest.map_structure(_array, parts)
    if "x" not in arrays or any(part is None for part in tf.nest.flatten(arrays)):
        raise ValueError(
            f'Expected the {split} data to be an array of numbers, a dict of arrays "x" and '
            f'"condition", or a string, got {_shown(data)}.'
        )
    if recipe.conditional and "condition" not in arrays:
        raise ValueError(f"{recipe.name} is conditional, and {recipe.dataset} has no condition.")
    return arrays if recipe.conditional else arrays["x"]


def _array(part):
    """An array of numbers, a string as it is, or None."""
    if isinstance(part, str):
        return part
    array = np.asarray(part)
    return array if array.ndim and array.dtype.kind not in "OUSMmc" else None


def _shown(data):
    if isinstance(data, dict):
        return "a dict of " + ", ".join(f"{key!r}: {_shown(part)}" for key, part in data.items())
    return f"{type(data).__name__} {data!r:.80}"


def events(inputs: Nest) -> Any:
    """The examples in a model's inputs: the inputs themselves, or "x" of a dict."""
    return inputs["x"] if isinstance(inputs, dict) else inputs


def rows_of(inputs: Nest, rows: Any) -> Nest:
    """Some rows, given by a slice or ints, of a model's inputs."""
    return tf.nest.map_structure(lambda part: part[rows], inputs)


def shifted_fraction(recipe: Recipe, epoch: int) -> float:
    """The fraction of the images of an epoch that are shifted, see `tfar.training.Recipe`."""
    cycle = [cycle for cycle in recipe.periods if cycle.first <= epoch][-1]
    falling = 1 - (epoch - cycle.first) / (recipe.shift_until * cycle.length)
    return cycle.shift * max(0.0, falling)


def replaced(
    model: AutoregressiveModel, x: np.ndarray, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Examples with a random ``fraction`` of their values replaced by uniformly drawn ones.

    Args:
      model: whose head says which values there are.
      x: examples [N, *event_shape], or windows of a text.
      fraction: a number from 0 to 1.
      rng: ``np.random.Generator``, of which nothing is drawn if the fraction is 0.

    Raises:
      ValueError: if the values of the model's head are not 0, ..., K - 1 for every entry.

    >>> model = tfar.models.FVSBN([500])
    >>> x = replaced(model, np.zeros([40, 500], np.uint8), 0.2, np.random.default_rng(0))
    >>> x.dtype, round(float(x.mean()), 1)
    (dtype('uint8'), 0.1)
    """
    if not fraction:
        return x
    digits = model.head.digits or ()
    if len(set(digits)) != 1 or len(digits) != math.prod(model.head.site_shape):
        raise ValueError(
            f"Values are replaced by uniform ones among 0, ..., K - 1, and {model.head} has others."
        )
    drawn = rng.integers(0, digits[0], x.shape).astype(x.dtype)
    return np.where(rng.random(x.shape) < fraction, drawn, x)


def redrawn(recipe: Recipe, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a recipe's ``redraw`` returns.

    Raises:
      ValueError: unless it has the shape and dtype of ``x``, the examples.
    """
    found = recipe.redraw(rng)  # type: ignore[misc]  # where there is one
    if np.shape(found) != x.shape or np.asarray(found).dtype != x.dtype:
        raise ValueError(
            f"Expected redraw of {recipe.name} to return {x.dtype} of shape {list(x.shape)}, as "
            f"the training examples are, got {np.asarray(found).dtype} of shape "
            f"{list(np.shape(found))}."
        )
    return found


def batches(
    recipe: Recipe, model: AutoregressiveModel, data: Any, *, first: tuple[int, int] = (0, 0)
) -> tf.data.Dataset:
    """A stream of the shuffled, augmented batches of one epoch after the other.

    A batch depends only on the seed, the epoch and the step, so that a resumed run sees what an
    uninterrupted run would. The last, incomplete batch of an epoch is left out.

    Args:
      recipe: a `tfar.training.Recipe`.
      model: a `tfar.models.AutoregressiveModel`, whose kind says what an epoch's examples are.
      data: examples, a dict of them, or whatever else a model of that kind is trained on.
      first: epoch and step to start at.
    """
    kind = kinds.of(model)

    def generate():
        for epoch in range(first[0], recipe.epochs):
            rng = np.random.default_rng([recipe.seed, epoch])
            fraction = shifted_fraction(recipe, epoch)
            seen = x if recipe.redraw is None else redrawn(recipe, x, rng)
            shown = replaced(model, kind.epoch(seen, rng, fraction), recipe.replaced, rng)
            shown = kind.noisy(shown, recipe.noise, rng) if recipe.noise else shown
            shown = {**data, "x": shown} if isinstance(data, dict) else shown
            order = rng.permutation(len(events(shown)))[: steps * recipe.batch_size]
            done = first[1] if epoch == first[0] else 0
            for rows in order.reshape([steps, recipe.batch_size])[done:]:
                yield rows_of(shown, rows)

    x, steps = events(data), steps_per_epoch(recipe, model, data)
    signature = tf.nest.map_structure(
        lambda a: tf.TensorSpec([recipe.batch_size, *a.shape[1:]], a.dtype),
        kind.inputs(data),
    )
    stream = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(8)
    options = tf.data.Options()  # each worker makes all batches, and takes its part of each
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    options.autotune.enabled = False  # nothing to tune, and freeing it took up to a minute
    return stream.with_options(options)


def steps_per_epoch(recipe: Recipe, model: AutoregressiveModel, data: Any) -> int:
    """The number of batches, the same in every epoch; arguments as in `batches`.

    Raises:
      ValueError: if there is less than one batch.
    """
    count = kinds.of(model).count(events(data))
    least = recipe.batch_size * recipe.steps_per_execution
    if count < least:
        raise ValueError(f"Expected at least one batch of {least}, got {count}.")
    return count // least * recipe.steps_per_execution
