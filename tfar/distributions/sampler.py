"""The only sampling loop of the library."""

import functools

import tensorflow as tf

from tfar.distributions import randomness


def compiled(model, member=None, cached=True, jit_compile=False):
    """`draw` of a model as a ``tf.function``, made once: one serves every joint of the model."""
    key = member, cached, jit_compile
    if key not in model.samplers:
        model.samplers[key] = tf.function(
            functools.partial(draw, model, member, cached),
            autograph=False,
            reduce_retracing=True,
            jit_compile=jit_compile or None,
        )
    return model.samplers[key]


def draw(model, member, cached, n, seed, temperature, values, known, condition, scored):
    """Draws from a model, or from one member of an ensemble.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      member: the number of a member, an int or a scalar tensor, or None for the mixture of all.
      cached: whether by the network's `step`, or by a full pass for every site.
      n: how many, an int or a scalar tensor.
      seed: a pair of ints.
      temperature: a scalar tensor, or None.
      values: [n, sites, *site_shape] in the order of the member, or None.
      known: bool [n, sites], which of ``values`` are taken in place of draws; or None.
      condition: [n] labels, or None.
      scored: a bool, whether log-probabilities are wanted.

    Returns:
      ``(x, log_prob)``, [n, *event_shape] and [n] ([0] or meaningless if not ``scored``).
    """
    if member is not None or model.members == 1:
        arguments = temperature, values, known, condition, scored
        return _loop(model, 0 if member is None else member, cached, n, seed, *arguments)
    chance = randomness.uniforms(randomness.derived(seed, model.members), 0, [n])
    choice = tf.cast(chance * model.members, tf.int32)

    def draw_member(member, x):
        rows = tf.where(choice == member)
        own, number = randomness.derived(seed, member), tf.shape(rows)[0]
        drawn, _ = _loop(model, member, cached, number, own, temperature, None, None, None, False)
        return member + 1, tf.tensor_scatter_nd_update(x, rows, drawn)

    start = tf.zeros([n, *model.event_shape], model.head.dtype)
    _, x = tf.while_loop(lambda m, _: m < model.members, draw_member, [0, start])
    return x, model.log_prob(x) if scored else tf.zeros([0])


def _loop(model, member, cached, n, seed, temperature, values, known, condition, scored):
    """The sampling loop: x[t - 1] -> step -> head -> x[t], in the order of the member."""
    head = model.head

    def body(site, previous, state, drawn, log_prob):
        params, state = model.step(previous, state, member, cached)
        noise = randomness.uniforms(seed, site, [n, head.num_uniforms])
        x = head.draw(params, noise, temperature)
        if values is not None:
            here = tf.reshape(known[:, site], [-1, *[1] * len(head.site_shape)])
            x = tf.where(here, values[:, site], x)
        if scored:
            log_prob += head.distribution(params).log_prob(x)
        return site + 1, head.encode(x), state, drawn.write(site, x), log_prob

    element_shape = [tf.get_static_value(n), *head.site_shape]
    start = (
        tf.constant(0),
        tf.zeros([n, head.num_inputs]),
        model.initial_state(n, member, cached, condition),
        tf.TensorArray(head.dtype, model.num_sites, element_shape=element_shape),
        tf.zeros([n]),
    )
    *_, drawn, log_prob = tf.while_loop(
        lambda site, *_: site < model.num_sites,
        body,
        start,
        maximum_iterations=model.num_sites,
    )
    permutation = tf.gather(tf.constant(model.permutations), member)
    x = tf.gather(drawn.stack(), tf.math.invert_permutation(permutation))
    x = tf.transpose(x, [1, 0, *range(2, 2 + len(head.site_shape))])  # [n, sites, ...]
    return tf.reshape(x, [n, *model.event_shape]), log_prob
