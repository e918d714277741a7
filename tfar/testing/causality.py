"""The contract of causality: conditional i depends on the prefix x_<i, and on nothing else."""

import itertools

import numpy as np

from tfar.distributions import casting
from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    enumerate_digits,
    enumerate_events,
    inputs_of,
    of_models,
    symbols,
)


@of_models
def verify_causality(model: AutoregressiveModel, *, differs: bool = True) -> np.ndarray:
    """Enumerates a toy: conditional i depends on the prefix x_<i of the order, and on nothing else.

    For every member of an ensemble, in its own order, and given each of a few conditions:
    conditional i is the same over all completions of a prefix and, with ``differs``, not the same
    for all prefixes, nor for all conditions. For real values, a few are taken, see `symbols`.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      differs: False for a model that may ignore its inputs, for instance one with zero weights.

    Returns:
      bool [members, n, n], in the order of each member: whether conditional i was seen to change
      with site j.

    Raises:
      AssertionError: if a conditional depends on its own or a later site, or on nothing.
    """
    events, digits = enumerate_events(model), enumerate_digits(model)
    n = model.num_sites
    values = [symbols(model.head.at(i)) for i in range(n)]
    base = max(len(column) for column in values)
    # Value number k of every site, the last one if a site has fewer.
    values = [np.stack([v[min(k, len(v) - 1)] for v in values]) for k in range(base)]
    values = [value.reshape(model.event_shape) for value in values]
    depends = np.zeros([model.members, n, n], bool)
    every = [[] for _ in range(model.members)]
    for member, condition in itertools.product(range(model.members), conditions(model)):
        order = np.asarray(model.permutations[member])
        codes = digits[:, order] * base ** np.arange(n)  # their sum numbers the event
        p = model(inputs_of(events, condition), member=member)
        values_of = np.stack([np.broadcast_to(v, events.shape) for v in values])
        p = np.moveaxis(np.exp(casting.log_prob(p, values_of)), 0, -1)
        p = p.reshape([-1, n, base])[:, order]
        every[member].append(p)
        for i, j in itertools.product(range(n), range(n)):
            others = codes.sum(1) - codes[:, j]
            _, first, group = np.unique(others, return_index=True, return_inverse=True)
            change = np.abs(p[:, i] - p[first[group], i])
            depends[member, i, j] |= np.max(change / (1 + p[:, i])) > 1e-6
        where = f" (sites are numbered in the order of member {member}, {order.tolist()})"
        for i, j in np.argwhere(np.triu(depends[member])):
            raise AssertionError(f"Leak: conditional {i} depends on x_{j}" + where + ".")
        for i in np.flatnonzero(~depends[member].any(1))[1:]:
            demand(not differs, f"Conditional {i} is the same for all prefixes" + where + ".")
    if differs and len(conditions(model)) > 1:
        change = np.max(np.abs(np.diff(every, axis=1)), axis=(1, 2, 4))
        for member, i in np.argwhere(change < 1e-6):
            where = f" (of member {member}, in its order)" if model.members > 1 else ""
            raise AssertionError(f"Conditional {i} is the same for all conditions{where}.")
    return depends
