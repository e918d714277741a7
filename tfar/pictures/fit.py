"""A model of one's own images, in one call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments
from tfar.pictures.levels import natural_levels, to_levels
from tfar.pictures.reading import Pictures, numbered, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tfar.heads import Head
    from tfar.models import AutoregressiveModel
    from tfar.typing import Path

LEAST = 10  # images
MOST_PIXELS = 128 * 128  # of an image
SIZES = ("large", "medium", "small")  # of networks
DROPOUT = {"large": 0.0, "medium": 0.1, "small": 0.3}
LARGE, MEDIUM = 5_000, 500  # as many images, for networks that large


# Families, each with a network of every size ------------------------------------------------------


def _head(levels: int, channels: int) -> Head:
    from tfar import heads

    if levels == 2:
        return heads.Bernoulli(centered=True)
    if levels <= 16:
        return heads.Categorical(levels)
    return heads.DiscretizedLogisticMixture(5, channels=channels, levels=levels)


def _pixelcnn(shape, size, levels, **options):
    from tfar import models

    filters, blocks = {"large": (32, 14), "medium": (32, 8), "small": (16, 5)}[size]
    head = _head(levels, shape[-1])
    return models.PixelCNN(shape, filters, blocks, kernel_size=5, head=head, **options)


def _gated(shape, size, levels, **options):
    from tfar import models

    filters, layers = {"large": (24, 12), "medium": (16, 8), "small": (8, 5)}[size]
    head = _head(levels, shape[-1])
    return models.GatedPixelCNN(shape, filters, layers, kernel_size=5, head=head, **options)


def _pixelcnn_pp(shape, size, levels, **options):
    from tfar import heads, models

    filters, resnets = {"large": (48, 2), "medium": (32, 1), "small": (16, 1)}[size]
    head = _head(levels, shape[-1])
    if not head.site_shape and shape[-1] > 1:  # the network has one site per pixel
        head = heads.DiscretizedLogisticMixture(5, channels=shape[-1], levels=levels)
    scales = 1
    while scales < 3 and not (shape[0] % 2**scales or shape[1] % 2**scales):
        scales += 1
    return models.PixelCNNpp(shape, filters, resnets, levels=scales, head=head, **options)


def _made(shape, size, levels, **options):
    from tfar import models

    if levels > 16 and shape[-1] > 1:
        raise ValueError(
            "Expected colours of at most 16 levels for the family 'made', got "
            f"{levels}: give levels, or another family."
        )
    hidden = {"large": (500, 500), "medium": (300, 300), "small": (100,)}[size]
    head = _head(levels, shape[-1])
    return models.MADE(shape, hidden, direct=True, head=head, **options)


FAMILIES: dict[str, Callable[..., AutoregressiveModel]] = {
    "pixelcnn": _pixelcnn,
    "gated": _gated,
    "pixelcnn_pp": _pixelcnn_pp,
    "made": _made,
}


# The fit ------------------------------------------------------------------------------------------


def fit_images(
    x: np.ndarray | Path | Pictures,
    *,
    family: str = "pixelcnn",
    budget: str | float | None = None,
    epochs: int | None = None,
    labels: str | Sequence[Any] | np.ndarray | None = None,
    binary: bool = False,
    levels: int | None = None,
    size: int | Sequence[int] | None = None,
    validation: float = 0.1,
    seed: int = 0,
    folder: Path | None = None,
    precision: str = "float32",
    verbose: int | str = "auto",
) -> AutoregressiveModel:
    """Fits a model to images, in one call.

    Black-and-white images are modelled as 0 and 1 by a Bernoulli, others as they are, in 8 bits of
    grey or colour by a mixture of discretized logistics, and up to 16 levels by a categorical
    distribution. The network is large for 5,000 images and more, medium for 500, otherwise small,
    and smaller if ten epochs of it do not fit into the budget. Batches have about a fiftieth of the
    images, and from 4 to 32.

    The held-out images of ``validation``, which the seed draws, select the weights and the time to
    stop. With a ``folder``, the run resumes where it stopped: the number of epochs that the budget
    allowed is recorded there. Samples of every epoch are in ``folder/samples``.

    Args:
      x: images, or where they are, see `tfar.pictures.read`.
      family: "pixelcnn", "gated", "pixelcnn_pp" or "made": `tfar.models.PixelCNN`, `GatedPixelCNN`,
        `PixelCNNpp` or `MADE`.
      budget: how long to train, in seconds or as in "30m" or "1h30m"; by default "30m". A few
        steps are timed, and compiling counts, so that it is about right.
      epochs: how many, instead of a budget.
      labels: what the model is conditioned on: [N] integers or words; "from-folders" for the
        sub-folders, or the array "labels" of an .npz file; None for a model of the images alone.
        Words are kept in the model, as the names of its labels.
      binary: for ``levels=2``.
      levels: L, to which 8 bits are reduced, see `tfar.pictures.to_levels`; by default 2 for black
        and white, otherwise 256.
      size: N or (H, W), to which images of these proportions are resized.
      validation: fraction of the images that are held out.
      seed: the seed of everything random.
      folder: the folder of the run, which resumes where it stopped if the images are the same; by
        default a temporary one.
      precision: "float32", "bfloat16" or "float16", of the arithmetic.
      verbose: as in `tfar.training.train`.

    Returns:
      A `tfar.models.AutoregressiveModel` of events [H, W, C], uncompiled, with the best weights.

    Raises:
      ValueError: if an argument is invalid; there are fewer than ten images, or they have more than
        128x128 pixels; an image is not as `tfar.pictures.read` takes it; or as in
        `tfar.training.train`.
      OSError: if a file cannot be read, or the folder cannot be written.

    >>> images = np.eye(4)[np.random.default_rng(0).integers(0, 4, [40, 4])]
    >>> model = fit_images(images, family="made", epochs=2, verbose=0)
    >>> model.event_shape, model.head
    ((4, 4, 1), Bernoulli(centered=True))
    """
    arguments.choice("family", family, tuple(FAMILIES))
    validation = arguments.number("validation", validation, above=0, below=1)
    seed = arguments.integer("seed", seed, least=0, most=2**32 - 1)
    if levels is not None:
        levels = arguments.integer("levels", levels, least=2, most=256)
    if arguments.flag("binary", binary):
        if levels not in (None, 2):
            raise ValueError(f"Expected binary or levels, which is {levels}, got both.")
        levels = 2
    named = isinstance(labels, str)
    if named:
        arguments.choice("labels", labels, ("from-folders",))
    found = read(x, size=size, labels=named)
    numbers, names = (found.labels, found.classes) if named else (None, None)
    if named and numbers is None:
        raise ValueError("The images have no labels: read them with labels=True.")
    if labels is not None and not named:
        numbers, names = numbered(labels, len(found.x))
    data = _checked(found.x, numbers, levels)
    splits = _split(data, validation, seed)

    from tfar.training import budget as budgets
    from tfar.training.recipes import POLICIES, Recipe

    arguments.choice("precision", precision, tuple(POLICIES))
    count = len(splits["train"]["x"])
    batch = 2 ** int(math.log2(min(max(count / 50, 4), 32)))
    condition = None if numbers is None else _condition(numbers, names)
    levels = levels or natural_levels(found.x)

    def recipe(epochs, size):
        def model(x):
            options = {} if condition is None else {"condition": condition}
            return FAMILIES[family](x.shape[1:], size, levels, dropout=DROPOUT[size], **options)

        return Recipe(
            name="images",
            summary="Images.",
            dataset="images",
            model=model,
            paper={"none": "images of one's own"},
            epochs=epochs,
            batch_size=batch,
            optimizer="muon",
            learning_rate=3e-3,
            weight_decay=0.1,
            clip_norm=1.0,
            # An average over a twentieth of the steps, and over a thousand at most.
            ema=1 - 1 / min(max(epochs * (count // batch) / 20, 2), 1000),
            patience=max(10, epochs // 3),
            conditional=condition is not None,
            precision=POLICIES[precision],
            seed=seed,
        )

    return budgets.trained(
        recipe,
        SIZES[(count < LARGE) + (count < MEDIUM) :],
        splits,
        budget=budget,
        epochs=epochs,
        folder=folder,
        verbose=verbose,
    )


def _condition(numbers, names):
    """Labels with names, if those are more than the numbers."""
    from tfar import conditions

    count = int(numbers.max()) + 1
    plain = tuple(names) == tuple(map(str, range(count)))
    return conditions.Labels(count, names=None if plain else names)


def _checked(x, labels, levels):
    """The images in their levels, with their labels, if they can be fitted."""
    count, height, width, _ = x.shape
    if count < LEAST:
        raise ValueError(f"Expected at least {LEAST} images, got {count}.")
    if height * width > MOST_PIXELS:
        raise ValueError(
            f"Every pixel is predicted from those before it, which takes too long for images of "
            f"{width}x{height} pixels: give a size, for instance 32, to which they are resized."
        )
    if (x == x[:1]).all():
        raise ValueError(f"Expected different images, and all {count:,} are the same.")
    x = to_levels(x, levels or natural_levels(x))
    if labels is None:
        return {"x": x}
    if len(np.unique(labels)) < 2:
        raise ValueError(f"Expected labels of at least two values, got only {labels[0]}.")
    return {"x": x, "condition": labels}


def _split(data, validation, seed):
    count = len(data["x"])
    order = np.random.default_rng(seed).permutation(count)
    held_out = min(max(1, round(validation * count)), count - 4)
    parts = {"validation": order[:held_out], "train": order[held_out:]}
    return {split: {k: v[rows] for k, v in data.items()} for split, rows in parts.items()}
