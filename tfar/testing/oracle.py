"""The oracle of sampling: one site after the other, a full pass for each."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfar import conditions, randomness
from tfar.arguments import integer
from tfar.models import AutoregressiveModel
from tfar.sampling import Policy, loop
from tfar.testing.checks import of_models
from tfar.typing import Member, Nest, Seed


@of_models
def sample_by_full_passes(
    model: AutoregressiveModel,
    n: int,
    *,
    seed: Seed,
    member: Member = None,
    condition: Nest = None,
) -> tf.Tensor:
    """What ``model.joint(member=member, condition=condition).sample(n, seed=seed)`` must draw.

    Slow and obviously right: each site is drawn from the parameters of a full pass over all sites
    drawn before it. Nothing is cached, and no ``step`` of the network is used.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      n: how many samples.
      seed: as in `tfar.sampling.Autoregressive`.
      member: the number of a member of an ensemble, or None for the mixture.
      condition: one condition, if the model is conditional.

    Returns:
      [n, *event_shape], of the dtype of the head.

    Raises:
      ValueError: if an argument is not as above.

    >>> model = tfar.models.NADE([4], 3)
    >>> slow, fast = sample_by_full_passes(model, 5, seed=1), model.joint().sample(5, seed=1)
    >>> bool(tf.reduce_all(slow == fast))
    True
    """
    n, condition = integer("n", n, least=0), conditions.checked(model, condition)
    rows = None if condition is None else model.condition.rows(condition, [n])  # type: ignore[union-attr]
    seed = randomness.stateless_seed(seed)
    return loop.draw(model, member, _by_full_passes(model), n, seed, Policy(), condition=rows)[0]


def _by_full_passes(model: AutoregressiveModel) -> Callable[..., Any]:
    """A function of the arguments of those that `tfar.sampling.loop.plain` gives."""
    head, sites = model.head, model.num_sites

    def run(member, n, seed, policy, rows, scored):
        if member is None:
            return loop.mixture(model, run, n, seed, policy=policy, rows=rows)
        order = tf.gather(tf.constant(model.permutations), member)

        def draw_site(number, x):
            site = order[number]
            params = model.parameters(x, condition=rows.get("condition"), member=member)
            noise = randomness.uniforms(seed, number, [n, head.num_uniforms])
            value = policy.draw(head.at(site), params[:, site], noise)
            here = tf.reshape(tf.range(sites) == site, [-1, *[1] * len(head.site_shape)])
            return number + 1, tf.where(here, value[:, None], x)

        start = tf.zeros(tf.concat([[n], [sites, *head.site_shape]], 0), head.dtype)
        _, x = tf.while_loop(lambda number, _: number < sites, draw_site, (0, start))
        return tf.reshape(x, [n, *model.event_shape]), tf.zeros([0])

    return run
