"""Dates and times between the words of ISO 8601 and numbers of steps, in a graph.

What `tfar.tables.times` does with pandas, for exports: a day is split into its steps, so that no
number is beyond int64 in the years 1 to 9999.

#### References
H. Hinnant. chrono-Compatible Low-Level Date Algorithms. 2014.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfar.tables.times import STEPS

DAY = STEPS["1 day"]
PATTERN = (
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)?)?"
)
NOON = "0001-01-01 00:00:00.000000000+00:00"  # the longest form


def steps(words: tf.Tensor, step: str, base: int) -> tuple[tf.Tensor, tf.Tensor]:
    """``(steps, valid)``: times [B] as steps, and parts of them, from 1970 in UTC less ``base``.

    They are float64, exact below 2^53. An offset such as +02:00 is subtracted; a time without one
    is in UTC. What is not valid has some number.
    """
    valid = tf.strings.regex_full_match(words, PATTERN)
    words = tf.where(valid, words, NOON)
    days, exists = _days(*(_number(words, *place) for place in ((0, 4), (5, 2), (8, 2))))
    clock = tf.strings.substr(words, 10, 99)
    time = tf.strings.regex_replace(clock, r"(Z|[+-]\d\d:?\d\d)$", "")
    offset = tf.strings.regex_replace(clock, r"^.*?(([+-])(\d\d):?(\d\d))?$", r"\2\3\4")
    offset = tf.strings.regex_replace(offset, r"[Z+]", "")
    fraction = tf.strings.regex_replace(time, r"^[^.]*\.?", "")
    seconds = tf.strings.regex_replace(time, r"\..*$|[ T:]", "") + "000000"
    hour, minute, second = (_number(seconds, start, 2) for start in (0, 2, 4))
    nanos = _number(fraction + "000000000", 0, 9)
    away = _whole(offset + "")
    away = tf.sign(away) * (tf.abs(away) // 100 * 60 + tf.abs(away) % 100)  # +0230 is 150 minutes
    ticks = ((hour * 60 + minute - away) * 60 + second) * STEPS["1 second"] + nanos
    size, (first, rest) = STEPS[step], divmod(base, DAY // STEPS[step])
    found = tf.cast(days - first, tf.float64) * (DAY // size) + tf.cast(
        tf.math.floordiv(ticks, size) - rest, tf.float64
    )
    return found + tf.cast(tf.math.floormod(ticks, size), tf.float64) / size, valid & exists


def words(number: tf.Tensor, column: dict[str, Any], base: int) -> tf.Tensor:
    """The times [B] that are so many whole steps after ``base``, float64, as ISO words in UTC."""
    size = STEPS[column["step"]]
    first, rest = divmod(base, DAY // size)
    days = tf.math.floor(number / (DAY // size))
    left = tf.cast(number - days * (DAY // size), tf.int64) + rest
    days = tf.cast(days, tf.int64) + first + left // (DAY // size)
    left = left % (DAY // size) * size
    year, month, day = _civil(days)
    date = tf.strings.join([_digits(year, 4), _digits(month, 2), _digits(day, 2)], "-")
    if size == DAY:
        return date
    second, nanos = left // STEPS["1 second"], left % STEPS["1 second"]
    clock = [second // 3600, second // 60 % 60, second % 60]
    found = tf.strings.join([date, tf.strings.join([_digits(n, 2) for n in clock], ":")], " ")
    places = {"1 millisecond": 3, "1 microsecond": 6, "1 nanosecond": 9}.get(column["step"], 0)
    if places:
        found += "." + tf.strings.substr(_digits(nanos, 9), 0, places)
    return found + "+00:00" if column["zone"] else found


def _days(year, month, day):
    """Days from 1970-01-01, int64, and whether there is such a day in the years 1 to 9999."""
    march = (month + 9) % 12  # months since March, whose year has the leap day at its end
    y = year - tf.cast(month <= 2, tf.int64)
    of_year = (153 * march + 2) // 5 + day - 1
    found = 365 * y + y // 4 - y // 100 + y // 400 + of_year - 719468
    again = _civil(found)
    return found, (year >= 1) & (again[1] == month) & (again[2] == day)


def _civil(days):
    """Year, month and day of days from 1970-01-01."""
    days += 719468
    era, of_era = days // 146097, days % 146097
    y = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * y + y // 4 - y // 100)
    march = (5 * of_year + 2) // 153
    month = (march + 2) % 12 + 1
    year = era * 400 + y + tf.cast(month <= 2, tf.int64)
    return year, month, of_year - (153 * march + 2) // 5 + 1


def _digits(number, width):
    return tf.strings.as_string(number, width=width, fill="0")


def _number(words, start, length):
    return _whole(tf.strings.substr(words, start, length))


def _whole(words):
    """Integers [B], int64, 0 of nothing."""
    return tf.strings.to_number(tf.where(words == "", "0", words), tf.int64)
