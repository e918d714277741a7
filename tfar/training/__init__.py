"""Training: the loop, recipes, the feeding of data, checkpoints, progress and optimizers."""

from tfar.training.loop import build, finished, train
from tfar.training.muon import Muon
from tfar.training.recipes import Recipe, load_recipe
from tfar.training.schedule import Schedule

__all__ = ["Muon", "Recipe", "Schedule", "build", "finished", "load_recipe", "train"]
