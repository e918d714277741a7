"""Every contract over every case, with no opt-outs (heads: test_heads.py)."""

import keras
import numpy as np
import pytest
from cases import LAYERS, MODELS, inputs, randomised, rate, shared

from tfar import testing


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    factory, num_sites, channels, *scale = LAYERS[name]
    testing.verify_layer(factory(), num_sites, channels, 0, *scale)


@pytest.mark.parametrize("name", MODELS)
def test_causality_before_training_after_a_step_and_after_a_reload(name, tmp_path):
    testing.verify_causality(MODELS[name](), differs=False)  # zeros for kernels are allowed
    model = randomised(name)
    testing.verify_causality(model)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(inputs(model, 8), verbose=0)
    depends = testing.verify_causality(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(testing.verify_causality(loaded), depends)


@pytest.mark.parametrize("name", [n for n in MODELS if "few" not in n and "own" not in n])
def test_every_earlier_site_matters_where_units_suffice(name):
    model = shared(name)
    depends = testing.verify_causality(model)
    n = depends.shape[1]
    # Random degrees may leave single connections out, but not from the last site.
    expected = np.tril(np.ones([n, n], bool), -1)
    if name in ("made_deep", "made_masks"):
        depends, expected = depends[:, -1], expected[-1]
    if "pixel" in name or "window" in name:  # the network has to declare what it does not see
        expected = model.network.depends(np.eye(n))
    assert np.all(depends == expected)


@pytest.mark.parametrize("name", MODELS)
def test_normalisation(name):
    testing.verify_normalisation(shared(name))


@pytest.mark.parametrize("name", MODELS)
def test_sampling(name):
    testing.verify_sampling(shared(name))


@pytest.mark.parametrize("name", MODELS)
def test_training(name):
    testing.verify_training(MODELS[name](), learning_rate=rate(name))


@pytest.mark.parametrize("name", MODELS)
def test_precision(name):
    # A cell of Keras adds its bias at one site at a time, by the operation that sums in bfloat16:
    # as many terms as sequences.
    testing.verify_precision(shared(name), **({"count": 64} if "char_rnn" in name else {}))


@pytest.mark.parametrize("name", MODELS)
def test_persistence(name, tmp_path):
    testing.verify_persistence(shared(name), tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_export(name, tmp_path):
    testing.verify_export(shared(name), tmp_path / "1")
