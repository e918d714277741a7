"""Figures of how well scores tell anomalies from normal examples, with their uncertainty."""

from typing import Any

import numpy as np

from tfar.arguments import integer, number


def report(
    normal: np.ndarray,
    odd: np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """AUROC, AUPR and FPR at 95 %, with bootstrap intervals.

    Anomalies are the positive class.

    * ``auroc``: the probability that an anomaly is odder than a normal example, ties half.
    * ``aupr``: the average precision, sum over thresholds of precision times the gain in recall;
      it depends on the share of anomalies.
    * ``fpr95``: the share of normal examples that are flagged at the threshold that flags at least
      95 % of the anomalies.

    Args:
      normal, odd: scores [N] and [M] of examples, lower for odder ones, as of
        `Detector.score_samples`.
      confidence: of the intervals.
      resamples: how often both sets are drawn anew, with replacement.
      seed: int.

    Returns:
      ``{"auroc": {"value", "low", "high"}, "aupr": ..., "fpr95": ...}``.

    Raises:
      ValueError: if scores are not such arrays, are empty or have NaN.

    >>> figures = report(np.arange(10.0, 20.0), np.arange(0.0, 10.0))
    >>> figures["auroc"]["value"], figures["fpr95"]["value"]
    (1.0, 0.0)
    """
    normal, odd = _checked("normal", normal), _checked("odd", odd)
    confidence = number("confidence", confidence, above=0, below=1)
    resamples, rng = integer("resamples", resamples, least=1), np.random.default_rng(seed)
    found = _figures(normal, odd)
    again = [
        _figures(rng.choice(normal, len(normal)), rng.choice(odd, len(odd)))
        for _ in range(resamples)
    ]
    tail = (1 - confidence) / 2
    result = {}
    for name, value in found.items():
        low, high = np.quantile([each[name] for each in again], [tail, 1 - tail])
        result[name] = {"value": value, "low": float(low), "high": float(high)}
    return result


def _figures(normal, odd):
    scores = np.concatenate([normal, odd])
    positive = np.arange(len(scores)) >= len(normal)
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of equal scores
    hits = np.cumsum(positive)[last]
    alarms = last + 1 - hits
    recall, fall_out = hits / len(odd), alarms / len(normal)
    gained = np.diff(recall, prepend=0.0)
    before = np.append(0.0, fall_out[:-1])
    return {
        # An anomaly is odder than the normal examples of later scores, ties half.
        "auroc": float(np.sum(gained * (1 - (before + fall_out) / 2))),
        "aupr": float(np.sum(gained * hits / (last + 1))),
        "fpr95": float(fall_out[np.argmax(recall >= 0.95)]),
    }


def _checked(name: str, scores: Any) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores) or np.isnan(scores).any():
        raise ValueError(
            f"Expected {name} to be scores [N] without NaN, got the shape {list(scores.shape)}"
            + (" with NaN." if np.isnan(scores).any() else ".")
        )
    return scores
