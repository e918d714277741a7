"""Scores of examples: functions of a model and examples, lower for odder ones.

A score is a function ``score(model, x)`` that returns [N] numbers. A score that depends on typical
examples has a method ``fitted(model, x)``, which returns such a function.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tfar import kinds

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel
    from tfar.typing import Nest

Score = Callable[[Any, Any], np.ndarray]


def likelihood(model: AutoregressiveModel, x: Nest) -> np.ndarray:
    """log p(x), [N] nats.

    Simple examples, blank or smooth ones, are likely under most models of images, whatever these
    were trained on: this score takes them for normal.
    """
    return kinds.of(model).log_prob(x)


def pseudolikelihood(model: AutoregressiveModel, x: Nest) -> np.ndarray:
    """sum_i log p(x_i | all other entries), [N] nats, of a model of all orders.

    Entries that contradict each other are counted from both sides: of tables it finds more odd rows
    than log p(x) does. It is no log-probability.

    Raises:
      ValueError: if the model has one order.

    #### References
    J. Besag. Statistical Analysis of Non-Lattice Data. The Statistician 24, 1975.
    """
    from tfar.anomaly.parts import cells

    return -cells(model, x).sum(axis=1, dtype=np.float64)


def ratio(background: AutoregressiveModel) -> Score:
    """log p(x) - log p_0(x): what is common to all images cancels (Ren et al. 2019).

    Two recipes for p_0 are known: the same network, trained on images some of whose pixels are
    replaced by random ones (``replaced`` of `tfar.training.Recipe`); and a network that sees a few
    pixels far only, trained on the images themselves (Zhang et al. 2021).

    Args:
      background: the model p_0, of the same shape of examples.

    #### References
    J. Ren, P. J. Liu, E. Fertig, J. Snoek, R. Poplin, M. DePristo, J. Dillon, B. Lakshminarayanan.
    Likelihood Ratios for Out-of-Distribution Detection. NeurIPS 2019, section 3.
    M. Zhang, A. Zhang, S. McDonagh. On the Out-of-distribution Generalization of Probabilistic
    Image Modelling. NeurIPS 2021, section 3.
    """

    def score(model: AutoregressiveModel, x: Nest) -> np.ndarray:
        _check_alike(model, background)
        return likelihood(model, x) - likelihood(background, x)

    return score


def _check_alike(model, other):
    if model.event_shape != other.event_shape:
        raise ValueError(
            f"Expected another model of examples of shape {list(model.event_shape)}, got one of "
            f"{list(other.event_shape)}."
        )


def product(*others: AutoregressiveModel, own: Score = likelihood) -> Score:
    """log p(x) + sum_m log p_m(x), a product of experts: odd is what any of the models finds odd.

    Models of different kinds are right about different rows, for instance
    `tfar.models.KernelDensity`, near its examples only, and a network.

    Args:
      *others: the models p_m, of the same shape of examples.
      own: the score of the detector's own model, for instance `pseudolikelihood`.

    #### References
    G. Hinton. Training Products of Experts by Minimizing Contrastive Divergence. Neural Computation
    14, 2002.
    """
    if not others or not callable(own):
        raise ValueError(
            f"Expected at least one other model, and a score as own, got {others} and {own!r}."
        )

    def score(model: AutoregressiveModel, x: Nest) -> np.ndarray:
        for other in others:
            _check_alike(model, other)
        return own(model, x) + sum(likelihood(other, x) for other in others)

    return score


def complexity(model: AutoregressiveModel, x: Nest) -> np.ndarray:
    """log p(x) + log(2) L(x), with L(x) the bits of the example as a PNG file (Serra et al. 2020).

    How much better the model describes an example than a coder does that knows no data.

    Raises:
      ValueError: if examples are not images of one or three channels of 8 bits or fewer.

    #### References
    J. Serra, D. Alvarez, V. Gomez, O. Slizovskaia, J. F. Nunez, J. Luque. Input Complexity and
    Out-of-Distribution Detection with Likelihood-Based Generative Models. ICLR 2020, section 3.
    """
    images = np.asarray(x["x"] if isinstance(x, dict) else x)
    return likelihood(model, x) + np.log(2) * np.array([png_bits(image) for image in images])


def png_bits(image: np.ndarray) -> int:
    """The bits of an image [H, W, 1 or 3] as a PNG file, its header included.

    Images of zeros and ones take one bit a pixel before compression.

    >>> png_bits(np.zeros([28, 28, 1])) < png_bits(np.eye(28)[..., None])
    True
    """
    from PIL import Image

    image = np.asarray(image)
    whole = image.ndim == 3 and image.shape[2] in (1, 3)
    if not whole or not np.array_equal(image, np.clip(np.floor(image), 0, 255)):
        raise ValueError(
            "Complexity is that of images [H, W, 1 or 3] of integers from 0 to 255, got the shape "
            f"{list(image.shape)} and values up to {image.max() if image.size else 0}: give a "
            "score of your own."
        )
    pixels = image.astype(np.uint8)
    pixels = pixels[..., 0] if image.shape[2] == 1 else pixels
    binary = image.shape[2] == 1 and image.max() <= 1
    picture = Image.fromarray(pixels.astype(bool) if binary else pixels)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return 8 * len(file.getvalue())


class Typicality:
    """-|log p(x) - m|, with m the mean of log p over typical examples (Nalisnick et al. 2019).

    #### References
    E. Nalisnick, A. Matsukawa, Y. W. Teh, B. Lakshminarayanan. Detecting Out-of-Distribution Inputs
    to Deep Generative Models Using Typicality. arXiv:1906.02994, 2019, section 3.
    """

    def __call__(self, model: AutoregressiveModel, x: Nest) -> np.ndarray:
        raise ValueError("Typicality needs typical examples: fit the detector first.")

    def fitted(self, model: AutoregressiveModel, x: Nest) -> Score:
        mean = np.mean(likelihood(model, x))
        return lambda model, x: -np.abs(likelihood(model, x) - mean)


typicality = Typicality()
