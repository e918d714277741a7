"""PixelDefend: how far a density model protects a classifier, and how an attack gets round it.

    python examples/pixeldefend.py [--model pixelcnn_pp_mnist] [--num 400] [--write]

A small convolutional classifier is trained on the data set of the model, once on its images and
once on images attacked by FGSM. Test images are attacked within 8 and 25 grey levels of 255:

* RAND, uniform noise; FGSM, one step along the sign of the gradient; BIM, min(eps + 4, 1.25 eps)
  steps of 1; PGD, 20 steps of eps / 8 from a random start.
* BPDA, which knows of the defence (Athalye, Carlini and Wagner 2018): 10 steps of eps / 5 along the
  sign of the classifier's gradient at the *purified* image.

Each attacked image is given to the classifier as it is, purified by ``joint.purify(x, 32)``, and
purified only if its log p(x) is below that of 95 % of the validation images (adaptive). BPDA is
aimed at the classifier behind the defence, the other attacks at the classifier. The table has the
accuracy in per cent with its standard error; AUROC is that of log p(x) in telling attacked images
from clean ones. ``--write`` writes pixeldefend.json, the table of docs/using.md and a picture of
p-values.

#### References
Y. Song, T. Kim, S. Nowozin, S. Ermon, N. Kushman. PixelDefend: Leveraging Generative Models to
Understand and Defend against Adversarial Examples. ICLR 2018.
A. Athalye, N. Carlini, D. Wagner. Obfuscated Gradients Give a False Sense of Security. ICML 2018.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tfar
from tfar import anomaly, datasets, zoo

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "using.md"
START, END = "<!-- examples/pixeldefend.py -->", "<!-- end -->"
DEFEND, ATTACKS = 32, (8, 25)  # grey levels
SEED = 1


def classifier():
    """Logits of images with values from 0 to 255."""
    keras.utils.set_random_seed(SEED)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input([28, 28, 1]),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def train(data, epochs, attacked=False):
    """A classifier; ``attacked``: half of each batch by FGSM, within 8 to 25 levels."""
    model = classifier()
    x, y = data["x"].astype(np.float32), data["condition"]
    if not attacked:
        model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
        return model
    rng = np.random.default_rng(SEED)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // 128):
            half = len(rows) // 2
            near = fgsm(model, x[rows[:half]], y[rows[:half]], rng.choice(ATTACKS), rng)
            batch = np.concatenate([near, x[rows[half:]]])
            model.train_on_batch(batch, y[rows])
    return model


# Attacks: from images [N, 28, 28, 1] of whole numbers to others within eps of them ---------------


@tf.function(reduce_retracing=True)
def _gradient(model, x, y):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = model.loss(y, model(x, training=False))
    return tape.gradient(loss, x)


def signs(model, x, y):
    """The sign of the gradient of the loss."""
    x = tf.constant(x, tf.float32)
    return np.concatenate(
        [
            np.sign(_gradient(model, x[i : i + 500], tf.constant(y[i : i + 500])))
            for i in range(0, len(x), 500)
        ]
    )


def within(near, x, eps):
    """Whole numbers from 0 to 255, at most eps from x."""
    return np.clip(np.clip(np.round(near), x - eps, x + eps), 0, 255)


def rand(model, x, y, eps, rng):
    return within(x + rng.uniform(-eps, eps, x.shape), x, eps)


def fgsm(model, x, y, eps, rng):
    return within(x + eps * signs(model, x, y), x, eps)


def bim(model, x, y, eps, rng):
    near = x
    for _ in range(int(min(eps + 4, 1.25 * eps))):
        near = within(near + signs(model, near, y), x, eps)
    return near


def pgd(model, x, y, eps, rng):
    near = x + rng.uniform(-eps, eps, x.shape)
    for _ in range(20):
        near = np.clip(np.clip(near + eps / 8 * signs(model, near, y), x - eps, x + eps), 0, 255)
    return within(near, x, eps)


def bpda(model, x, y, eps, rng, *, defend):
    """Against the classifier behind a defence, until it is wrong, for at most ten steps."""
    near, going = x.copy(), np.arange(len(x))
    for _ in range(10):
        purified = defend(near[going])
        right = predicted(model, purified) == y[going]
        going, purified = going[right], purified[right]
        if not len(going):
            break
        step = eps / 5 * signs(model, purified, y[going])
        near[going] = within(near[going] + step, x[going], eps)
    return near


def predicted(model, x):
    return model.predict(x.astype(np.float32), batch_size=500, verbose=0).argmax(axis=1)


# The experiment ----------------------------------------------------------------------------------


def purifier(density, threshold=None):
    """The defence, in batches."""
    joint = density.joint()

    def defend(x):
        parts = np.array_split(x, -(-len(x) // 350))
        return np.concatenate([joint.purify(p, DEFEND, threshold=threshold) for p in parts])

    return defend


def measure(density, models, x, y, threshold, rng):
    """A row for each attack on each classifier: accuracies of each defence, and the images."""
    defences = {"purified": purifier(density), "adaptive": purifier(density, threshold)}
    named = {"RAND": rand, "FGSM": fgsm, "BIM": bim, "PGD": pgd}
    rows, pictures = [], {}
    for name, model in models.items():
        cases = {("clean", 0): x}
        cases.update({(a, e): f(model, x, y, e, rng) for a, f in named.items() for e in ATTACKS})
        for (attack, eps), near in cases.items():
            row = {"classifier": name, "attack": attack, "eps": eps, "images": len(x)}
            row["none"] = accuracy(predicted(model, near) == y)
            purified = defences["purified"](near)
            row["purified"] = accuracy(predicted(model, purified) == y)
            likely = anomaly.scores.likelihood(density, near) >= threshold
            chosen = np.where(likely[:, None, None, None], near, purified)
            row["adaptive"] = accuracy(predicted(model, chosen) == y)
            rows.append(row)
            pictures[name, attack, eps] = near
        for eps in ATTACKS:
            row = {"classifier": name, "attack": "BPDA", "eps": eps, "images": len(x)}
            for defence, defend in defences.items():
                near = bpda(model, x, y, eps, rng, defend=defend)
                row[defence] = accuracy(predicted(model, defend(near)) == y)
            rows.append(row)
            pictures[name, "BPDA", eps] = near
    return rows, pictures


def accuracy(right):
    """``{"value", "standard_error"}`` of a mean of bools."""
    p = float(np.mean(right))
    return {"value": p, "standard_error": float(np.sqrt(p * (1 - p) / len(right)))}


def table(rows):
    """The lines of the table in Markdown, in per cent."""
    yield "| classifier | attack | eps | undefended | purified | adaptive | AUROC |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        cells = [shown(row.get(defence)) for defence in ("none", "purified", "adaptive")]
        auroc = f"{row['auroc']['value']:.3f}" if "auroc" in row else ""
        first = row["classifier"], row["attack"], str(row["eps"]), *cells, auroc
        yield "| " + " | ".join(first) + " |"


def shown(figure):
    if figure is None:
        return ""
    return f"{100 * figure['value']:.1f} ± {100 * figure['standard_error']:.1f}"


def filled(page, held):
    """A page with the table between the marks."""
    before, _, rest = page.partition(START)
    lines = table(held["rows"])
    return "\n".join([before + START, "", *lines, "", END + rest.partition(END)[2]])


def draw(path, p_values):
    """Histograms of the p-values of clean and attacked images, and their ROC curves."""
    figure, axes = plt.subplots(1, 1 + len(p_values), figsize=(2.2 + 2.2 * len(p_values), 2.3))
    level = np.linspace(0, 1, 501)
    for axis, (name, p) in zip(axes, p_values.items()):
        axis.hist(p, bins=20, range=(0, 1), weights=np.full(len(p), 1 / len(p)))
        axis.axhline(0.05, color="black", linewidth=0.5)
        axis.set_ylim(0, 1)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("p-value", fontsize=8)
        axes[-1].plot(level, np.mean(p[:, None] <= level, axis=0), label=name)
    axes[0].set_ylabel("share of images", fontsize=8)
    axes[-1].set_title("ROC", fontsize=9)
    axes[-1].set_xlabel("level: false alarms", fontsize=8)
    axes[-1].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="pixelcnn_pp_mnist")
    parser.add_argument("--num", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    density, name = tfar.load(options.model), zoo.info(options.model)["dataset"]
    data = {split: datasets.load(name, split) for split in ("train", "validation", "test")}
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(len(data["test"]["x"]))[: options.num]
    x, y = data["test"]["x"][chosen].astype(np.float64), data["test"]["condition"][chosen]
    models = {
        "plain": train(data["train"], options.epochs),
        "adversarially trained": train(data["train"], options.epochs, attacked=True),
    }
    held_out = data["validation"]["x"][rng.permutation(len(data["validation"]["x"]))[:2000]]
    detector = anomaly.Detector(density).fit(held_out)
    threshold = float(np.quantile(detector.scores_, 0.05))
    rows, pictures = measure(density, models, x, y, threshold, rng)
    scores = {key: detector.score_samples(near) for key, near in pictures.items()}
    for row in rows:
        key = row["classifier"], row["attack"], row["eps"]
        if row["attack"] != "clean":
            clean = scores[row["classifier"], "clean", 0]
            row["auroc"] = anomaly.report(clean, scores[key], resamples=200)["auroc"]
    print("\n".join(table(rows)))
    if options.write:
        held = {"model": options.model, "threshold": threshold, "seed": SEED, "rows": rows}
        (HERE / "pixeldefend.json").write_text(json.dumps(held, indent=1) + "\n")
        PAGE.write_text(filled(PAGE.read_text(), held))
        shown = {
            f"{attack} {eps or ''}": detector.p_values(pictures["plain", attack, eps])
            for attack, eps in [("clean", 0), *((a, 25) for a in ("RAND", "FGSM", "BIM", "BPDA"))]
        }
        draw(HERE.parent / "docs" / "pixeldefend.png", shown)


if __name__ == "__main__":
    main()
