"""Diagonal BiLSTM on static binarized MNIST."""

import tfar

summary = "LSTMs along both diagonals of the image, in three layers of 32 units."
dataset = "binarized_mnist"
paper = {
    "nats": 79.20,
    "what": "Diagonal BiLSTM, 7 layers",
    "reference": "van den Oord et al. 2016 (static split)",
}

batch_size = 16
epochs = 8  # eighteen minutes each on one core
optimizer = "muon"
learning_rate = 3e-3
warmup = 0.01
weight_decay = 0.2
clip_norm = 1.0
shift = 1.0
shift_until = 0.8
ema = 0.999
seed = 1  # in float32: bfloat16 is no faster


def model(x):
    return tfar.models.PixelRNN(
        x.shape[1:],
        units=32,
        layers=3,
        recurrence="diagonal",
        head=tfar.heads.Bernoulli(centered=True),
    )
