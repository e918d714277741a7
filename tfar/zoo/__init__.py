"""The zoo: trained models with their recipes, cards and figures, and what publishes them."""

from tfar.zoo import artefacts, pinned
from tfar.zoo.artefacts import *  # noqa: F403
from tfar.zoo.pinned import *  # noqa: F403

__all__ = [*artefacts.__all__, *pinned.__all__]
