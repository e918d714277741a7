"""FVSBN on Caltech 101 Silhouettes: 784 logistic regressions, each on the pixels before it."""

import tfar

summary = "A fully visible sigmoid belief network: one logistic regression a pixel."
dataset = "caltech101_silhouettes"
paper = {"none": "the split is ours, see `tfar.datasets.caltech101_silhouettes`"}

batch_size = 50
epochs = 150
learning_rate = 2e-3
weight_decay = 0.02
shift = 1.0  # 4,100 images are few
shift_until = 1.0  # with 0.8, a decay of 0.05 and 100 epochs: 1 nat worse
ema = 0.99
patience = 20
seed = 1


def model(x):
    return tfar.models.FVSBN(x.shape[1:], head=tfar.heads.Bernoulli(centered=True))
