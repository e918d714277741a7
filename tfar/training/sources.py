"""Where the data of a recipe come from: a data set, files of one's own, or a function."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfar import arguments, contents, datasets, files, pictures

if TYPE_CHECKING:
    from tfar.training.recipes import Recipe

__all__ = ["SPLITS", "checked", "load", "named"]

SPLITS = "train", "validation"


def checked(name: str, value: Any) -> str | dict[str, str] | Callable[[str], Any]:
    """What a recipe may give as its data, see `tfar.training.Recipe`.

    Raises:
      ValueError: if it is neither a name, nor a function, nor the paths of both splits.
    """
    if callable(value):
        return value
    if isinstance(value, dict):
        if set(value) != set(SPLITS):
            raise ValueError(
                f'Expected {name} to name files of "train" and "validation", got '
                f"{sorted(map(str, value))}."
            )
        return {split: str(arguments.path(f"{name}[{split!r}]", value[split])) for split in SPLITS}
    if not isinstance(value, str):
        raise ValueError(
            f"Expected {name} to be the name of a data set, a function of a split, or a dict of "
            f"the files of both splits, got {value!r:.80}."
        )
    return value


def named(dataset: str | dict[str, str] | Callable[[str], Any]) -> str | dict[str, str]:
    """What is recorded of a recipe's data, besides their digest: a function's name, and no code."""
    if callable(dataset):
        return f"{getattr(dataset, '__name__', type(dataset).__name__)}()"
    return dataset


def load(recipe: Recipe, split: str) -> Any:
    """The data of a split: an array, a dict of arrays, or a string.

    Raises:
      ValueError: if there is no such data set, or a file is invalid.
      OSError: if a file cannot be read.
    """
    if callable(recipe.dataset):
        return recipe.dataset(split)
    if not isinstance(recipe.dataset, dict):
        return datasets.load(recipe.dataset, split)
    path = pathlib.Path(recipe.dataset[split])
    if path.suffix == ".npy":
        return contents.array(files.read(path), str(path))
    if path.is_dir() or path.suffix == ".npz" or path.suffix.lower() in pictures.ENDINGS:
        known = pictures.read(recipe.dataset["train"]).x  # which says what all images are
        x = known if split == "train" else pictures.read(path).x
        return pictures.to_levels(x, pictures.natural_levels(known))
    return contents.text(files.read(path), str(path))
