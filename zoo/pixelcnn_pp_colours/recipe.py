"""PixelCNN++ on 4,500 small colour photographs, a tenth of CIFAR-10 re-encoded as JPEG."""

import tfar

summary = (
    "Two streams of gated residual blocks at three resolutions, 8-bit colour. Trained on 4,500 "
    "images only, and those are JPEG copies of CIFAR-10's, which are smoother than the originals: "
    "no figure here is one of CIFAR-10."
)
dataset = "cifar10_jpeg"
paper = {"none": "the data set is ours"}

batch_size = 16  # the first two cycles in batches of 32, and with ema = 0.99
epochs = 146  # two minutes and a quarter each on one core
# The first cycle in bfloat16, with wrong gradients of biases, see `tfar.layers.Dense`.
cycles = (40, 14, 34, 36, 22)
optimizer = "muon"
learning_rate = (4e-3, 1.5e-3, 3e-3, 3e-3, 2e-3)
warmup = 0.02
weight_decay = 0.05
clip_norm = 1.0
shift = 1.0
shift_until = 0.9
ema = 0.995  # an epoch has 280 steps
seed = 1


def model(x):
    return tfar.models.PixelCNNpp(
        x.shape[1:],
        filters=32,
        resnets=1,
        dropout=0.1,
        head=tfar.heads.DiscretizedLogisticMixture(5, channels=3),
    )
