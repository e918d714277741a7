"""Images: drawn, completed and shifted."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, plots
from tfar.kinds.base import Kind

if TYPE_CHECKING:
    from typing import Any

    from tfar.sampling import Completion
    from tfar.typing import Nest, Path, Seed

PICTURED = 96  # of maps


class Images(Kind):
    """Arrays [H, W, C]."""

    name = "images"
    keeps_rows = True
    completing = ("rows", "mask", "particles", "data", "num", "draws")
    shifts = True

    @staticmethod
    def fits(model: Any) -> bool:
        return len(model.event_shape) == 3

    def epoch(self, data: Any, rng: np.random.Generator, shift: float) -> np.ndarray:
        return shifted(data, shift, rng) if shift else data

    def read(self, content: bytes, name: str) -> Nest:
        """The images in a file, as the model has them: see `at`."""
        if not self._pictured:
            return super().read(content, name)
        from tfar import pictures

        found = pictures.of_bytes(content, name, size=self.model.event_shape[:2], **self._labels)
        return self._taken(found, name)

    def at(self, path: Path) -> Nest:
        """The images in a folder, or an image, or the images in an ``.npy`` or ``.npz`` file.

        They are resized to the model's images, if they have their proportions, grey ones become
        colours for a model of colours, and 8 bits become the model's levels, see
        `tfar.pictures.to_levels`. Of a model that is conditioned on labels they are a dict: the
        labels are the numbers of the sub-folders, by name, which are the model's labels where those
        have names, or an array "labels" of an ``.npz``.
        """
        if not self._pictured:
            return super().at(path)
        from tfar import pictures

        found = pictures.read(path, size=self.model.event_shape[:2], **self._labels)
        return self._taken(found, path)

    @property
    def _labels(self):
        """Which labels `tfar.pictures` is to read."""
        condition = self.model.condition
        named = condition is not None and condition.names
        return {"labels": list(named) if named else self.model.num_classes is not None}

    @property
    def _pictured(self):
        """Whether the model's images are those that `tfar.pictures` reads."""
        return self.model.head.digits is not None and self.model.event_shape[2] in (1, 3)

    def _taken(self, found, name):
        from tfar import pictures

        *_, channels = self.model.event_shape
        x = found.x
        if x.shape[-1] > channels:
            raise ValueError(f"The images of {name} have colours, and the model's are grey.")
        x = pictures.to_levels(x, self.model.head.digits[0])
        x = np.repeat(x, channels // x.shape[-1], axis=-1)
        if self.model.condition is None:
            return x
        if found.labels is None:
            raise ValueError(
                f"The model is conditional: images alone are not enough, but "
                f"{self.model.condition.support}."
            )
        known = self.model.num_classes
        differ = found.names and len(found.classes) != known  # of folders, all are needed to count
        if differ or found.labels.max() >= known:
            raise ValueError(
                f"Expected {known} labels in {name}, as the model has, got "
                f"{len(found.classes)}: {', '.join(found.classes)}."
            )
        return {"x": x, "condition": found.labels}

    def _shades(self, samples):
        """Samples of 3 to 255 levels in the 256 of a picture."""
        digits = self.model.head.digits
        if not digits or digits[0] == 2:
            return samples
        return np.asarray(samples, np.int32) * 255 // (digits[0] - 1)

    def first_rows(self, x: np.ndarray, rows: int) -> np.ndarray:
        """Which entries of images are in the first rows of pixels that the model draws.

        Args:
          x: images [N, H, W, C].
          rows: how many; for a model whose order is reversed, they are the last of an image.

        Returns:
          bool [H, W, C or 1].

        Raises:
          ValueError: if the images do not fit the model or have fewer rows, or if the model does
            not draw row by row.

        >>> kept = Images(tfar.models.FVSBN([3, 2, 1])).first_rows(np.ones([4, 3, 2, 1]), rows=2)
        >>> kept[..., 0].tolist()
        [[True, True], [True, True], [False, False]]
        """
        model, shape = self.model, np.shape(x)[1:]  # () for a text
        if shape != model.event_shape:
            raise ValueError(
                f"Expected images of the shape {list(model.event_shape)} of the model, got "
                f"{list(shape)}."
            )
        if arguments.integer("rows", rows, least=0) > shape[0]:
            raise ValueError(f"Expected images of at least {rows} rows, got {shape[0]} rows.")
        kept = np.zeros(model.num_sites, bool)
        kept[model.permutations[0][: rows * model.num_sites // shape[0]]] = True
        kept = kept.reshape([*model.grid_shape, *[1] * len(model.head.site_shape)])
        if kept.all(axis=(1, 2)).sum() != rows:
            raise ValueError("The model does not draw row by row, so no rows can be kept.")
        return kept

    def complete(
        self,
        inputs: Nest,
        kept: np.ndarray,
        *,
        draws: int = 1,
        seed: Seed = None,
        particles: int = 256,
    ) -> tuple[np.ndarray, Completion]:
        """Images with one part kept and the rest drawn, several times; of an ensemble by its first
        member.

        Args:
          inputs: images [N, H, W, C], or a dict of them as "x" and of labels as "condition".
          kept: as `first_rows` gives it, or any other bools [H, W, C or 1].
          draws, seed, particles: as in `tfar.sampling.Autoregressive.complete`.

        Returns:
          ``(images, completion)``: [N, 1 + draws, H, W, C], every image, followed by its draws; and
          the `tfar.sampling.Completion`.

        >>> kind, x = Images(tfar.models.FVSBN([3, 2, 1])), np.ones([4, 3, 2, 1])
        >>> images, _ = kind.complete(x, kind.first_rows(x, rows=2), draws=5, seed=1)
        >>> images.shape
        (4, 6, 3, 2, 1)
        """
        labelled = isinstance(inputs, dict)
        x, labels = (inputs["x"], inputs["condition"]) if labelled else (inputs, None)
        joint = self.model.joint(condition=labels, member=0 if self.model.members > 1 else None)
        value = np.where(kept, x, np.nan)
        found = joint.complete(value, draws, seed=seed, particles=particles)
        return np.concatenate([x[:, None], found.samples.swapaxes(0, 1)], axis=1), found

    def write(self, samples: Any, path: Path, **options: Any) -> None:
        """As for any array; for what `complete` returns, each row of the picture has one image."""
        if samples.ndim == 5 and pathlib.Path(path).suffix == ".png":
            options = {"columns": samples.shape[1], **options}
            samples = samples.reshape([-1, *samples.shape[2:]])
        if pathlib.Path(path).suffix == ".png":
            samples = self._shades(samples)
        super().write(samples, path, **options)

    def write_maps(self, inputs: Nest, maps: np.ndarray, path: Path) -> None:
        """Writes maps of `tfar.anomaly.surprise` to an .npy file, or as a picture.

        In the picture each image is followed by its map, the sum over the channels: black is the
        least value of the first hundred maps, or 0 if that is less, and white is the largest.
        """
        if pathlib.Path(path).suffix != ".png":
            return super().write(maps, path)
        x = np.asarray(inputs["x"] if isinstance(inputs, dict) else inputs)[:PICTURED]
        sums = maps[:PICTURED].reshape([*x.shape[:3], -1]).sum(axis=3, keepdims=True)
        least = min(0.0, float(sums.min()))
        grey = 255 * (sums - least) / max(float(sums.max()) - least, 1e-9)
        shades = self._shades(x)
        shades = shades * 255 if shades.max() <= 1 else shades
        pairs = np.stack([shades, np.broadcast_to(grey, x.shape)], axis=1).astype(np.uint8)
        plots.save_grid(pairs.reshape([-1, *x.shape[1:]]), path, columns=16)

    def show(self, condition: Nest = None) -> None:
        import tensorflow as tf

        if ".png" in self.endings:
            drawn = self._shades(self.preview(condition))
            tf.summary.image("samples", plots.grid(drawn)[None])


def shifted(x: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Images [N, H, W, C] with a random ``fraction`` of them moved by up to one pixel each way.

    Pixels that are moved in are 0.

    >>> x = np.ones([1, 2, 2, 1], np.uint8)
    >>> bool((shifted(x, 0.0, np.random.default_rng(0)) == x).all())
    True
    """
    chosen = rng.random(len(x)) < fraction
    down, right = rng.integers(-1, 2, size=(2, len(x)))
    height, width = x.shape[1:3]
    moved = x.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rows = chosen & (down == dy) & (right == dx)
            padded = np.pad(x[rows], ((0, 0), (1, 1), (1, 1), (0, 0)))
            moved[rows] = padded[:, 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
    return moved
