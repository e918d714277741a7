"""Serving: SavedModels that TensorFlow Serving runs, what their signatures compute and what a
request may cost, and clients.

What a SavedModel needs is imported when it is first used: a client needs no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfar.serving.savedmodel import (
        CONFIG,
        GRAPH,
        check_model,
        describe,
        digest,
        export,
        limits,
        meta_graph,
        no_model,
        restore,
    )

__all__ = [
    "CONFIG",
    "GRAPH",
    "check_model",
    "describe",
    "digest",
    "export",
    "limits",
    "meta_graph",
    "no_model",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("tfar.serving.savedmodel"), name)
    raise AttributeError(f"module 'tfar.serving' has no attribute {name!r}")
