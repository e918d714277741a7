"""Two streams of gated residual blocks at several resolutions (Salimans et al. 2017)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.layers.conv import CausalConv2D
from tfar.layers.corner import CornerConv2D
from tfar.layers.gated_residual import GatedResidual, concat_elu
from tfar.layers.stacks import RowConv2D
from tfar.typing import BatchSize, Nest, Rows, Shape, Training


class Level(keras.layers.Layer):
    """The blocks of one resolution on the way down and up, around those of half the resolution.

    Inputs and outputs are ``u`` [B, H, W, f], which sees the rows above, and ``ul`` [B, H W, f],
    which sees all pixels before. A block of u adds to that of ul; a block on the way down adds its
    output to the opposite block on the way up (a shortcut).

    One site at a time, `step_row` computes a row of u, and what this and the row before add to the
    pixels of ul, once per row; `step` computes a pixel of ul. The inner level steps at even rows
    and columns only.

    Args:
      filters: f.
      resnets: number of blocks on the way down.
      image_shape: (H, W) at this resolution.
      inner: a `Level` of (H / 2, W / 2), or None.
      condition_size, dropout: as in `GatedResidual`.
    """

    def __init__(
        self,
        filters: int,
        resnets: int,
        image_shape: Shape,
        *,
        inner: "Level | None",
        condition_size: int,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape, self.inner, self.filters = image_shape, inner, filters
        policy, f = self.dtype_policy, filters

        def rows(channels, above=1, width=3, stride=1):
            return RowConv2D(channels, above=above, width=width, stride=stride, dtype=policy)

        def pixels(channels, stride=1):
            return CornerConv2D(channels, image_shape, stride=stride, dtype=policy)

        def pointwise(channels, shape):
            return CausalConv2D(channels, 1, shape, dtype=policy)

        def blocks(kind, count):
            return [
                GatedResidual(
                    kind(f),
                    kind(2 * f),
                    condition_size=condition_size,
                    dropout=dropout,
                    dtype=policy,
                )
                for _ in range(count)
            ]

        ups = resnets + (inner is not None)
        self.down_rows, self.down_pixels = blocks(rows, resnets), blocks(pixels, resnets)
        self.up_rows, self.up_pixels = blocks(rows, ups), blocks(pixels, ups)
        # 1x1 layers: from u to ul on the ways down and up, and the shortcuts of both streams.
        self.down_across = [rows(f, 0, 1) for _ in range(resnets)]
        self.up_across = [rows(f, 0, 1) for _ in range(ups)]
        self.row_shortcuts = [rows(f, 0, 1) for _ in range(ups)]
        self.pixel_shortcuts = [pointwise(f, image_shape) for _ in range(ups)]
        if inner is not None:
            self.shrink_rows, self.shrink_pixels = rows(f, stride=2), pixels(f, stride=2)
            self.grow_rows = rows(4 * f, 0, 3)
            self.grow_pixels = pointwise(4 * f, inner.image_shape)

    def build(self, *_: Any) -> None:
        (height, width), f = self.image_shape, self.filters
        grid, flat = (None, height, width), (None, height * width)
        for block in (*self.down_rows, *self.up_rows):
            block.build((*grid, f))
        for block in (*self.down_pixels, *self.up_pixels):
            block.build((*flat, f))
        for layer in (*self.down_across, *self.up_across, *self.row_shortcuts):
            layer.build((*grid, 2 * f))
        for layer in self.pixel_shortcuts:
            layer.build((*flat, 2 * f))
        if self.inner is not None:
            self.inner.build()
            self.shrink_rows.build((*grid, f))
            self.shrink_pixels.build((*flat, f))
            self.grow_rows.build((None, height // 2, width // 2, f))
            self.grow_pixels.build((None, height * width // 4, f))
        self.built = True

    def call(
        self, u: tf.Tensor, ul: tf.Tensor, condition: Rows = None, training: Training = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        height, width = self.image_shape
        options = {"condition": condition, "training": training}

        def flat(x):
            return tf.reshape(x, [-1, height * width, self.filters])

        us, uls = [u], [ul]
        for i, (row, pixel) in enumerate(zip(self.down_rows, self.down_pixels)):
            u = row(u, **options)
            ul = pixel(ul, flat(self.down_across[i](concat_elu(u))), **options)
            us.append(u)
            uls.append(ul)
        if self.inner is None:
            us.pop(), uls.pop()
        else:
            u, ul = self.inner(self.shrink_rows(u), self.shrink_pixels(ul), **options)
            u = tf.nn.depth_to_space(self.grow_rows(u), 2)
            ul = tf.reshape(self.grow_pixels(ul), [-1, height // 2, width // 2, 4 * self.filters])
            ul = flat(tf.nn.depth_to_space(ul, 2))
        for i, (row, pixel) in enumerate(zip(self.up_rows, self.up_pixels)):
            u = row(u, self.row_shortcuts[i](concat_elu(us.pop())), **options)
            added = flat(self.up_across[i](concat_elu(u)))
            added += self.pixel_shortcuts[i](concat_elu(uls.pop()))
            ul = pixel(ul, added, **options)
        return u, ul

    def initial_state(self, batch_size: BatchSize) -> Nest:
        """``(rows, pixels)``, the states of `step_row` and of `step`."""
        width, f = self.image_shape[1], self.filters
        inputs, outputs = map(sum, self._channels())
        rows = {
            "down": [block.initial_state(batch_size) for block in self.down_rows],
            "up": [block.initial_state(batch_size) for block in self.up_rows],
            "above": tf.zeros([width, batch_size, outputs], self.compute_dtype),
        }
        # The latest inputs of all corner convolutions at each column, after zeros.
        pixels = {"inputs": tf.zeros([1 + width, batch_size, inputs], self.compute_dtype)}
        if self.inner is not None:
            rows["inner"], pixels["inner"] = self.inner.initial_state(batch_size)
            rows["shrink"] = self.shrink_rows.initial_state(batch_size)
            rows["grown"] = tf.zeros([batch_size, 2, width, f], self.compute_dtype)
            pixels["grown"] = tf.zeros([width // 2, batch_size, 4 * f], self.compute_dtype)
        return rows, pixels

    def _channels(self):
        """``(inputs, outputs)`` of the corner convolutions, in the order in which they come."""
        f, shrinks = self.filters, int(self.inner is not None)
        down, up = len(self.down_pixels), len(self.up_pixels)
        inputs = [2 * f, 2 * f] * down + [f] * shrinks + [2 * f, 2 * f] * up
        return inputs, [f, 2 * f] * down + [f] * shrinks + [f, 2 * f] * up

    def step_row(
        self, u: tf.Tensor, row: tf.Tensor, state: Nest, pixels: Nest, *, condition: Rows = None
    ) -> tuple[tf.Tensor, Nest]:
        """Maps row ``row`` of u, [B, 1, W, f], to that of the output.

        ``pixels`` is the state of `step`, after the last pixel of the row before.
        """
        after: dict[str, Any] = {"down": [], "up": []}
        us, above = [u], []
        inputs = iter(tf.split(pixels["inputs"], self._channels()[0], axis=-1))

        def add(across, block):
            across = tf.transpose(across(concat_elu(u))[:, 0], [1, 0, 2])
            above.extend(block.above([next(inputs), next(inputs)], across, condition))

        for i, block in enumerate(self.down_rows):
            u, kept = block.step_row(u, state["down"][i], condition=condition)
            us.append(u)
            after["down"].append(kept)
            add(self.down_across[i], self.down_pixels[i])
        if self.inner is None:
            us.pop()
        else:
            above.append(self.shrink_pixels.above(next(inputs)))
            small, after["shrink"] = self.shrink_rows.step(u, state["shrink"])

            def inside():
                given = small, row // 2, state["inner"], pixels["inner"]
                v, inner = self.inner.step_row(*given, condition=condition)
                return tf.nn.depth_to_space(self.grow_rows(v), 2), inner

            after["grown"], after["inner"] = tf.cond(
                row % 2 == 0, inside, lambda: (state["grown"], state["inner"])
            )
            u = after["grown"][:, row % 2, None]
        for i, block in enumerate(self.up_rows):
            added = self.row_shortcuts[i](concat_elu(us.pop()))
            u, kept = block.step_row(u, state["up"][i], added, condition)
            after["up"].append(kept)
            add(self.up_across[i], self.up_pixels[i])
        return u, {**after, "above": tf.concat(above, axis=-1)}

    def step(
        self, ul: tf.Tensor, row: tf.Tensor, column: tf.Tensor, rows: Nest, pixels: Nest
    ) -> tuple[tf.Tensor, Nest]:
        """Maps a pixel of ul, [B, f], to that of the output.

        ``rows`` is the state of `step_row`, ``pixels`` that of this.
        """
        given = (pixels["inputs"], rows["above"])
        left, above = (
            iter(tf.split(tf.gather(parts, column), sizes, axis=-1))
            for parts, sizes in zip(given, self._channels())
        )
        uls, inputs, after = [ul], [], {}
        for block in self.down_pixels:
            ul, new = block.step(ul, [next(left), next(left)], [next(above), next(above)])
            uls.append(ul)
            inputs += new
        if self.inner is None:
            uls.pop()
        else:
            inputs.append(ul)
            small = ul, next(left), next(above)

            def inside():
                y = self.shrink_pixels.step(*small)
                given = row // 2, column // 2, rows["inner"], pixels["inner"]
                y, inner = self.inner.step(y, *given)
                return _put(_pixel(self.grow_pixels, y), pixels["grown"], column // 2), inner

            after["grown"], after["inner"] = tf.cond(
                (row % 2 == 0) & (column % 2 == 0),
                inside,
                lambda: (pixels["grown"], pixels["inner"]),
            )
            # An odd row reads those that the even row above it left.
            corners = tf.reshape(tf.gather(after["grown"], column // 2), [-1, 4, self.filters])
            ul = tf.gather(corners, row % 2 * 2 + column % 2, axis=1)
        for block, shortcut in zip(self.up_pixels, self.pixel_shortcuts):
            first = next(above) + _pixel(shortcut, concat_elu(uls.pop()))
            ul, new = block.step(ul, [next(left), next(left)], [first, next(above)])
            inputs += new
        after["inputs"] = _put(tf.concat(inputs, axis=-1), pixels["inputs"], column + 1)
        return ul, after

    def depends(self, u: np.ndarray, ul: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The outputs' dependencies on m things, bools [H W, m], from those of both inputs."""
        shape = self.image_shape

        def rows(block, x, added=False):
            return x | block.second.depends(block.first.depends(x, shape) | added, shape)

        def pixels(block, x, added):
            return x | block.second.depends(block.first.depends(x) | added)

        us, uls = [u], [ul]
        for row, pixel in zip(self.down_rows, self.down_pixels):
            u = rows(row, u)
            ul = pixels(pixel, ul, u)
            us.append(u)
            uls.append(ul)
        if self.inner is None:
            us.pop(), uls.pop()
        else:
            small = [
                x.reshape([*shape, -1])[::2, ::2].reshape([np.prod(shape) // 4, -1])
                for x in (self.shrink_rows.depends(u, shape), self.shrink_pixels.depends(ul))
            ]
            u, ul = self.inner.depends(*small)
            u = self.grow_rows.depends(u, self.inner.image_shape)
            u, ul = (
                x.reshape([shape[0] // 2, shape[1] // 2, -1])
                .repeat(2, axis=0)
                .repeat(2, axis=1)
                .reshape([np.prod(shape), -1])
                for x in (u, ul)
            )
        for row, pixel in zip(self.up_rows, self.up_pixels):
            u = rows(row, u, us.pop())
            ul = pixels(pixel, ul, u | uls.pop())
        return u, ul


def _pixel(pointwise, x):
    """A 1x1 convolution of a pixel [B, c]."""
    y, _ = pointwise.extend(x[:, None], (), 0)
    return y[:, 0]


def _put(x, rows, place):
    """Rows [n, B, c] with x [B, c] in place of one of them."""
    return tf.tensor_scatter_nd_update(rows, tf.reshape(place, [1, 1]), x[None])
