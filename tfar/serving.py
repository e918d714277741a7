"""SavedModels that TensorFlow Serving runs with none of our Python.

Its signatures take and give tensors by name; those of a model of events [*event]:

==================  ========================================  =====================================
signature           inputs                                    outputs
==================  ========================================  =====================================
``serving_default`` as ``log_prob``
``log_prob``        x [B, *event]                             log_prob [B] nats, bits_per_dim [B]
``conditionals``    x [B, *event]                             the parameters of every p(x_i | x_<i),
                                                              order [n]
``sample``          num_samples, seed [2], temperature        samples [num_samples, *event]
``complete``        x, known [B, *event], num_samples,        samples [num_samples, B, *event]
                    seed [2], temperature
``generate``        prompt, length, seed [2],                 text
                    temperature, top_k, top_p
==================  ========================================  =====================================

num_samples and seed are int32, temperature is float32 and known bool: it tells which entries of x
are given, a prefix of the model's order; the others of x do not count. ``order``, int32, has the
numbers of the sites, in an event that is flattened, in that order. A conditional model takes a
label, ``condition`` int32 [B], for each row of x, and samples [num_samples, B, *event] for labels
[B]. An ensemble takes the number of a ``member``, int32, where one is needed: by ``conditionals``
and ``complete``. Models of text alone have ``generate``: prompt and text are strings, UTF-8, length
and top_k are int32 and top_p is float32. The same seed draws what ``model.joint().sample`` or
``model.generate`` draws of it.
"""

import hashlib
import json
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfar import text
from tfar.distributions import Policy, sampler

# What `restore` needs and a server does not: "assets.extra" is where a SavedModel may have it.
CONFIG = "assets.extra/keras.json"


def export(model, folder, max_samples=10_000):
    """Writes a model as a SavedModel, whole or not at all.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      folder: for TensorFlow Serving a number below the model's name, ``saved_models/mine/1``.
      max_samples: the most that one request may draw, num_samples times the rows; a server's memory
        is not endless.

    Returns:
      The folder, a ``pathlib.Path``; `restore` gives the Keras model back.

    Raises:
      FileExistsError: if the folder exists: a version that is served should not change.

    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "mine" / "1"
    >>> loaded = tf.saved_model.load(export(tfar.models.FVSBN([3]), folder))
    >>> loaded.signatures["log_prob"](x=tf.constant([[1, 0, 1]]))["log_prob"].shape
    TensorShape([1])
    """
    folder = pathlib.Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists: export to another version, or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    # Not of a number: a server that watches the folder does not take it for a version.
    partial = pathlib.Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        tf.saved_model.save(
            module,
            str(partial),
            signatures=signatures(model, max_samples),
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
        (partial / CONFIG).parent.mkdir()
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)  # an optimizer is nothing that is served
        (partial / CONFIG).write_text(json.dumps(config))
        partial.chmod(0o755)  # mkdtemp's own mode keeps a server's user out
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def restore(folder):
    """The Keras model of an export, uncompiled, to be sampled, scored, fine-tuned and saved.

    Args:
      folder: what `export` wrote.

    Raises:
      FileNotFoundError: if there is no such export.

    >>> folder = export(tfar.models.FVSBN([3]), pathlib.Path(tempfile.mkdtemp()) / "1")
    >>> restore(folder)(np.zeros([1, 3])).batch_shape
    TensorShape([1, 3])
    """
    import tfar.models  # noqa: F401  (registers the classes)

    folder = pathlib.Path(folder)
    if not (folder / CONFIG).exists():
        raise FileNotFoundError(f"{folder} is no export of tfar: it has no {CONFIG}.")
    model = keras.saving.deserialize_keras_object(json.loads((folder / CONFIG).read_text()))
    variables = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for index, weight in enumerate(model.weights):
        weight.assign(variables.get_tensor(f"weights/{index}/.ATTRIBUTES/VARIABLE_VALUE"))
    return model


def meta_graph(folder):
    """The ``MetaGraphDef`` of a SavedModel."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


def describe(folder):
    """What the signatures of a SavedModel take and give, as one reads it.

    Returns:
      ``{signature: {"inputs": {name: words}, "outputs": {name: words}}}``.

    >>> folder = export(tfar.models.FVSBN([3]), pathlib.Path(tempfile.mkdtemp()) / "1")
    >>> describe(folder)["log_prob"]["inputs"]
    {'x': 'int32 [?, 3]'}
    """

    def words(tensor):
        sizes = ", ".join("?" if d.size < 0 else str(d.size) for d in tensor.tensor_shape.dim)
        return f"{tf.as_dtype(tensor.dtype).name} [{sizes}]"

    return {
        name: {
            "inputs": {key: words(tensor) for key, tensor in sorted(signature.inputs.items())},
            "outputs": {key: words(tensor) for key, tensor in sorted(signature.outputs.items())},
        }
        for name, signature in sorted(meta_graph(folder).signature_def.items())
        if not name.startswith("__")  # the operation that sets the variables
    }


def digest(folder):
    """The SHA-256 of the files that `export` wrote and of their names, in hexadecimal.

    Others, requests that warm a server up for instance, may be added.
    """
    folder = pathlib.Path(folder)
    found = hashlib.sha256()
    files = [folder / "saved_model.pb", folder / CONFIG, *folder.glob("variables/variables.*")]
    for file in sorted(file for file in files if file.exists()):
        contents = hashlib.sha256(file.read_bytes()).hexdigest()
        found.update(f"{contents}  {file.relative_to(folder).as_posix()}\n".encode())
    return found.hexdigest()


def signatures(model, max_samples):
    """The concrete functions of a model's SavedModel, a dict by name; see `export`."""
    event, dtype = model.event_shape, tf.as_dtype(model.head.dtype)
    x = {"x": tf.TensorSpec([None, *event], dtype)}
    known = {"known": tf.TensorSpec([None, *event], tf.bool)}
    condition = {"condition": tf.TensorSpec([None], tf.int32)} if model.num_classes else {}
    member = {"member": tf.TensorSpec([], tf.int32)} if model.members > 1 else {}
    draws = {
        "num_samples": tf.TensorSpec([], tf.int32),
        "seed": tf.TensorSpec([2], tf.int32),
        "temperature": tf.TensorSpec([], tf.float32),
    }
    functions = Functions(model, max_samples)

    def trace(function, *inputs):
        specs = {name: spec for part in inputs for name, spec in part.items()}

        def signature(**given):
            # Outside of Python nothing compares the shapes of what is fed with those promised.
            return function(**{k: tf.ensure_shape(v, specs[k].shape) for k, v in given.items()})

        named = {name: tf.TensorSpec(s.shape, s.dtype, name) for name, s in specs.items()}
        return tf.function(signature, autograph=False).get_concrete_function(**named)

    if text.is_text(model):
        prompt = {
            "prompt": tf.TensorSpec([], tf.string),
            "length": tf.TensorSpec([], tf.int32),
            "seed": draws["seed"],
            "temperature": draws["temperature"],
            "top_k": tf.TensorSpec([], tf.int32),
            "top_p": tf.TensorSpec([], tf.float32),
        }
        generate = {"generate": trace(functions.generate, prompt)}
    else:
        generate = {}
    log_prob = trace(functions.log_prob, x, condition)
    return {
        **generate,
        "serving_default": log_prob,
        "log_prob": log_prob,
        "conditionals": trace(functions.conditionals, x, condition, member),
        "sample": trace(functions.sample, draws, condition),
        "complete": trace(functions.complete, x, known, draws, condition, member),
    }


def require(value, *checks):
    """``value``, behind checks: where a condition does not hold, InvalidArgument and its message.

    Args:
      value: a tensor that what must not run before is computed from.
      *checks: pairs of a bool tensor, all of which is to be true, and a message.
    """
    asserted = [tf.debugging.Assert(tf.reduce_all(held), [message]) for held, message in checks]
    with tf.control_dependencies(asserted):
        return tf.identity(value)


class Functions:
    """What the signatures compute, with every argument checked in the graph."""

    def __init__(self, model, max_samples):
        self.model = model
        self.max_samples = max_samples

    def log_prob(self, x, condition=None):
        nats = self.model.log_prob(self._inputs(x, condition))
        bits = -nats / np.float32(np.log(2) * self.model.num_dimensions)
        return {"log_prob": nats, "bits_per_dim": bits}

    def conditionals(self, x, condition=None, member=0):
        member = self._checked_member(member)
        p = self.model(self._inputs(x, condition), member=member)
        tensors = {name: value for name, value in p.parameters.items() if tf.is_tensor(value)}
        return {**tensors, "order": tf.cast(self._order(member), tf.int32)}

    def sample(self, num_samples, seed, temperature, condition=None):
        lead = []
        if condition is not None:
            condition = self._checked_condition(condition)
            lead = [tf.shape(condition)[0]]
        rows = lead[0] if lead else 1
        num_samples, temperature = self._checked_draws(num_samples, temperature, rows)
        if condition is not None:
            condition = tf.tile(condition, [num_samples])
        arguments = Policy(temperature), None, None, condition, False
        x, _ = sampler.draw(self.model, None, True, num_samples * rows, seed, *arguments)
        return self._samples(x, [num_samples, *lead])

    def complete(self, x, known, num_samples, seed, temperature, condition=None, member=0):
        batch = tf.shape(x)[0]
        num_samples, temperature = self._checked_draws(num_samples, temperature, batch)
        member = self._checked_member(member)
        alike = tf.reduce_all(tf.equal(tf.shape(x), tf.shape(known)))
        x = require(x, (alike, "x and known differ in shape."))
        if condition is not None:
            condition = tf.tile(self._checked_condition(condition, x), [num_samples])
        x = self._checked_x(tf.where(known, x, tf.zeros_like(x)))
        values, known = self._prefix(x, known, member)
        values = tf.tile(values, [num_samples, *[1] * (values.shape.rank - 1)])
        known = tf.tile(known, [num_samples, 1])
        arguments = Policy(temperature), values, known, condition, False
        drawn, _ = sampler.draw(self.model, member, True, num_samples * batch, seed, *arguments)
        return self._samples(drawn, [num_samples, batch])

    def generate(self, prompt, length, seed, temperature, top_k, top_p):
        points = tf.constant([ord(c) for c in self.model.head.vocabulary.characters])
        length, temperature = self._checked_draws(length, temperature, 1, "length")
        top_k = require(top_k, (top_k > 0, "top_k is to be at least 1."))
        top_p = require(top_p, ((top_p > 0) & (top_p <= 1), "top_p is to be above 0, at most 1."))
        same = tf.strings.unicode_decode(prompt, "UTF-8", errors="strict")[:, None] == points
        known = tf.reduce_any(same, axis=1)
        same = require(same, (known, "prompt has a character that the model does not know."))
        given = tf.argmax(same, axis=1, output_type=tf.int32)
        total = tf.size(given) + length
        if self.model.longest is not None:
            most = f"prompt and length are to be {self.model.longest} characters at most."
            total = require(total, (total <= self.model.longest, most))
        values = tf.pad(given, [[0, length]])[None]
        known = (tf.range(total) < tf.size(given))[None]
        policy, carry = Policy(temperature, top_k, top_p), sampler.begin(self.model, 1)
        _, drawn = sampler.advance(self.model, carry, total, seed, policy, values, known)
        return {"text": tf.strings.unicode_encode(tf.gather(points, drawn[:, 0]), "UTF-8")}

    def _samples(self, x, lead):
        return {"samples": tf.reshape(x, [*lead, *self.model.event_shape])}

    def _inputs(self, x, condition):
        x = self._checked_x(x)
        if condition is None:
            return x
        return {"x": x, "condition": self._checked_condition(condition, x)}

    def _prefix(self, x, known, member):
        """``values`` [B, n, *site_shape] and ``known`` [B, n], in the order of a member."""
        model = self.model
        shape = [-1, model.num_sites, *model.head.site_shape]
        order = self._order(member)
        values, known = (tf.gather(tf.reshape(v, shape), order, axis=1) for v in (x, known))
        if model.head.site_shape:
            whole = tf.reduce_all(known, axis=-1)
            same = whole == tf.reduce_any(known, axis=-1)
            message = "known is to be the same for all the entries along the last axis of a site."
            known = require(whole, (same, message))
        follows = known[:, :-1] | ~known[:, 1:]
        message = "known is to be a prefix of the order of the model."
        return values, require(known, (follows, message))

    def _order(self, member):
        return tf.gather(tf.constant(self.model.permutations), member)

    def _checked_x(self, x):
        head = self.model.head
        return require(
            x,
            (tf.shape(x)[0] > 0, "Expected at least one example as x, got none."),
            (head.in_support(x), f"Every entry of x is to be {head.support}."),
        )

    def _checked_condition(self, condition, x=None):
        classes = self.model.num_classes
        rows = tf.shape(condition)[0]
        return require(
            condition,
            (rows > 0, "Expected at least one label as condition, got none."),
            (
                x is None or rows == tf.shape(x)[0],
                "Expected one label as condition for each row of x.",
            ),
            (
                (condition >= 0) & (condition < classes),
                f"Every condition is to be a label from 0 to {classes - 1}.",
            ),
        )

    def _checked_draws(self, num_samples, temperature, rows, name="num_samples"):
        positive = (temperature > 0) & (temperature < np.inf)  # NaN is neither
        drawn = tf.cast(num_samples, tf.int64) * tf.cast(rows, tf.int64)
        return (
            require(
                num_samples,
                (num_samples > 0, f"{name} is to be at least 1."),
                (
                    drawn <= self.max_samples,
                    f"A request may draw {self.max_samples}: {name} times the rows that are given "
                    "is more.",
                ),
            ),
            require(temperature, (positive, "temperature is to be a positive number.")),
        )

    def _checked_member(self, member):
        last = self.model.members - 1
        if not last:
            return member
        inside = (member >= 0) & (member <= last)
        return require(member, (inside, f"member is to be from 0 to {last}."))
