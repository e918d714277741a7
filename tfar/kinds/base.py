"""The base class of kinds of data, which is also the default: arrays of any shape."""

from __future__ import annotations

import io
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, contents, files, plots
from tfar.kinds.figures import standard_error, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from tfar.models import AutoregressiveModel
    from tfar.serving.costs import Limits
    from tfar.typing import Nest, Path, Progress, Seed

SHOWN = 16  # samples, while training


class Kind:
    """Everything that depends on a model's kind of data; this class is for arrays of any shape.

    Another kind is a subclass, in its own file, that defines what differs: see
    `tfar.kinds.register`. The attributes are class attributes, so that cards need no model.

    Args:
      model: a `tfar.models.AutoregressiveModel` that `fits`.

    Attributes:
      name: what its examples are called, in the plural.
      formats: endings of the files that samples may be written to; see `endings`.
      number: how many samples `tfar sample` draws by default.
      options: options of `tfar sample` that `draw` takes, besides those of every kind.
      completing: options of `tfar complete` that this kind takes; None if it has none to complete.
      samples: what samples are called.
      printed: whether samples are strings, which are printed if no file is named.
      protocols: other ways in which a data set is measured, what each is by its name; see
        `by_protocol`.
      adapts: whether the model can learn as it reads, see ``adapt`` of `tfar.text.log_prob`.
      keeps_rows: whether the first rows of an example can be kept, as `Images.complete` does.
      shifts: whether `epoch` shifts examples, see ``shift`` of `tfar.training.Recipe`.
      max_length: characters that a request to a served model may have by default, or None.
      per: the unit over which figures are means, "per" in a ``metrics.json``.
      digits: decimal digits of nats in figures.
      nats_unit, bits_unit: units of figures.
      counted, each: words that follow the sizes of splits, and nats, on cards.
      note: a sentence on the figures of a card.
      use: options of the card's `tfar sample`.
      requests: lines of a card on the kind's own signatures.

    >>> model = tfar.models.FVSBN([2, 2, 1])
    >>> kind = tfar.kinds.of(model)
    >>> kind.name, kind.endings, kind.draw(5, seed=1).shape
    ('images', ['.png', '.npy'], (5, 2, 2, 1))
    """

    name = "arrays"
    formats: tuple[str, ...] = (".png", ".npy")
    number = 64
    options: tuple[str, ...] = ()
    completing: tuple[str, ...] | None = None
    samples = "samples"
    printed = False
    protocols: Mapping[str, str] = {}
    adapts = False
    keeps_rows = False
    shifts = False
    max_length: int | None = None

    per = "example"
    digits = 2
    nats_unit, bits_unit = "nats", "bits/dim"
    counted = each = note = requests = ""
    use = "-n 64 --out samples.png"

    def __init__(self, model: AutoregressiveModel) -> None:
        self.model = model

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether a model is of this kind, judged by its head and its event shape."""
        return True

    def described(self) -> dict[str, Any]:
        """What `tfar.zoo.cards.described` adds for a model of this kind, a dict."""
        return {}

    # Data -----------------------------------------------------------------------------------------

    def inputs(self, data: Any) -> Nest:
        """The model's inputs, for instance windows, from what a data set's function returned."""
        return data

    def held(self, data: Any) -> Nest:
        """The model's inputs, arrays, from what a person holds: arrays, or a dict of them.

        Raises:
          ValueError: if they are anything else, or hold values that cannot be modelled.
        """
        import tensorflow as tf

        return tf.nest.map_structure(np.asarray, self.model.check(data))

    def outside(self, x: np.ndarray) -> np.ndarray:
        """Which entries of examples have log-probability -inf though `held` takes them, bools."""
        return np.zeros(x.shape, bool)

    def oddest(self, inputs: Nest, normal: Nest) -> tuple[list[str], np.ndarray] | None:
        """The part of each example that is oddest, its name, and -log p of it given the rest.

        None for examples that have no parts with names. Parts are ranked among those of the same
        name in ``normal`` examples, since some are less certain than others.
        """
        return None

    def adapt(self, data: Any) -> None:
        """Calls ``model.adapt`` with the training data, if that is useful.

        Raises:
          ValueError: if the data do not fit the model.
        """
        self.model.adapt(data)

    def count(self, data: Any) -> int:
        """The least number of examples that an `epoch` has."""
        return len(data)

    def epoch(self, data: Any, rng: np.random.Generator, shift: float) -> np.ndarray:
        """The examples of one epoch of training.

        Args:
          data: the training data, without their conditions.
          rng: ``np.random.Generator`` for what differs from epoch to epoch.
          shift: the fraction of the examples to shift, if the kind `shifts`.
        """
        return data

    def noisy(self, x: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
        """Examples with Gaussian noise in their real entries, see ``noise`` of
        `tfar.training.Recipe`.

        Args:
          x: examples [N, *event_shape].
          noise: in standard deviations of an entry.
          rng: ``np.random.Generator``.

        Raises:
          ValueError: for a kind that does not know these deviations.
        """
        raise ValueError(
            f"Noise is added to the real columns of tables, and these are {self.name}."
        )

    # Figures --------------------------------------------------------------------------------------

    def log_prob(
        self, inputs: Nest, *, batch_size: int = 500, progress: Progress = None
    ) -> np.ndarray:
        """log p(x) of many examples, [N] float64 nats, in batches.

        Args:
          inputs: array [N, *event_shape], or a dict with "condition" too.
          batch_size: examples that are scored at once.
          progress: wrapper of the iterable of batch starts, for instance a progress bar.

        Raises:
          ValueError: if a shape, dtype or value is invalid for the model.
        """
        import tensorflow as tf

        arguments.integer("batch_size", batch_size, least=1)
        parts = tf.nest.flatten(inputs)
        if not all(isinstance(part, np.ndarray | tf.Tensor) for part in parts):
            raise ValueError(f"Expected an array or a dict of arrays, got {type(inputs).__name__}.")
        self.model.check(inputs)
        starts = range(0, len(parts[0]), batch_size)
        nats = [
            self.model.predict_on_batch(
                tf.nest.map_structure(lambda a, i=start: a[i : i + batch_size], inputs)
            )
            for start in (progress(starts) if progress else starts)
        ]
        return np.concatenate(nats).astype(np.float64)

    def figures(self, data: Any, progress: Progress = None) -> dict[str, Any]:
        """NLL of a split, the mean over the units that `per` names.

        Args:
          data: what a data set's function returned, see `inputs`.
          progress: as in `log_prob`.

        Returns:
          ``{"examples", "nats", "standard_error", "bits_per_dim"}``.
        """
        return self.averaged(-self.log_probs(data, progress), data)

    def by_protocol(
        self, protocol: str, split_of: Callable[[str], Any], progress: Progress = None
    ) -> dict[str, Any]:
        """Figures of a data set by one of the `protocols`, as `figures` gives them.

        Args:
          protocol: its name.
          split_of: a function of "train", "validation" or "test" that returns the split.
          progress: as in `log_prob`.

        Raises:
          ValueError: if there is no such protocol.
        """
        known = ", ".join(self.protocols) or "none besides the usual one"
        raise ValueError(f"Expected a protocol for {self.name}, {known}, got {protocol!r}.")

    def log_probs(self, data: Any, progress: Progress = None) -> np.ndarray:
        """log p of the parts of a split of which figures are made, float64 [N] nats.

        Args: as in `figures`.
        """
        return self.log_prob(self.inputs(data), progress=progress)

    def averaged(self, nats: np.ndarray, data: Any) -> dict[str, Any]:
        """What `figures` returns, from a number of each of the parts that `log_probs` tells apart.

        Args:
          nats: [N].
          data: as in `figures`.
        """
        return summary(nats.mean(), nats, len(nats), self.model.num_dimensions)

    def check_comparable(self, other: Kind) -> None:
        """Raises ValueError unless log p of another model is that of the same examples."""
        own, others = (
            (kind.name, list(kind.model.event_shape), kind.model.head.digits)
            for kind in (self, other)
        )
        if own != others:
            raise ValueError(
                f"Expected two models of the same data, got {self.name} {own[1]}{_values(own[2])} "
                f"and {other.name} {others[1]}{_values(others[2])}."
            )

    def read(self, content: bytes, name: str) -> Any:
        """The contents of a file, as `figures` takes them.

        Args:
          content: bytes.
          name: of the file, for messages.

        Raises:
          ValueError: if they are not of this kind.
        """
        if not content.startswith(b"\x93NUMPY") and not name.endswith(".npy"):
            raise ValueError(f"Expected {name} to be an .npy file of {self.name}.")
        return contents.array(content, name)

    def at(self, path: Path) -> Any:
        """What `read` gives of a file or, where the kind has such, of a folder.

        Args:
          path: of the file or the folder. An ``.npy`` file has examples of any kind.

        Raises:
          ValueError: as `read`.
          OSError: if it cannot be read.
        """
        path = arguments.path("path", path)
        read = Kind.read if path.suffix == ".npy" else type(self).read
        return read(self, files.read(path), str(path))

    def from_bytes(self, content: bytes, name: str) -> Any:
        """Examples in the bytes of a file that is kept exactly, here an ``.npy`` file.

        Args:
          content, name: as in `read`.

        Raises:
          ValueError: if they are not of this kind.
        """
        return contents.array(content, name)

    def to_bytes(self, data: Any) -> bytes:
        """The bytes of a file with what `from_bytes` gives.

        >>> kind = Kind(tfar.models.FVSBN([3]))
        >>> kind.from_bytes(kind.to_bytes(np.eye(3)), "eye.npy").shape
        (3, 3)
        """
        file = io.BytesIO()
        np.save(file, data)
        return file.getvalue()

    def score(self, data: Any, *, progress: Progress = None, adapt: str | None = None) -> str:
        """The log-likelihood of what `read` or `at` gives, as a sentence; see `adapts`."""
        nats = self.log_probs(data, progress)
        error = f" ± {standard_error(nats):.4f}" if len(nats) > 1 else ""
        article = "an" if self.per[0] in "aeiou" else "a"
        return f"{nats.mean():.4f}{error} nats {article} {self.per}, {self.per}s: {len(nats):,}"

    # Samples --------------------------------------------------------------------------------------

    def conditions(self, num: int, given: Nest = None) -> Nest:
        """Conditions for ``num`` samples, which take those given in turn; None if there are none.

        Args:
          num: int.
          given: one or more values of the model's condition; by default all labels of a model that
            is conditioned on one.

        Raises:
          ValueError: if the condition is missing or invalid.

        >>> network = {"filters": 4, "layers": 1, "num_classes": 3}
        >>> kind = tfar.kinds.of(tfar.models.GatedPixelCNN([2, 2, 1], **network))
        >>> kind.conditions(5).numpy().tolist(), kind.conditions(2, 1).numpy().tolist()
        ([0, 1, 2, 0, 1], [1, 1])
        """
        import tensorflow as tf

        from tfar import conditions

        if given is None and self.model.num_classes is not None:
            given = range(self.model.num_classes)
        given, condition = conditions.checked(self.model, given), self.model.condition
        if condition is None:
            return None
        batch = condition.batch_shape(given)
        if not batch.num_elements():
            raise ValueError(f"Expected at least one condition, got the batch shape {batch}.")
        turns = tf.range(num) % batch.num_elements()
        return tf.nest.map_structure(
            lambda part: tf.gather(part, turns), condition.rows(given, batch)
        )

    def draw(self, num: int, *, seed: Seed = None, condition: Nest = None, **policy: Any) -> Any:
        """``num`` samples, as `write` takes them.

        Args:
          num: int.
          seed: as in ``joint().sample``.
          condition: what samples are conditioned on, see `conditions`.
          **policy: see `tfar.sampling.Policy`.
        """
        rows = self.conditions(num, condition)
        joint = self.model.joint(condition=rows)
        return joint.sample(num if rows is None else (), seed=seed, **policy).numpy()

    def strings(self, samples: Any) -> Iterable[str]:
        """Strings to print, for a kind whose samples are `printed`."""
        raise NotImplementedError(f"{type(self).__name__} is not printed.")

    def completed(self, path: Path, *, seed: Seed = None, **options: Any) -> Any:
        """What is in a file, with what it lacks drawn, as `write` takes it.

        Args:
          path: of the file.
          seed: as in `draw`.
          **options: those of `completing`.

        Raises:
          ValueError: if the file is not of this kind, before anything is drawn.
        """
        raise NotImplementedError(f"{type(self).__name__} completes no files.")

    @property
    def endings(self) -> list[str]:
        """The `formats` in which the model's samples can be written, the default first."""
        drawn = plots.drawable(self.model.event_shape, self.model.head.dtype.as_numpy_dtype)
        return [ending for ending in self.formats if drawn or ending != ".png"]

    def write(self, samples: Any, path: Path, **options: Any) -> None:
        """Writes samples to a file, atomically, in the format of its ending, one of `endings`.

        ``options`` are those of `tfar.plots.grid`.
        """
        if pathlib.Path(path).suffix == ".png":
            return plots.save_grid(samples, path, **options)
        with files.replacing(path) as partial:
            if not self.printed:
                return np.save(partial, samples)
            with partial.open("w", encoding="utf-8", newline="") as file:
                file.writelines(self.strings(samples))

    def preview(self, condition: Nest = None) -> Any:
        """A few samples, as `write` takes them, the same seed's each time, for training to show.

        ``condition`` is as in `draw`.
        """
        return self.draw(SHOWN, seed=1, condition=condition)

    def show(self, condition: Nest = None) -> None:
        """Writes samples to the default writer of TensorBoard, if they can be shown.

        ``condition`` is as in `draw`.
        """

    # Exports --------------------------------------------------------------------------------------

    def signatures(self, limits: Limits) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
        """The signatures that exports of this kind have in addition to those of every model.

        Args:
          limits: the `tfar.serving.costs.Limits` of a request.

        Returns:
          ``{name: (function, specs)}``: a function of tensors that returns a dict of them, and the
          ``tf.TensorSpec`` of each of its arguments, by name.
        """
        return {}

    def verify_signatures(self, signatures: Mapping[str, Any]) -> None:
        """Raises AssertionError unless this kind's signatures answer as the model does.

        Args:
          signatures: those of a loaded SavedModel.
        """


class Vectors(Kind):
    """Arrays [D]."""

    name = "vectors"

    @staticmethod
    def fits(model: Any) -> bool:
        return len(model.event_shape) == 1


def _values(digits):
    return f" of {digits[0]} values" if digits else ""
