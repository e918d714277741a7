"""Gated PixelCNN on static binarized MNIST: two stacks of eight layers, 32 channels each."""

import tfar

summary = "Gated convolutions in a vertical and a horizontal stack, without a blind spot."
dataset = "binarized_mnist"
paper = {
    "nats": 80.10,
    "what": "Gated PixelCNN; the best recurrent network, a Diagonal BiLSTM, 79.20",
    "reference": "Gulrajani et al. 2017, PixelVAE, and van den Oord et al. 2016 (static split)",
}

batch_size = 32
epochs = 28  # six minutes each on two cores
optimizer = "muon"
learning_rate = 5e-3
warmup = 0.01
weight_decay = 0.2
clip_norm = 1.0
shift = 1.0
shift_until = 0.8
ema = 0.9995
precision = "mixed_bfloat16"
seed = 1


def model(x):
    return tfar.models.GatedPixelCNN(
        x.shape[1:],
        filters=32,
        layers=8,
        head=tfar.heads.Bernoulli(centered=True),
    )
