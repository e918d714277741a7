"""Why an autoencoder has no likelihood and no samples, and a MADE with the same layers has both.

    python examples/autoencoder_or_made.py [--epochs 10] [--out autoencoder_or_made.png]

Both are trained on binarized MNIST by the same loss, -sum_i log Bernoulli(x_i; output_i(x)). The
exponential of minus that loss is a distribution only if output i does not see x_i, nor any pixel
whose output sees x_i in turn. MADE's masks ensure that. Three checks, and the pictures:

1. *Sum.* On 8 pixels of the digits all 256 images can be enumerated. The values that the
   autoencoder gives them add up to far more than 1, and its loss is less than the entropy of the
   data, which is impossible for the code length of a distribution.
2. *Dependence.* The Jacobian of the outputs: full, or strictly below the diagonal.
3. *Samples.* MADE draws pixel after pixel. The autoencoder has no such procedure; two makeshifts
   are tried, see `decode_noise` and `iterate_from_noise`.

Autoencoders with a distribution are other models: the denoising one is the transition of a Markov
chain (Bengio et al. 2013), the variational one has a prior over its code.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tfar
from tfar import datasets, plots

HIDDEN = (500, 500)  # of both: the first layer is the autoencoder's code
TOY_HIDDEN = (6, 32)  # a code of fewer units than the 8 pixels, too


def autoencoder(num_pixels, hidden, optimizer):
    """A plain autoencoder, from pixels [B, D] to logits [B, D], fitted to its own input."""
    layers = [keras.layers.Dense(units, "relu") for units in hidden]
    model = keras.Sequential([keras.Input([num_pixels]), *layers, keras.layers.Dense(num_pixels)])
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def made(x, hidden, optimizer):
    """A MADE in raster order whose hidden units are where the pixels of x [N, D] vary."""
    model = tfar.models.MADE([x.shape[1]], hidden, degrees=x.var(axis=0), direct=True)
    model.adapt(x)
    model.compile(optimizer)  # the loss is the negative log-likelihood
    return model


def train(x, hidden, epochs, batch_size=100):
    """``{"autoencoder": ..., "MADE": ...}``, both fitted to float32 x [N, D] of zeros and ones."""
    steps = epochs * -(-len(x) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    models = {
        "autoencoder": autoencoder(x.shape[1], hidden, keras.optimizers.Adam(rate)),
        "MADE": made(x, hidden, keras.optimizers.Adam(rate)),
    }
    options = {"batch_size": batch_size, "epochs": epochs, "verbose": 0}
    models["autoencoder"].fit(x, x, **options)
    models["MADE"].fit(x, **options)
    return models


def logits(model, x):
    """The outputs for x [B, D]: logits of Bernoulli distributions [B, D]."""
    outputs = model(x)
    return outputs if tf.is_tensor(outputs) else outputs.logits_parameter()


def nats(model, x):
    """-sum_i log Bernoulli(x_i; output_i(x)) of every row of x, [N], by one formula for both."""
    each = [
        tf.nn.sigmoid_cross_entropy_with_logits(rows, logits(model, rows)).numpy().sum(axis=1)
        for rows in np.array_split(x, -(-len(x) // 1000))
    ]
    return np.concatenate(each).astype(np.float64)


def sum_over_all_images(model, num_pixels):
    """sum_x prod_i Bernoulli(x_i; output_i(x)) over all 2^D images: 1 for a distribution."""
    numbers = np.arange(2**num_pixels)
    x = (numbers[:, None] >> np.arange(num_pixels) & 1).astype(np.float32)
    return np.exp(-nats(model, x)).sum()


def entropy(x):
    """The entropy of the rows of x, in nats: no code is shorter on average."""
    _, counts = np.unique(x, axis=0, return_counts=True)
    shares = counts / len(x)
    return -(shares * np.log(shares)).sum()


def jacobian(model, x):
    """|d output_i / d x_j|, the greatest over the rows of x, [D, D]."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = logits(model, x)
    return np.abs(tape.batch_jacobian(outputs, x).numpy()).max(axis=0)


def decode_noise(model, x, num, rng):
    """Outputs [num, D] for codes whose units are drawn one by one, as they are spread over x."""
    encode, *decode = model.layers
    code = rng.permuted(encode(x).numpy(), axis=0)[:num]
    for layer in decode:
        code = layer(code)
    return tf.sigmoid(code).numpy()


def iterate_from_noise(model, x, num, rng, times=100):
    """Images [num, D]: noise with the means of x, then draws from the outputs for the last draw."""
    probs = np.tile(x.mean(axis=0), [num, 1])
    for _ in range(times + 1):
        images = (rng.random(probs.shape) < probs).astype(np.float32)
        probs = tf.sigmoid(logits(model, images)).numpy()
    return images


def figures(models, toys, toy, test, jacobians):
    """The rows of the table: a label and a text for each model."""
    rows = {
        "is every output blind to its own pixel and to later ones?": [
            "yes" if not np.triu(found).any() else "no" for found in jacobians.values()
        ],
        f"loss on {len(test):,} test images, nats": [],
        f"8 pixels: sum over all {2 ** toy.shape[1]} images of exp(-loss)": [],
        f"8 pixels: loss on the training images, of entropy {entropy(toy):.3f} nats": [],
    }
    _, losses, sums, lengths = rows.values()
    for name, model in models.items():
        found = nats(model, test)
        losses.append(f"{found.mean():.2f} ± {found.std(ddof=1) / len(found) ** 0.5:.2f}")
        sums.append(f"{sum_over_all_images(toys[name], toy.shape[1]):.4f}")
        lengths.append(f"{nats(toys[name], toy).mean():.3f}")
    return rows


def draw(strips, jacobians, path):
    """Strips of images, by title, above the two Jacobians."""
    figure = plt.figure(figsize=(8, 0.8 * len(strips) + 4.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(0.8 * len(strips), 4.2))
    for axes, (title, x) in zip(above.subplots(len(strips), 1), strips.items()):
        axes.imshow(plots.grid(x.reshape(-1, 28, 28, 1), columns=len(x), scale=2))
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_axis_off()
    colours = plt.get_cmap("viridis", 5).with_extremes(bad="black")
    for axes, (name, found) in zip(below.subplots(1, 2), jacobians.items()):
        seen = np.log10(found, where=found > 0, out=np.full_like(found, np.nan))
        axes.imshow(seen, colours, vmin=-2, vmax=2, interpolation="nearest")
        axes.set_title(f"{name}: |d output i / d pixel j|, black: 0", fontsize=9)
        axes.set(xlabel="pixel j", ylabel="output i")
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", default="autoencoder_or_made.png")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    images = datasets.binarized_mnist("train").astype(np.float32)
    x = images.reshape(len(images), -1)
    toy = images[:, 13:15, 12:16].reshape(len(images), -1)  # from the middle
    test = datasets.binarized_mnist("test").astype(np.float32).reshape(-1, 784)

    models, toys = (
        train(x, HIDDEN, epochs=arguments.epochs),
        train(toy, TOY_HIDDEN, epochs=arguments.epochs),
    )
    jacobians = {name: jacobian(model, test[:8]) for name, model in models.items()}
    print("| | autoencoder | MADE |\n|---|---|---|")
    for label, found in figures(models, toys, toy, test, jacobians).items():
        print(f"| {label} | {' | '.join(found)} |")

    vanilla = models["autoencoder"]
    strips = {
        "test images": test[:14],
        "autoencoder: what it makes of them": tf.sigmoid(logits(vanilla, test[:14])).numpy(),
        "autoencoder: decoded noise": decode_noise(vanilla, x[:10_000], 14, rng),
        "autoencoder: noise, put in again and again": iterate_from_noise(vanilla, x, 14, rng),
        "MADE: samples": models["MADE"].joint().sample(14, seed=1).numpy(),
    }
    draw(strips, jacobians, arguments.out)


if __name__ == "__main__":
    main()
