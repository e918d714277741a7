"""Rows with missing entries for mixtures of Gaussians and categories: marginals, and draws.

Mixtures are fitted to rows whose missing entries are drawn given the others, several times over.

#### References
D. Rubin. Multiple Imputation for Nonresponse in Surveys. 1987.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tfar.tables.gaussians import Mixture, Rows

COPIES = 3  # of the rows, each with draws of its own
COMPONENTS = (1,) * 4 + (4,) * 8  # of the mixtures that draw, one after the other


def is_complete(rows: Rows) -> bool:
    """Whether no entry is missing: NaN of reals, -1 of categories."""
    return not (np.isnan(rows.real).any() or (rows.codes < 0).any())


def of_components(mixture: Mixture, rows: Rows) -> np.ndarray:
    """log pi_k p_k of what is given of rows, [N, K]: the marginal."""
    found = np.zeros([len(rows), len(mixture.weights)])
    for there, some in _patterns(rows.real):
        part = rows.some(some)
        found[some] = _marginal(mixture, there).of_components(part.holding(part.real[:, there]))
    return found


def filled(rows: Rows, fit: Callable[[Rows, int], Mixture], seed: int) -> Rows:
    """Copies of the rows, `COPIES` of each, with missing entries drawn given the others.

    Args:
      rows: N rows.
      fit: makes a mixture of so many components of complete rows.
      seed: of the draws.
    """
    rng = np.random.RandomState(seed)
    copies = rows.some(np.tile(np.arange(len(rows)), COPIES))
    found = _guessed(copies, rng)
    for components in COMPONENTS:
        mixture = fit(found, min(components, max(len(rows) // 8, 1)))
        found = drawn(mixture, copies, rng)
    return found


def drawn(mixture: Mixture, rows: Rows, rng: np.random.RandomState) -> Rows:
    """The rows with what is missing drawn from p(missing | given) of a mixture."""
    each = of_components(mixture, rows)
    each = np.exp(each - each.max(axis=1, keepdims=True)).cumsum(axis=1)
    component = (each < rng.random_sample([len(rows), 1]) * each[:, -1:]).sum(axis=1)
    real, codes = rows.real.copy(), rows.codes.copy()
    for there, some in _patterns(rows.real):
        for k in np.unique(component[some]):
            own = some[component[some] == k]
            real[np.ix_(own, ~there)] = _given(mixture, k, there, real[np.ix_(own, there)], rng)
    for i, table in enumerate(mixture.tables):
        lacking = np.flatnonzero(codes[:, i] < 0)
        below = table[component[lacking]].cumsum(axis=1)
        codes[lacking, i] = (below < rng.random_sample([len(lacking), 1]) * below[:, -1:]).sum(1)
    return rows.holding(real, codes)


def _given(mixture, k, there, x, rng):
    """Draws of the other reals of a component given those that are there, [N, d]."""
    covariance = mixture.factors[k] @ mixture.factors[k].T
    mean, other = mixture.means[k], ~there
    slope = np.linalg.solve(covariance[np.ix_(there, there)], covariance[np.ix_(there, other)])
    rest = covariance[np.ix_(other, other)] - covariance[np.ix_(other, there)] @ slope
    factor = np.linalg.cholesky(rest)
    return mean[other] + (x - mean[there]) @ slope + rng.normal(size=[len(x), len(rest)]) @ factor.T


def _marginal(mixture, there):
    """The mixture of some of the real columns."""
    if there.all():
        return mixture
    factors = mixture.factors[:, there]
    covariances = factors @ factors.transpose(0, 2, 1)
    return mixture._replace(means=mixture.means[:, there], factors=np.linalg.cholesky(covariances))


def _patterns(real: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """``(which columns are there, the numbers of the rows)`` of all rows that have the same."""
    patterns, inverse = np.unique(~np.isnan(real), axis=0, return_inverse=True)
    for number, there in enumerate(patterns):
        yield there, np.flatnonzero(inverse.ravel() == number)


def _guessed(rows, rng):
    """Entries of other rows, at random, for those that are missing; 0 if there is none."""
    real, codes = rows.real.copy(), rows.codes.copy()
    for columns, missing in ((real, np.isnan(real)), (codes, codes < 0)):
        for column, lacking in zip(columns.T, missing.T):  # views
            given = column[~lacking]
            column[lacking] = rng.choice(given, lacking.sum()) if len(given) else 0
    return rows.holding(real, codes)
