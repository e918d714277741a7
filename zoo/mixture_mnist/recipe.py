"""Five networks on static binarized MNIST as one density: three of one order, and two of others."""

import tfar

summary = (
    "A mixture of three orders; in the raster order, three networks by the mean of their logits."
)
dataset = "binarized_mnist"
members = (
    "gated_pixelcnn_mnist",
    "transformer_mnist",
    "diagonal_bilstm_mnist",
    "gated_pixelcnn_mnist_columns",
    "gated_pixelcnn_mnist_turned",
)
paper = {
    "nats": 79.20,
    "what": "Diagonal BiLSTM, the best exact value that we know of",
    "reference": "van den Oord et al. 2016 (static split)",
}


def model(gated, transformer, diagonal, columns, turned):
    raster = tfar.models.logit_average([gated, transformer, diagonal])
    mixture = tfar.models.Mixture([raster, columns, turned])
    mixture.fit_weights(tfar.datasets.load(dataset, "validation")[::10])
    return mixture
