"""What the benchmarks share: the time of a call, and where it was taken."""

import json
import os
import platform
import time


def seconds(run, repeats=5):
    """The least time of several calls, after a warm-up call."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def save(rows, path):
    """Writes measured rows as JSON, with a description of the machine."""
    import tensorflow as tf

    machine = f"{platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}"
    with open(path, "w") as file:
        json.dump({"machine": machine, "rows": rows}, file, indent=1)
