"""A detector of anomalies with the face of scikit-learn's outlier detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import tensorflow as tf

from tfar import kinds
from tfar.anomaly import scores
from tfar.arguments import instance, number

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel
    from tfar.typing import Nest

SCORES = {
    "likelihood": scores.likelihood,
    "pseudolikelihood": scores.pseudolikelihood,
    "complexity": scores.complexity,
    "typicality": scores.typicality,
}


class Detector:
    """Finds examples that are odd to a density model, at a known rate of false alarms.

    ``fit`` takes examples that are normal and that the model was **not** trained on. The p-value of
    a new example is its rank among them,

        p(x) = (1 + #{i : score(x_i) <= score(x)}) / (N + 1),

    which is at most a with probability at most a if x is as the x_i are, whatever the model
    (conformal p-values, Bates et al. 2023). Training examples as x_i would be too likely, and their
    p-values wrong.

    With scikit-learn it works as its own outlier detectors do: ``clone``, ``Pipeline``,
    ``score_samples`` (lower is odder), ``decision_function`` and ``predict`` (-1 is an anomaly).

    Args:
      model: a trained `tfar.models.AutoregressiveModel`.
      score: "likelihood", "pseudolikelihood", "complexity" or "typicality", or a function of the
        model and examples that returns [N] numbers, lower for odder ones, such as
        ``tfar.anomaly.ratio(background)``.
      level: the rate of false alarms of `predict`, between 0 and 1.

    Attributes (after ``fit``):
      scores_: the scores of the examples, sorted, [N] float64.
      offset_: the score below which an example is an anomaly.

    #### References
    S. Bates, E. Candes, L. Lei, Y. Romano, M. Sesia. Testing for Outliers with Conformal p-values.
    Annals of Statistics 51, 2023, sections 1.2 and 2.

    >>> model = tfar.models.FVSBN([2, 2, 1])
    >>> normal = np.zeros([39, 2, 2, 1])
    >>> detector = Detector(model, level=0.05).fit(normal)
    >>> detector.predict(normal[:2]).tolist(), detector.p_values(normal[:1]).tolist()
    ([1, 1], [1.0])
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        score: str | Callable[..., Any] = "likelihood",
        level: float = 0.05,
    ) -> None:
        self.model = model
        self.score = score
        self.level = level

    def fit(self, X: Nest, y: Any = None) -> Self:
        """Calibrates on normal examples that the model was not trained on.

        Every other one of them is used to fit a score that needs it (typicality); the others are
        then those that are ranked among.

        Args:
          X: examples as the model takes them: [N, *event_shape], a dict with "condition" too, or a
            data frame for a model of a table.
          y: ignored.

        Raises:
          ValueError: if an argument is invalid; if the level cannot be resolved, which takes
            1 / level - 1 examples; or if the model or the score gives NaN, or -inf, for one.
        """
        from tfar.models import AutoregressiveModel

        instance("model", self.model, AutoregressiveModel, "a tfar.models.AutoregressiveModel")
        level = number("level", self.level, above=0, below=1)
        score, x = self._score(), self._inputs(X)
        if hasattr(score, "fitted"):
            reference, x = _every_other(x, 0), _every_other(x, 1)
            score = score.fitted(self.model, reference)
        found = self._scored(score, x)
        invalid = ~np.isfinite(found)
        if invalid.any():
            raise ValueError(
                f"Expected normal examples, got one at index {int(np.flatnonzero(invalid)[0])} "
                f"whose score is {found[invalid][0]} ({int(invalid.sum())} such)."
            )
        rank = int(np.floor(level * (len(found) + 1) * (1 + 1e-12)))
        if rank < 1:
            raise ValueError(
                f"{len(found)} examples cannot resolve a level of {level:g}: give at least "
                f"{int(np.ceil(1 / level - 1 - 1e-9))}, or a higher level."
            )
        self._fitted = score
        self.scores_ = np.sort(found)
        self.offset_ = float(self.scores_[rank - 1])
        return self

    def score_samples(self, X: Nest) -> np.ndarray:
        """The scores of examples, [N] float64: lower for odder ones.

        Raises:
          ValueError: before ``fit``, or if the model does not take the examples.
        """
        self._check_fitted()
        return self._scored(self._fitted, self._inputs(X))

    def decision_function(self, X: Nest) -> np.ndarray:
        """``score_samples(X) - offset_``: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Nest) -> np.ndarray:
        """1 for normal examples, -1 for anomalies, whose p-value is at most ``level``: [N] ints."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def fit_predict(self, X: Nest, y: Any = None) -> np.ndarray:
        """``fit(X).predict(X)``."""
        return self.fit(X).predict(X)

    def p_values(self, X: Nest) -> np.ndarray:
        """Conformal p-values of examples, [N] float64, from 1 / (N + 1) to 1."""
        found = self.score_samples(X)
        below = np.searchsorted(self.scores_, found, side="right")
        return (1.0 + below) / (len(self.scores_) + 1)

    def select(self, X: Nest, rate: float) -> np.ndarray:
        """Which examples are anomalies, bools [N], so that few of those chosen are normal.

        The expected share of normal examples among those chosen is at most ``rate`` (Benjamini and
        Hochberg 1995, which holds for conformal p-values: Bates et al. 2023, theorem 2).

        Args:
          X: as in `fit`.
          rate: between 0 and 1.

        Raises:
          ValueError: if the rate is not such a number.
        """
        rate = number("rate", rate, above=0, below=1)
        p = self.p_values(X)
        ordered = np.sort(p)
        passing = np.flatnonzero(ordered <= rate * np.arange(1, len(p) + 1) / max(len(p), 1))
        return p <= (ordered[passing[-1]] if len(passing) else -1.0)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor, for scikit-learn."""
        return {"model": self.model, "score": self.score, "level": self.level}

    def set_params(self, **params: Any) -> Self:
        """Changes arguments of the constructor, for scikit-learn."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"Expected one of {sorted(self.get_params())}, got {name!r}.")
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params())  # with the same model: a copy has no purpose

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scores_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(three_d_array=True),
        )

    def __repr__(self) -> str:
        return f"Detector({self.model!r}, score={self.score!r}, level={self.level!r})"

    def _score(self):
        if callable(self.score):
            return self.score
        if self.score not in SCORES:
            raise ValueError(
                f"Expected score to be one of {sorted(SCORES)} or a function of the model and "
                f"examples, got {self.score!r}."
            )
        return SCORES[self.score]

    def _inputs(self, x):
        return kinds.of(self.model).held(x)

    def _scored(self, score, x):
        found = np.asarray(score(self.model, x), np.float64)
        count = len(tf.nest.flatten(x)[0])
        if found.shape != (count,):
            raise ValueError(
                f"Expected the score of {count} examples to have the shape [{count}], got "
                f"{list(found.shape)}."
            )
        if np.isnan(found).any():
            raise ValueError(f"The score of example {int(np.argmax(np.isnan(found)))} is NaN.")
        return found

    def _check_fitted(self):
        if not hasattr(self, "scores_"):
            raise ValueError(
                "This detector is not calibrated: call fit with normal examples that the model was "
                "not trained on."
            )


def _every_other(x, first):
    return tf.nest.map_structure(lambda part: part[first::2], x)
