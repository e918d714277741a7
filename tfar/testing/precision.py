"""The contract of precision: bfloat16 gives the gradients of float32."""

import numpy as np
import tensorflow as tf

from tfar.models import AutoregressiveModel
from tfar.testing.checks import conditions, demand, inputs_of, of_models, symbols


@of_models
def verify_precision(model: AutoregressiveModel, *, count: int = 4096, error: float = 0.15) -> None:
    """A model has the same gradients in bfloat16 as in float32, up to rounding.

    The loss is the mean negative log-likelihood of ``count`` random events. Its gradient by each
    weight w in ``mixed_bfloat16`` differs from that in float32 by at most ``error`` times
    |g_w| + |g| / 10, with the norms of the gradients by this weight and by all. A sum over the
    events in bfloat16 is far off: it stops growing at 256 times its terms.

    Args:
      model: a `tfar.models.AutoregressiveModel` in float32, which `from_config` can rebuild with
        another policy as ``dtype``; layers that were passed to it as objects keep theirs.
      count: number of events.
      error: largest relative error.

    Raises:
      AssertionError: if the gradient by some weight differs by more.
    """
    low = type(model).from_config({**model.get_config(), "dtype": "mixed_bfloat16"})
    low.set_weights(model.get_weights())
    rng = np.random.RandomState(0)
    values = [symbols(model.head.at(i)) for i in range(model.num_sites)]
    x = np.stack([v[rng.randint(len(v), size=count)] for v in values], 1)
    x = inputs_of(x.reshape([count, *model.event_shape]), conditions(model)[-1])
    expected, actual = ([g.numpy() for g in _gradients(m, x)] for m in (model, low))
    whole = np.sqrt(sum(np.sum(g**2) for g in expected))
    for weight, one, other in zip(model.trainable_weights, expected, actual):
        off, norm = np.linalg.norm(other - one), np.linalg.norm(one)
        demand(
            off <= error * (norm + 0.1 * whole),
            f"In bfloat16 the gradient by {weight.path} is off by {off:.3g}; it has the norm "
            f"{norm:.3g}, that by all weights {whole:.3g}.",
        )


def _gradients(model, inputs):
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model.log_prob(inputs))
    weights = [weight.value for weight in model.trainable_weights]
    gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
    return [tf.convert_to_tensor(g) for g in gradients]  # that of a gather is in slices
