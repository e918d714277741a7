"""Training: the loop, recipes, what data are fed, checkpoints, progress and optimizers."""

from tfar.training.loop import Schedule, build, finished, train
from tfar.training.muon import Muon
from tfar.training.recipes import Recipe, load_recipe

__all__ = ["Muon", "Recipe", "Schedule", "build", "finished", "load_recipe", "train"]
