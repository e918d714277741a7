"""Errors in place of files that Keras would write but could not read again."""

import os
from typing import Any, NoReturn

from tfar.typing import OfModel, Path


class Saving(OfModel):
    """``save`` and ``export`` of a Keras model, with errors in place of files that do not load."""

    def save(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        """As in Keras, to a ``.keras`` file.

        Raises:
          ValueError: for an HDF5 file, which Keras would write but could not read again.
        """
        folder = kwargs.get("zipped") is False  # Keras writes folders without a suffix
        path = os.fspath(filepath) if isinstance(filepath, str | os.PathLike) else None
        if path is None or not (folder or path.startswith("hf://") or path.endswith(".keras")):
            raise ValueError(
                f"Expected a path that ends in .keras, got {filepath if path is None else path!r}: "
                "Keras cannot load a model of its own class from HDF5. "
                "save_weights('NAME.weights.h5') writes weights."
            )
        return super().save(filepath, *args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            "keras.Model.export cannot write a model that returns a distribution; "
            "use save() and keras.saving.load_model()."
        )
