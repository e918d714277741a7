"""``python -m tfar.cli`` is ``tfar``."""

from tfar.cli import main

main(prog_name="tfar")
