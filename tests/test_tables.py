"""Tables: frames to arrays and back, fitting, units, answers, and bad entries."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from click.testing import CliRunner
from support.toys import toy

import tfar
from tfar import cli, heads, kinds, serving, tables, testing
from tfar.models import FVSBN, MADE, OrderlessNADE
from tfar.training import feeding, runs


def made_up(count=400, seed=0):
    """A side, a number that depends on it, a grade, and a count in large units."""
    rng = np.random.default_rng(seed)
    right = rng.random(count) < 0.3
    x = np.where(right, 5.0, -5.0) + rng.normal(size=count)
    return pd.DataFrame(
        {
            "side": np.where(right, "right", "left"),
            "x": x,
            "grade": rng.integers(3, 6, size=count),
            "income": 20_000 + 5_000 * rng.normal(size=count) + 1_000 * x,
        }
    )


@pytest.fixture(scope="module")
def frame():
    return made_up()


@pytest.fixture(scope="module")
def model(frame):
    options = {"family": "orderless", "hidden": (32,), "components": 3, "num_orders": 2}
    return tables.fit_table(
        frame, epochs=60, batch_size=16, learning_rate=1e-2, verbose=0, **options
    )


def test_what_columns_are_taken_for(frame):
    kinds = ["categorical", "real", "categorical", "real"]
    assert tables.kinds(frame) == dict(zip(frame.columns, kinds))
    assert tables.kinds(frame, ["x"])["x"] == "categorical"
    many = pd.DataFrame({"a": [*range(0, 40, 2), 3], "b": [True, False, True] * 7})
    assert tables.kinds(many) == {"a": "integer", "b": "categorical"}


def test_rows_to_numbers_and_back(frame):
    columns = tables.describe(frame)
    assert columns[0]["categories"] == ["left", "right"] and columns[0]["kind"] == "categorical"
    assert columns[2]["categories"] == [3, 4, 5] and columns[2]["dtype"] == "int64"
    np.testing.assert_allclose(columns[3]["mean"], frame.income.mean())
    x = tables.to_array(columns, frame)
    np.testing.assert_allclose(x[:, 3].mean(), 0, atol=1e-5)  # codes are standardised
    np.testing.assert_allclose(x[:, 3].std(), 1, atol=1e-5)
    assert x.dtype == np.float32 and x.shape == (400, 4)
    assert set(x[:, 0]) == {0, 1} and set(x[:, 2]) == {0, 1, 2}
    pd.testing.assert_frame_equal(tables.to_frame(columns, x), frame, rtol=1e-6)
    shuffled = frame[["income", "grade", "x", "side"]]
    np.testing.assert_array_equal(tables.to_array(columns, shuffled), x)
    json.dumps(columns)  # they are saved with the model


def test_a_model_is_a_mixture_of_different_orders(model):
    assert len(np.unique(model.permutations, axis=0)) == model.members == 2
    frame = made_up(30)[["side", "x"]]
    options = {"family": "orderless", "hidden": (4,), "num_orders": 9}
    few = tables.fit_table(frame, epochs=1, verbose=0, **options)
    assert sorted(few.permutations.tolist()) == [[0, 1], [1, 0]]


def test_densities_are_in_the_units_of_the_data(frame, model):
    """In other units, the density changes by the Jacobian: that of codes by their scales."""
    nats = tables.log_prob(model, frame)
    x = tables.to_array(model.head.columns, frame)
    stds = [column["std"] for column in model.head.columns if column["kind"] == "real"]
    transforms = {column.get("transform", "linear") for column in model.head.columns}
    assert len(stds) == 2 and transforms == {"linear"}
    np.testing.assert_allclose(nats, model.log_prob(x) - np.log(stds).sum(), rtol=1e-4, atol=1e-3)
    # About what the frame was made by: 9 nats of income, 1.4 of x, 1.1 of grade, 0.6 of side.
    fresh = tables.log_prob(model, made_up(seed=1)).mean()
    entropy = np.log(3) + 1.42 + (1.42 + np.log(5_000)) + 0.61
    assert -entropy - 0.4 < fresh < -entropy + 0.1


def test_samples_look_like_the_table(frame, model):
    drawn = tables.sample(model, 2000, seed=1)
    assert drawn.columns.tolist() == frame.columns.tolist()
    assert set(drawn.side) == {"left", "right"} and set(drawn.grade) == {3, 4, 5}
    for side in ("left", "right"):
        rows = drawn[drawn.side == side]
        assert abs(rows.x.mean() - frame[frame.side == side].x.mean()) < 0.5
    assert abs(drawn.income.std() / frame.income.std() - 1) < 0.3
    pd.testing.assert_frame_equal(drawn, tables.sample(model, 2000, seed=1))


def test_missing_entries_are_drawn_given_the_others(model):
    lacking = pd.DataFrame(
        {
            "side": [None] * 200 + ["right"] * 200,
            "x": [5.0] * 200 + [np.nan] * 200,
            "grade": [4] * 400,
            "income": [np.nan] * 400,
        },
        index=range(1000, 1400),
    )
    whole = tables.complete(model, lacking, seed=3)
    assert not whole.isna().any().any() and whole.index.equals(lacking.index)
    assert (whole.side[:200] == "right").mean() > 0.95 and (whole.x[:200] == 5.0).all()
    assert (whole.side[200:] == "right").all() and abs(whole.x[200:].mean() - 5.0) < 0.5
    assert (whole.grade == 4).all() and whole.income.nunique() == 400
    pd.testing.assert_frame_equal(whole, tables.complete(model, lacking, seed=3))


def test_a_model_of_a_table_is_saved_with_its_columns(frame, model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert tables.is_table(loaded) and loaded.head.columns == model.head.columns
    np.testing.assert_allclose(
        tables.log_prob(loaded, frame), tables.log_prob(model, frame), rtol=1e-6
    )
    serving.export(model, tmp_path / "1")
    testing.verify_graph(tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["log_prob"]
    x = tables.to_array(model.head.columns, frame)
    answer = served(x=tf.constant(x))["log_prob"]  # of codes
    own = answer.numpy() + tables.log_units(model.head.columns, x)
    np.testing.assert_allclose(own, tables.log_prob(model, frame), rtol=1e-4, atol=1e-4)


def test_a_column_that_is_constant_and_outliers():
    frame = made_up(60)
    frame["same"], frame.loc[7, "x"] = 2.5, 1e9
    model = tables.fit_table(frame, hidden=(8,), epochs=3, num_orders=1, verbose=0)
    assert np.isfinite(tables.log_prob(model, frame)).all()
    drawn = tables.sample(model, 50, seed=1)
    assert np.isfinite(drawn.x).all() and (drawn.same == 2.5).mean() > 0.8


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": np.inf}, "Expected real numbers in the column 'x', got inf in row 2"),
        ({"x": "much"}, "Expected real numbers in the column 'x', got 'much' in row 2"),
    ],
)
def test_bad_entries_are_named(frame, model, change, message):
    bad = frame.head(4).astype(object)
    for name, value in change.items():
        bad.loc[2, name] = value
    with pytest.raises(ValueError, match=message):
        tables.log_prob(model, bad)


def test_bad_tables(frame, model):
    with pytest.raises(ValueError, match=r"missing: \['grade'\], unknown: \['more'\]"):
        tables.log_prob(model, frame.rename(columns={"grade": "more"}))
    with pytest.raises(ValueError, match="at least ten rows and a column"):
        tables.fit_table(frame.head(3))
    with pytest.raises(ValueError, match="The table has no column 'none'"):
        tables.fit_table(frame, categorical=["none"])
    with pytest.raises(ValueError, match="two columns named 'x'"):
        tables.fit_table(frame.rename(columns={"income": "x"}))
    with pytest.raises(ValueError, match=r"'x' to be one of categorical, integer, .* got 'number'"):
        tables.fit_table(frame, kinds={"x": "number"})
    with pytest.raises(ValueError, match="'x' is taken as integers, and holds"):
        tables.fit_table(frame, kinds={"x": "integer"})
    with pytest.raises(ValueError, match="at least one column that is not left out"):
        tables.fit_table(frame[["x"]], kinds={"x": "left out"})
    with pytest.raises(ValueError, match='frequent values: use family="orderless"'):
        tables.fit_table(frame.assign(x=frame.x.clip(lower=0)), family="gaussians")


def test_columns_may_be_numbered():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=[20, 2]))
    columns = tables.describe(frame)
    assert [column["name"] for column in columns] == ["0", "1"]
    x = tables.to_array(columns, frame)
    np.testing.assert_allclose(tables.to_frame(columns, x), frame, rtol=1e-5, atol=1e-6)


def test_names_and_categories_that_json_changes_are_refused_or_come_back(tmp_path):
    """What can be fitted can be saved, and what was saved answers as what was fitted."""
    z = np.random.default_rng(0).normal(size=40)
    two = pd.DataFrame({("a", "x"): z, ("a", "y"): z + 1})
    with pytest.raises(ValueError, match=r"names of 2 levels: join them, as in frame.colu"):
        tables.fit_table(two)
    two.columns = [".".join(map(str, names)) for names in two.columns]  # as it says
    assert list(tables.kinds(two)) == ["a.x", "a.y"]
    with pytest.raises(ValueError, match="two columns named '1'"):
        tables.fit_table(pd.DataFrame({1: z, "1": z}))
    for value in ((1, 2), b"x", 1j, pd.Timestamp("2026"), np.datetime64("2026")):
        frame = pd.DataFrame({"a": pd.Series([value, "x"] * 20, dtype=object), "b": z})
        with pytest.raises(ValueError, match=r"'a' holds .*numbers or strings"):
            tables.fit_table(frame)
    with pytest.raises(ValueError, match="'b' holds complex numbers"):
        tables.fit_table(pd.DataFrame({"a": z, "b": z + 1j}))
    odd = pd.DataFrame(
        {
            None: z,
            3: np.float32([0.1, 0.2, 0.3, np.inf] * 10),
            "ü": pd.Series([np.int64(2**62), "2", 2.5, np.True_] * 10, dtype=object),
            ("a", 1): np.array([0.1, 0.3] * 20, np.float16),
        }
    )
    names = [str(name) for name in odd.columns]
    model = tables.fit_table(odd, categorical=[3, ("a", 1)], hidden=(4,), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [column["name"] for column in loaded.head.columns] == names
    assert loaded.head.columns == model.head.columns
    np.testing.assert_array_equal(tables.log_prob(loaded, odd), tables.log_prob(model, odd))


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"data": None}, "data to be a data frame .* got None"),
        ({"data": 5}, "data to be a data frame .* got 5"),
        ({"data": [[1, 2]]}, r"data to be a data frame .* got \[\[1, 2\]\]"),
        ({"data": {"a": [1]}}, "data to be a data frame"),
        ({"categorical": "side"}, "categorical to be a sequence of column names, got 'side'"),
        ({"categorical": 5}, "categorical to be a sequence of column names, got 5"),
        ({"hidden": 256}, "hidden to be a sequence of integers of at least 1, got 256"),
        ({"hidden": (0,)}, "hidden to be a sequence of integers"),
        ({"components": 2.5}, "components to be an integer of at least 1, got 2.5"),
        ({"family": "mixture"}, "family to be one of"),
        ({"budget": 0}, "budget to be a finite number above 0, got 0"),
        ({"dropout": 2.0}, "dropout to be a finite number of at least 0 and below 1, got 2.0"),
        ({"num_orders": 0}, "num_orders to be an integer of at least 1, got 0"),
        ({"epochs": 2.5}, "epochs to be an integer of at least 1, got 2.5"),
        ({"batch_size": 0}, "batch_size to be an integer of at least 1, got 0"),
        ({"batch_size": "50"}, "batch_size to be an integer of at least 1, got '50'"),
        ({"learning_rate": -1}, "learning_rate to be a finite number above 0, got -1"),
        ({"validation": 1.5}, "validation to be a finite number above 0 and below 1, got 1.5"),
        ({"validation": 0}, "validation to be a finite number above 0 and below 1, got 0"),
        ({"patience": -1}, "patience to be an integer of at least 1, got -1"),
        ({"seed": -1}, "seed to be an integer of at least 0"),
        ({"seed": "1"}, "seed to be an integer of at least 0"),
        ({"folder": 5}, "folder to be a path, got 5"),
        ({"verbose": 7}, "verbose to be one of"),
    ],
)
def test_wrong_arguments_of_a_fit(frame, arguments, said):
    with pytest.raises(ValueError, match=f"Expected {said}"):
        tables.fit_table(**{"data": frame, **arguments})


def test_what_is_no_model_of_a_table_or_no_table(frame, model):
    images = FVSBN([4])
    for function in (tables.log_prob, tables.complete):
        with pytest.raises(ValueError, match=r"a model of a table, .* the head Bernoulli"):
            function(images, frame)
        with pytest.raises(ValueError, match=r"a model of a table, .* got 'mine.keras'"):
            function("mine.keras", frame)
        for bad in (None, [1, 2], frame.to_numpy()):
            with pytest.raises(ValueError, match="Expected a data frame, got "):
                function(model, bad)
    with pytest.raises(ValueError, match="a model of a table"):
        tables.sample(images, 3)
    for n in (-1, 0, 2.5, None):
        with pytest.raises(ValueError, match=f"n to be an integer of at least 1, got {n}"):
            tables.sample(model, n)
    assert not tables.is_table(None)


def test_a_folder_belongs_to_one_table(tmp_path):
    """Another one, of the same columns, would get the model of the first."""
    few = {"epochs": 1, "hidden": (4,), "num_orders": 1, "verbose": 0, "family": "orderless"}
    few["folder"] = tmp_path / "run"
    one = pd.DataFrame({"s": ["l"] * 90 + ["r"] * 10, "t": ["u", "v"] * 50})
    other = pd.DataFrame({"s": ["l"] * 10 + ["r"] * 90, "t": ["u", "v"] * 50})
    nats = tables.log_prob(tables.fit_table(one, **few), one)
    with pytest.raises(ValueError, match=r"run of other data .the training data, the validation d"):
        tables.fit_table(other, **few)
    with pytest.raises(ValueError, match="run of other data"):
        tables.fit_table(one, **few, validation=0.2)
    np.testing.assert_array_equal(tables.log_prob(tables.fit_table(one, **few), one), nats)
    with pytest.raises(OSError, match=r"/proc/none/.* could not be written"):
        tables.fit_table(one, **{**few, "folder": "/proc/none"})


def test_what_is_no_csv(tmp_path):
    for content, said in ((b"", "not a CSV file"), (b"a,b\n\xff\xfe,1\n", "not a CSV file")):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(ValueError, match=rf"a.csv is {said}"):
            tables.read_csv(tmp_path / "a.csv")


def interrupt(*_):
    raise KeyboardInterrupt


def test_from_the_shell(tmp_path):
    """Train, sample and score, with the separator of the wine data."""
    frame = made_up(80)
    path, out = tmp_path / "data.csv", tmp_path / "model.keras"
    frame.to_csv(path, sep=";", index=False)

    def tfar(*arguments):
        return CliRunner().invoke(cli.main, [str(a) for a in arguments])

    options = "--epochs", 2, "--family", "orderless"
    result = tfar("train-table", path, "--out", out, "--drop", "income", *options)
    assert result.exit_code == 0, result.output
    assert "grade   categorical, 3: 3, 4, 5" in result.output
    assert "income  left out" in result.output
    model = keras.saving.load_model(out)
    frame = frame.drop(columns="income")
    nats = tables.log_prob(model, frame).mean()
    assert "on 8 held-out rows (orderless)" in result.stdout.splitlines()[-1]
    again = tfar("train-table", path, "--out", out, "--drop", "income", *options, "-q")
    assert again.stdout == result.stdout.splitlines()[-1] + "\n" and not again.stderr
    gmm, chosen = tmp_path / "gmm.keras", {"grade": "real"}
    mixture = tfar("train-table", path, "--out", gmm, "--kind", "grade=real", "--device", "cpu")
    held_out = tables.fit(made_up(80), kinds=chosen).held_out  # cross-validated
    figure = f"{-held_out.mean():.4f} ± {held_out.std(ddof=1) / 80**0.5:.4f} nats a row, -log p in "
    expected = f"{gmm}: {figure}the units of the data, on 80 held-out rows (gaussians)"
    assert mixture.stdout.splitlines()[-1] == expected, mixture.output
    drawn = tfar("sample", out, "-n", 5, "--seed", 1)
    assert drawn.exit_code == 0, drawn.output
    assert drawn.stdout == tables.sample(model, 5, seed=1).to_csv(index=False)
    frame.to_csv(tmp_path / "other.csv", index=False)
    scored = tfar("score", out, tmp_path / "other.csv")
    assert scored.exit_code == 0 and f"{nats:.4f} ± " in scored.stdout
    for arguments, message in (
        (("train-table", path, "--out", "model.h5"), "does not end in .keras"),
        (("train-table", path, "--drop", "none"), "The table has no column 'none'"),
        (("train-table", path, "--kind", "x"), "'x' is not NAME=KIND"),
        (("train-table", path, "--budget", "soon"), "got 'soon'"),
        (
            ("train-table", path, "--out", "/proc/none/a.keras"),
            "/proc/none/a.keras could not be wr",
        ),
    ):
        refused = tfar(*arguments)
        assert refused.exit_code and message in refused.output
    with pytest.MonkeyPatch.context() as context:
        context.setattr(runs.Log, "on_epoch_end", interrupt)
        stopped = tfar("train-table", path, "--out", out, *options)
    assert stopped.exit_code == 130
    assert "Interrupted. Nothing is kept: no folder was given." in stopped.output


def test_noise_is_added_to_real_columns_only():
    """To codes, whose deviation is 1, other noise each epoch, of validation too; not to atoms."""
    columns = [{"name": "a", "mean": 5.0, "std": 20.0, "atoms": [7.0]}]
    columns.append({"name": "b", "categories": ["x", "y"]})
    model = OrderlessNADE([2], (4,), head=heads.Table(columns, 2))
    moved = kinds.of(model).noisy(np.float32([[7, 0], [1, 1]]), 0.1, np.random.default_rng(0))
    assert moved[:, 1].tolist() == [0, 1] and moved[0, 0] == 7 and moved[1, 0] != 1
    x = np.tile(np.float32([5, 1]), [4000, 1])
    recipe = toy(noise=0.1, shift=0.0, epochs=2, batch_size=2000)
    drawn = np.stack(list(feeding.batches(recipe, model, x).as_numpy_iterator())).reshape(
        [2, -1, 2]
    )
    assert drawn.dtype == np.float32 and (drawn[..., 1] == 1).all()
    assert drawn[..., 0].mean() == pytest.approx(5, abs=0.01)
    assert drawn[..., 0].std() == pytest.approx(0.1, rel=0.05)
    assert (drawn[0, :, 0] == drawn[1, :, 0]).mean() < 0.01
    with pytest.raises(ValueError, match="real columns of tables, and these are vectors"):
        kinds.of(OrderlessNADE([2], (4,))).noisy(x, 0.1, np.random.default_rng(0))


def test_the_arithmetic_of_a_network_may_be_of_lower_precision(frame):
    options = {"family": "orderless", "hidden": (8,), "epochs": 2, "budget": None, "verbose": 0}
    model = tfar.fit_table(frame, precision="bfloat16", **options)
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert np.isfinite(tables.log_prob(model, frame[:5])).all()
    with pytest.raises(ValueError, match=r"precision to be .*float16.*, got 'half'"):
        tfar.fit_table(frame, precision="half", **options)


def test_the_oddest_cell_is_one_that_is_there(model, frame, monkeypatch):
    x = tables.to_array(model.head.columns, frame[:2])
    x[0, 1] = np.nan
    nats = np.array([[-3.0, 0.0, -2.0, -1.0], [-3.0, 2.0, 1.0, 0.0]])  # 0 of what is missing
    usual = np.zeros([5, 4])
    monkeypatch.setattr(tfar.anomaly, "cells", lambda model, x: nats if len(x) == 2 else usual)
    names, most = kinds.of(model).oddest(x, np.zeros([5, 4]))
    assert names == ["income", "x"] and most.tolist() == [-1, 2]


def test_the_oddest_cell_is_odd_in_its_column():
    """Not one of a column whose cells all have many nats, such as a date's, or a density's unit."""
    rng = np.random.default_rng(0)
    usual = np.stack([rng.normal(7, 0.5, 300), rng.exponential(0.1, 300)], axis=1)
    usual[0, 1] = np.nan
    cells = np.array([[7.1, 3.0], [9.9, 0.1], [9.9, 8.0], [-np.inf, 0.0]])
    rarest = kinds.tables._rarest(cells, usual)
    assert rarest.argmax(axis=1).tolist() == [1, 0, 1, 1]
    assert np.isneginf(rarest[3, 0])


# One order ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prefixes(frame):
    options = {
        "hidden": (32,),
        "components": 3,
        "epochs": 60,
        "learning_rate": 1e-2,
        "batch_size": 16,
    }
    return tables.fit(frame, questions="prefix", family="made", verbose=0, **options)


def test_questions_about_prefixes(frame, prefixes):
    model, test = prefixes.model, made_up(300, seed=5)
    assert prefixes.family == "made" and isinstance(model, MADE)
    assert model.permutations.tolist() == [[0, 1, 2, 3]]
    alone = tables.fit(test[["x"]], family="gaussians", verbose=0).held_out.mean()
    x = tables.log_prob(model, test[:100])
    side = tables.log_prob(model, test[:100].assign(x=np.nan, grade=None, income=np.nan))
    both = tables.log_prob(model, test[:100].assign(grade=None, income=np.nan))
    assert (both - side).mean() > alone + 0.2  # given the side, whose entropy is 0.6 nats
    right = tables.log_prob(model, test[:1].assign(side="right", x=np.nan, grade=None, income=None))
    left = tables.log_prob(model, test[:1].assign(side="left", x=np.nan, grade=None, income=None))
    np.testing.assert_allclose(np.exp(right) + np.exp(left), 1, rtol=1e-5)
    assert (x < both).all()
    sides = pd.DataFrame({"side": ["left", "right"] * 50, "x": None, "grade": None, "income": None})
    drawn = tables.complete(model, sides, seed=1)
    assert ((drawn.x > 0) == (drawn.side == "right")).mean() > 0.95
    # By Bayes' rule any column may be asked for if the row is whole.
    found = tables.predict_proba(model, test, "side").right
    assert ((found > 0.5) == (test.side == "right")).mean() > 0.98


def test_an_order_has_no_marginal_of_what_comes_after_a_missing_entry(frame, prefixes):
    lacking = frame.assign(x=np.nan)
    with pytest.raises(ValueError, match="Example 0 lacks an entry that comes before one"):
        tables.log_prob(prefixes.model, lacking)
    codes = tables.to_array(prefixes.model.head.columns, frame[:3])
    codes[1, 1] = np.nan
    assert np.isnan(prefixes.model.log_prob(codes)).tolist() == [False, True, False]
    reverse = MADE([4], (5,), head=prefixes.model.head, order="reversed")
    codes[1] = np.nan, 0.1, 0, 0.2
    assert np.isfinite(reverse.log_prob(codes)).all()
    with pytest.raises(ValueError, match=r"models of all orders: leave out family='made'"):
        tables.fit(frame.assign(x=frame.x.where(frame.index > 3)), family="made")
    with pytest.raises(ValueError, match="questions to be one of 'any', 'prefix', got 'all'"):
        tables.fit(frame, questions="all")
