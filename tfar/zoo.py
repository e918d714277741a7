"""The zoo: trained models, each with its recipe, its card and its measured figures.

``zoo/<name>/`` holds ``recipe.py``, ``card.md``, ``metrics.json`` and ``examples.npz``;
``saved_models/<name>/1`` is the model, a SavedModel that TensorFlow Serving serves, see
`tfar.serving`. Both folders are part of an installed tfar.
"""

import difflib
import hashlib
import json
import pathlib

__all__ = [
    "checksum",
    "examples",
    "find",
    "info",
    "list",
    "load",
    "model_folder",
    "pack",
    "recipe_path",
    "serve_config",
    "verify",
]

_PACKAGE = pathlib.Path(__file__).parent


def _folder(kind):
    """Where ``zoo`` or ``saved_models`` is: inside an installed package, else beside it."""
    inside = _PACKAGE / f"_{kind}"
    return inside if inside.exists() else _PACKAGE.parent / kind


def recipe_path(name):
    """The recipe file of an artefact, trained or not.

    Raises:
      ValueError: if there is no recipe of that name; the message lists near matches.
    """
    names = sorted(p.parent.name for p in _folder("zoo").glob("*/recipe.py"))
    if name not in names:
        _unknown(name, names)
    return _folder("zoo") / name / "recipe.py"


def model_folder(name):
    """The folder of an artefact's SavedModel."""
    return _folder("saved_models") / name / "1"


def list():
    """Names of the trained models, sorted.

    >>> "made_mnist" in list()
    True
    """
    return sorted(p.parent.name for p in _folder("zoo").glob("*/metrics.json"))


def info(name):
    """What is known of a model: a dict, the contents of its ``metrics.json``.

    Raises:
      ValueError: if there is no such model; the message lists near matches.
    """
    if name not in list():
        _unknown(name, list())
    return json.loads((_folder("zoo") / name / "metrics.json").read_text())


def load(name):
    """A trained model, uncompiled.

    Args:
      name: one of `list()`.

    Returns:
      A `tfar.models.AutoregressiveModel`; ``compile(optimizer)`` and ``fit`` fine-tune it.

    Raises:
      ValueError: if there is no such model, or its files are not those that were published.

    >>> model = load("made_mnist")
    >>> model.joint().event_shape
    TensorShape([28, 28, 1])
    """
    from tfar import serving

    expected = info(name)["sha256"]
    folder = model_folder(name)
    if not folder.exists():
        raise ValueError(f"The model of {name!r} is missing: {folder}. Reinstall tfar.")
    found = serving.digest(folder)
    if found != expected:
        raise ValueError(
            f"{folder} is damaged: its SHA-256 is {found[:16]}..., and {expected[:16]}... was "
            "published. Reinstall tfar, or restore the folder from the repository."
        )
    return serving.restore(folder)


def find(model):
    """``(model, name)`` of a trained model by what a user calls it, uncompiled.

    Args:
      model: one of `list()`, the folder of an export, or a ``.keras`` file; the name is None for
        the last two.

    Raises:
      ValueError: if there is no such model.

    >>> find("made_mnist")[1]
    'made_mnist'
    """
    from tfar import serving

    if (pathlib.Path(model) / "saved_model.pb").exists():
        return serving.restore(model), None
    if not model.endswith(".keras"):
        return load(model), model
    import keras

    import tfar.models  # noqa: F401  (registers the classes)

    return keras.saving.load_model(model, compile=False), None


def checksum(model):
    """The SHA-256, in hexadecimal, of the files of a model as `find` takes it."""
    from tfar import serving

    if (pathlib.Path(model) / "saved_model.pb").exists():
        return serving.digest(model)
    if not model.endswith(".keras"):
        return info(model)["sha256"]
    return hashlib.sha256(pathlib.Path(model).read_bytes()).hexdigest()


def examples(name):
    """A few inputs of the data set's test split, packed with the model.

    Returns:
      ``(inputs, log_prob)``: what the model takes, uint8 [N, *event_shape] or a dict of that as
      "x" and int32 labels [N] as "condition", and the published log-probabilities [N] nats.
    """
    import numpy as np

    known = info(name)["examples"]
    packed = np.load(_folder("zoo") / name / "examples.npz")
    if "packed" in packed:
        size = int(np.prod(known["shape"]))
        x = np.unpackbits(packed["packed"], count=size).reshape(known["shape"])
    else:
        x = packed["x"]
    inputs = {"x": x, "condition": packed["condition"]} if "condition" in packed else x
    return inputs, np.asarray(known["log_prob"], np.float32)


def pack(inputs):
    """The arrays of ``examples.npz``: binary examples eight in a byte, others as they are.

    >>> pack(np.ones([2, 4], np.uint8))
    {'packed': array([255], dtype=uint8)}
    """
    import numpy as np

    parts = inputs if isinstance(inputs, dict) else {"x": inputs}
    x = parts["x"]
    packed = {"packed": np.packbits(x)} if x.max() <= 1 else {"x": x}
    return {**packed, **{key: value for key, value in parts.items() if key != "x"}}


def verify(name, model=None, tolerance=1e-4):
    """Computes the log-probabilities of the packed examples again.

    Args:
      name: one of `list()`.
      model: the model, if it has been loaded already.
      tolerance: largest relative difference.

    Returns:
      The largest relative difference.

    Raises:
      ValueError: if it is above ``tolerance``: the model does not compute here what was published.
    """
    import numpy as np

    model = load(name) if model is None else model
    inputs, expected = examples(name)
    found = model.log_prob(inputs).numpy()
    difference = float(np.max(np.abs(found - expected) / np.abs(expected)))
    if not difference <= tolerance:
        raise ValueError(
            f"{name} gives log-probabilities that are off by {difference:.1e} (relative) from the "
            f"published ones, more than {tolerance:.0e}."
        )
    return difference


def serve_config(base_path=None):
    """A ``models.config`` of the whole zoo for ``tensorflow_model_server``, as text.

    Args:
      base_path: the folder that holds the models where the server is, "/models" for instance in
        a container; by default that of this machine.

    Raises:
      ValueError: if it is relative: the server takes absolute paths only.

    >>> print(serve_config("/models"))
    model_config_list {
      ...
      config {
        name: "pixelcnn_mnist"
        base_path: "/models/pixelcnn_mnist"
        model_platform: "tensorflow"
      }
      ...
    """
    base = str(_folder("saved_models").resolve()) if base_path is None else str(base_path)
    if not base.startswith("/"):
        raise ValueError(f"Expected an absolute path, as the server does, got {base_path!r}.")
    lines = ["model_config_list {"]
    for name in list():
        path = f"{base.rstrip('/')}/{name}"
        lines += [
            "  config {",
            f"    name: {json.dumps(name)}",
            f"    base_path: {json.dumps(path)}",
            '    model_platform: "tensorflow"',
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def _unknown(name, names):
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}."
    raise ValueError(f"The zoo has no {name!r}: {hint}")
