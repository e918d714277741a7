"""Pictures refuse what they cannot show."""

import numpy as np
import pytest

from tfar import plots

IMAGES = np.zeros([4, 3, 3, 1])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (IMAGES - 1, {}, "finite numbers of at least 0, got -1.0 to -1.0"),
        (IMAGES + 256, {}, "images of 0 ... 255, got 256"),
        (IMAGES + np.nan, {}, "finite numbers of at least 0, got nan to nan"),
        (np.full([2, 3], np.inf), {}, "finite numbers of at least 0, got inf to inf"),
        (IMAGES + 1j, {}, "got complex128"),
        (np.zeros([4, 3, 3, 2]), {}, r"got the shape \[4, 3, 3, 2\]"),
        (np.zeros([0, 3, 3, 1]), {}, r"got the shape \[0, 3, 3, 1\]"),
        (np.zeros([3, 0]), {}, r"got the shape \[3, 0\]"),
        (None, {}, r"got the shape \[\]"),
        (IMAGES, {"columns": 0}, "columns to be an integer of at least 1, got 0"),
        (IMAGES, {"scale": 1.5}, "scale to be an integer of at least 1, got 1.5"),
        (IMAGES, {"margin": -1}, "margin to be an integer of at least 0, got -1"),
    ],
)
def test_what_is_no_picture(x, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        plots.save_grid(x, tmp_path / "x.png", **options)
    assert not list(tmp_path.iterdir())


def test_what_can_be_drawn():
    for shape, dtype, drawn in (
        ([28, 28, 1], np.int32, True),
        ([8, 8, 3], np.uint8, True),
        ([784], np.int32, True),
        ([8, 8, 2], np.int32, False),
        ([8, 8], np.int32, False),
        ([28, 28, 1], np.float32, False),
    ):
        assert plots.drawable(shape, dtype) == drawn
        if drawn:
            plots.grid(np.ones([2, *shape], dtype))
