"""A causal Transformer over patches of pixels, on static binarized MNIST."""

import tfar

summary = "Attention over patches of seven pixels, four layers of width 96, behind a convolution."
dataset = "binarized_mnist"
paper = {"none": "Image GPT (79.17 in PyTorch) is on dynamic binarization"}

batch_size = 16
epochs = 20
learning_rate = 2e-3
warmup = 0.01
weight_decay = 0.1
clip_norm = 1.0
shift = 1.0
shift_until = 0.8
ema = 0.9995
seed = 1


def model(x):
    return tfar.models.Transformer(
        x.shape[1:],
        width=96,
        layers=4,
        num_heads=3,
        mlp=2,
        positions="learned",
        stem=13,  # sees all that is before a pixel in its patch
        patch=7,
        activation="relu",
        dropout=0.1,
        head=tfar.heads.Bernoulli(centered=True),
    )
