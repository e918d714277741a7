"""Tables: data frames to fitted joint distributions of mixed columns, and back.

A model of a table is a Keras model like any other, whose head, a `tfar.heads.Table`, knows the
columns: their names, what they hold, their categories, means and standard deviations. They are
saved with the model, and densities are those of the data, in its units.

>>> import pandas as pd
>>> frame = pd.DataFrame({"side": ["left", "right"] * 50, "x": np.linspace(0.0, 1.0, 100)})
>>> model = fit_table(frame, epochs=2, hidden=(8,), verbose=0)
>>> log_prob(model, frame).shape
(100,)
>>> sample(model, 3, seed=1).columns.tolist()
['side', 'x']
>>> complete(model, pd.DataFrame({"side": ["left"], "x": [np.nan]}), seed=1).side.tolist()
['left']
"""

import csv
import dataclasses
import os

import numpy as np
import pandas as pd

from tfar import arguments, heads
from tfar.training import recipes

__all__ = [
    "complete",
    "describe",
    "fit_table",
    "is_table",
    "kinds",
    "log_prob",
    "read_csv",
    "sample",
    "to_array",
    "to_frame",
]

# An integer column of no more values than this is taken for one of categories.
MANY = 20


def read_csv(path):
    """A data frame of a CSV file, whatever separates its columns (``;`` in the wine data).

    Raises:
      ValueError: that names the file, if it is none.
      OSError: if it cannot be read.
    """
    try:
        return pd.read_csv(path, sep=None, engine="python")
    except (ValueError, csv.Error) as error:
        name = getattr(path, "name", path)
        raise ValueError(f"{name} is no CSV file with a header: {error}.") from error


def kinds(frame, categorical=()):
    """What each column is taken for: "categorical" or "real", a dict.

    Numbers are real, unless they are integers of at most 20 values; all else has categories.

    Args:
      frame: a data frame.
      categorical: names of columns that have categories, whatever they look like.

    Raises:
      ValueError: if it is no data frame, two columns have one name, names are of several levels, or
        there is no such column.

    >>> kinds(pd.DataFrame({"a": [1, 2, 1], "b": [0.5, 1.5, 2.5], "c": ["x", "y", "x"]}))
    {'a': 'categorical', 'b': 'real', 'c': 'categorical'}
    """
    frame, categorical = _named(frame), _names(categorical)
    unknown = [name for name in categorical if name not in frame.columns]
    if unknown:
        raise ValueError(f"The table has no column {unknown[0]!r}, but {list(frame.columns)}.")

    def kind(name, column):
        if name in categorical or not pd.api.types.is_numeric_dtype(column):
            return "categorical"
        if pd.api.types.is_bool_dtype(column):
            return "categorical"
        few = pd.api.types.is_integer_dtype(column) and column.nunique() <= MANY
        return "categorical" if few else "real"

    return {name: kind(name, frame[name]) for name in frame.columns}


def describe(frame, categorical=()):
    """The columns of a table as `tfar.heads.Table` takes them, a list of dicts.

    Raises:
      ValueError: if an entry is missing or not finite, or a column of categories has only one, or
        has some that are neither strings, numbers nor bools; or as in `kinds`.
    """
    frame, columns = _named(frame), []
    for name, kind in kinds(frame, categorical).items():
        values = frame[name]
        _check_missing(name, values)
        if kind == "real":
            x = _numbers(name, values)
            std = float(x.std()) or 1.0
            columns.append({"name": name, "mean": float(x.mean()), "std": std})
            continue
        for value in map(_plain, values):  # others JSON, in which models are saved, has not
            if not isinstance(value, str | int | float | bool):
                raise ValueError(
                    f"The column {name!r} holds {value!r}, a {type(value).__name__}: make it one "
                    "of numbers or strings."
                )
        categories = [_plain(value) for value in sorted(values.unique(), key=_sort_key)]
        if len(categories) < 2:
            raise ValueError(f"The column {name!r} has one value only, {categories}: leave it out.")
        columns.append({"name": name, "categories": categories})
    return columns


def to_array(columns, frame, missing=False):
    """Rows of a data frame as a model takes them, float32 [N, n].

    Args:
      columns: what `describe` returned, of the table that the model was fitted to.
      frame: a data frame with those columns, in any order.
      missing: whether entries may be missing; they become NaN.

    Raises:
      ValueError: if a column is missing or unknown, or an entry is missing, no number, or no known
        category; the message names the column and the row.
    """
    names = [column["name"] for column in columns]
    frame = _named(frame)
    lacking = [name for name in names if name not in frame.columns]
    extra = [name for name in frame.columns if name not in names]
    if lacking or extra:
        raise ValueError(
            f"Expected the columns {names}; missing are {lacking}, unknown are {extra}."
        )
    arrays = []
    for column in columns:
        values = frame[column["name"]]
        if not missing:
            _check_missing(column["name"], values)
        if "categories" in column:
            arrays.append(_codes(column, values))
        else:
            arrays.append(_numbers(column["name"], values, missing))
    return np.stack(arrays, axis=1).astype(np.float32)


def to_frame(columns, x):
    """The data frame of rows [N, n] as a model draws them: the inverse of `to_array`."""
    frame = {}
    for i, column in enumerate(columns):
        if "categories" in column:
            frame[column["name"]] = [column["categories"][int(code)] for code in x[:, i]]
        else:
            frame[column["name"]] = x[:, i].astype(np.float64)
    return pd.DataFrame(frame)


def fit_table(
    data,
    categorical=(),
    hidden=(256, 256),
    components=10,
    dropout=0.3,
    num_orders=8,
    epochs=300,
    batch_size=50,
    learning_rate=2e-3,
    validation=0.1,
    patience=50,
    seed=0,
    folder=None,
    verbose="auto",
):
    """Fits a joint distribution to a table, in one call: order-agnostic NADE over mixed columns.

    Real columns have mixtures of logistics, others categories. The rows of ``validation`` choose
    the weights and say when to stop. Then ``model.joint(observed=...)``, `log_prob`, `sample` and
    `complete` answer for any columns given any others.

    Args:
      data: a data frame, or the path of a CSV file.
      categorical: names of columns that have categories, see `kinds`.
      hidden: units of hidden layers.
      components: of the mixtures.
      dropout: rate for hidden units.
      num_orders: random orders of columns whose mixture the model is.
      epochs, batch_size, learning_rate: as in Keras, with a warm-up and a cosine.
      validation: fraction of the rows.
      patience: epochs without a better validation NLL after which it stops.
      seed: of everything.
      folder: of the run, which resumes where it stopped, if the table is the same; by default a
        temporary one.
      verbose: as in `tfar.training.train`.

    Returns:
      `tfar.models.OrderlessNADE`, of events [n], with a `tfar.heads.Table`.

    Raises:
      ValueError: if an argument is wrong, there are fewer than ten rows or no columns, or on bad
        entries, see `describe`; or as in `tfar.training.train`.
      OSError: if the table cannot be read, or the folder cannot be written.

    #### References
    B. Uria, I. Murray, H. Larochelle. A Deep and Tractable Density Estimator. ICML 2014.
    """
    from tfar import models, training

    if not isinstance(data, pd.DataFrame | str | os.PathLike):
        raise ValueError(
            "Expected data to be a data frame (pandas.DataFrame makes one) or the path of a CSV "
            f"file, got {data!r:.200}."
        )
    hidden = arguments.integers("hidden", hidden, least=1)
    components = arguments.integer("components", components, least=1)
    dropout = arguments.number("dropout", dropout, least=0, below=1)
    num_orders = arguments.integer("num_orders", num_orders, least=1)
    validation = arguments.number("validation", validation, above=0, below=1)

    def model(x):
        head = heads.Table(columns, components)
        return models.OrderlessNADE([len(columns)], hidden, head, order, dropout=dropout, seed=seed)

    recipe = recipes.Recipe(  # which checks the other arguments
        name="table",
        summary="A table.",
        dataset="table",
        model=model,
        paper={"none": "a table of one's own"},
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        clip_norm=1.0,
        ema=0.99,
        patience=patience,
        seed=seed,
    )
    frame = data if isinstance(data, pd.DataFrame) else read_csv(data)
    if len(frame) < 10 or not len(frame.columns):
        raise ValueError(f"Expected at least ten rows of a column, got a table of {frame.shape}.")
    columns = describe(frame, categorical)
    x = to_array(columns, frame)
    x = x[np.random.RandomState(seed).permutation(len(x))]
    held_out = min(max(1, round(validation * len(x))), len(x) - 1)
    splits = {"validation": x[:held_out], "train": x[held_out:]}
    order = np.random.RandomState(seed).permutation(len(columns))
    recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, len(splits["train"])))
    best = training.train(recipe, folder, data=splits, verbose=verbose)
    rng = np.random.RandomState(seed)
    drawn = [rng.permutation(len(columns)) for _ in range(num_orders)]
    return best.of_order(np.unique(drawn, axis=0))  # of two columns there are only two


def is_table(model):
    """Whether a model is one of tables."""
    return isinstance(getattr(model, "head", None), heads.Table)


def log_prob(model, frame):
    """log p of each row of a data frame [N], nats, in the units of the data.

    Raises:
      ValueError: if it is no model of a table, or the frame has other columns or bad entries.
    """
    x = to_array(_columns(model), frame)
    return model.predict(x, batch_size=1000, verbose=0)


def sample(model, n, seed=None, **policy):
    """A data frame of ``n`` rows drawn from a model; ``policy`` as in ``joint().sample``.

    Raises:
      ValueError: if it is no model of a table, or ``n`` no number of rows.
    """
    columns, n = _columns(model), arguments.integer("n", n, least=1)
    return to_frame(columns, model.joint().sample(n, seed=seed, **policy).numpy())


def complete(model, frame, seed=None):
    """The data frame, with missing entries drawn given the others of their rows.

    Args:
      model: a model of a table.
      frame: a data frame; what is NaN or None is drawn.
      seed: as in ``joint().sample``.

    Raises:
      ValueError: if it is no model of a table, or the frame has other columns or bad entries.
    """
    from tfar import randomness

    columns = _columns(model)
    x = to_array(columns, frame, missing=True)
    patterns, group = np.unique(~np.isnan(x), axis=0, return_inverse=True)
    seed = randomness.stateless_seed(seed)
    for number, observed in enumerate(patterns):
        rows = group.ravel() == number
        joint = model.joint(observed=observed)
        x[rows] = joint.sample(seed=randomness.derived(seed, number), value=x[rows]).numpy()
    completed = to_frame(columns, x)
    completed.index = frame.index
    return completed


# Entries ----------------------------------------------------------------------------------------


def _columns(model):
    if not is_table(model):
        kind = f"its head is {model.head}" if hasattr(model, "head") else f"got {model!r:.200}"
        raise ValueError(
            f"Expected a model of a table, as fit_table makes one, and {kind}. Other models have "
            "methods of their own: log_prob, joint().sample and joint().sample(value=...)."
        )
    return model.head.columns


def _named(frame):
    """The data frame with strings for names, all different."""
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"Expected a data frame, got {type(frame).__name__} {frame!r:.200}.")
    if frame.columns.nlevels > 1:
        raise ValueError(
            f"The table has column names of {frame.columns.nlevels} levels: make them one, as in "
            "frame.columns = ['.'.join(map(str, names)) for names in frame.columns]."
        )
    frame = frame.rename(columns=str)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"The table has two columns of the name {twice[0]!r}.")
    return frame


def _names(categorical):
    """The strings of names of columns."""
    if isinstance(categorical, str) or not np.iterable(categorical):
        raise ValueError(
            f"Expected categorical to be a sequence of names of columns, got {categorical!r}."
        )
    return [str(name) for name in categorical]


def _check_missing(name, values):
    missing = values.isna()
    if missing.any():
        raise ValueError(
            f"The column {name!r} has no value in row {values.index[missing.to_numpy()][0]} "
            f"({int(missing.sum())} such rows)."
        )


def _numbers(name, values, missing=False):
    """float64 [N]; ValueError where there is no finite number."""
    if np.iscomplexobj(values):
        raise ValueError(f"The column {name!r} holds complex numbers: make it two of real ones.")
    x = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(x) & ~(values.isna().to_numpy() if missing else False)
    if bad.any():
        where = np.flatnonzero(bad)[0]
        raise ValueError(
            f"The column {name!r} is one of real numbers, got {values.iloc[where]!r} in row "
            f"{values.index[where]} ({int(bad.sum())} such rows)."
        )
    return x


def _codes(column, values):
    """The numbers of categories, NaN where a value is missing."""
    numbers = {category: code for code, category in enumerate(column["categories"])}
    codes = np.array([numbers.get(_plain(value), -1) for value in values], np.float64)
    codes[values.isna().to_numpy()] = np.nan
    if (codes == -1).any():
        where = np.flatnonzero(codes == -1)[0]
        raise ValueError(
            f"The column {column['name']!r} has the categories {column['categories']}, got "
            f"{_plain(values.iloc[where])!r} in row {values.index[where]} "
            f"({int((codes == -1).sum())} such rows)."
        )
    return codes


def _plain(value):
    """A category as JSON has it: NumPy's scalars become Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _sort_key(value):
    return (type(_plain(value)).__name__, value)
