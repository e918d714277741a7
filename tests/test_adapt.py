"""Starting from the marginals."""

import numpy as np
import pytest

from tfar.heads import Bernoulli, Categorical
from tfar.models import FVSBN, MADE


@pytest.mark.parametrize(
    "factory",
    [
        lambda: FVSBN([2, 3, 1], head=Bernoulli(centered=True), order="random"),
        lambda: FVSBN([2, 2], head=Categorical(3), order="reversed"),
        lambda: MADE([2, 3], (8, 8), order=[[3, 0, 5, 1, 2, 4], [0, 1, 2, 3, 4, 5]], direct=True),
        lambda: MADE([4], (8,), head=Categorical(3), order=[2, 0, 3, 1]),
    ],
)
def test_every_site_starts_at_its_smoothed_frequencies(factory):
    model = factory()
    values = getattr(model.head, "num_categories", 2)
    rng = np.random.default_rng(0)
    x = rng.integers(0, values, [30, *model.event_shape])
    x[:, ..., -1] = 0  # a constant site keeps a finite parameter
    model.adapt(x.astype(np.uint8))
    for member in range(model.members):
        conditionals = model(x, member=member)
        for value in range(values):
            expected = ((x == value).sum(axis=0) + 1) / (30 + values)
            found = np.exp(conditionals.log_prob(np.full_like(x, value)))
            np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-5)


def test_bad_examples_are_refused():
    with pytest.raises(ValueError, match="takes 0 or 1, got 2"):
        FVSBN([2]).adapt(np.array([[0, 2]]))
