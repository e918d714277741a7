"""The command line. TensorFlow is imported by the commands that need it, never for ``--help``."""

from tfar.cli import (  # noqa: F401  (they add their commands)
    complete,
    judge,
    maintain,
    own_data,
    pack,
    show,
    train,
    use,
)
from tfar.cli.shell import main

__all__ = ["main"]
