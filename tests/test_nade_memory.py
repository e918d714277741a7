"""A training step of NADE must not hold the hidden activations of all sites."""

import json
import subprocess
import sys

import pytest

# 100 x 784 x 500 float32, once: 157 MB. A backward pass through the recurrence as it stands would
# hold at least the pre-activations and the activations.
ALL_ACTIVATIONS = 100 * 784 * 500 * 4 / 2**20

PROGRAM = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
from tfar.layers import tied_hidden
from tfar.models import nade

def naive(output, channels, x, kernel, sums, out_kernel):
    before = tf.cumsum(tf.einsum("nbc,nch->nbh", x, kernel), axis=0, exclusive=True)
    return output(sums + before, out_kernel)

if sys.argv[1] == "naive":
    tied_hidden.recurrence = naive

def peak():
    # Not ru_maxrss: a new process inherits that from the one that started it.
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10

def step(sites, hidden):
    model = nade.NADE([sites], hidden)
    model.compile(keras.optimizers.SGD(0.01))
    model.train_on_batch(np.random.RandomState(0).randint(2, size=[100, sites]))

step(8, 8)  # what TensorFlow takes to trace and run at all
baseline = peak()
step(784, 500)
print(json.dumps(peak() - baseline))
"""


def increase(how):
    """MiB that the peak memory of a process grows by in a step of 100 x 784 x 500."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_training_step_holds_no_activations_of_all_sites():
    assert increase("tfar") < ALL_ACTIVATIONS  # and so is far under 1 GiB


@pytest.mark.thorough
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_cumulative_sum_over_sites_holds_them_several_times():
    """So that the test above can fail."""
    assert increase("naive") > 2 * ALL_ACTIVATIONS
