"""Mixtures of Gaussians and categories fitted to the codes of a table, without gradients.

Several mixtures, of other numbers of components and other shrinkage, are fitted by expectation
maximisation; weights that make left-out rows most likely stack them (Smyth and Wolpert 1999). A
mixture of mixtures is a mixture: the result is one `tfar.models.GMM`.

#### References
A. Dempster, N. Laird, D. Rubin. Maximum Likelihood from Incomplete Data via the EM Algorithm. 1977.
C. Fraley, A. Raftery. Bayesian Regularization for Normal Mixture Estimation and Model-Based
Clustering. Journal of Classification 24, 2007.
P. Smyth, D. Wolpert. Linearly Combining Density Estimators via Stacking. Machine Learning 36, 1999.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tfar.tables import incomplete

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tfar.models import GMM

FOLDS = 5
ROWS = 4000  # that candidates are compared on
KERNELS = 400  # at most so many rows become kernels
TIED = 1e6  # a strength with which all covariances are the common one
PATIENCE = 3
LEAST_WEIGHT = 0.01  # of a candidate that is kept
STEPS = 60  # of expectation maximisation, at most ...
ENOUGH = 1e-4  # ... or until a step gains less than so many nats a row
AT_ONCE = 2_000_000  # numbers
# The least standard deviation, in units of the codes, in any direction, and so of a column given
# any others: above e^-7, at which `tfar.heads.GaussianMixture` clips.
FLOOR = 1e-3


class Mixture(NamedTuple):
    """K components of d real and m categorical columns.

    Attributes:
      weights: [K], positive, of sum 1.
      means: [K, d].
      factors: [K, d, d], lower triangular, C with C C^T the covariance.
      tables: for each categorical column [K, V], probabilities.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    tables: list[np.ndarray]

    def log_prob(self, rows: Rows) -> np.ndarray:
        """log p of rows, [N]."""
        return _logsumexp(self.of_components(rows))

    def of_components(self, rows: Rows) -> np.ndarray:
        """log pi_k p_k of rows, [N, K]; marginals of rows with missing entries."""
        if np.isnan(rows.real).any():
            return incomplete.of_components(self, rows)
        found = np.tile(np.log(self.weights), [len(rows), 1])
        for some in _parts(len(self.weights), rows.real.size):
            factors = self.factors[some]
            centred = rows.real - self.means[some, None]  # [k, N, d]
            z = centred @ np.linalg.inv(factors).transpose(0, 2, 1)
            scales = np.diagonal(factors, axis1=1, axis2=2)
            found[:, some] -= (0.5 * (z**2).sum(axis=2) + np.log(scales).sum(axis=1)[:, None]).T
        found -= 0.5 * rows.real.shape[1] * np.log(2 * np.pi)
        for table, codes in zip(self.tables, rows.codes.T):
            found += np.where(codes < 0, 0.0, np.log(table[:, codes])).T
        return found


class Rows(NamedTuple):
    """Rows of d real columns, float64 [N, d], and of m categorical ones, int [N, m].

    Of what is missing reals are NaN, and codes -1.
    """

    real: np.ndarray
    codes: np.ndarray
    sizes: Sequence[int]

    def __len__(self) -> int:
        return len(self.real)

    def some(self, rows: np.ndarray) -> Rows:
        return Rows(self.real[rows], self.codes[rows], self.sizes)

    def holding(self, real: np.ndarray, codes: np.ndarray | None = None) -> Rows:
        """Rows of other entries."""
        return Rows(real, self.codes if codes is None else codes, self.sizes)


class Candidate(NamedTuple):
    """What a mixture is fitted by: K components, or a kernel at every row.

    Attributes:
      components: K, or 0 for kernels.
      strength: in rows, of the prior that draws the covariances to a common one.
      width: of kernels, in units of the common covariance.
      diagonal: whether covariances are diagonal.
    """

    components: int
    strength: float = 0.0
    width: float = 0.0
    diagonal: bool = False

    def fitted(self, rows: Rows, seed: int) -> Mixture:
        if not self.components:
            return kernels(rows, self.width)
        return maximised(rows, self, seed)


def candidates(count: int, dimensions: int, complete: bool = True) -> list[list[Candidate]]:
    """The candidates for so many rows and real columns, by the number of components."""
    groups, copies = [], 1 if complete else incomplete.COPIES
    if count <= KERNELS and dimensions and complete:
        groups.append([Candidate(0, width=width) for width in (0.25, 0.4, 0.6)])
    for components in (1, 2, 3, 4, 6, 9, 14, 20, 30):
        if components > 1 and count < 8 * components:
            break
        group = [Candidate(components, s) for s in (2.0, max(2.0 * dimensions, 8.0))]
        if dimensions > 1:
            group.append(Candidate(components, 2.0, diagonal=True))
            group += [Candidate(components, TIED)] if components > 2 else []
        groups.append([one._replace(strength=copies * one.strength) for one in group])
    return groups


def stacked(rows: Rows, seed: int, deadline: float) -> tuple[Mixture, np.ndarray, np.ndarray]:
    """The stack of all candidates that fit into the time, its left-out log p of M rows, and which.

    Args:
      rows: N rows.
      seed: of folds and starts.
      deadline: on the clock `time.monotonic`; at least the first candidate is tried.
    """
    rng = np.random.RandomState(seed)
    chosen = rng.permutation(len(rows))[:ROWS]
    few, fold = rows.some(chosen), rng.permutation(len(chosen)) % FOLDS
    tried: list[Candidate] = []
    scores: list[np.ndarray] = []
    worse = 0  # groups, one after the other, of which none is better than those before
    complete = incomplete.is_complete(rows)
    folds = [few.some(fold != number) for number in range(FOLDS)]
    if not complete:  # the draws see no left-out row
        folds = [_filled(part, seed) for part in folds]
    for group in candidates(len(few), rows.real.shape[1], complete):
        best = max((each.mean() for each in scores), default=-np.inf)
        for one in group:
            if scores and time.monotonic() > deadline:
                break
            left_out = np.zeros(len(few))
            for number in range(FOLDS):
                held = fold == number
                left_out[held] = one.fitted(folds[number], seed).log_prob(few.some(held))
            tried.append(one)
            scores.append(left_out)
        better = max(each.mean() for each in scores) > best
        worse = 0 if better else worse + 1
        if worse == PATIENCE:
            break
    each = np.array(scores).T
    weights = stacking(each)
    kept = [i for i in np.argsort(-weights) if weights[i] >= LEAST_WEIGHT]
    weights = weights[kept] / weights[kept].sum()
    total = _logsumexp(each[:, kept] + np.log(weights))
    if not complete:
        rows = _filled(rows, seed)
    return pooled([tried[i].fitted(rows, seed) for i in kept], weights), total, chosen


def _filled(rows, seed):
    """Copies of rows with draws of what is missing, see `tfar.tables.incomplete`."""

    def fit(complete, components):
        return maximised(complete, Candidate(components, 2.0 * incomplete.COPIES), seed)

    return incomplete.filled(rows, fit, seed)


def model_of(mixture: Mixture, columns: Sequence[dict[str, Any]]) -> GMM:
    """The `tfar.models.GMM` of a mixture of a table's columns, as `describe` gives them."""
    from tfar import heads, models

    count = len(mixture.weights)
    head = heads.Table(columns, count, family="gaussian")
    model = models.GMM([len(columns)], count, head=head)
    network, real = model.network, real_columns(columns)
    parts = network.loc, network.log_scale, network.below
    loc, log_scale, below = (np.zeros(part.shape) for part in parts)
    loc[real] = mixture.means.T
    log_scale[real] = np.log(np.diagonal(mixture.factors, axis1=1, axis2=2)).T
    below[np.ix_(range(count), real, real)] = np.tril(mixture.factors, -1)
    network.weight_logits.assign(np.log(mixture.weights))
    network.loc.assign(loc)
    network.log_scale.assign(log_scale)
    network.below.assign(below)
    if mixture.tables:
        logits = np.zeros(network.categories.shape)
        others = [i for i in range(len(columns)) if i not in real]
        for i, table in zip(others, mixture.tables):
            logits[i, :, : table.shape[1]] = np.log(table)
        network.categories.assign(logits)
    return model


def real_columns(columns: Sequence[dict[str, Any]]) -> list[int]:
    """The numbers of the columns that are not categorical."""
    return [i for i, column in enumerate(columns) if "categories" not in column]


def fits(columns: Sequence[dict[str, Any]]) -> bool:
    """Whether rows of codes can be modelled: those without integers and atoms."""
    return not any("levels" in column or column.get("atoms") for column in columns)


def rows_of(columns: Sequence[dict[str, Any]], x: np.ndarray) -> Rows:
    """Rows of codes [N, n] by kind of column."""
    real = real_columns(columns)
    others = [i for i in range(len(columns)) if i not in real]
    sizes = [max(len(columns[i]["categories"]), 2) for i in others]
    codes = np.where(np.isnan(x[:, others]), -1, x[:, others]).astype(int)
    return Rows(x[:, real].astype(np.float64), codes, sizes)


def stacking(log_probs: np.ndarray) -> np.ndarray:
    """The weights [C] that maximise mean log sum_c w_c p_c of log-probabilities [N, C]."""
    weights = np.full(log_probs.shape[1], 1 / log_probs.shape[1])
    for _ in range(300):
        each = log_probs + np.log(np.maximum(weights, 1e-300))
        weights = np.exp(each - _logsumexp(each)[:, None]).mean(axis=0)
    return weights


def pooled(mixtures: Sequence[Mixture], weights: np.ndarray) -> Mixture:
    """sum_c w_c p_c of mixtures, as one."""
    return Mixture(
        np.concatenate([w * one.weights for w, one in zip(weights, mixtures)]),
        np.concatenate([one.means for one in mixtures]),
        np.concatenate([one.factors for one in mixtures]),
        [np.concatenate(tables) for tables in zip(*(one.tables for one in mixtures))],
    )


def kernels(rows: Rows, width: float) -> Mixture:
    """A kernel at every row: of the common covariance times width^2, and of its categories."""
    count, d = rows.real.shape
    factor = np.linalg.cholesky(width**2 * _common(rows.real) + FLOOR**2 * np.eye(d))
    other = width / (1 + width)
    tables = []
    for codes, size in zip(rows.codes.T, rows.sizes):
        table = np.full([count, size], other / max(size - 1, 1))
        table[np.arange(count), codes] = 1 - other
        tables.append(table)
    factors = np.broadcast_to(factor, [count, d, d]).copy()
    return Mixture(np.full(count, 1 / count), rows.real.copy(), factors, tables)


def maximised(rows: Rows, how: Candidate, seed: int) -> Mixture:
    """Expectation maximisation from the better of two starts, after a few steps of each."""
    starts = [_start(rows, how, seed + number) for number in range(2 if how.components > 1 else 1)]
    climbed = [_climbed(rows, how, one, 10) for one in starts]
    best = max(climbed, key=lambda pair: pair[1])[0]
    return _climbed(rows, how, best, STEPS if how.components > 1 else 1)[0]


def _climbed(rows, how, mixture, steps):
    before = -np.inf
    for _ in range(steps):
        each = mixture.of_components(rows)
        total = _logsumexp(each)
        if total.mean() - before < ENOUGH:
            break
        before = total.mean()
        mixture = _maximum(rows, how, np.exp(each - total[:, None]))
    return mixture, mixture.log_prob(rows).mean()


def _start(rows, how, seed):
    """Soft assignments to k-means++ centres of the real columns, or random ones."""
    rng = np.random.RandomState(seed)
    k, x = how.components, rows.real
    if k == 1:
        return _maximum(rows, how, np.ones([len(rows), 1]))
    if not x.shape[1]:
        return _maximum(rows, how, rng.dirichlet(np.ones(k), len(rows)))
    factor = np.linalg.cholesky(_common(x))
    z = _whitened(x, factor) if rng.random_sample() < 0.5 else x
    centres = [z[rng.randint(len(z))]]
    for _ in range(k - 1):
        near = np.min([((z - c) ** 2).sum(axis=1) for c in centres], axis=0)
        total = near.sum()
        centres.append(z[rng.choice(len(z), p=near / total if total > 0 else None)])
    for _ in range(5):
        distances = np.array([((z - c) ** 2).sum(axis=1) for c in centres]).T
        nearest = distances.argmin(axis=1)
        centres = [
            z[nearest == i].mean(axis=0) if (nearest == i).any() else c
            for i, c in enumerate(centres)
        ]
    return _maximum(rows, how, 0.9 * np.eye(k)[nearest] + 0.1 / k)


def _maximum(rows, how, shares):
    """The mixture that is most likely, with the prior, given the shares [N, K] of components."""
    x, (count, d), k = rows.real, rows.real.shape, how.components
    sums = shares.sum(axis=0)
    weights = (sums + 1) / (count + k)
    overall = x.mean(axis=0)
    means = (shares.T @ x + 0.1 * overall) / (sums + 0.1)[:, None]
    within = np.zeros([k, d, d])
    for some in _parts(k, x.size):
        centred = x - means[some, None]
        weighted = shares.T[some, :, None] * centred
        within[some] = weighted.transpose(0, 2, 1) @ centred
    common = _shrunk(within.sum(axis=0) / count, count, 1.0 if k > 1 else how.strength)
    covariances = (within + how.strength * common) / (sums + how.strength)[:, None, None]
    if how.diagonal:
        covariances *= np.eye(d)
    covariances += FLOOR**2 * np.eye(d)
    tables = []
    for codes, size in zip(rows.codes.T, rows.sizes):
        hot = np.eye(size)[codes]
        prior = (hot.sum(axis=0) + 0.5) / (count + 0.5 * size)
        tables.append((shares.T @ hot + prior) / (sums + 1)[:, None])
    return Mixture(weights, means, np.linalg.cholesky(covariances), tables)


def _common(x):
    """The covariance of rows, shrunk to its diagonal, and positive definite."""
    return _shrunk(np.cov(x.T, bias=True).reshape([x.shape[1]] * 2), len(x), 2.0)


def _parts(count, size):
    """Slices of components that are handled at once, each of which takes ``size`` numbers."""
    step = max(1, AT_ONCE // max(size, 1))
    return [slice(first, first + step) for first in range(0, count, step)]


def _whitened(x, factor):
    """C^-1 x of rows [N, d]."""
    return x @ np.linalg.inv(factor).T


def _logsumexp(x):
    """Over the last axis of [N, K]."""
    largest = x.max(axis=1)
    return largest + np.log(np.exp(x - largest[:, None]).sum(axis=1))


def _shrunk(covariance, count, strength):
    """As if ``strength`` rows had no correlations."""
    d = len(covariance)
    diagonal = np.diag(np.diag(covariance) + FLOOR**2)
    share = strength / (count + strength)
    return (1 - share) * covariance + share * diagonal + FLOOR**2 * np.eye(d)
