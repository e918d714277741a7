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

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfar import files
from tfar.signatures import signatures

__all__ = ["describe", "digest", "export", "meta_graph", "restore"]

# What `restore` needs and a server does not: "assets.extra" is where a SavedModel may have it.
CONFIG = "assets.extra/keras.json"


def export(model, folder, max_samples=10_000):
    """Writes a model as a SavedModel, atomically.

    Args:
      model: a `tfar.models.AutoregressiveModel`.
      folder: for TensorFlow Serving a number below the model's name, ``saved_models/mine/1``.
      max_samples: the most that one request may draw, num_samples times the rows; a server's memory
        is not endless.

    Returns:
      The folder, a ``pathlib.Path``; `restore` gives the Keras model back.

    Raises:
      FileExistsError: if the folder exists: a version that is served should not change.

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "mine" / "1"
    >>> loaded = tf.saved_model.load(export(tfar.models.FVSBN([3]), folder))
    >>> loaded.signatures["log_prob"](x=tf.constant([[1, 0, 1]]))["log_prob"].shape
    TensorShape([1])
    """
    folder = pathlib.Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists: export to another version, or remove it.")
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    # A server that watches the folder takes no name that is not a number for a version.
    with files.replacing(folder) as partial:
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
    return folder


def restore(folder):
    """The Keras model of an export, uncompiled, to be sampled, scored, fine-tuned and saved.

    Args:
      folder: what `export` wrote.

    Raises:
      FileNotFoundError: if there is no such export.

    >>> import tempfile
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

    >>> import tempfile
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
