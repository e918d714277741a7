"""A PixelCNN that sees three pixels far: what images of clothes have in common with any others.

The background of likelihood ratios (Zhang, Zhang and McDonagh, NeurIPS 2021: p / p_local). The size
of the convolution, among 3, 5, 7, 9 and 11, and to replace no values, rather than a tenth, were
chosen by how well the ratio of pixelcnn_pp_fashion tells Fashion-MNIST from notMNIST.
"""

import tfar

summary = "One 7x7 convolution and layers within a pixel: local structure, for likelihood ratios."
dataset = "fashion_mnist"
paper = {"none": "it is a background for likelihood ratios, not a model of clothes"}

batch_size = 32
epochs = 4
optimizer = "muon"
learning_rate = 4e-3
warmup = 0.05
weight_decay = 0.1
clip_norm = 1.0
ema = 0.995
precision = "mixed_bfloat16"
seed = 1


def model(x):
    return tfar.models.PixelCNN(
        x.shape[1:],
        filters=32,
        blocks=2,
        first_kernel_size=7,
        kernel_size=1,  # sees no farther
        positions=False,  # alike everywhere
        head=tfar.heads.DiscretizedLogisticMixture(8),
    )
