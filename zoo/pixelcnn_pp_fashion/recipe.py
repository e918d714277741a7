"""PixelCNN++ on Fashion-MNIST: three resolutions, a block each on the way down."""

import tfar

summary = "Two streams of gated residual blocks at three resolutions, 8-bit pictures of clothes."
dataset = "fashion_mnist"
paper = {"none": "we know of no paper that reports it"}

batch_size = 32
epochs = 4  # two hours on one core
optimizer = "muon"
learning_rate = 4e-3
warmup = 0.05
weight_decay = 0.1
clip_norm = 1.0
ema = 0.995
precision = "mixed_bfloat16"
seed = 1


def model(x):
    return tfar.models.PixelCNNpp(
        x.shape[1:],
        filters=32,
        resnets=1,
        head=tfar.heads.DiscretizedLogisticMixture(8),
    )
