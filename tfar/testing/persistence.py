"""The contract of persistence: a saved model is the same model."""

import json
import os

import keras
import numpy as np

from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    eagerly,
    joint_of,
    members,
    of_models,
)
from tfar.typing import Path


@of_models
def verify_persistence(model: AutoregressiveModel, folder: Path) -> None:
    """Saves and rebuilds a model in two ways: a .keras file, and its config with a weights file.

    The copies have the same weights, the same config and, for every member, the same log_prob of
    samples, and they draw the same samples.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      folder: an existing folder to write to.

    Raises:
      AssertionError: if something is lost.
    """
    path = os.path.join(folder, "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    path = os.path.join(folder, "model.weights.h5")
    model.save_weights(path)
    rebuilt = type(model).from_config(model.get_config())
    rebuilt.load_weights(path)
    condition = conditions(model)[-1]
    with eagerly():
        x = joint_of(model, condition).sample(16, seed=0)
        again = joint_of(loaded, condition).sample(16, seed=0)
    for copy, what in ((loaded, "load_model"), (rebuilt, "from_config and load_weights")):
        demand(type(copy) is type(model), f"{what} gives a {type(copy).__name__}.")
        count = len(copy.weights), len(model.weights)
        demand(count[0] == count[1], f"{what} gives {count[0]} weights, not {count[1]}.")
        for one, other in zip(copy.weights, model.weights):
            demand_close(one, other, f"{what} gives another {other.path}", rtol=0.0, atol=0.0)
        for key, value in model.get_config().items():
            # As JSON, which has no tuples.
            got, value = (json.dumps(v, sort_keys=True) for v in (copy.get_config()[key], value))
            demand(got == value, f"{what} gives {key} = {got[:99]} as config, not {value[:99]}.")
        for member in members(model):
            expected = joint_of(model, condition, member=member).log_prob(x)
            actual = joint_of(copy, condition, member=member).log_prob(x)
            demand_close(actual, expected, f"{what} gives another log_prob (member {member})")
    demand(np.array_equal(again, x), "load_model gives a model that draws something else.")
