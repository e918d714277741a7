"""PixelCNN++ on grey MNIST: three resolutions, a block each on the way down."""

import tfar

summary = "Two streams of gated residual blocks at three resolutions, 8-bit grey digits."
dataset = "mnist"
paper = {"none": "we know of no paper that reports it"}

batch_size = 32
# 13 s each on an H200, some 14 minutes on one core. There was no TensorFlow on that machine:
# `train_step` of this recipe, with convolutions written as matrix products, was lowered to
# StableHLO and run there by XLA, on the same batches and learning rates; `tfar train` went on from
# the state it left, two steps before the end.
epochs = 21
optimizer = "muon"
learning_rate = 4e-3
warmup = 0.02
weight_decay = 0.1
clip_norm = 1.0
shift = 1.0
shift_until = 0.8
ema = 0.9995
seed = 1


def model(x):
    return tfar.models.PixelCNNpp(
        x.shape[1:],
        filters=32,
        resnets=1,
        head=tfar.heads.DiscretizedLogisticMixture(8),
    )
