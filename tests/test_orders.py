import itertools

import numpy as np
import pytest

from tfar import orders


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("name", orders.NAMED)
def test_named_orders_are_permutations(name, n):
    order = orders.get(name, n)
    assert order.dtype == np.int32 and sorted(order.tolist()) == list(range(n))
    assert np.array_equal(order, orders.get(name, n))


def test_random_orders_are_pinned():
    # Saved models name their order by its seed.
    assert orders.random(8).tolist() == [6, 2, 1, 7, 3, 0, 5, 4]
    assert orders.random(8, seed=1).tolist() != orders.random(8).tolist()


@pytest.mark.parametrize("given", [[2, 0, 1], (2, 0, 1), np.array([2, 0, 1], np.int64)])
def test_explicit_orders(given):
    order = orders.get(given, 3)
    assert order.dtype == np.int32 and order.tolist() == [2, 0, 1]


def test_the_caller_keeps_its_array():
    reverse = orders.reversed(4)
    reverse[0] = 9
    assert orders.reversed(4).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("bad", [[0, 1], [0, 1, 1], [1, 2, 3], [[0, 1, 2]], [0, 1, 2.5]])
def test_no_permutation(bad):
    with pytest.raises(
        ValueError, match=r"a permutation of 0 \.\.\. 2 .*, got an array of shape \["
    ):
        orders.get(bad, 3)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"one of .*'raster'.*'random'.*, got 'spiral'"):
        orders.get("spiral", 3)


def test_scans_are_the_raster_orders_of_turned_and_mirrored_images():
    image = np.arange(9).reshape([3, 3])
    turns = [np.rot90(image, k) for k in range(4)]
    expected = {tuple(turn.ravel()) for turn in [*turns, *(turn.T for turn in turns)]}
    options = itertools.product([False, True], repeat=3)
    scans = [orders.scan([3, 3], columns=c, upwards=u, leftwards=v).tolist() for c, u, v in options]
    assert len(scans) == 8 and {tuple(scan) for scan in scans} == expected
    colours = orders.scan([2, 1, 3], upwards=True)
    assert colours.tolist() == [3, 4, 5, 0, 1, 2]
    with pytest.raises(ValueError, match=r"\(H, W\) or \(H, W, C\)"):
        orders.scan([4])
