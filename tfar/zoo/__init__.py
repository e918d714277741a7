"""The zoo: trained models with their recipes, cards and figures, and what publishes them."""

from tfar.zoo.artefacts import (
    checksum,
    examples,
    find,
    info,
    list,
    load,
    model_folder,
    pack,
    recipe_path,
    serve_config,
    verify,
)

__all__ = [
    "checksum",
    "examples",
    "find",
    "info",
    "list",
    "load",
    "model_folder",
    "pack",
    "recipe_path",
    "serve_config",
    "verify",
]
