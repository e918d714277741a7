"""The zoo: trained models, each with its recipe, its card and its measured figures.

``zoo/<name>/`` holds ``recipe.py``, ``card.md``, ``metrics.json`` and ``examples.npz``;
``saved_models/<name>/1`` is the model, a SavedModel that TensorFlow Serving serves, see
`tfar.serving`. Both folders are part of an installed tfar.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import pathlib
import warnings
import zipfile
from typing import TYPE_CHECKING

from tfar import arguments, records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tfar.models import AutoregressiveModel
    from tfar.typing import Path

__all__ = [
    "checksum",
    "find",
    "info",
    "list",
    "load",
    "model_folder",
    "recipe_path",
    "serve_config",
]

_PACKAGE = pathlib.Path(__file__).parents[1]
REMEDY = "Reinstall tfar, or restore the file from the repository."

# What every metrics.json holds.
_FIGURES = {
    "examples": int,
    "nats": records.NUMBER,
    "standard_error": records.NUMBER,
    "bits_per_dim": records.NUMBER,
}
_FIELDS = {
    **dict.fromkeys(("name", "summary", "dataset", "model", "head", "sha256"), str),
    **dict.fromkeys(("distribution", "order"), str),
    **dict.fromkeys(("members", "parameters", "bytes"), int),
    "event_shape": [int],
    "sizes": {"train": int, "validation": int, "test": int},
    "validation": _FIGURES,
    "test": _FIGURES,
    "paper": {},
    "commands": {"test": str},
    "examples": {"shape": [int], "log_prob": [records.NUMBER]},
    "signatures": {},
}
_TRAINED = {"training": {"epoch": int}, "recipe": {"seed": int}, "commands": {"train": str}}
_MADE = {"made_of": {}, "commands": {"make": str}}
_PAPER = {"nats": records.NUMBER, "what": str, "reference": str}


def _place(kind: str) -> pathlib.Path:
    """Where ``zoo`` or ``saved_models`` is: inside an installed package, otherwise next to it."""
    inside = _PACKAGE / f"_{kind}"
    return inside if inside.exists() else _PACKAGE.parent / kind


def recipe_path(name: str) -> pathlib.Path:
    """The recipe file of an artefact, trained or not.

    Raises:
      ValueError: if there is no recipe of that name; the message lists near matches.
    """
    _check_name(name, sorted(p.parent.name for p in _place("zoo").glob("*/recipe.py")))
    return _place("zoo") / name / "recipe.py"


def model_folder(name: str) -> pathlib.Path:
    """The folder of an artefact's SavedModel."""
    return _place("saved_models") / arguments.string("name", name) / "1"


def list() -> Sequence[str]:
    """Names of the trained models, sorted.

    >>> "made_mnist" in list()
    True
    """
    return sorted(p.parent.name for p in _place("zoo").glob("*/metrics.json"))


def info(name: str) -> dict[str, Any]:
    """The contents of a model's ``metrics.json``, a dict.

    Raises:
      ValueError: if there is no such model (the message lists near matches), or if the file is
        damaged (the message names it).
    """
    _check_name(name, list())
    path = _place("zoo") / name / "metrics.json"
    metrics = records.read(path, _FIELDS, REMEDY)
    paper = {"none": str} if "none" in metrics["paper"] else _PAPER
    made = _MADE if "made_of" in metrics else _TRAINED
    records.check(path, metrics, {"paper": paper, **made}, REMEDY)
    return metrics


def load(name: str) -> AutoregressiveModel:
    """A trained model, uncompiled.

    Args:
      name: one of `list()`.

    Returns:
      A `tfar.models.AutoregressiveModel`; ``compile(optimizer)`` and ``fit`` fine-tune it.

    Raises:
      ValueError: if there is no such model, or its files are not those that were published.

    >>> model = load("made_mnist")
    >>> model.joint().event_shape
    TensorShape([28, 28, 1])
    """
    from tfar import serving

    expected = info(name)["sha256"]
    folder = model_folder(name)
    if not (folder / serving.GRAPH).exists():
        raise ValueError(f"The model of {name!r} is missing: {folder}. Reinstall tfar.")
    found = serving.digest(folder)
    if found != expected:
        raise ValueError(
            f"{folder} is damaged: its SHA-256 is {found[:16]}..., not {expected[:16]}... as "
            "published. Reinstall tfar, or restore the folder from the repository."
        )
    return serving.restore(folder)


def find(model: Path) -> tuple[AutoregressiveModel, str | None]:
    """``(model, name)`` of a trained, uncompiled model, given by a name or a path.

    Args:
      model: one of `list()`, or the path of the folder of an export or of a ``.keras`` file. A name
        of the zoo means the model of the zoo: give a folder here of the same name as
        ``./made_mnist``, or as a ``pathlib.Path``. The returned name is None for paths.

    Raises:
      FileNotFoundError: if there is nothing at the path.
      ValueError: if the zoo has no such model, or what is there is damaged or not a model of tfar.

    >>> find("made_mnist")[1]
    'made_mnist'
    """
    path = _path(model)
    if path is None:
        return load(model), model  # type: ignore[arg-type, return-value]  # a name, no path
    from tfar import serving

    return (serving.restore(path) if path.is_dir() else _load_keras(path)), None


def checksum(model: Path) -> str:
    """The SHA-256, in hexadecimal, of the files of a model as `find` takes it."""
    path = _path(model)
    if path is None:
        return info(model)["sha256"]  # type: ignore[arg-type]  # a name, no path
    from tfar import serving

    return serving.digest(path) if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def _path(model):
    """The existing path that a user means, or None for a name of the zoo."""
    path = arguments.path("model", model)
    if isinstance(model, str) and model in list():
        if path.exists():
            warnings.warn(
                f"{model} means the model of the zoo, not the folder here: give that as ./{model}.",
                stacklevel=3,
            )
        return None
    if path.exists():
        return path
    named = isinstance(model, str) and not model.endswith(".keras")
    if named and not any(mark in model for mark in (os.sep, os.altsep) if mark):
        _check_name(model, list())
    raise FileNotFoundError(f"There is no file and no folder {path}.")


def _load_keras(path):
    """The model in a file that ``model.save`` wrote."""
    import keras

    import tfar.models  # noqa: F401  (registers the classes)
    from tfar import serving

    with path.open("rb"):  # or the reason why it cannot be read
        if not zipfile.is_zipfile(path):
            reason = "it is not a .keras file, which is a zip archive"
            raise records.damaged(path, reason, "Save the model again.")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever Keras and constructors raise on the contents
        raise serving.no_model(path, error) from error
    serving.check_model(model, path)
    return model


def serve_config(base_path: Path | None = None) -> str:
    """A ``models.config`` of the whole zoo for ``tensorflow_model_server``, as text.

    Args:
      base_path: the folder that holds the models where the server runs, for instance "/models" in
        a container; by default that of this machine.

    Raises:
      ValueError: if it is relative: the server takes absolute paths only.

    >>> print(serve_config("/models"))
    model_config_list {
      ...
      config {
        name: "pixelcnn_mnist"
        base_path: "/models/pixelcnn_mnist"
        model_platform: "tensorflow"
      }
      ...
    """
    base = str(_place("saved_models").resolve()) if base_path is None else str(base_path)
    if not base.startswith("/"):
        raise ValueError(f"Expected an absolute path, as the server does, got {base_path!r}.")
    lines = ["model_config_list {"]
    for name in list():
        path = f"{base.rstrip('/')}/{name}"
        lines += [
            "  config {",
            f"    name: {json.dumps(name)}",
            f"    base_path: {json.dumps(path)}",
            '    model_platform: "tensorflow"',
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def _check_name(name, names):
    """Raises ValueError unless a name is one of them; the message lists near ones."""
    if not isinstance(name, str):
        raise ValueError(f"Expected the name of a model, a string, got {name!r}.")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
        raise ValueError(f"The zoo has no {name!r}: {hint}")
