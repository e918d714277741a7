"""tfar: autoregressive density models for Keras 3 and TensorFlow Probability.

Submodules are imported when they are first used, so that ``import tfar`` and ``tfar --help`` take
no time. If Keras has been imported already, the models are imported too:
``keras.saving.load_model`` needs their classes.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from tfar import (
        anomaly,
        compression,
        conditions,
        datasets,
        distribute,
        distributions,
        heads,
        kinds,
        layers,
        models,
        orders,
        pictures,
        plots,
        sampling,
        serving,
        tables,
        testing,
        text,
        training,
        zoo,
    )
    from tfar.models import AutoregressiveModel
    from tfar.pictures import fit_images
    from tfar.serving import client
    from tfar.serving.savedmodel import export
    from tfar.tables import fit_table
    from tfar.text import fit_text

__version__ = "0.1.0"

__all__ = [
    "anomaly",
    "client",
    "compression",
    "conditions",
    "datasets",
    "distribute",
    "distributions",
    "export",
    "fit_images",
    "fit_table",
    "fit_text",
    "heads",
    "kinds",
    "layers",
    "load",
    "models",
    "orders",
    "pictures",
    "plots",
    "sampling",
    "serving",
    "tables",
    "testing",
    "text",
    "training",
    "zoo",
]


FITS = {
    "fit_images": "pictures",
    "fit_table": "tables",
    "fit_text": "text",
}  # and the rooms that have them


def load(model: str | os.PathLike[str]) -> AutoregressiveModel:
    """A trained, uncompiled model, given by a name or a path; see `tfar.zoo.find`.

    Args:
      model: a name of the zoo, a ``.keras`` file, or a folder that `tfar.export` wrote.

    Raises:
      FileNotFoundError: if there is nothing at the path.
      ValueError: if the zoo has no such model, or what is there is damaged or not a model of tfar.

    >>> import tfar
    >>> tfar.load("fvsbn_mnist").event_shape
    (28, 28, 1)
    """
    from tfar import zoo

    return zoo.find(model)[0]


def __getattr__(name: str) -> Any:
    if name == "export":
        return importlib.import_module("tfar.serving").export
    if name in FITS:
        return getattr(importlib.import_module(f"tfar.{FITS[name]}"), name)
    if name == "client":
        return importlib.import_module("tfar.serving.client")
    if name in __all__:
        return importlib.import_module(f"tfar.{name}")
    raise AttributeError(f"module 'tfar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if "keras" in sys.modules:
    importlib.import_module("tfar.models")
