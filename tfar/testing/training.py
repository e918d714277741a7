"""The contract of training: `fit` reaches a known entropy, and reports what it reached."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    inputs_of,
    is_real,
    is_unbounded,
    joint_of,
    of_models,
    symbols,
)


@of_models
def verify_training(
    model: AutoregressiveModel,
    *,
    epochs: int = 10,
    learning_rate: float = 0.05,
    seeds: Sequence[int] = (0,),
) -> float:
    """Overfits one batch, whose entropy is known.

    Sites of few values take one of two events, one three times as frequent as the other.
    Independently of those, sites of real values take 32 draws from a narrow Gaussian in which they
    are correlated (densities of single points would be unbounded, and the effect of dropout on them
    random), and counts are drawn from Poisson distributions whose means are the previous count plus
    one.

    * ``fit`` closes at least 70 % of the gap between the first loss and the entropy of the batch
      and, if all sites have few values, does not take the loss below that entropy.
    * The loss and the nats of ``evaluate`` are ``-mean(joint().log_prob(x))``, before and after,
      and bits_per_dim is nats divided by log 2 and by the number of dimensions. The same holds with
      weights w of the examples, of shape [N] and [N, 1]: the loss is then -mean(w log p), and the
      metrics are divided by sum(w).

    The model is compiled and trained.

    Args:
      model: a `tfar.models.AutoregressiveModel`, which is trained from its present weights.
      epochs: epochs of 20 steps each.
      learning_rate: of Adam at first; it decays to 0, so that the end of training is not random.
      seeds: ints; each has its own batch and, from the second on, other initial weights.

    Returns:
      The share of the gap that was closed, a float; the smallest over the seeds.

    Raises:
      AssertionError: if one of these does not hold.
    """
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, 20 * epochs)
    model.compile(keras.optimizers.Adam(rate))
    shares = []
    for seed in seeds:
        batch, entropy = _batch(model, seed)
        if shares:
            keras.utils.set_random_seed(seed)
            model.set_weights(type(model).from_config(model.get_config()).get_weights())
            for variable in model.optimizer.variables:
                variable.assign(tf.zeros_like(variable))
        before = _verify_loss(model, batch)
        steps = inputs_of(np.concatenate([batch] * (20 * epochs)), conditions(model)[0])
        model.fit(steps, batch_size=len(batch), shuffle=False, verbose=0)
        after = _verify_loss(model, batch)
        shares.append((before - after) / (before - entropy))
        demand(
            shares[-1] > 0.7,
            f"fit takes the loss from {before:.4f} to {after:.4f} nats; the entropy of the batch "
            f"is {entropy:.4f} (seed {seed}).",
        )
        if not any(is_unbounded(model.head.at(i)) for i in range(model.num_sites)):
            less = f"A loss of {after:.4f} is below the entropy {entropy:.4f} (seed {seed})."
            demand(after > entropy - 1e-3, less)
    return float(min(shares))


def _batch(model, seed):
    """The events of `verify_training`, [N, *event_shape], and their entropy in nats."""
    heads = [model.head.at(i) for i in range(model.num_sites)]
    free = np.array([is_unbounded(head) for head in heads])
    values = [symbols(head) for head in heads]
    first, last = (np.stack([v[k] for v in values]) for k in (0, -1))
    batch, entropy = np.stack([first] * 6 + [last] * 2), 0.0
    if not free.all():
        entropy -= np.sum([w * np.log(w) for w in (0.25, 0.75)])
    if free.any():
        rng = np.random.RandomState(seed)
        noise = 0.1 * rng.normal(size=[32, model.num_sites]) + 0.2 * rng.normal(size=[32, 1])
        count, drawn = np.full(32, 5), np.zeros([32, model.num_sites])
        for i, head in enumerate(heads):
            if is_real(head):
                drawn[:, i] = head.mean + head.std * (0.8 + noise[:, i])
            elif free[i]:
                rate = 1 + count
                count = drawn[:, i] = rng.poisson(rate)
                log_p = count * np.log(rate) - rate - [math.lgamma(1 + k) for k in count]
                entropy -= np.mean(log_p)
        if real := [i for i, head in enumerate(heads) if is_real(head)]:
            covariance = np.atleast_2d(np.cov(drawn[:, real], rowvar=False, bias=True))
            entropy += 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
        batch = (batch[:1] if free.all() else batch).repeat(32, axis=0).astype(drawn.dtype)
        batch[:, free] = np.tile(drawn[:, free], [len(batch) // 32, 1])
    return batch.reshape([-1, *model.event_shape]), entropy


def _verify_loss(model, batch):
    condition = conditions(model)[0]
    inputs = inputs_of(batch, condition)
    each = -joint_of(model, condition).log_prob(batch).numpy()
    weights = np.random.RandomState(0).randint(0, 3, len(batch)).astype(np.float32)
    weights[0] = 3.0
    logs = model.evaluate(inputs, batch_size=len(batch), verbose=0, return_dict=True)
    _demand_logs(model, logs, each, np.ones_like(weights), "")
    for given in (weights, weights[:, None]):  # as a training step passes them
        model.reset_metrics()
        p = model(inputs)
        loss = model.compute_loss(inputs, None, p, tf.constant(given), training=False)
        logs = {metric.name: metric.result() for metric in model.metrics}
        what = f", weights {list(given.shape)}"
        _demand_logs(model, {**logs, "loss": loss}, each, weights, what)
    return np.mean(each)


def _demand_logs(model, logs, each, weights, what):
    message = f"The loss is not -mean(joint().log_prob(x)){what}"
    demand_close(logs["loss"], np.mean(weights * each), message)
    nats = np.sum(weights * each) / np.sum(weights)
    demand_close(logs["nats"], nats, f"`nats` is not -mean(joint().log_prob(x)){what}")
    bits = nats / np.log(2) / model.num_dimensions
    message = f"bits_per_dim is not nats / log(2) / dimensions{what}"
    demand_close(logs["bits_per_dim"], bits, message)
