"""The contract of exports: a SavedModel answers as the model does."""

import numpy as np
import tensorflow as tf

from tfar import conditions as conditioning
from tfar import kinds, serving
from tfar.distributions import Columns, casting
from tfar.models import AutoregressiveModel
from tfar.testing.checks import (
    conditions,
    demand,
    demand_close,
    eagerly,
    joint_of,
    of_models,
    same_draws,
    stacked,
)
from tfar.typing import Path

# What a server without Python or XLA, or with several replicas, cannot run or should not hold.
DENIED = "PyFunc", "Xla", "HashTable", "Gpu", "Debug", "Print", "WriteFile", "ReadFile"


@of_models
def verify_export(model: AutoregressiveModel, folder: Path) -> None:
    """Exports a model, and calls every signature in eager mode for one and for several examples.

    The answers are those of the model: log-probabilities, the parameters of the conditionals, and,
    for a seed, the draws of ``model.joint()``, including completions and texts. The graph holds
    stock operations only. `tfar.serving.restore` gives the same weights.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      folder: a folder that does not exist yet.

    Raises:
      AssertionError: if an answer differs.
    """
    serving.export(model, folder)
    verify_graph(folder)
    signatures = tf.saved_model.load(str(folder)).signatures
    for batch in (1, 3):
        condition = stacked(conditions(model)[::-1], batch)
        _verify_scores(model, signatures, condition, batch)
        _verify_draws(model, signatures, condition, batch)
    kinds.of(model).verify_signatures(signatures)
    for restored, weight in zip(serving.restore(folder).weights, model.weights):
        demand_close(restored, weight, f"restore gives another {weight.path}", rtol=0.0, atol=0.0)


def operations(folder: Path) -> set[str]:
    """The names of all operations in a SavedModel, including those of its functions."""
    graph = serving.meta_graph(folder).graph_def
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    compiled = any("_XlaMustCompile" in f.attr for f in graph.library.function)
    return {node.op for node in nodes} | ({"XlaMustCompile"} if compiled else set())


def verify_graph(folder: Path) -> None:
    """AssertionError unless a stock server has every operation of a SavedModel."""
    found = operations(folder)
    denied = sorted(op for op in found if any(part in op for part in DENIED))
    demand(not denied, f"The export holds {denied}, which a server cannot run.")
    registered = set(tf.raw_ops.__dict__) | {"Placeholder"}
    functions = {op for op in found if op.startswith("__inference_")}
    unknown = sorted(found - registered - functions)
    demand(not unknown, f"The export holds {unknown}, which TensorFlow does not know.")


def _named(model, condition):
    """A condition, or None, as inputs of signatures."""
    if condition is None:
        return {}
    return model.condition.named(tf.nest.map_structure(tf.constant, condition))


def _verify_scores(model, signatures, condition, batch):
    x = joint_of(model, condition).sample(*([] if condition is not None else [batch]), seed=1)
    asked, inputs = {"x": x, **_named(model, condition)}, conditioning.joined(x, condition)
    expected = model.log_prob(inputs)
    bits = -expected / np.log(2) / model.num_dimensions
    for name in ("log_prob", "serving_default"):
        answer = signatures[name](**asked)
        demand_close(answer["log_prob"], expected, f"{name} of the export differs")
        demand_close(answer["bits_per_dim"], bits, f"bits_per_dim of {name} differs")
    for member in range(model.members):
        chosen = {} if model.members == 1 else {"member": tf.constant(member)}
        answer = dict(signatures["conditionals"](**asked, **chosen))
        order = answer.pop("order")
        demand(
            np.array_equal(order, model.permutations[member]),
            f"The exported order of member {member} differs.",
        )
        family = model(inputs, member=member)
        again = _rebuilt(family, answer)
        expected, actual = (casting.log_prob(p, x) for p in (family, again))
        demand_close(actual, expected, "The exported conditionals differ")


def _rebuilt(family, tensors):
    """The family with other parameters, named as in `tfar.serving.signatures.parameters`."""
    if isinstance(family, Columns):
        return Columns(
            [
                _rebuilt(p, {k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)})
                for p, start in ((p, f"column_{i}_") for i, p in enumerate(family.each()))
            ]
        )
    others = {k: v for k, v in family.parameters.items() if not tf.is_tensor(v)}
    return type(family)(**others, **tensors)


def _verify_draws(model, signatures, condition, batch):
    seed = np.array([3, batch], np.int32)
    count = 6 // batch
    # One condition per row: the samples of a conditional model have a batch of their own.
    asked = _named(model, condition)
    asked.update(num_samples=tf.constant(count), seed=tf.constant(seed))
    for temperature in (1.0, 0.5):
        asked["temperature"] = tf.constant(temperature)
        answer = signatures["sample"](**asked)["samples"]
        joint = joint_of(model, condition)
        if temperature == 1.0:
            expected = joint.sample(count, seed=seed)
        else:
            with eagerly():
                expected = joint.sample(count, seed=seed, temperature=temperature)
        demand(
            same_draws(answer.numpy(), expected.numpy()),
            f"With one seed, the export and the model draw different samples (at {temperature}).",
        )
    asked["temperature"] = tf.constant(1.0)
    for member in range(model.members):
        joint = joint_of(model, condition, member=None if model.members == 1 else member)
        x = joint.sample(*([] if condition is not None else [batch]), seed=7).numpy()
        given = np.zeros(model.num_sites, bool)
        given[model.permutations[member][: model.num_sites // 2]] = True
        given = given.reshape([*model.grid_shape, *[1] * len(model.head.site_shape)])
        known = np.broadcast_to(given, x.shape)
        chosen = {} if model.members == 1 else {"member": tf.constant(member)}
        answers = signatures["complete"](
            x=tf.constant(np.where(known, x, -1)), known=tf.constant(known), **asked, **chosen
        )
        answer = answers["samples"]
        expected = joint.sample(count, seed=seed, value=np.where(known, x, np.nan))
        demand(
            same_draws(answer.numpy(), expected.numpy()),
            f"The export completes a prefix differently from the model (member {member}).",
        )
        sites = ~given.reshape([*model.grid_shape, -1])[..., 0]
        scored = [
            model.log_prob(conditioning.joined(draw, condition), member=member, counted=sites)
            for draw in answer
        ]
        what = "The exported log_prob of a completion differs"
        demand_close(answers["log_prob"], tf.stack(scored), what, rtol=1e-4, atol=1e-4)
        if model.orders_for(tf.constant(sites.reshape([1, -1]))) is not None:
            _verify_any_mask(signatures["complete"], joint, x, asked | chosen)


def _verify_any_mask(signature, joint, x, asked):
    """Of a model of all orders: other entries are known in each row."""
    rng = np.random.RandomState(0)
    known = rng.random_sample([len(x), *joint.model.grid_shape]) < 0.5
    known = np.broadcast_to(known.reshape([*known.shape, *[1] * (x.ndim - known.ndim)]), x.shape)
    options = {"x": tf.constant(np.where(known, x, 0)), "known": tf.constant(known)}
    answer = signature(**options, **asked)
    count, seed = int(asked["num_samples"]), asked["seed"]
    value = np.where(known, x, np.nan).astype(np.float32)
    expected, log_prob = joint.sample_and_score(count, seed, value, "drawn")
    what = "The export completes other entries of each row differently from the model."
    demand(same_draws(answer["samples"].numpy(), expected.numpy()), what)
    demand_close(answer["log_prob"], log_prob, "Their log_prob differs", rtol=1e-4, atol=1e-4)
