"""SavedModels that TensorFlow Serving runs without our Python.

Their signatures take and return tensors by name; those of a model of events of the shape E:

===================  ========================================  =====================================
signature            inputs                                    outputs
===================  ========================================  =====================================
``serving_default``  as ``log_prob``
``log_prob``         x [B, E]                                  log_prob [B] nats, bits_per_dim [B]
``conditionals``     x [B, E]                                  parameters of every p(x_i | x_<i),
                                                               order [n]
``sample``           num_samples, seed [2], temperature        samples [num_samples, E]
``complete``         x, known [B, E], num_samples,             samples [num_samples, B, E],
                     seed [2], temperature                     log_prob [num_samples, B] nats
``generate``         prompt, length, seed [2],                 text
                     temperature, top_k, top_p
===================  ========================================  =====================================

num_samples and seed are int32, temperature is float32 and known is bool: it marks the entries of x
that are given, a prefix of the model's order, or any of them for a model of all orders, others in
each row; the other entries of x are ignored. The log_prob of a completion is that of what was drawn
given the others, at a temperature of 1. ``order``, int32, lists the numbers of the sites, in a
flattened event, in that order. A conditional model takes a ``condition`` for each row of x, int32
[B] for a label and float32 [B, ...] for numbers, and draws samples [num_samples, B, E] for B
conditions; ``generate`` takes one, without the axis B. If the condition is a dict, each of its
tensors is an input, ``condition_KEY``. The signatures ``conditionals`` and ``complete`` of an
ensemble take the number of a ``member``, int32. Only text models have ``generate``: prompt and text
are strings, UTF-8, length and top_k are int32 and top_p is float32. Only models of tables have
``log_prob_of_rows``, ``sample_rows`` and ``complete_rows``, see `tfar.serving.rows.Rows`. A seed
draws what it draws in ``model.joint().sample`` or ``model.generate``.

Every argument is checked in the graph, and the size of a request is limited, see
`tfar.serving.costs.Limits`: a server answers an invalid request with INVALID_ARGUMENT and a
sentence.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from tfar import arguments, files, records
from tfar.serving import costs
from tfar.serving.signatures import signatures
from tfar.typing import Path

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

__all__ = [
    "check_model",
    "describe",
    "digest",
    "export",
    "limits",
    "meta_graph",
    "no_model",
    "restore",
]

# What `restore` and `limits` read and a server does not: a SavedModel may have "assets.extra".
CONFIG = "assets.extra/keras.json"
GRAPH = "saved_model.pb"
REMEDY = "Export the model again."


def export(
    model: AutoregressiveModel,
    folder: Path,
    *,
    max_samples: int | None = None,
    max_rows: int | None = None,
    max_length: int | None = None,
    max_bytes: int = costs.BYTES,
) -> pathlib.Path:
    """Writes a model as a SavedModel, atomically.

    A server's memory is limited, and so is the size of one request. The memory of a row or a sample
    is computed from the shapes in the graph, and doubled for what kernels need; several requests at
    once take several times as much.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      folder: for TensorFlow Serving, a number below the model's name, ``saved_models/mine/1``.
      max_samples: the most that a request may draw, num_samples times the rows; by default what
        ``max_bytes`` allows, and 10,000 at most.
      max_rows: the most rows that a request may score; by default what ``max_bytes`` allows.
      max_length: for a text model, the most characters of a prompt and its continuation together;
        by default 10,000.
      max_bytes: the approximate memory that a request may take; by default 2 GiB.

    Returns:
      The folder, a ``pathlib.Path``; `restore` gives the Keras model back, and `limits` the bounds.

    Raises:
      FileExistsError: if the folder exists: a version that is served should not change.
      OSError: if it cannot be written; no partial export is left.
      ValueError: if an argument is not as above, or ``max_bytes`` is less than one row takes.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp() + "/mine/1"
    >>> loaded = tf.saved_model.load(export(tfar.models.FVSBN([3]), folder))
    >>> loaded.signatures["log_prob"](x=tf.constant([[1, 0, 1]]))["log_prob"].shape
    TensorShape([1])
    """
    check_model(model)
    folder = arguments.path("folder", folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists: export to another version, or remove it.")
    bounds = costs.limits(
        model,
        max_bytes=max_bytes,
        max_rows=max_rows,
        max_samples=max_samples,
        max_length=max_length,
    )
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    functions = signatures(model, bounds)
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)  # an optimizer is not served
    # A server that watches the folder ignores names that are not numbers of versions.
    with files.replacing(folder) as partial:
        try:
            tf.saved_model.save(
                module,
                str(partial),
                signatures=functions,
                options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
            )
        except tf.errors.OpError as error:  # "{{...}} FILE; REASON [Op:SaveV2]"
            reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
            raise OSError(reason) from error
        (partial / CONFIG).parent.mkdir()
        held = {**config, "limits": dataclasses.asdict(bounds)}
        (partial / CONFIG).write_text(json.dumps(held))
    return folder


def check_model(model: Any, path: Path | None = None) -> None:
    """Raises ValueError unless the given object, or the one found at a path, is a model of tfar.

    >>> check_model("made_mnist")
    Traceback (most recent call last):
    ...
    ValueError: Expected a model of tfar, got 'made_mnist': tfar.zoo.load('made_mnist') gives it.
    """
    import tfar.models
    from tfar import zoo

    if isinstance(model, tfar.models.AutoregressiveModel):
        return
    place = f" in {path}" if path else ""
    if isinstance(model, str):
        load = f"zoo.load({model!r})" if model in zoo.list() else f"zoo.find({model!r})[0]"
        raise ValueError(f"Expected a model of tfar{place}, got {model!r}: tfar.{load} gives it.")
    kind = f"{type(model).__module__.split('.')[0]}.{type(model).__name__}"
    raise ValueError(f"Expected a model of tfar{place}, got one of the class {kind}.")


def restore(folder: Path) -> AutoregressiveModel:
    """The Keras model of an export, uncompiled, to sample, score, fine-tune and save.

    Args:
      folder: what `export` wrote.

    Raises:
      FileNotFoundError: if there is no such export.
      ValueError: if it is damaged, or a class of the model is not known here.

    >>> import tempfile
    >>> folder = export(tfar.models.FVSBN([3]), tempfile.mkdtemp() + "/1")
    >>> restore(folder)(np.zeros([1, 3])).batch_shape
    TensorShape([1, 3])
    """
    import tfar.models  # noqa: F401  (registers the classes)

    folder = arguments.path("folder", folder)
    config = _config(folder)
    config.pop("limits", None)
    try:
        model = keras.saving.deserialize_keras_object(config)
    except Exception as error:  # whatever Keras and constructors raise on the contents
        raise no_model(folder / CONFIG, error) from error
    check_model(model, folder)
    for weight, value in zip(model.weights, _weights(folder, model.weights)):
        weight.assign(value)
    return model


def no_model(path: Path, error: Exception) -> ValueError:
    """The ValueError for a file from which Keras could not make a model."""
    return ValueError(
        f"No model can be made from {path}: {records.words(error)}. First import the classes that "
        "are not of tfar, or write the model again."
    )


def _weights(folder, expected):
    """The arrays of an export, which must have the shapes of the expected weights."""
    try:
        variables = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        names = [n for n in variables.get_variable_to_shape_map() if n.startswith("weights/")]
        found = {name: variables.get_tensor(name) for name in names}
    except (tf.errors.OpError, LookupError) as error:
        raise records.damaged(folder, "its variables cannot be read", REMEDY) from error
    names = [f"weights/{i}/.ATTRIBUTES/VARIABLE_VALUE" for i in range(len(expected))]
    if set(found) != set(names):
        reason = f"it has {len(found)} weights, and the model {len(expected)}"
        raise records.damaged(folder, reason, REMEDY)
    values = [found[name] for name in names]
    for value, weight in zip(values, expected):
        if value.shape != tuple(weight.shape):
            reason = f"{weight.path} has the shape {value.shape}, not {tuple(weight.shape)}"
            raise records.damaged(folder, reason, REMEDY)
    return values


def _config(folder):
    """The configuration from which Keras makes a model."""
    if not (folder / CONFIG).exists():
        raise FileNotFoundError(f"{folder} is not an export of tfar: it has no {CONFIG}.")
    return records.read(folder / CONFIG, {"class_name": str, "config": {}}, REMEDY)


def limits(folder: Path) -> dict[str, Any] | None:
    """`tfar.serving.costs.Limits` of an export as a dict; None if an older tfar has written it.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp() + "/1"
    >>> limits(export(tfar.models.FVSBN([3]), folder, max_rows=9))["max_rows"]
    9
    """
    return _config(arguments.path("folder", folder)).get("limits")


def meta_graph(folder: Path) -> Any:
    """The ``MetaGraphDef`` of a SavedModel.

    Raises:
      FileNotFoundError: if there is no SavedModel.
      ValueError: if its graph is damaged.
    """
    file = arguments.path("folder", folder) / GRAPH
    if not file.exists():
        raise FileNotFoundError(f"{folder} is not a SavedModel: it has no {GRAPH}.")
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(file.read_bytes())
        return saved.meta_graphs[0]
    except (DecodeError, IndexError) as error:
        raise records.damaged(file, "it holds no graph", REMEDY) from error


def describe(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The inputs and outputs of the signatures of a SavedModel, in words.

    Returns:
      ``{signature: {"inputs": {name: words}, "outputs": {name: words}}}``.

    Raises:
      as `meta_graph`.

    >>> import tempfile
    >>> folder = export(tfar.models.FVSBN([3]), tempfile.mkdtemp() + "/1")
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


def digest(folder: Path) -> str:
    """The SHA-256 of the files that `export` wrote and of their names, in hexadecimal.

    Other files, for instance requests that warm a server up, may be added.

    Raises:
      FileNotFoundError: if none of them exists.
    """
    folder = arguments.path("folder", folder)
    listed = [folder / GRAPH, folder / CONFIG, *folder.glob("variables/variables.*")]
    listed = sorted(file for file in listed if file.exists())
    if not listed:
        raise FileNotFoundError(f"{folder} is not an export of tfar: it has no {GRAPH}.")
    found = hashlib.sha256()
    for file in listed:
        contents = hashlib.sha256(file.read_bytes()).hexdigest()
        found.update(f"{contents}  {file.relative_to(folder).as_posix()}\n".encode())
    return found.hexdigest()
