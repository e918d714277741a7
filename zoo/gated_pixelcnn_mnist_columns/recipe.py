"""Gated PixelCNN on static binarized MNIST by columns, from gated_pixelcnn_mnist on."""

import tfar

summary = "Gated convolutions over the image by columns, for mixtures of several orders."
dataset = "binarized_mnist"
paper = {
    "nats": 80.10,
    "what": "Gated PixelCNN; the best recurrent network, a Diagonal BiLSTM, 79.20",
    "reference": "Gulrajani et al. 2017, PixelVAE, and van den Oord et al. 2016 (static split)",
}

batch_size = 32
epochs = 7  # eight minutes each on one core
optimizer = "muon"
learning_rate = 2e-3
warmup = 0.03
weight_decay = 0.2
clip_norm = 1.0
shift = 1.0
shift_until = 0.8
ema = 0.999
precision = "mixed_bfloat16"
seed = 2


def model(x):
    # From the weights of the raster order: strokes are strokes in a turned image.
    raster = tfar.zoo.load("gated_pixelcnn_mnist")
    model = tfar.models.GatedPixelCNN(
        x.shape[1:],
        filters=16,
        layers=12,
        kernel_size=5,
        head=tfar.heads.Bernoulli(centered=True),
        order=tfar.orders.scan(x.shape[1:], columns=True),
    )
    model.build([None, *x.shape[1:]])
    model.set_weights(raster.get_weights())
    return model
