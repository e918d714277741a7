"""Deep, order-agnostic NADE on static binarized MNIST: two hidden layers."""

import tfar

summary = "One network for all orders: it is trained on random sets of known pixels."
dataset = "binarized_mnist"
paper = {
    "nats": 85.10,
    "what": "EoNADE, 2 hidden layers of 500 units, 128 orders averaged; ours is of one order",
    "reference": "Uria et al. 2014 (static split)",
}

batch_size = 100
epochs = 200
validate_every = 20  # exact figures take 784 passes through the hidden layers
learning_rate = 1e-3
warmup = 0.02
clip_norm = 1.0
ema = 0.999
seed = 1


def model(x):
    return tfar.models.OrderlessNADE(
        x.shape[1:], (500, 500), tfar.heads.Bernoulli(centered=True), "random"
    )
