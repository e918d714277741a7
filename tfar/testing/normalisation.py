"""The contract of normalisation: probabilities sum to 1."""

import itertools

import numpy as np

from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand_close,
    grid,
    joint_of,
    members,
    of_models,
    quadrature,
)


@of_models
def verify_normalisation(model: AutoregressiveModel) -> None:
    """Enumerates a toy: the probabilities of all events sum to 1, and densities integrate to 1.

    They do for the mixture of an ensemble, for each of its members, and given each of a few
    conditions. A model of real values may have at most two sites.

    Args:
      model: a `tfar.models.AutoregressiveModel`.

    Raises:
      AssertionError: if they do not.
    """
    columns = [quadrature(model.head.at(i)) for i in range(model.num_sites)]
    values, weights = zip(*columns)
    events = grid(values, 2**20).reshape([-1, *model.event_shape])
    weights = grid(weights, 2**20).reshape([len(events), -1]).prod(axis=1)
    for member, condition in itertools.product(members(model), conditions(model)):
        joint = joint_of(model, condition, member=member)
        parts = np.array_split(events, len(events) // 2**16 + 1)
        p = np.concatenate([np.exp(joint.log_prob(part), dtype=np.float64) for part in parts])
        total = np.sum(weights * p)
        what = f"Probabilities (member {member}, condition {condition}) do not sum to 1"
        demand_close(total, 1.0, what)
