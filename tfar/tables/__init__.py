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

from tfar.tables.answers import complete, is_table, log_prob, sample
from tfar.tables.codec import log_units, to_array, to_frame
from tfar.tables.columns import describe, kinds, table
from tfar.tables.fit import LEAST_ROWS, Fitted, fit, fit_table
from tfar.tables.imputation import draws, impute, quantiles
from tfar.tables.pairs import pairs
from tfar.tables.questions import predict_proba, surprise
from tfar.tables.ranks import Calibration, calibration
from tfar.tables.reading import Reading, read, read_csv

__all__ = [
    "LEAST_ROWS",
    "Calibration",
    "Fitted",
    "Reading",
    "calibration",
    "complete",
    "describe",
    "draws",
    "fit",
    "fit_table",
    "impute",
    "is_table",
    "kinds",
    "log_prob",
    "log_units",
    "pairs",
    "predict_proba",
    "quantiles",
    "read",
    "read_csv",
    "sample",
    "surprise",
    "table",
    "to_array",
    "to_frame",
]
