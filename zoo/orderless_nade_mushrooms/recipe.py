"""Order-agnostic NADE on mushrooms, as 21 categorical attributes of 2,000 mushrooms."""

import tfar

summary = "One network for all orders of 21 attributes: an average over 8 orders."
dataset = "mushrooms_attributes"  # one-to-one with the 112 bits of `mushrooms`
paper = {
    "nats": 9.55,
    "what": "the best of all models, on the 112 bits",
    "reference": "Germain et al. 2015",
}

batch_size = 50
epochs = 400
validate_every = 50
learning_rate = 3e-3
# On validation: 9.25 nats, and 9.32 of one order; MADE 9.65, with 16 orders 9.54, NADE 9.98.
weight_decay = 0.1
ema = 0.99  # epochs are 40 steps
seed = 1


def model(x):
    return tfar.models.OrderlessNADE(
        x.shape[1:],
        (300, 300),
        head=tfar.heads.Categorical(12),
        order="random",
        num_orders=8,
        dropout=0.2,
    )
