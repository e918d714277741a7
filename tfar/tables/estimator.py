"""Tables with the face of scikit-learn's density estimators: pipelines and searches take them.

It needs scikit-learn: ``pip install 'tfar[sklearn]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfar.tables import answers, imputation, questions
from tfar.tables.fit import LEAST_ROWS, fit

try:
    from sklearn.base import BaseEstimator, DensityMixin
    from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
except ImportError as error:
    raise ImportError(
        "tfar.tables.estimator needs scikit-learn 1.6 or later: pip install 'tfar[sklearn]'."
    ) from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self, TypeAlias

    Rows: TypeAlias = np.ndarray | pd.DataFrame

__all__ = ["TableDensity"]


class TableDensity(DensityMixin, BaseEstimator):
    """A joint distribution of the columns of a table, see `tfar.tables.fit`.

    It is fitted to data frames, whose columns are taken as `tfar.fit_table` takes them, or to
    arrays [N, n] of numbers, whose columns are all real unless ``kinds`` or ``categorical`` says
    otherwise: they are named "x0", "x1" ... there. Densities are in the units of what is given:
    after a ``StandardScaler``, in those of the scaled columns. Compare scores on the same columns,
    taken as the same kinds, only.

    Missing entries (NaN) are allowed but for ``family="gaussians"``. A row with a category or an
    integer that training has not seen has log p of -inf, also in cross-validation: take ``rare``,
    or name such columns real.

    Args:
      categorical, kinds, rare, questions, budget, num_orders, epochs: as in `tfar.tables.fit`.
      family: likewise; a search may go over it.
      hidden, components, dropout, noise: likewise; a search may go over those of networks, and
        mixtures of Gaussians choose their own settings.
      random_state: None, an int, or a ``numpy.random.RandomState``; an int gives the same fit, as
        long as the budget does not cut it short.
      verbose: as in `tfar.training.train`.

    Attributes:
      model_: the Keras model, after ``fit``; `tfar.tables` asks it everything else.
      family_: "gaussians", "orderless" or "made".
      held_out_: float64 [M], log p of rows that were held out, nats.
      n_features_in_: n.
      feature_names_in_: the names of the columns of a data frame, if they are strings.

    >>> x = np.random.RandomState(0).normal(3.0, 2.0, [50, 2])
    >>> density = TableDensity(random_state=0).fit(x)
    >>> density.score_samples(x).shape, density.sample(4, random_state=1).shape, density.family_
    ((50,), (4, 2), 'gaussians')
    """

    def __init__(
        self,
        *,
        categorical: Sequence[str] = (),
        kinds: Mapping[str, str] | None = None,
        rare: int = 0,
        questions: str = "any",
        family: str = "auto",
        budget: str | float | None = 60.0,
        hidden: Sequence[int] | None = None,
        components: int | None = None,
        dropout: float = 0.0,
        noise: float = 0.0,
        num_orders: int = 8,
        epochs: int | None = None,
        random_state: Any = None,
        verbose: int | str = 0,
    ) -> None:
        self.categorical = categorical
        self.kinds = kinds
        self.rare = rare
        self.questions = questions
        self.family = family
        self.budget = budget
        self.hidden = hidden
        self.components = components
        self.dropout = dropout
        self.noise = noise
        self.num_orders = num_orders
        self.epochs = epochs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Rows, y: Any = None) -> Self:
        """Fits the distribution to N rows; ``y`` is ignored.

        Raises:
          ValueError: if an argument or an entry is invalid, or there are fewer than ten rows; as in
            `tfar.tables.fit`.
        """
        framed = isinstance(X, pd.DataFrame)
        frame: Any = self._frame(X, reset=True)
        kinds = dict(self.kinds or {})
        if not framed:  # whole numbers too
            others = [name for name in frame.columns if name not in self.categorical]
            kinds = {**dict.fromkeys(others, "real"), **kinds}
        found = fit(
            frame,
            categorical=self.categorical,
            kinds=kinds,
            rare=self.rare,
            questions=self.questions,
            family=self.family,
            budget=self.budget,
            hidden=self.hidden,
            components=self.components,
            dropout=self.dropout,
            noise=self.noise,
            num_orders=self.num_orders,
            epochs=self.epochs,
            seed=_seed(self.random_state),
            verbose=self.verbose,
        )
        self.model_, self.family_, self.held_out_ = found
        self._columns = None if not framed else [str(name) for name in frame.columns]
        return self

    def score_samples(self, X: Rows) -> np.ndarray:
        """log p of each row, float64 [N] nats, in the units of X; see `tfar.tables.log_prob`.

        Raises:
          ValueError: if the rows are not as those that were fitted to; ``NotFittedError`` is one.
        """
        return answers.log_prob(self._model(), self._frame(X))

    def score(self, X: Rows, y: Any = None) -> float:
        """The mean of `score_samples`, nats a row; ``y`` is ignored."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Rows:
        """Rows drawn from the distribution: a data frame or float64 [n_samples, n], as fitted to.

        Columns that are left out are not there.
        """
        drawn = answers.sample(self._model(), n_samples, seed=_seed(random_state))
        return self._as_fitted(drawn)

    def impute(self, X: Rows, *, draws: int = 100, random_state: Any = None) -> Rows:
        """X with its missing entries guessed, see `tfar.tables.impute`; an array stays an array."""
        seed = _seed(random_state)
        found = imputation.impute(self._model(), self._frame(X), draws=draws, seed=seed)
        return self._as_fitted(found)

    def column_proba(self, X: Rows, column: str | int) -> pd.DataFrame:
        """p(column = v | the rest of the row), float64 [N, V], see `tfar.tables.predict_proba`.

        It is not called ``predict_proba``, since scikit-learn takes what has that for a classifier.

        Args:
          X: N rows, whose entries of the column are not looked at, and may be NaN.
          column: a name; of arrays the number of the column, or "x0", "x1" ...
        """
        model = self._model()
        name = f"x{column}" if self._columns is None and not isinstance(column, str) else column
        return questions.predict_proba(model, self._frame(X), str(name))

    def _model(self):
        check_is_fitted(self, "model_")
        return self.model_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.family != "gaussians"
        tags.input_tags.string = tags.input_tags.categorical = True  # in data frames
        return tags

    def _frame(self, X, reset=False):
        """The rows as a data frame, checked as scikit-learn checks them."""
        least = LEAST_ROWS if reset else 1
        if isinstance(X, pd.DataFrame) and (reset or self._columns is not None):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        finite = "allow-nan" if self.family != "gaussians" else True
        options = {"dtype": np.float64, "ensure_all_finite": finite, "ensure_min_samples": least}
        x = validate_data(self, X, reset=reset, **options)
        names = None if reset else self._columns
        return pd.DataFrame(x, columns=names or [f"x{i}" for i in range(x.shape[1])])

    def _as_fitted(self, frame):
        return frame if self._columns is not None else frame.to_numpy(np.float64)


def _seed(random_state):
    """An int for `tfar`, from what scikit-learn takes."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
