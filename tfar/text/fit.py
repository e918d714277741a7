"""A model of one's own text, in one call."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tfar import arguments, contents, files

if TYPE_CHECKING:
    from typing import Any

    from tfar.models import SequenceModel
    from tfar.typing import Path

LEAST = 1_000  # characters
WINDOWS = (
    256,
    128,
    64,
)  # characters that are trained on at once; the first of which there are enough
ENOUGH = 100
SIZES = ("large", "medium", "small")  # of networks
LARGE, MEDIUM = 300_000, 30_000  # as many characters, for networks that large


# Families, each with a network of every size, and how it is trained -------------------------------


def _transformer(length, size, head):
    from tfar import models

    width, layers = {"large": (128, 4), "medium": (64, 3), "small": (32, 2)}[size]
    options = {"window": length // 2, "tied": True, "dropout": 0.2, "head": head}
    return models.Transformer([length], width, layers, 4, **options)


def _gru(length, size, head):
    from tfar import models

    units = {"large": 512, "medium": 256, "small": 64}[size]
    return models.CharRNN([length], (units,), cell="gru", dropout=0.3, head=head)


FAMILIES: dict[str, tuple[Callable[..., SequenceModel], int, dict[str, Any]]] = {
    # the largest batch, and fields of the recipe
    "transformer": (_transformer, 4, {"optimizer": "muon", "learning_rate": 1e-2}),
    "gru": (_gru, 32, {"optimizer": "adamw", "learning_rate": 4e-3}),
}


# The fit ------------------------------------------------------------------------------------------


def fit_text(
    text: str | pathlib.Path | Sequence[Path],
    *,
    family: str = "transformer",
    budget: str | float | None = None,
    epochs: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
    folder: Path | None = None,
    precision: str = "float32",
    verbose: int | str = "auto",
) -> SequenceModel:
    """Fits a model to a text, character by character, in one call.

    The characters of the text are those that the model knows. The last tenth of the text is held
    out, and selects the weights and the time to stop. The network is large for 300,000 characters
    and more, medium for 30,000, otherwise small, and smaller if ten epochs of it do not fit into
    the budget. It is trained on windows of 256 characters, fewer for a short text, and continues
    texts to any length.

    With a ``folder``, the run resumes where it stopped: the number of epochs that the budget
    allowed is recorded there. Samples of every epoch are in ``folder/samples``.

    Args:
      text: the text, a string; or a ``pathlib.Path``, or a list of paths, of files in UTF-8, which
        are read one after the other.
      family: "transformer" or "gru": `tfar.models.Transformer`, or a `CharRNN` of gated units.
      budget: how long to train, in seconds or as in "30m" or "1h30m"; by default "30m". A few
        steps are timed, and compiling counts, so that it is about right.
      epochs: how many, instead of a budget.
      validation: fraction of the text, at its end, that is held out.
      seed: the seed of everything random.
      folder: the folder of the run, which resumes where it stopped if the text is the same; by
        default a temporary one.
      precision: "float32", "bfloat16" or "float16", of the arithmetic.
      verbose: as in `tfar.training.train`.

    Returns:
      A `tfar.models.SequenceModel` with a `tfar.heads.Characters`, uncompiled, with the best
      weights.

    Raises:
      ValueError: if an argument is invalid, the text is too short, or a file is not text in UTF-8;
        or as in `tfar.training.train`.
      OSError: if a file cannot be read, or the folder cannot be written.

    >>> model = fit_text("to be, or not to be. " * 60, family="gru", epochs=1, verbose=0)
    >>> len(model.generate("to", length=20, seed=1))
    22
    """
    from tfar.heads import Characters
    from tfar.training import budget as budgets
    from tfar.training.recipes import POLICIES, Recipe

    arguments.choice("family", family, tuple(FAMILIES))
    arguments.choice("precision", precision, tuple(POLICIES))
    validation = arguments.number("validation", validation, above=0, below=1)
    whole = read(text)
    held_out = max(round(validation * len(whole)), WINDOWS[-1])
    train, validated = whole[:-held_out], whole[-held_out:]
    if len(train) < LEAST // 2:
        raise ValueError(
            f"Expected at least {LEAST // 2} characters besides those held out, got {len(train)}."
        )
    length = next((n for n in WINDOWS if min(len(train) / ENOUGH, held_out) >= n), WINDOWS[-1])
    network, most, fields = FAMILIES[family]
    windows = (len(train) - length + 1) // length
    batch = 2 ** int(math.log2(min(max(windows / 50, 4), most)))
    head = Characters.of(whole)

    def recipe(epochs, size):
        return Recipe(
            name="text",
            summary="A text.",
            dataset="text",
            model=lambda _: network(length, size, head),
            paper={"none": "a text of one's own"},
            epochs=epochs,
            batch_size=batch,
            weight_decay=0.05,
            clip_norm=1.0,
            # An average over a twentieth of the steps, and over a thousand at most.
            ema=1 - 1 / min(max(epochs * (windows // batch) / 20, 2), 1000),
            patience=max(10, epochs // 3),
            precision=POLICIES[precision],
            seed=seed,
            **fields,
        )

    return budgets.trained(
        recipe,
        SIZES[(len(train) < LARGE) + (len(train) < MEDIUM) :],
        {"train": train, "validation": validated},
        budget=budget,
        epochs=epochs,
        folder=folder,
        verbose=verbose,
    )


def read(text: str | pathlib.Path | Sequence[Path]) -> str:
    """A text to fit a model to, from what `fit_text` takes.

    Raises:
      ValueError: if it is too short, is of one character only, or is not text in UTF-8.
      OSError: if a file cannot be read.

    >>> read("To be, or not to be.")
    Traceback (most recent call last):
    ...
    ValueError: Expected a text of at least 1,000 characters to learn from, got 20 in 1 line.
    """
    if isinstance(text, str):
        whole = text
    else:
        paths = [text] if isinstance(text, os.PathLike) else text
        what = "a text, a pathlib.Path or a list of paths"
        listed = arguments.items("text", paths, what, lambda p: isinstance(p, str | os.PathLike))
        parts = [contents.text(files.read(path), str(path)) for path in listed]
        for path, part in zip(listed, parts):
            if "\0" in part:
                raise ValueError(f"Expected {path} to be text, got the character 0 in it.")
        whole = "".join(part if part.endswith("\n") else f"{part}\n" for part in parts[:-1])
        whole += parts[-1]
    if len(whole) < LEAST:
        lines = len(whole.splitlines())
        names_file = isinstance(text, str) and "\n" not in text and os.path.isfile(text)
        hint = f" To read the file, give pathlib.Path({text!r})." if names_file else ""
        raise ValueError(
            f"Expected a text of at least {LEAST:,} characters to learn from, got {len(whole):,} "
            f"in {lines:,} line{'s' * (lines != 1)}.{hint}"
        )
    if len(set(whole)) < 2:
        raise ValueError(f"Expected several different characters, got {whole[0]!r} only.")
    return whole
