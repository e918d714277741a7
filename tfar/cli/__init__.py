"""The command line. TensorFlow is imported by the commands that need it, never for ``--help``."""

from tfar.cli import judge, maintain, pack, show, train, use  # noqa: F401  (they add their commands)
from tfar.cli.shell import main

__all__ = ["main"]
