"""The background of Fashion-MNIST: what its images have in common with any other, for ratios."""

import tfar

summary = "A PixelCNN++ of Fashion-MNIST with a fifth of the pixels replaced by noise, for ratios."
dataset = "fashion_mnist"
paper = {"none": "it is a background for likelihood ratios, not a model of clothes"}

replaced = 0.2  # between 0.1 and 0.3, as Ren et al. (2019) say
batch_size = 32
epochs = 2
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
