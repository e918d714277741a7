"""The examples that are published with a model, and the log-probabilities that it must give."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tfar import arguments, records
from tfar.zoo import artefacts
from tfar.zoo.artefacts import REMEDY

if TYPE_CHECKING:
    import numpy as np

    from tfar.models import AutoregressiveModel
    from tfar.typing import Nest

__all__ = ["examples", "pack", "verify"]


def examples(name: str) -> tuple[Nest, np.ndarray]:
    """A few inputs of the data set's test split, packed with the model.

    Returns:
      ``(inputs, log_prob)``: the model's inputs, uint8 [N, *event_shape] or a dict of these as "x"
      and of the "condition", int32 labels [N] for instance, and the published log-probabilities
      [N], in nats.

    Raises:
      ValueError: as `info`, or if the file of the examples is damaged.
    """
    import numpy as np

    metrics, path = artefacts.info(name), artefacts._place("zoo") / name / "examples.npz"
    known = metrics["examples"]
    labels = {"condition": []} if metrics.get("num_classes") is not None else {}
    given = (metrics.get("condition") or {}).get("shapes", labels)
    inputs = _unpacked(path, tuple(known["shape"]), given)
    if len(known["log_prob"]) != known["shape"][0]:
        found = f"{len(known['log_prob'])} log-probabilities for {known['shape'][0]} examples"
        raise records.damaged(path.with_name("metrics.json"), f"it has {found}", REMEDY)
    return inputs, np.asarray(known["log_prob"], np.float32)


def _unpacked(path, shape, given):
    """What `pack` has packed, from a file; ``given`` has the shapes of a condition by name."""
    import numpy as np

    if not path.exists():
        raise records.damaged(path, "it is missing", REMEDY)
    contents = io.BytesIO(path.read_bytes())
    try:
        parts = dict(np.load(contents))
        if "packed" in parts:
            bits = np.unpackbits(parts.pop("packed"))
            size = int(np.prod(shape))
            if not 0 <= bits.size - size < 8:
                raise ValueError(f"expected {size} bits, got {bits.size}")
            parts["x"] = bits[:size].reshape(shape)
    except Exception as error:  # whatever NumPy raises on the contents
        reason = f"it cannot be read as arrays: {records.words(error)}"
        raise records.damaged(path, reason, REMEDY) from error
    expected = {"x": shape, **{key: (*shape[:1], *own) for key, own in given.items()}}
    found = {key: value.shape for key, value in parts.items()}
    kinds = dict.fromkeys(given, "iuf")  # x is of integers, a condition of any numbers
    if found != expected or any(v.dtype.kind not in kinds.get(k, "iu") for k, v in parts.items()):
        what = f"expected integers of the shapes {expected}, got {found}"
        raise records.damaged(path, what, REMEDY)
    x = parts.pop("x")
    if not given:
        return x
    nested = {key.removeprefix("condition_"): value for key, value in parts.items()}
    return {"x": x, "condition": parts.get("condition", nested)}


def pack(inputs: Nest) -> dict[str, np.ndarray]:
    """The arrays of ``examples.npz``: binary examples eight to a byte, others as they are.

    The arrays of a condition that is a dict are named "condition_KEY".

    >>> pack(np.ones([2, 4], np.uint8))
    {'packed': array([255], dtype=uint8)}
    """
    import numpy as np

    parts = inputs if isinstance(inputs, dict) else {"x": inputs}
    x = parts["x"]
    packed = {"packed": np.packbits(x)} if x.max() <= 1 else {"x": x}
    condition = parts.get("condition", {})
    if isinstance(condition, dict):
        return {**packed, **{f"condition_{key}": value for key, value in condition.items()}}
    return {**packed, "condition": condition}


def verify(
    name: str, *, model: AutoregressiveModel | None = None, tolerance: float = 1e-4
) -> float:
    """Compares the log-probabilities of the packed examples, computed here, with those published.

    Args:
      name: one of `list()`.
      model: the model, if it has been loaded already.
      tolerance: largest relative difference.

    Returns:
      The largest relative difference.

    Raises:
      ValueError: if it is above ``tolerance``, that is, the model does not compute here what was
        published; or if there is no such model, or its files are damaged.
    """
    import numpy as np

    from tfar import serving

    arguments.number("tolerance", tolerance, least=0)
    model = artefacts.load(name) if model is None else model
    serving.check_model(model)
    inputs, expected = examples(name)
    found = model.log_prob(inputs).numpy()
    difference = float(np.max(np.abs(found - expected) / np.abs(expected)))
    if not difference <= tolerance:
        raise ValueError(
            f"{name} gives log-probabilities that are off by {difference:.1e} (relative) from the "
            f"published ones, more than {tolerance:.0e}."
        )
    return difference
