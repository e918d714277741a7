"""FVSBN on static binarized MNIST: 784 logistic regressions, each on the pixels before."""

import tfar

summary = "A fully visible sigmoid belief network: one logistic regression a pixel."
dataset = "binarized_mnist"
paper = {
    "nats": 97.45,
    "what": "FVSBN",
    "reference": "Germain et al. 2015, table 6 (static split)",
}

batch_size = 200
epochs = 60  # convex, but slow along the pixels that are rarely on
learning_rate = 3e-3
ema = 0.9995  # averages away the noise that a larger last rate leaves
seed = 1


def model(x):
    # Inputs of -1 and 1: most pixels are 0 most of the time, and their weights would learn slowly.
    return tfar.models.FVSBN(x.shape[1:], tfar.heads.Bernoulli(centered=True))
