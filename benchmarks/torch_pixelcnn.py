"""The PixelCNN of 7 blocks with 64/32 channels, written plainly in PyTorch, for comparison."""

import torch
from torch import nn


class Masked(nn.Conv2d):
    def __init__(self, channels, filters, size, exclusive):
        super().__init__(channels, filters, size, padding=size // 2)
        mask = torch.zeros(size, size)
        mask[: size // 2] = 1
        mask[size // 2, : size // 2 + (not exclusive)] = 1
        self.register_buffer("mask", mask)

    def forward(self, x):
        weight = self.weight * self.mask
        return nn.functional.conv2d(x, weight, self.bias, padding=self.padding)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(64, 32, 1),
            nn.ReLU(),
            Masked(32, 32, 3, exclusive=False),
            nn.ReLU(),
            nn.Conv2d(32, 64, 1),
        )

    def forward(self, x):
        return x + self.inside(x)


def network():
    layers = nn.Sequential(
        Masked(1, 64, 7, exclusive=True),
        *(Block() for _ in range(7)),
        nn.ReLU(),
        nn.Conv2d(64, 64, 1),
        nn.ReLU(),
        nn.Conv2d(64, 1, 1),
    )
    return layers.to(memory_format=torch.channels_last)


@torch.inference_mode()
def sample(layers, batch, side):
    """Images, pixel by pixel, by a full pass for each."""
    x = torch.zeros(batch, 1, side, side).to(memory_format=torch.channels_last)
    for row in range(side):
        for column in range(side):
            p = torch.sigmoid(layers(x)[:, 0, row, column])
            x[:, 0, row, column] = torch.bernoulli(p)
    return x


@torch.inference_mode()
def score(layers, x):
    bce = nn.functional.binary_cross_entropy_with_logits
    return -bce(layers(x), x, reduction="none").sum((1, 2, 3))
