"""MADE on nips: which of 500 words occur in a paper, learnt from 400 papers."""

import tfar

summary = "Masked autoencoder of bags of words: an average over 16 orders with one set of weights."
dataset = "nips"
paper = {
    "nats": 272.39,
    "what": "the best of all models",
    "reference": "Germain et al. 2015",
}

batch_size = 50
epochs = 40
learning_rate = 2e-3
weight_decay = 1.0  # 400 examples: everything here is against overfitting
ema = 0.98  # epochs are 8 steps
seed = 1


def model(x):
    return tfar.models.MADE(
        x.shape[1:],
        hidden=(100,),
        order="random",
        num_masks=16,
        degrees="random",
        direct=True,
        dropout=0.5,
        seed=seed,
    )
