"""PixelCNN++ on grey MNIST: three resolutions, a block each on the way down."""

import tfar

summary = "Two streams of gated residual blocks at three resolutions, 8-bit grey digits."
dataset = "mnist"
paper = {"none": "we know of no paper that reports it"}

batch_size = 16  # 61 images/s on one core, and 59 in batches of 32: twice the steps for nothing
epochs = 18  # 15 to 18 minutes each on one core
cycles = (6, 5, 7)  # the first in bfloat16, with wrong gradients of biases, see `tfar.layers.Dense`
optimizer = "muon"
learning_rate = (4e-3, 3e-3, 3e-3)
warmup = 0.02
clip_norm = 1.0
ema = 0.9995
seed = 1


def model(x):
    return tfar.models.PixelCNNpp(
        x.shape[1:],
        filters=32,
        resnets=1,
        head=tfar.heads.DiscretizedLogisticMixture(8),
    )
