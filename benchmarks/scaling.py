"""Training throughput of 1 and 2 replicas, and how much time the sums over replicas take.

    python benchmarks/scaling.py [--json benchmarks/scaling.json]

`fit` of a PixelCNN of 64 channels in six blocks of 5x5, by Muon, on made-up images, in float32. A
replica computes with one thread, on a machine of two cores or more: as a logical device of one
process (mirrored), or as a separate worker on the loopback address (multiworker). "Strong" splits
a batch of 32 over the replicas, "weak" gives 32 to each. The time of the sums is that of
all-reducing tensors of the gradients' shapes by themselves; the best of 5 stretches of 10 steps
counts.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, STEPS, STRETCHES = 32, 10, 5
RUNS = [  # strategy, replicas, examples of a step
    ("default", 1, BATCH),
    ("mirrored", 2, BATCH),
    ("mirrored", 2, 2 * BATCH),
    ("multiworker", 2, BATCH),
    ("multiworker", 2, 2 * BATCH),
]


def strategy_of(name, replicas):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(replicas)
    if name == "mirrored":
        device = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
        tf.config.set_logical_device_configuration(device, parts)
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
    if name == "multiworker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def best(run):
    """The fewest seconds per step in several stretches, after a warm-up."""
    run()
    times = []
    for _ in range(STRETCHES):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / STEPS)
    return min(times)


def measure(name, replicas, batch):
    """Seconds of a step, seconds of its sums, and the gradients' bytes."""
    strategy = strategy_of(name, replicas)
    import numpy as np
    import tensorflow as tf

    import tfar

    x = (np.random.default_rng(0).random([STEPS * batch, 28, 28, 1]) < 0.2).astype(np.uint8)
    with strategy.scope():
        model = tfar.models.PixelCNN(x.shape[1:], filters=64, blocks=6, kernel_size=5)
        model.compile(tfar.training.Muon(1e-3, global_clipnorm=1.0))
    step = best(lambda: model.fit(x, batch_size=batch, shuffle=False, verbose=0))
    shapes = [variable.shape for variable in model.trainable_variables]

    @tf.function
    def sums():
        def of_replica():
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.ones(s) for s in shapes])

        for _ in tf.range(STEPS):
            strategy.run(of_replica)

    reduce = best(sums) if replicas > 1 else 0.0
    return {"step_s": step, "sums_s": reduce, "bytes": 4 * model.count_params()}


def start(name, replicas, batch):
    """What `measure` finds in separate processes."""
    workers = replicas if name == "multiworker" else 1
    sockets = [socket.socket() for _ in range(workers)]
    for end in sockets:
        end.bind(("localhost", 0))
    hosts = [f"localhost:{end.getsockname()[1]}" for end in sockets]
    for end in sockets:
        end.close()
    with tempfile.TemporaryDirectory() as folder:
        processes, out = [], pathlib.Path(folder) / "out.json"
        for index in range(workers):
            task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            config = {"TF_CONFIG": json.dumps(task)} if workers > 1 else {}
            command = [sys.executable, __file__, "--child", name, replicas, batch, out]
            processes.append(
                subprocess.Popen(
                    [str(part) for part in command],
                    env={**os.environ, **config},
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for process in processes:
            _, errors = process.communicate()
            if process.returncode:
                raise SystemExit(errors[-2000:])
        return json.loads(out.read_text())


def child(name, replicas, batch, out):
    found = measure(name, int(replicas), int(batch))
    task = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]
    if task["index"] == 0:
        pathlib.Path(out).write_text(json.dumps(found))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(*arguments.child)
    from timing import save

    rows = []
    columns = "strategy", "replicas", "images a step", "images/s", "speed-up", "ms a step"
    print("|", " | ".join([*columns, "sums, ms", "share"]), "|")
    print("|---" * 8 + "|")
    for name, replicas, batch in RUNS:
        found = start(name, replicas, batch)
        rate = batch / found["step_s"]
        rows.append({"strategy": name, "replicas": replicas, "batch": batch, **found})
        first = rows[0]["batch"] / rows[0]["step_s"]
        milliseconds, sums = 1000 * found["step_s"], 1000 * found["sums_s"]
        print(
            f"| {name} | {replicas} | {batch} | {rate:.0f} | {rate / first:.2f} "
            f"| {milliseconds:.0f} | {sums:.1f} | {sums / milliseconds:.1%} |",
            flush=True,
        )
    if arguments.json:
        save(rows, arguments.json)


if __name__ == "__main__":
    main()
