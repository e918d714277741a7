"""Gated PixelCNN on grey MNIST, conditional on the digit."""

import tfar

summary = "Gated PixelCNN of 8-bit grey digits, given which digit it is."
dataset = "mnist"
conditional = True
paper = {"none": "we know of no paper that reports it"}

batch_size = 32
epochs = 12  # eight minutes each on one core
optimizer = "muon"
learning_rate = 4e-3
warmup = 0.02
weight_decay = 0.1
clip_norm = 1.0
ema = 0.999
seed = 1  # in float32: gradients in bfloat16 are 17 % off here, see `tfar.testing.verify_precision`


def model(x):
    return tfar.models.GatedPixelCNN(
        x.shape[1:],
        filters=16,
        layers=12,
        kernel_size=5,
        head=tfar.heads.DiscretizedLogisticMixture(8),
        num_classes=10,
    )
