"""Rows as words, as a CSV file has them, to the codes that a model takes, and back, in a graph.

What `tfar.tables.codec` does with pandas, for exports: a server of them has no Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfar.tables import iso, numeric, times

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
INTEGER = r"[+-]?\d{1,27}(\.0*)?"
LIMB = 10**9  # integers are split into their last nine digits and the others

Columns = list[dict[str, Any]]


def codes(columns: Columns, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """``(codes, valid)`` of words [B, n]: float32, NaN of empty ones, and which are `expected`.

    A category that a column does not have, or an integer or a time out of its range, has the code
    -1, which the column does not take.

    Args:
      columns: what `tfar.tables.describe` gives.
      rows: of categories their names; of numbers digits, as 12, -0.5 or 1e-3; of times ISO 8601; of
        durations and periods their numbers of steps.
    """
    each = [_codes(column, rows[:, i]) for i, column in enumerate(columns)]
    found, valid = zip(*each)
    return tf.stack(found, axis=1), tf.stack(valid, axis=1)


def expected(column: dict[str, Any]) -> str:
    """What the words of a column must be."""
    if "categories" in column:
        return "a number" if _numeric(column) else "a category"
    if column.get("kind") != "time":
        return "a number" if _whole(column) else "a finite number"
    if column["time"] == "time":
        return "a date or time of ISO 8601"
    return f"a {column['time']} as a number of steps ({times.step(column)})"


def written(columns: Columns, x: tf.Tensor) -> tf.Tensor:
    """Codes [B, n], float32, as words [B, n]; empty where one is NaN."""
    each = [_written(column, x[:, i]) for i, column in enumerate(columns)]
    return tf.where(tf.math.is_nan(x), "", tf.stack(each, axis=1))


def log_units(columns: Columns, x: tf.Tensor) -> tf.Tensor:
    """As `tfar.tables.codec.log_units`: log |d code / d x| of codes [B, n], float64 [B] nats."""
    return tf.add_n([_log_units(column, x[:, i]) for i, column in enumerate(columns)])


def _whole(column):
    return column.get("kind") == "integer" or "levels" in column


def _numeric(column):
    """Whether categories are numbers, which may be spelt otherwise."""
    return all(type(one) in (int, float) for one in column["categories"])


def _codes(column, words):
    words = tf.strings.strip(words)
    missing = words == ""
    if "categories" in column:
        found, valid = _category(column, words)
    else:
        number, valid = _read(column, words)
        found = _encoded(column, tf.where(valid, number, tf.zeros_like(number)))
    return tf.where(missing, np.float32(np.nan), found), valid | missing


def _category(column, words):
    categories, valid = column["categories"], tf.ones_like(words, tf.bool)
    if _numeric(column):
        words, valid = _real(words)
        names = np.array(categories, np.float64)
    elif all(isinstance(one, bool) for one in categories):
        words, names = tf.strings.lower(words), [str(one).lower() for one in categories]
    else:
        names = [str(one) for one in categories]
    same = words[:, None] == tf.constant(names)
    code = tf.argmax(same, axis=1, output_type=tf.int32)
    other = len(categories) - 1 if column.get("others") else -1
    return tf.cast(tf.where(tf.reduce_any(same, axis=1), code, other), tf.float32), valid


def _read(column, words):
    """``(numbers less the base of the column, float64, which are valid)``."""
    base = numeric.base(column)
    if column.get("kind") == "time":
        if column["time"] == "time":
            return iso.steps(words, column["step"], base)
        return _integer(words, base)
    if _whole(column):
        whole, valid = _integer(words, base)
        real, number = _real(words)  # 2.5, of which the column has none, or 1e3
        return tf.where(valid, whole, real - base), number
    number, valid = _real(words)
    return _held(column, number) - base, valid


def _real(words):
    valid = tf.strings.regex_full_match(words, NUMBER)
    digits = tf.strings.regex_replace(tf.where(valid, words, "0"), r"^\+", "")
    number = tf.strings.to_number(digits, tf.float64)
    return number, valid & tf.math.is_finite(number)


def _integer(words, base):
    """Integers less a base, float64: exact where the difference is, whatever the integers are."""
    valid = tf.strings.regex_full_match(words, INTEGER)
    words = tf.strings.regex_replace(tf.where(valid, words, "0"), r"\.0*$", "")
    negative = tf.strings.regex_full_match(words, "-.*")
    digits = "000000000" + tf.strings.regex_replace(words, r"^[+-]", "")
    size = tf.strings.length(digits) - 9
    sign = tf.where(negative, np.int64(-1), np.int64(1))
    high, low = (
        sign * tf.strings.to_number(tf.strings.substr(digits, start, length), tf.int64)
        for start, length in ((tf.zeros_like(size), size), (size, tf.fill(tf.shape(size), 9)))
    )
    of_base = divmod(base, LIMB)
    return _joined(high - of_base[0], low - of_base[1]), valid


def _joined(high, low):
    return tf.cast(high, tf.float64) * LIMB + tf.cast(low, tf.float64)


def _encoded(column, x):
    """As `numeric.encode`."""
    atoms = numeric.atoms(column)
    if "levels" in column:
        span = column.get("span", column["levels"])
        inside = (x >= 0) & (x < span) & (x == tf.floor(x))
        found = tf.cast(tf.where(inside, x, -tf.ones_like(x)), tf.float32)
        for value, atom in atoms:
            found = tf.where(x == value, np.float32(atom), found)
        return found
    transform = column.get("transform", "linear")
    if transform == "log":
        y = tf.math.log(tf.maximum(x, np.float64(numeric.TINY)))
    elif transform == "asinh":
        y = tf.asinh((x - column["centre"]) / column["scale"])
    else:
        y = x
    most = np.float64(numeric.LARGEST)
    found = tf.clip_by_value((y - column["mean"]) / column["std"], -most, most)
    found = tf.cast(found, tf.float32)
    for value, atom in atoms:
        alike = (found == atom) & (x != value)
        found = tf.where(alike, np.nextafter(atom, np.float32(np.inf)), found)
        found = tf.where(x == value, atom, found)
    return found


def _written(column, x):
    x = tf.where(tf.math.is_nan(x), tf.zeros_like(x), x)
    if "categories" in column:
        names = tf.constant([str(one) for one in column["categories"]])
        return tf.gather(names, tf.minimum(tf.cast(x, tf.int32), len(column["categories"]) - 1))
    above = _above(column, x)
    base = numeric.base(column)
    if column.get("kind") == "time":
        above = tf.round(above)
        if "rounded" in column:
            above = _clipped(above, *times.ends(column), base)
        if column["time"] == "time":
            return iso.words(above, column, base)
        return _digits(above, base)
    if _whole(column):
        dtype = column.get("dtype", "").lower().split("[")[0]
        if dtype.startswith(("int", "uint")):
            limits = np.iinfo(dtype)
            above = _clipped(above, int(limits.min), int(limits.max), base)
        return _digits(tf.round(above), base)
    number = _held(column, above + base)
    if column.get("dtype", "").lower().startswith(("int", "uint")):
        return tf.strings.as_string(number, precision=0)
    if column.get("decimals") is not None:
        return tf.strings.as_string(number, precision=column["decimals"])
    return _shortest(number)


def _held(column, number):
    """Reals as the dtype of the column holds them."""
    single = column.get("dtype", "").lower() == "float32"
    return tf.cast(tf.cast(number, tf.float32), tf.float64) if single else number


def _clipped(above, least, most, base):
    """Within integers less a base, which float64 may round to one beyond."""
    least, most = np.float64(least - base), np.float64(most - base)
    return tf.clip_by_value(above, np.nextafter(least, 0), np.nextafter(most, 0))


def _above(column, x):
    """As `numeric.decode`, without the base."""
    y = tf.cast(x, tf.float64)
    if "levels" not in column:
        y = y * column["std"] + column["mean"]
        transform = column.get("transform", "linear")
        if transform == "log":
            y = tf.exp(y)
        elif transform == "asinh":
            y = column["centre"] + column["scale"] * tf.sinh(y)
        most = np.finfo(np.float64).max
        y = tf.clip_by_value(y, -most, most)
    places = column.get("decimals")
    if places is not None:
        unit = np.float64(10.0**places)
        rounded = tf.round(y * unit) / unit
        y = tf.where(tf.math.is_finite(rounded), rounded, y)
        if column.get("transform") == "log":
            y = tf.maximum(y, 10.0**-places)
    for value, atom in numeric.atoms(column):
        y = tf.where(x == atom, np.float64(value), y)
    return tf.round(y) if column.get("rounded") else y


def _digits(above, base):
    """Integers less a base, float64, as digits."""
    high = tf.floor(above / LIMB)
    low = tf.cast(above - high * LIMB, tf.int64)
    of_base = divmod(base, LIMB)
    low += of_base[1]
    high = tf.cast(high, tf.int64) + of_base[0] + low // LIMB
    low %= LIMB
    negative = high < 0
    borrowed = tf.cast(low > 0, tf.int64)
    high = tf.where(negative, -high - borrowed, high)
    low = tf.where(negative, (LIMB - low) % LIMB, low)
    long = tf.strings.as_string(high) + tf.strings.as_string(low, width=9, fill="0")
    found = tf.where(high > 0, long, tf.strings.as_string(low))
    return tf.where(negative, "-" + found, found)


def _shortest(number):
    """Numbers in as many digits as tell them from all others."""
    found = tf.strings.as_string(number, precision=17, shortest=True)
    for digits in (16, 15):
        fewer = tf.strings.as_string(number, precision=digits, shortest=True)
        found = tf.where(tf.strings.to_number(fewer, tf.float64) == number, fewer, found)
    return found


def _log_units(column, x):
    y = tf.cast(x, tf.float64)
    if "categories" in column or "levels" in column:
        return tf.zeros_like(y)
    y = y * column["std"] + column["mean"]
    found = tf.fill(tf.shape(y), np.float64(-np.log(column["std"])))
    transform = column.get("transform", "linear")
    if transform == "log":
        found -= y
    elif transform == "asinh":
        found -= np.log(column["scale"]) + tf.abs(y) + tf.math.log1p(tf.exp(-2 * tf.abs(y)))
        found += np.log(2)
    density = ~tf.math.is_nan(x)
    for _, atom in numeric.atoms(column):
        density &= x != atom
    return tf.where(density, found, tf.zeros_like(found))
