"""The contracts of tfar, as functions: hold a layer, a head or a model of your own to them.

Each verifier raises ``AssertionError`` with a sentence that says what was violated and where, and
returns quietly otherwise. Events are enumerated, so that most checks are exact: give them toys of
about six sites. Only `randomise` (and `verify_layer`, which calls it, and `verify_training`)
changes weights.

>>> model = tfar.models.FVSBN(event_shape=[3])
>>> verify_normalisation(randomise(model))
>>> verify_causality(model)[0].astype(int).tolist()
[[0, 0, 0], [1, 0, 0], [1, 1, 0]]
"""

from tfar.testing.causality import verify_causality
from tfar.testing.checks import enumerate_events, randomise, symbols
from tfar.testing.completion import verify_completion
from tfar.testing.compression import verify_compression
from tfar.testing.exports import verify_export, verify_graph
from tfar.testing.heads import verify_head, verify_real_head
from tfar.testing.layers import verify_layer
from tfar.testing.normalisation import verify_normalisation
from tfar.testing.oracle import sample_by_full_passes
from tfar.testing.persistence import verify_persistence
from tfar.testing.precision import verify_precision
from tfar.testing.purification import verify_purification
from tfar.testing.sampling import verify_sampling
from tfar.testing.training import verify_training

__all__ = [
    "enumerate_events",
    "randomise",
    "sample_by_full_passes",
    "symbols",
    "verify_causality",
    "verify_completion",
    "verify_compression",
    "verify_export",
    "verify_graph",
    "verify_head",
    "verify_layer",
    "verify_normalisation",
    "verify_persistence",
    "verify_precision",
    "verify_purification",
    "verify_real_head",
    "verify_sampling",
    "verify_training",
]
