"""Every contract over every case (heads: test_heads.py).

Contracts that trace several graphs each are tried in every run with a case of every model; with
``-m thorough`` training and exports with a case of every layer, head, condition and schedule, and
the others with all cases.

The tests of a model run one after the other, so that its samplers are traced once, and freed.
"""

import keras
import numpy as np
import pytest
from support.cases import (
    EACH,
    ENSEMBLES,
    LAYERS,
    MODELS,
    ONE_A_MODEL,
    inputs,
    parts,
    randomised,
    rate,
)
from support.thorough import beyond

from tfar import testing


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    """With random weights, for tests that do not change it."""
    return randomised(name, seed=3)


# The same layers in other sizes, which take as long as twenty others.
SIZES = {"multiscale_one_level", "multiscale", "multiscale_three_levels", "recurrent_embedding"}


@pytest.mark.parametrize("layer", beyond(LAYERS.keys() - SIZES, LAYERS))
def test_layer(layer):
    factory, num_sites, channels, scale = (*LAYERS[layer], 1.0)[:4]
    testing.verify_layer(factory(), num_sites, channels, scale=scale)


@pytest.mark.parametrize("name", beyond(EACH, MODELS), indirect=True)
def test_causality_before_training_after_a_step_and_after_a_reload(name, tmp_path):
    """With random weights: `test_every_earlier_site_matters_where_units_suffice`."""
    testing.verify_causality(MODELS[name](), differs=False)  # zeros for kernels are allowed
    model = randomised(name)
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)  # one step: a graph costs more
    model.train_on_batch(inputs(model, 8))
    depends = testing.verify_causality(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(testing.verify_causality(loaded), depends)


def test_every_earlier_site_matters_where_units_suffice(name, model):
    depends = testing.verify_causality(model)
    if "own" in name:
        return
    n = depends.shape[1]
    # Random degrees may leave single connections out, but not from the last site.
    expected = np.tril(np.ones([n, n], bool), -1)
    if name in ("made_deep", "made_masks"):
        depends, expected = depends[:, -1], expected[-1]
    if "pixel" in name or "window" in name:  # the network has to declare what it does not see
        expected = model.network.depends(np.eye(n))
    assert np.all(depends == expected)


def test_normalisation(name, model):
    assert (model.members > 1) == (name in ENSEMBLES)
    testing.verify_normalisation(model)


@pytest.mark.parametrize("name", beyond(ONE_A_MODEL, MODELS), indirect=True)
def test_sampling(model):
    testing.verify_sampling(model)


def test_every_part_is_in_a_case_of_the_slow_contracts():
    assert set().union(*map(parts, EACH)) == set().union(*map(parts, MODELS))
    models, every_run = (
        {type(MODELS[name]()) for name in names} for names in (MODELS, ONE_A_MODEL)
    )
    assert every_run == models


@pytest.mark.parametrize("name", beyond(ONE_A_MODEL, EACH), indirect=True)
def test_training(name):
    testing.verify_training(MODELS[name](), learning_rate=rate(name))


def test_precision(name, model):
    # A cell of Keras adds its bias at one site at a time, by the operation that sums in bfloat16:
    # as many terms as sequences.
    testing.verify_precision(model, **({"count": 64} if "char_rnn" in name else {}))


@pytest.mark.parametrize("name", beyond(EACH, MODELS), indirect=True)
def test_persistence(model, tmp_path):
    testing.verify_persistence(model, tmp_path)


@pytest.mark.parametrize("name", beyond(ONE_A_MODEL, EACH), indirect=True)
def test_export(model, tmp_path):
    testing.verify_export(model, tmp_path / "1")
