"""Cases beyond those of every run: the same parts once more, in other combinations and sizes."""

from collections.abc import Container, Iterable

import pytest


def beyond(every_run: Container[str], cases: Iterable[str]) -> list:
    """All ``cases`` as parameters; those not in ``every_run`` have the mark `thorough`."""
    thorough = pytest.mark.thorough
    return [pytest.param(c, marks=() if c in every_run else thorough, id=c) for c in cases]
