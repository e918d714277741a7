"""What image models share: their sites, and the last layers of their networks."""

from tfar import heads
from tfar.arguments import integers
from tfar.layers import CausalConv2D, SiteBias
from tfar.typing import Shape


def image_sites(event_shape: Shape, head: heads.Head) -> tuple[int, int, int]:
    """(H, W, sites per pixel) for images [H, W, C]: C sites, or one if the head models vectors.

    Raises:
      ValueError: if ``event_shape`` is not that of an image.
    """
    height, width, colours = integers("event_shape (H, W, C)", event_shape, least=1, count=3)
    return height, width, 1 if head.site_shape else colours


def output_layers(
    head: heads.Head, image_shape: Shape, *, subpixels: int, positions: bool
) -> list[CausalConv2D | SiteBias]:
    """The last layers of a convolutional network: a 1x1 convolution to the head's parameters.

    They are float32 under any policy, as outputs are in Keras: a location that is rounded to
    bfloat16 is off by half a level in 256. The convolution is called "output", by which
    `tfar.training.Muon` recognises it.

    Args:
      head: a `tfar.heads.Head`.
      image_shape: (H, W).
      subpixels: sites per pixel.
      positions: whether a bias for every site is added.
    """
    convolution = CausalConv2D(
        head.num_params,
        1,
        image_shape,
        subpixels=subpixels,
        kernel_initializer="zeros",  # with the biases of `adapt`, training starts at the marginals
        dtype="float32",
        name="output",
    )
    return [convolution, SiteBias(dtype="float32")] if positions else [convolution]
