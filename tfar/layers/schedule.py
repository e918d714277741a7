"""Schedules: in which order a sampling loop works on the sites."""

import dataclasses
from typing import Self

import numpy as np
import tensorflow as tf

from tfar.arguments import integer


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A wavefront: site (r, c) of ``rows`` rows of ``columns`` sites is drawn at time c + lag r.

    A row may be drawn while the one above it is still under way, if no layer reaches farther to the
    right than what is drawn there. At most ``slots`` rows are under way at a time, row r in slot
    r mod slots, and the sites at a time t are (r, t - lag r). With a lag of ``columns`` there is
    one slot, and sites are drawn one after the other: see `raster`.

    Attributes:
      rows, columns: ints, whose product is n, the number of sites.
      lag: an int from 1 to ``columns``.

    Raises:
      ValueError: if one of them is not such an int.

    >>> front = Schedule(28, 28, lag=4)
    >>> front.slots, front.times, front.raster().times
    (7, 136, 784)
    >>> front.at(9).number.numpy()[:3].tolist()  # (0, 9), (1, 5) and (2, 1)
    [9, 33, 57]
    """

    rows: int
    columns: int
    lag: int

    def __post_init__(self) -> None:
        for field in ("rows", "columns", "lag"):
            most = self.columns if field == "lag" else None
            value = integer(field, getattr(self, field), least=1, most=most)
            object.__setattr__(self, field, value)

    @property
    def slots(self) -> int:
        """S, the most sites at a time."""
        return min(self.rows, -(-self.columns // self.lag))

    @property
    def times(self) -> int:
        """The number of times, at each of which a loop takes a step."""
        return self.columns + (self.rows - 1) * self.lag

    def raster(self) -> Self:
        """The schedule that draws one site after the other."""
        return self.slower(self.columns)

    def slower(self, lag: int) -> Self:
        """This schedule, with at least that lag (or that of `raster`, if it is less)."""
        lag = max(self.lag, min(integer("lag", lag, least=1), self.columns))
        return dataclasses.replace(self, lag=lag)

    def at(self, time: int | tf.Tensor) -> "Sites":
        """The sites at a time, an int or a scalar tensor. One site after the other may go beyond n,
        for layers that know no positions."""
        if self.slots == 1:
            return Sites(self, tf.reshape(time, [1]), tf.constant([True]))
        row, column = self._rows_and_columns()
        valid = (row >= 0) & (row < self.rows) & (column < self.columns)
        # A slot that is idle is at the same colour as the others.
        number = row.clip(0, self.rows - 1) * self.columns + column % self.columns
        table = tf.constant(number.astype(np.int32))
        return Sites(self, tf.gather(table, time), tf.gather(tf.constant(valid), time))

    def _rows_and_columns(self):
        """Ints [times, slots]; some are outside."""
        time, slot = np.arange(self.times)[:, None], np.arange(self.slots)
        begun = np.minimum(time // self.lag, self.rows - 1)  # the last row that has begun
        row = begun - (begun - slot) % self.slots
        return row, time - row * self.lag

    def places(self) -> np.ndarray:
        """int32 [n]: time * slots + slot of each site."""
        row, column = np.divmod(np.arange(self.rows * self.columns), self.columns)
        return ((column + self.lag * row) * self.slots + row % self.slots).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class WholeRows:
    """One row of sites after the other, each of them at once: see `CausalLayer.extend`.

    Attributes:
      rows, columns: ints, whose product is n, the number of sites.
    """

    rows: int
    columns: int


@dataclasses.dataclass(frozen=True)
class Sites:
    """The sites of one step.

    Attributes:
      schedule: a `Schedule`.
      number: int32 [S], the site in each slot.
      valid: bool [S]. In a slot that is idle the number is that of some site, but neither its input
        nor its output counts.
    """

    schedule: Schedule
    number: tf.Tensor
    valid: tf.Tensor

    @property
    def one(self) -> tf.Tensor:
        """The site's number, a scalar, for a layer whose schedules have one slot."""
        return self.number[0]


Plan = Schedule | WholeRows  # how a state is worked on


def one_by_one(num_sites: int) -> Schedule:
    """The schedule of sites that are no image: one after the other.

    >>> one_by_one(5).at(3).number.numpy().tolist()
    [3]
    """
    return Schedule(1, num_sites, num_sites)
