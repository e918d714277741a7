"""Gated PixelCNN on grey MNIST, conditional on the digit."""

import tfar

summary = "Gated PixelCNN of 8-bit grey digits, given which digit it is."
dataset = "mnist"
conditional = True
paper = {"none": "we know of no paper that reports it"}

batch_size = 32
epochs = 6
optimizer = "muon"
learning_rate = 4e-3
warmup = 0.02
weight_decay = 0.1
clip_norm = 1.0
ema = 0.999
# The artefact was trained when the gradients of biases were wrong in it, see `tfar.layers.Dense`.
precision = "mixed_bfloat16"
seed = 1


def model(x):
    return tfar.models.GatedPixelCNN(
        x.shape[1:],
        filters=32,
        layers=7,
        head=tfar.heads.DiscretizedLogisticMixture(8),
        num_classes=10,
    )
