"""``python -m tfar.cli`` is ``tfar``."""

from tfar.cli import main

if __name__ == "__main__":
    main(prog_name="tfar")
