"""NADE on Caltech 101 Silhouettes: 500 sigmoid units with tied weights."""

import tfar

summary = "Neural autoregressive distribution estimator: one hidden layer, tied over the pixels."
dataset = "caltech101_silhouettes"
paper = {"none": "the split is ours, see `tfar.datasets.caltech101_silhouettes`"}

batch_size = 50
epochs = 100
learning_rate = 2e-3
weight_decay = 0.02
shift = 1.0  # 4,100 images are few
shift_until = 1.0  # with 0.8, a decay of 0.1 and the raster order: 2 nats worse
ema = 0.99
patience = 20
jit_compile = True
seed = 1


def model(x):
    head = tfar.heads.Bernoulli(centered=True)
    return tfar.models.NADE(x.shape[1:], hidden=500, head=head, order="reversed")
