"""FVSBN on dna: with 1,400 examples, 180 regularised regressions beat our hidden layers."""

import tfar

summary = "A fully visible sigmoid belief network of splice junctions: 60 positions of three bits."
dataset = "dna"
paper = {
    "nats": 79.66,
    "what": "the best of all models",
    "reference": "Germain et al. 2015",
}

batch_size = 50
epochs = 300
learning_rate = 3e-3
# Validation, same budget: MADE with 32 masks and dropout 85.5, NADE with 50 units 92.9.
weight_decay = 0.5
ema = 0.99  # epochs are 28 steps
seed = 1


def model(x):
    return tfar.models.FVSBN(x.shape[1:], head=tfar.heads.Bernoulli(centered=True))
