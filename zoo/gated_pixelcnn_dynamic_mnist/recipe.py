"""Gated PixelCNN on dynamically binarized MNIST, from gated_pixelcnn_mnist on."""

import tfar

summary = "Gated convolutions over digits whose pixels are drawn anew in every epoch."
dataset = "dynamic_mnist"
redraw = tfar.datasets.redrawn_mnist
paper = {
    "nats": 78.47,
    "what": "LMConv of one order, on all 60,000 training images (50,000 here)",
    "reference": "Jain et al. 2020, Locally Masked Convolution (dynamic binarization)",
}

batch_size = 32
epochs = 8  # eight minutes each on one core
optimizer = "muon"
learning_rate = 2e-3
warmup = 0.03
weight_decay = 0.1
clip_norm = 1.0
shift = 0.5
shift_until = 0.7
ema = 0.999
precision = "mixed_bfloat16"
seed = 5


def model(x):
    # From the weights for pixels that were drawn once: the digits are the same.
    static = tfar.zoo.load("gated_pixelcnn_mnist")
    model = tfar.models.GatedPixelCNN(
        x.shape[1:],
        filters=16,
        layers=12,
        kernel_size=5,
        head=tfar.heads.Bernoulli(centered=True),
    )
    model.build([None, *x.shape[1:]])
    model.set_weights(static.get_weights())
    return model
