"""NADE on static binarized MNIST: 500 sigmoid units with tied weights, as in the paper."""

import tfar

summary = "Neural autoregressive distribution estimator: one hidden layer, tied over the pixels."
dataset = "binarized_mnist"
paper = {
    "nats": 88.33,
    "what": "NADE, 500 hidden units",
    "reference": "as in Germain et al. 2015 (static split)",
}

batch_size = 200
epochs = 40  # about a minute each on two cores
learning_rate = 2e-3
weight_decay = 0.05
ema = 0.999
shift = 1.0  # 50,000 images are few for 784,000 weights
shift_until = 0.8  # what is scored is not shifted
jit_compile = True  # the recurrence over 784 sites is many small operations
seed = 1


def model(x):
    # Inputs of -1 and 1: most pixels are 0 most of the time, and their weights would learn slowly.
    head = tfar.heads.Bernoulli(centered=True)
    # From the last pixel to the first: better for FVSBN, see its recipe.
    return tfar.models.NADE(x.shape[1:], hidden=500, head=head, order="reversed")
