"""The contract of completions: the distribution of what is missing, enumerated."""

import itertools

import numpy as np

from tfar.arguments import integer
from tfar.models import AutoregressiveModel
from tfar.sampling import particle_filter
from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    demand_frequencies,
    enumerate_events,
    inputs_of,
    joint_of,
    of_models,
)


@of_models
def verify_completion(
    model: AutoregressiveModel, *, seed: int = 0, particles: int = 4000
) -> dict[str, int]:
    """Holds `tfar.sampling.Autoregressive.complete` to p(x_u | x_o), for several sets of sites.

    With the last site given, all but the first, and every second one, under two conditions and of
    the first member:

    * the given entries come back unchanged;
    * ``evidence`` is the enumerated log p(x_o): to 1e-4 if ``effective`` is infinite, else to five
      standard errors of a mean of ``effective`` weights;
    * draws are as frequent as their enumerated probabilities (chi-square), of particles as of
      ``effective`` independent draws;
    * ``log_prob`` of a draw is log p(x) - ``evidence``.

    Particles replace each other at every stage, which is as right as doing so where it pays. Of a
    model of all orders, p is that of the order which begins with the given sites.

    Args:
      model: a toy `tfar.models.AutoregressiveModel` of discrete values.
      seed: of the given values and of draws.
      particles: as in ``complete``.

    Returns:
      ``{"exact", "approximate"}``: how many sets were completed in either way.

    Raises:
      AssertionError: if one of these does not hold.
    """
    integer("particles", particles, least=100)
    n, rng, kinds = model.num_sites, np.random.RandomState(seed), {"exact": 0, "approximate": 0}
    events = enumerate_events(model)
    sites = events.reshape([len(events), n, -1])
    place = np.argsort(model.permutations[0])  # of each site in the order
    last = particle_filter.ENOUGH
    masks = [place == n - 1, place > 0, place % 2 == 1]
    for condition, given in itertools.product(conditions(model)[:2], np.unique(masks, axis=0)):
        member = 0 if model.members > 1 else None
        joint = joint_of(model, condition, member=member)
        ordered = _ordered(model, given.reshape(model.grid_shape), member)
        log_prob = ordered.log_prob(inputs_of(events, condition), member=member).numpy()
        chosen = rng.randint(len(events))
        alike = (sites[:, given] == sites[chosen, given]).all(axis=(1, 2))
        entries = np.repeat(given, sites.shape[2]).reshape(model.event_shape)
        value = np.where(entries, events[chosen], np.nan)[None]
        particle_filter.ENOUGH = 1.1
        try:
            found = joint.complete(value, particles // 2, particles=particles, seed=seed)
        finally:
            particle_filter.ENOUGH = last
        where = f" (given {np.flatnonzero(given).tolist()}, condition {condition})"
        kept = found.samples[:, 0][:, entries] == events[chosen][entries]
        demand(kept.all(), "A given entry is changed" + where)
        exact = np.isinf(found.effective[0])
        kinds["exact" if exact else "approximate"] += 1
        evidence = np.log(np.sum(np.exp(np.float64(log_prob[alike]))))
        close = 1e-4 if exact else 5 / np.sqrt(found.effective[0])
        demand_close(found.evidence[0], evidence, "log p(x_o)" + where, rtol=0, atol=close)
        p = np.exp(log_prob[alike] - evidence)
        draws = found.samples[:, 0].reshape([len(found.samples), -1])
        cells = events[alike].reshape([alike.sum(), -1])
        if exact:
            demand_frequencies(draws, cells, p, "completions" + where)
        else:
            _verify_frequencies(draws, cells, p, found.effective[0], where)
        scored = ordered.log_prob(inputs_of(found.samples[:, 0], condition), member=member).numpy()
        what = "log_prob of a draw is not log p(x) - log p(x_o)" + where
        demand_close(found.log_prob[:, 0], scored - found.evidence[0], what, atol=1e-3)
    return kinds


def _ordered(model, given, member):
    """The model whose order begins with given sites, or the model if it has one order."""
    try:
        return model.ordered_for(given, member)
    except ValueError:
        return model


def _verify_frequencies(draws, cells, p, effective, where):
    """Each frequency within five standard errors of that many independent draws."""
    place = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    counts = np.bincount([place[tuple(draw)] for draw in draws.tolist()], minlength=len(cells))
    error = np.sqrt(p * (1 - p) / min(effective, len(draws)) + 1e-6)
    far = np.abs(counts / len(draws) - p) / error
    demand(
        far.max() < 5,
        f"A completion of probability {p[far.argmax()]:.3f} has the frequency "
        f"{counts[far.argmax()] / len(draws):.3f}" + where,
    )
