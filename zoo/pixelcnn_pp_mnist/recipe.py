"""PixelCNN++ on grey MNIST: three resolutions, two blocks each."""

import tfar

summary = "Two streams of gated residual blocks at three resolutions, 8-bit grey digits."
dataset = "mnist"
paper = {"none": "we know of no paper that reports it"}

batch_size = 32
epochs = 10
optimizer = "muon"
learning_rate = 5e-3
warmup = 0.02
clip_norm = 1.0
ema = 0.999
precision = "mixed_bfloat16"
seed = 1


def model(x):
    return tfar.models.PixelCNNpp(
        x.shape[1:],
        filters=32,
        resnets=2,
        head=tfar.heads.DiscretizedLogisticMixture(8),
    )
