"""The contract of layers."""

import numpy as np
import tensorflow as tf

from tfar.arguments import instance, integer
from tfar.layers import CausalLayer, Schedule, WholeRows, one_by_one
from tfar.testing.checks import demand, demand_close, randomise

# A huge number rather than NaN or infinity: a masked kernel multiplies hidden inputs by zero, and
# zero times 1e10 is zero, while zero times NaN is NaN.
GARBAGE = 1e10


def verify_layer(
    layer: CausalLayer, num_sites: int, channels: int, *, seed: int = 0, scale: float = 1.0
) -> None:
    """Holds a causal layer to the contract of `tfar.layers.CausalLayer`.

    * `step`, repeated, equals `call`: values and gradients of all weights. So it does in every
      schedule that the layer accepts, whatever the shape of the image; garbage comes from slots
      that are idle.
    * `extend`, if the layer has it, equals `call` too, by whole rows and by blocks of several
      sizes, and steps may follow; it is blind to later sites of a block and to other examples.
    * The state is made of tensors and keeps its structure, shapes and dtypes.
    * Garbage (1e10) in inputs that an output must not see does not change that output.
    * The support of the Jacobian *equals* the declared ``layer.depends(np.eye(num_sites))``: a leak
      fails, and so does an input without influence. It is the union over several draws of weights
      and inputs, since a rectifier may be dead in one.
    * The condition of an example, if the layer takes one, changes every output of that example, and
      none of another.

    The weights are overwritten, see `randomise`.

    Args:
      layer: a `tfar.layers.CausalLayer` that maps [B, num_sites, channels] to [B, num_sites, p],
        given a random condition if it takes one.
      num_sites: n.
      channels: channels of an input site.
      seed: for weights and inputs.
      scale: of the random weights; less than 1 for deep layers, whose outputs would explode.

    Raises:
      AssertionError: if one of these does not hold.

    >>> verify_layer(tfar.layers.Shift(), num_sites=3, channels=2)
    """
    instance("layer", layer, CausalLayer, "a tfar.layers.CausalLayer")
    num_sites = integer("num_sites", num_sites, least=1)
    channels = integer("channels", channels, least=1)
    if not layer.built:
        layer.build((None, num_sites, channels))
    declared = np.asarray(layer.depends(np.eye(num_sites)), bool)
    rng = np.random.RandomState(seed)
    seen = np.zeros_like(declared)
    given = {}
    if layer.condition_size:
        condition = rng.normal(size=[4, layer.condition_size])
        given = {"condition": tf.constant(condition, tf.float32)}
    call = tf.function(lambda x, given: layer(x, **given), autograph=False)
    reached = np.zeros(num_sites, bool)

    @tf.function(autograph=False)
    def gradient(x, site, weights):
        """The gradient of an output site, with channels weighted so that they do not cancel."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x, **given)[:, site] * weights)
        return tape.gradient(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    for trial in range(6):
        randomise(layer, seed=seed + trial, scale=scale)
        x = tf.constant(rng.normal(size=[4, num_sites, channels]), tf.float32)
        _verify_blindness(lambda x: call(x, given), x, declared)
        reached |= _reached(call, x, given)
        if trial == 0:
            blocks, p = _blocks(layer, num_sites), call(x, given).shape[2]
            demand(layer.has_step or blocks, "The layer has neither `step` nor `extend`.")
            for schedule in _schedules(layer, num_sites) if layer.has_step else []:
                where = f" in {schedule}" if schedule.slots > 1 else ""
                view = _steps(layer, given, schedule, p)
                _verify_view(layer, x, given, rng, view, f"`step`{where}")
            for plan, sizes in blocks:
                view = _extended(layer, given, plan, sizes, p)
                _verify_view(layer, x, given, rng, view, f"`extend` in {plan}, by {sizes},")
        weights = tf.constant(rng.normal(size=call(x, given).shape[2]), tf.float32)
        for site in range(num_sites):
            row = gradient(x, tf.constant(site), weights)
            seen[site] |= np.any(row.numpy() != 0, axis=(0, 2))
    for i in np.flatnonzero(~reached):
        raise AssertionError(f"Output {i} does not depend on the condition.")
    for i, j in np.argwhere(seen & ~declared):
        raise AssertionError(f"Leak: output {i} depends on input {j}, which it must not see.")
    for i, j in np.argwhere(declared & ~seen):
        raise AssertionError(f"Dead input: output {i} does not depend on input {j} as declared.")


def _reached(call, x, given):
    """bool [n]: which outputs change with the condition; all, if the layer takes none."""
    if not given:
        return np.ones(x.shape[1], bool)
    other = given["condition"] + tf.constant([1.0, 0.0, 0.0, 0.0])[:, None]
    y, changed = call(x, given), call(x, {"condition": other})
    demand_close(changed[1:], y[1:], "An example's condition changes another's output", rtol=1e-6)
    return np.any(changed[0].numpy() != y[0].numpy(), axis=1)


def _schedules(layer, n):
    """One site after the other, and the fastest for an image of every shape."""
    shapes = [(rows, n // rows) for rows in range(2, n) if n % rows == 0]
    fastest = [layer.schedule(Schedule(*shape, lag=1)) for shape in shapes]
    return [one_by_one(n), *(schedule for schedule in fastest if schedule.slots > 1)]


def _verify_view(layer, x, given, rng, view, name):
    """What ``view(x)`` gives is what `call` gives, and so are the gradients of all weights."""
    weights = [v.value for v in layer.trainable_weights]
    with tf.GradientTape(persistent=True) as tape:
        at_once, other = layer(x, **given), view(x)
        probe = tf.constant(rng.normal(size=at_once.shape), at_once.dtype)
        loss_at_once, loss = tf.reduce_sum(at_once * probe), tf.reduce_sum(other * probe)
    demand_close(other, at_once, f"{name} differs from `call` ([example, site, channel])")
    zeros = tf.UnconnectedGradients.ZERO
    expected = tape.gradient(loss_at_once, weights, unconnected_gradients=zeros)
    actual = tape.gradient(loss, weights, unconnected_gradients=zeros)
    for weight, a, e in zip(layer.trainable_weights, actual, expected):
        message = f"The gradient of {weight.path} through {name} differs from that through `call`"
        demand_close(tf.convert_to_tensor(a), tf.convert_to_tensor(e), message, atol=1e-4)


def _steps(layer, given, schedule, p):
    """The view of a layer by its steps."""

    def view(x):
        state, outputs = layer.initial_state(x.shape[0], **given, schedule=schedule), []
        for t in range(schedule.times):
            y, state = _stepped(layer, x, state, schedule, t, p)
            outputs.append(y)
        return tf.gather(tf.concat(outputs, 1), schedule.places(), axis=1)

    return view


def _stepped(layer, x, state, schedule, t, p):
    y, after = layer.step(_inputs(layer, x, schedule, t), state, schedule.at(t))
    _verify_state(state, after, t)
    expected = [*x.shape[:1], schedule.slots, p]
    demand(y.shape == expected, f"`step` gives outputs of shape {y.shape}, not {expected}.")
    return y, after


def _extended(layer, given, plan, sizes, p):
    """The view of a layer by blocks of so many sites, and by steps after them."""

    def view(x):
        state, outputs = layer.initial_state(x.shape[0], **given, schedule=plan), []
        for size in sizes:
            first = sum(y.shape[1] for y in outputs)
            block = x[:, first : first + size]
            y, after = layer.extend(block, state, tf.constant(first))
            _verify_state(state, after, first)
            _verify_block(layer, block, state, first, y)
            state = after
            outputs.append(y)
        done = sum(sizes)
        for t in range(done, x.shape[1]):
            y, state = _stepped(layer, x, state, plan, t, p)
            outputs.append(y)
        return tf.concat(outputs, 1)

    return view


def _verify_block(layer, x, state, first, y):
    """`extend` is blind to later sites of its block, and to other examples."""
    x, y = tf.stop_gradient(x), tf.stop_gradient(y)
    for i in range(x.shape[1]):
        later = (tf.range(x.shape[1]) >= i + (not layer.exclusive))[:, None]
        changed = tf.where(later, tf.constant(GARBAGE, x.dtype), x)
        seen = layer.extend(changed, state, tf.constant(first))[0][:, : i + 1]
        message = f"Leak: `extend` at site {first + i} changes with sites that it must not see"
        demand_close(seen, y[:, : i + 1], message, rtol=1e-6)
    some = tf.constant([2, 0])
    few, _ = layer.extend(tf.gather(x, some), layer.select(state, some), tf.constant(first))
    demand_close(few, tf.gather(y, some), "`extend` of selected examples differs", rtol=1e-4)


def _blocks(layer, n):
    """What `extend` must give: pairs of a plan and of the sizes of its blocks."""
    plans = [WholeRows(rows, n // rows) for rows in range(1, n + 1) if n % rows == 0]
    blocks = [(plan, [plan.columns] * plan.rows) for plan in plans if layer.extends(plan)]
    if layer.extends(one_by_one(n)):
        blocks.append((one_by_one(n), [1, *[n // 2] * (n > 3), n - 1 - n // 2 * (n > 3)][:n]))
        if layer.has_step:
            blocks += [(one_by_one(n), [k]) for k in {1, n - 1} if 0 < k < n]
    return blocks


def _inputs(layer, x, schedule, t):
    """What a loop gives to the slots at a time, [B, S, c]; garbage for slots that were idle."""
    if t < layer.exclusive:  # nothing is before the first site
        return tf.zeros([len(x), schedule.slots, x.shape[2]], x.dtype)
    sites = schedule.at(t - layer.exclusive)
    inputs = tf.gather(x, sites.number, axis=1)
    return tf.where(sites.valid[:, None], inputs, tf.constant(GARBAGE, x.dtype))


def _verify_state(before, after, site):
    try:
        tf.nest.assert_same_structure(before, after)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"The state changes its structure at site {site}: {error}") from None
    for b, a in zip(tf.nest.flatten(before), tf.nest.flatten(after)):
        for leaf in (b, a):
            is_tensor = tf.is_tensor(leaf) and not isinstance(leaf, tf.Variable)
            demand(is_tensor, f"The state holds a {type(leaf).__name__}, not a tensor.")
        for what, old, new in (("shape", b.shape, a.shape), ("dtype", b.dtype, a.dtype)):
            demand(old == new, f"The state changes its {what} at site {site}: {old} to {new}.")


def _verify_blindness(call, x, declared):
    y = call(x)
    for i, sees in enumerate(declared):
        hidden = tf.constant(~sees)[None, :, None]
        changed = call(tf.where(hidden, tf.constant(GARBAGE, x.dtype), x))[:, i]
        demand_close(
            changed,
            y[:, i],
            f"Leak: output {i} changes with inputs that it must not see",
            rtol=1e-6,
        )
