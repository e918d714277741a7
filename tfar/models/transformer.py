"""Causal Transformers, for text and images.

#### References
A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever. Language Models are Unsupervised
Multitask Learners. 2019 (the pre-norm decoder).
M. Chen, A. Radford, R. Child, J. Wu, H. Jun, D. Luan, I. Sutskever. Generative Pretraining from
Pixels. ICML 2020 (images as sequences of pixels).
T. Xiao, M. Singh, E. Mintun, T. Darrell, P. Dollar, R. Girshick. Early Convolutions Help
Transformers See Better. NeurIPS 2021.
L. Yu, D. Simig, C. Flaherty, A. Aghajanyan, L. Zettlemoyer, M. Lewis. MEGABYTE: Predicting
Million-byte Sequences with Multiscale Transformers. NeurIPS 2023.
"""

from typing import Any

import keras

from tfar import arguments, conditions, heads
from tfar.arguments import choice, flag, integer, number, odd, rate
from tfar.layers import (
    Causal,
    CausalConv2D,
    CausalSelfAttention,
    ConditionBias,
    Dense,
    Patches,
    Shift,
    SiteBias,
    Sum,
    Tied,
    residual_block,
)
from tfar.models.images import image_sites
from tfar.models.sequence import SequenceModel
from tfar.typing import Activation, Order, Shape


def _check_patch(patch, stem, row, subpixels):
    """ValueError unless the stem sees all earlier sites of a site's own patch."""
    seen = stem // 2 * subpixels + 1
    if row % patch or patch > seen:
        raise ValueError(
            f"Expected patches that divide a row of {row} sites and have at most the {seen} that a "
            f"stem of {stem} sees in it, got {patch}."
        )


@keras.saving.register_keras_serializable(package="tfar")
class Transformer(SequenceModel):
    """A stack of causal self-attention and multilayer perceptrons, over sites in their order.

    x^0_i = E^T x_{i-1} + p_i, and for each layer
    a = x + attention(norm(x)),  x' = a + W_2 g(W_1 norm(a)),
    parameters of p(x_i | x_<i) = W norm(x^L_i) + b

    (*pre-norm*: the residual path is the identity). A condition c adds U c to every x^0_i. Sampling
    caches the keys and values that later sites attend to, see `tfar.layers.CausalSelfAttention`.

    With "rotary" positions and a ``window`` the model is stationary, and continues a text
    to any length: see `tfar.models.SequenceModel`.

    Args:
      event_shape: (n,) for a sequence, or any other shape, whose entries are the sites.
      width: channels of a site.
      layers: L.
      num_heads: attention heads; their number must divide the width.
      window: how many sites a site attends to in each layer, itself included; None for all.
      positions: "rotary", or "learned" for a vector p_i for every site and, unless tied, a bias
        for its parameters.
      stem: for images, the odd kernel size of a causal convolution that replaces the embedding E,
        so that the first layer already sees neighbours in two dimensions (Xiao et al. 2021). None
        for the embedding.
      patch: P, for images: the layers above work on patches of P sites in a row (Yu et al. 2023),
        at the cost of a sequence P times shorter. The stem sees the sites inside a patch, and two
        more perceptrons combine both. None for no patches.
      mlp: hidden units of a perceptron, in multiples of the width.
      activation: g.
      tied: whether W is E, see `tfar.layers.Tied`; for categorical heads.
      dropout: rate for embeddings and for the outputs of attention and perceptrons, in training.
      head: default `tfar.heads.Bernoulli()`.
      order: see `tfar.orders.get`.
      num_classes, condition: what the model is conditioned on, if anything: see
        `tfar.models.AutoregressiveModel`.
      **kwargs: passed to ``keras.Model``.

    Raises:
      ValueError: if the positions are unknown, the width is not divisible by the heads, ``tied`` is
        True with a head that does not take logits or with a stem, a stem is given without an image,
        or patches do not divide a row or are larger than the stem sees.

    >>> head = tfar.heads.Characters("abcdefgh")
    >>> model = Transformer([32], width=16, layers=2, num_heads=2, window=16, tied=True, head=head)
    >>> len(model.generate("abba", length=100, seed=1))  # more than 32
    104
    """

    def __init__(
        self,
        event_shape: Shape,
        width: int = 128,
        layers: int = 4,
        num_heads: int = 4,
        *,
        window: int | None = None,
        positions: str = "rotary",
        stem: int | None = None,
        patch: int | None = None,
        mlp: float = 4,
        activation: Activation = "gelu",
        tied: bool = False,
        dropout: float = 0.0,
        head: heads.Head | str | None = None,
        order: Order = "raster",
        num_classes: int | None = None,
        condition: conditions.Condition | None = None,
        **kwargs: Any,
    ) -> None:
        head, condition = heads.get(head), conditions.get(condition, num_classes)
        choice("positions", positions, ("rotary", "learned"))
        arguments.activation("activation", activation)
        stem = None if stem is None else odd("stem", stem)
        patch, tied = (
            None if patch is None else integer("patch", patch, least=1),
            flag("tied", tied),
        )
        width, layers = integer("width", width, least=1), integer("layers", layers, least=0)
        mlp, dropout = number("mlp", mlp, above=0), rate("dropout", dropout)
        if tied and not head.of_logits:
            raise ValueError(f"Expected a head of categories with tied=True, got {head}.")
        if tied and stem is not None:
            raise ValueError("A stem takes the place of the embedding: expected tied=False.")
        if patch is not None and stem is None:
            raise ValueError("Patches need a stem, which sees the sites inside a patch.")
        dtype = kwargs.get("dtype")
        learned = positions == "learned"

        def block(*branch):
            branch = [keras.layers.LayerNormalization(dtype=dtype), *branch]
            if dropout:
                branch.append(keras.layers.Dropout(dropout, dtype=dtype))
            return residual_block(branch, dtype)

        def perceptron():
            inside = Dense(max(1, round(mlp * width)), activation, dtype=dtype)
            return block(inside, Dense(width, dtype=dtype))

        def embedding():
            return Dense(width, use_bias=False, dtype=dtype, name="embedding")

        body = [SiteBias(dtype=dtype)] if learned else []
        if condition is not None:
            body.append(ConditionBias(condition.size, dtype=dtype))
        if dropout:
            body.append(keras.layers.Dropout(dropout, dtype=dtype))
        for _ in range(layers):
            attention = CausalSelfAttention(
                num_heads, window=window, rotary=not learned, dtype=dtype
            )
            body += [block(attention), perceptron()]
        if stem is None:
            network = [Shift(dtype=dtype), *([] if tied else [embedding()]), *body]
        else:
            *image_shape, subpixels = image_sites(event_shape, head)
            if patch is not None:
                _check_patch(patch, stem, image_shape[1] * subpixels, subpixels)
            options: dict[str, Any] = {"exclusive": True, "dtype": dtype}
            network = [CausalConv2D(width, stem, image_shape, subpixels=subpixels, **options)]
            if patch is None:
                network += body
            else:
                of_patches = Causal([Shift(dtype=dtype), embedding(), *body], dtype=dtype)
                of_patches = Patches(of_patches, patch, width, dtype=dtype)
                network = [Sum([*network, of_patches], dtype=dtype), perceptron(), perceptron()]
        network.append(keras.layers.LayerNormalization(dtype=dtype))
        if not tied:
            # With the biases of `adapt`, if there are any, training starts at the marginals.
            start = "zeros" if learned else "glorot_uniform"
            network.append(
                Dense(head.num_params, kernel_initializer=start, dtype="float32", name="output")
            )
            if learned:
                network.append(SiteBias(dtype="float32"))
        network = Causal(network, dtype=dtype)
        if tied:
            network = Tied(network, width, dtype=dtype)
        self.hyperparameters = {
            "width": int(width),
            "layers": int(layers),
            "num_heads": int(num_heads),
            "window": window,
            "positions": positions,
            "stem": stem,
            "patch": patch,
            "mlp": int(mlp),
            "activation": activation,
            "tied": tied,
            "dropout": float(dropout),
        }
        super().__init__(network, event_shape, head, order=order, condition=condition, **kwargs)
