"""Deep, order-agnostic NADE on static binarized MNIST: two hidden layers."""

import tfar

summary = "One network for all orders: it is trained on random sets of known pixels."
dataset = "binarized_mnist"
paper = {
    "nats": 85.10,
    "what": "EoNADE, 2 hidden layers of 500 units, 128 orders averaged; ours is of one order",
    "reference": "Uria et al. 2014 (static split)",
}

batch_size = 200
epochs = 440  # twelve seconds each on one core
cycles = (240, 200)
validate_every = 40  # exact figures take 784 passes through the hidden layers
learning_rate = (2e-3, 1.5e-3)
warmup = 0.02
weight_decay = 0.05
clip_norm = 1.0
ema = 0.999
shift = 1.0  # without it validation NLL ends up 5 nats above training NLL
shift_until = 0.8
seed = 1


def model(x):
    return tfar.models.OrderlessNADE(
        x.shape[1:], (500, 500), head=tfar.heads.Bernoulli(centered=True), order="random"
    )
