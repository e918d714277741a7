"""A recipe of a toy, and made-up data for it."""

import numpy as np

import tfar
from tfar.training import recipes


def made_up(shape, train=64, validation=16):
    rng = np.random.default_rng(0)
    return {
        "train": (rng.random([train, *shape]) < 0.3).astype(np.uint8),
        "validation": (rng.random([validation, *shape]) < 0.3).astype(np.uint8),
    }


def made_up_of_8_bits(shape, train=64, validation=16):
    """With labels."""
    rng = np.random.default_rng(1)
    return {
        split: {
            "x": (part * rng.integers(1, 256, part.shape)).astype(np.uint8),
            "condition": rng.integers(0, 10, len(part), dtype=np.int32),
        }
        for split, part in made_up(shape, train, validation).items()
    }


def toy(**changes):
    fields = {
        "name": "toy",
        "summary": "A toy.",
        "dataset": "toy",
        "model": lambda x: tfar.models.MADE(x.shape[1:], (8,), dropout=0.2),
        "paper": {"nats": 1.0, "what": "nothing", "reference": "nobody"},
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 1e-2,
        "ema": 0.9,
        "shift": 0.5,
    }
    return recipes.Recipe(**{**fields, **changes})
