"""Figures: means of nats, with their standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np


def standard_error(each: np.ndarray) -> float:
    """The standard error of the mean of figures [N]."""
    return each.std(ddof=1) / np.sqrt(len(each))


def summary(mean: float, each: np.ndarray, count: int, dimensions: int) -> dict[str, Any]:
    """What `Kind.figures` returns, from a mean in nats and the values that give its error."""
    return {
        "examples": count,
        "nats": float(mean),
        "standard_error": float(standard_error(each)),
        "bits_per_dim": float(mean / np.log(2) / dimensions),
    }
