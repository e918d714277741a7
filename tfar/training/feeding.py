"""What models are fed: examples, or windows of a text, in an order that a seed fixes."""

import numpy as np
import tensorflow as tf

from tfar.training.recipes import cycles

__all__ = [
    "batches",
    "events",
    "inputs",
    "rows_of",
    "shifted",
    "shifted_fraction",
    "steps_per_epoch",
    "windows",
]


def inputs(recipe, data, split="train"):
    """What a recipe's model takes of what a data set's function returned.

    Args:
      recipe: a `tfar.training.Recipe`.
      data: an array, a dict of arrays "x" and "condition", which may be a dict of arrays itself,
        or a string.
      split: its name, for messages.

    Returns:
      The array of examples or, if the recipe is conditional, the dict; a string as it is.

    Raises:
      ValueError: if the recipe is conditional and the data have no condition, or they are no such
        data.
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


def events(inputs):
    """The examples themselves, of what a model takes: x of x or of a dict."""
    return inputs["x"] if isinstance(inputs, dict) else inputs


def rows_of(inputs, rows):
    """Some rows, a slice or ints, of what a model takes."""
    return tf.nest.map_structure(lambda part: part[rows], inputs)


def windows(numbers, length, first=0):
    """A sequence [N] cut into windows [(N - first) // length, length], from ``first`` on.

    What is left over at the end is left out.

    >>> windows(np.arange(8), 3, first=1).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    count = (len(numbers) - first) // length
    return numbers[first : first + count * length].reshape([count, length])


def shifted(x, fraction, rng):
    """Images [N, H, W, C] with a random ``fraction`` of them moved by up to one pixel each way.

    What is moved in is 0.

    >>> x = np.ones([1, 2, 2, 1], np.uint8)
    >>> bool((shifted(x, 0.0, np.random.default_rng(0)) == x).all())
    True
    """
    chosen = rng.random(len(x)) < fraction
    down, right = rng.integers(-1, 2, size=(2, len(x)))
    height, width = x.shape[1:3]
    moved = x.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rows = chosen & (down == dy) & (right == dx)
            padded = np.pad(x[rows], ((0, 0), (1, 1), (1, 1), (0, 0)))
            moved[rows] = padded[:, 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
    return moved


def shifted_fraction(recipe, epoch, epochs):
    """The fraction of the images of an epoch that are moved, see `tfar.training.Recipe`."""
    cycle = [cycle for cycle in cycles(recipe, epochs) if cycle.first <= epoch][-1]
    falling = 1 - (epoch - cycle.first) / (recipe.shift_until * cycle.length)
    return cycle.shift * max(0.0, falling)


def batches(recipe, data, epochs, first=(0, 0), length=None):
    """An endless-looking stream: the shuffled, augmented batches of one epoch after the other.

    What a batch holds depends on the seed, the epoch and the step only, so that a resumed run sees
    what an uninterrupted one would. The last, incomplete batch of an epoch is left out.

    Args:
      recipe: a `tfar.training.Recipe`.
      data: examples, a dict of them, or a sequence [N] to cut into windows, elsewhere every epoch.
      epochs: all of them.
      first: epoch and step to start at.
      length: of windows, in the case of a sequence.
    """

    def generate():
        for epoch in range(first[0], epochs):
            rng = np.random.default_rng([recipe.seed, epoch])
            fraction = shifted_fraction(recipe, epoch, epochs)
            shown = shifted(x, fraction, rng) if fraction else x
            shown = windows(x, length, rng.integers(length)) if length else shown
            shown = {**data, "x": shown} if isinstance(data, dict) else shown
            order = rng.permutation(len(events(shown)))[: steps * recipe.batch_size]
            done = first[1] if epoch == first[0] else 0
            for rows in order.reshape([steps, recipe.batch_size])[done:]:
                yield rows_of(shown, rows)

    x, steps = events(data), steps_per_epoch(recipe, data, length)
    signature = tf.nest.map_structure(
        lambda a: tf.TensorSpec([recipe.batch_size, *a.shape[1:]], a.dtype),
        windows(x, length) if length else data,
    )
    stream = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(8)
    options = tf.data.Options()  # each worker makes all batches, and takes its part of each
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    options.autotune.enabled = False  # nothing to tune; freed, it was waited for for up to a minute
    return stream.with_options(options)


def steps_per_epoch(recipe, data, length=None):
    """Batches of an epoch; of windows as many as there are wherever the first one begins.

    Raises:
      ValueError: if there is none.
    """
    x = events(data)
    count = (len(x) - length + 1) // length if length else len(x)
    steps = count // recipe.batch_size
    if not steps:
        raise ValueError(f"Expected at least one batch of {recipe.batch_size}, got {count}.")
    return steps
