"""A character-level GRU on tiny Shakespeare."""

import tfar

summary = "A recurrent summary of the past: one GRU of 512 units over characters."
dataset = "tiny_shakespeare"
paper = {
    "nats": 1.4697,
    "what": "nanoGPT, a Transformer of 10.7 M parameters on a GPU",
    "reference": "github.com/karpathy/nanoGPT",
    "splits": ["validation", "test"],  # together nanoGPT's validation part
}

batch_size = 32
epochs = 25  # a minute each on two cores; the twelfth is the best, then it overfits
learning_rate = 4e-3  # in pilots of 150 s: GRU 1.89 nats, LSTM 2.02
warmup = 0.02
weight_decay = 0.01
clip_norm = 1.0
ema = 0.998
precision = "mixed_bfloat16"  # as fast again as float32 where the processor has it
seed = 1


def model(text):
    return tfar.models.CharRNN(
        [128], units=(512,), cell="gru", dropout=0.3, head=tfar.heads.Characters.of(text)
    )
