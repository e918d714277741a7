"""Concurrent callers of one loaded SavedModel: throughput, latency, memory, correct answers.

    python benchmarks/serving.py [--model pixelcnn_mnist] [--callers 8] [--seconds 60]
                                 [--json benchmarks/serving.json]

The SavedModel is loaded with TensorFlow alone, as TensorFlow Serving's runtime does it, and called
by threads: half of the time a batch of 16 is scored, half of the time 4 samples are drawn. Every
answer is compared with that of the same call made alone. Ends with status 1 if an answer differs,
a call fails, or resident memory grows by more than 10 % after a warm-up of a tenth of the time.
"""

import argparse
import json
import os
import pathlib
import platform
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tables
import tensorflow as tf

VARIANTS = 8  # different requests of each kind


def requests(signatures, seed=0):
    """``[(signature, inputs, answer)]``, answered one after the other."""
    spec = signatures["log_prob"].structured_input_signature[1]
    if "condition" in spec:
        raise SystemExit("Models with labels are not measured here.")
    rng = np.random.default_rng(seed)
    made = []
    for number in range(VARIANTS):
        x = rng.integers(0, 2, [16, *spec["x"].shape[1:]], dtype=np.int32)
        draws = {
            "num_samples": tf.constant(4),
            "seed": tf.constant([seed, number]),
            "temperature": tf.constant(1.0),
        }
        made += [("log_prob", {"x": tf.constant(x)}), ("sample", draws)]
    return [(name, given, answer(signatures, name, given)) for name, given in made]


def answer(signatures, name, given):
    return next(v.numpy() for k, v in signatures[name](**given).items() if k in (name, "samples"))


def resident():
    """MiB of memory of this process."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def load(signatures, callers, seconds):
    """Calls for some time; ``(latencies by signature, errors, MiB before, MiB after)``."""
    known = requests(signatures)
    latencies, errors, memory = {"log_prob": [], "sample": []}, [], []
    start = time.perf_counter()

    def call(number):
        rng = np.random.default_rng(number)
        while time.perf_counter() < start + seconds:
            name, given, expected = known[rng.integers(len(known))]
            before = time.perf_counter()
            try:
                found = answer(signatures, name, given)
            except Exception as error:
                errors.append(f"{name}: {error}")
                return
            latencies[name].append(time.perf_counter() - before)
            same = found == expected if name == "sample" else np.isclose(found, expected, rtol=1e-5)
            if not np.all(same):
                errors.append(f"{name}: another answer than alone")

    threads = [threading.Thread(target=call, args=[number]) for number in range(callers)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 10)
    memory.append(resident())
    for thread in threads:
        thread.join()
    return latencies, errors, memory[0], resident()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pixelcnn_mnist", help="a name of the zoo, or a folder")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.model)
    if not (folder / "saved_model.pb").exists():
        folder = pathlib.Path(__file__).parent.parent / "saved_models" / arguments.model / "1"
    signatures = tf.saved_model.load(str(folder)).signatures
    latencies, errors, before, after = load(signatures, arguments.callers, arguments.seconds)
    print(tables.header("serving"))
    rows = []
    for name, times in latencies.items():
        if not times:
            raise SystemExit(f"No call of {name} has finished: {errors[:3]}")
        median, high, higher = 1000 * np.quantile(times, [0.5, 0.95, 0.99])
        rate = len(times) / arguments.seconds
        rows.append(dict(signature=name, rate=rate, median=median, p95=high, p99=higher))
        print(tables.line("serving", rows[-1]))
    growth = after / before - 1
    print(f"{len(errors)} errors; memory {before:.0f} to {after:.0f} MiB ({growth:+.1%})")
    if arguments.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}"
        held = {"machine": machine, "model": arguments.model, "callers": arguments.callers}
        held.update(seconds=arguments.seconds, errors=len(errors), memory_growth=growth, rows=rows)
        pathlib.Path(arguments.json).write_text(json.dumps(held, indent=1) + "\n")
    if errors or growth > 0.1:
        raise SystemExit(f"Failed: {errors[:3]}, memory {growth:+.1%}.")


if __name__ == "__main__":
    main()
