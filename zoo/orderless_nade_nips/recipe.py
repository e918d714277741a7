"""Order-agnostic NADE on nips: which of 500 words occur in a paper, learnt from 400 papers."""

import tfar

summary = "One network for all orders of 500 words: an average over 16 orders."
dataset = "nips"
paper = {
    "nats": 272.39,
    "what": "the best of all models",
    "reference": "Germain et al. 2015",
}

batch_size = 50
epochs = 250  # more overfit
validate_every = 50  # exact figures take 500 passes for each order
learning_rate = 1e-3
# On validation: 270.1 nats; MADE with 32 masks 275.2. 0.7 of dropout and a decay of 2: 273.3.
weight_decay = 0.5
ema = 0.98  # epochs are 8 steps
seed = 1


def model(x):
    return tfar.models.OrderlessNADE(
        x.shape[1:],
        (400,),
        order="random",
        num_orders=16,
        activation="tanh",
        dropout=0.5,
    )
