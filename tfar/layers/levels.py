"""Two streams of gated residual blocks at several resolutions (Salimans et al. 2017)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.layers.conv import CausalConv2D
from tfar.layers.schedule import Sites, one_by_one
from tfar.layers.stacks import RowConv2D
from tfar.typing import BatchSize, KerasShape, Nest, Rows, Shape, Training


def concat_elu(x: tf.Tensor) -> tf.Tensor:
    """elu of [x, -x]: twice the channels."""
    return tf.nn.elu(tf.concat([x, -x], axis=-1))


class GatedResidual(keras.layers.Layer):
    """x + a sigmoid(b), (a, b) = second(drop(concat_elu(first(concat_elu(x)) + added))) + U s.

    Args:
      first: convolution to f channels, a `RowConv2D` or a `CausalConv2D`.
      second: convolution to 2f channels, of the same kind.
      condition_size: d, the entries of s, or 0.
      dropout: rate of drop.
    """

    def __init__(
        self,
        first: keras.layers.Layer,
        second: keras.layers.Layer,
        *,
        condition_size: int = 0,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.first, self.second = first, second
        self.condition_size = condition_size
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: KerasShape) -> None:
        twice = (*input_shape[:-1], 2 * input_shape[-1])
        self.first.build(twice)
        self.second.build(twice)
        if self.condition_size:
            self.condition_kernel = self.add_weight(
                shape=(self.condition_size, twice[-1]), initializer="zeros", name="condition_kernel"
            )

    def call(
        self,
        x: tf.Tensor,
        added: tf.Tensor | float = 0.0,
        condition: Rows = None,
        training: Training = None,
    ) -> tf.Tensor:
        y = self.first(concat_elu(x)) + added
        y = self.second(self.drop(concat_elu(y), training=training))
        return self._gate(x, y, condition)

    def step(
        self,
        x: tf.Tensor,
        state: Nest,
        *sites: Sites,
        added: tf.Tensor | float = 0.0,
        condition: Rows = None,
    ) -> tuple[tf.Tensor, Nest]:
        """A row (without ``sites``) or pixels, as those of the convolutions."""
        y, first = self.first.step(concat_elu(x), state[0], *sites)
        y, second = self.second.step(concat_elu(y + added), state[1], *sites)
        return self._gate(x, y, condition), (first, second)

    def initial_state(self, batch_size: BatchSize) -> Nest:
        return self.first.initial_state(batch_size), self.second.initial_state(batch_size)

    def _gate(self, x, y, condition):
        if self.condition_size:
            s = tf.cast(condition, y.dtype) @ tf.cast(self.condition_kernel, y.dtype)
            y += tf.reshape(s, [-1, *[1] * (y.shape.rank - 2), s.shape[-1]])
        a, b = tf.split(y, 2, axis=-1)
        return x + a * tf.sigmoid(b)


class Level(keras.layers.Layer):
    """The blocks of one resolution on the way down and up, around those of half the resolution.

    Inputs and outputs are ``u`` [B, H, W, f], which sees the rows above, and ``ul`` [B, H W, f],
    which sees all pixels before. A block of u adds to that of ul; a block on the way down adds its
    output to the opposite block on the way up (a shortcut).

    One site at a time, `step_rows` computes a row of u, when it is known, and `step` a pixel of ul.
    The inner level steps at even rows and columns only.

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

        def pixels(channels, size=2, stride=1, shape=image_shape):
            return CausalConv2D(channels, size, shape, corner=True, stride=stride, dtype=policy)

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
        self.pixel_shortcuts = [pixels(f, 1) for _ in range(ups)]
        if inner is not None:
            self.shrink_rows, self.shrink_pixels = rows(f, stride=2), pixels(f, stride=2)
            self.grow_rows = rows(4 * f, 0, 3)
            self.grow_pixels = pixels(4 * f, 1, shape=inner.image_shape)

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
        """``(rows, pixels)``, the states of `step_rows` and of `step`."""
        width, f = self.image_shape[1], self.filters
        across = tf.zeros([batch_size, width, f], self.compute_dtype)
        rows = {
            "down": [block.initial_state(batch_size) for block in self.down_rows],
            "up": [block.initial_state(batch_size) for block in self.up_rows],
            "down_across": [across for _ in self.down_across],
            "up_across": [across for _ in self.up_across],
        }
        pixels = {
            "down": [block.initial_state(batch_size) for block in self.down_pixels],
            "up": [block.initial_state(batch_size) for block in self.up_pixels],
        }
        if self.inner is not None:
            rows["inner"], pixels["inner"] = self.inner.initial_state(batch_size)
            rows["shrink"] = self.shrink_rows.initial_state(batch_size)
            pixels["shrink"] = self.shrink_pixels.initial_state(batch_size)
            rows["grown"] = tf.zeros([batch_size, 2, width, f], self.compute_dtype)
            pixels["grown"] = tf.zeros([batch_size, width // 2, 4 * f], self.compute_dtype)
        return rows, pixels

    def step_rows(
        self, u: tf.Tensor, row: tf.Tensor, state: Nest, condition: Rows = None
    ) -> tuple[tf.Tensor, Nest]:
        """Maps row ``row`` of u, [B, 1, W, f], to that of the output."""
        after: dict[str, Any]
        us, after = [u], {"down": [], "up": [], "down_across": [], "up_across": []}
        for block, across, kept in zip(self.down_rows, self.down_across, state["down"]):
            u, kept = block.step(u, kept, condition=condition)
            us.append(u)
            after["down"].append(kept)
            after["down_across"].append(across(concat_elu(u))[:, 0])
        if self.inner is None:
            us.pop()
        else:
            small, after["shrink"] = self.shrink_rows.step(u, state["shrink"])

            def inside():
                v, inner = self.inner.step_rows(small, row // 2, state["inner"], condition)
                return tf.nn.depth_to_space(self.grow_rows(v), 2), inner

            after["grown"], after["inner"] = tf.cond(
                row % 2 == 0, inside, lambda: (state["grown"], state["inner"])
            )
            u = after["grown"][:, row % 2, None]
        for i, (block, kept) in enumerate(zip(self.up_rows, state["up"])):
            added = self.row_shortcuts[i](concat_elu(us.pop()))
            u, kept = block.step(u, kept, added=added, condition=condition)
            after["up"].append(kept)
            after["up_across"].append(self.up_across[i](concat_elu(u))[:, 0])
        return u, after

    def step(
        self,
        ul: tf.Tensor,
        sites: Sites,
        rows: Nest,
        state: Nest,
        condition: Rows = None,
    ) -> tuple[tf.Tensor, Nest]:
        """Maps a pixel of ul, [B, 1, f], to that of the output.

        ``rows`` is the state of `step_rows`.
        """
        after: dict[str, Any]
        uls, after = [ul], {"down": [], "up": []}
        width = self.image_shape[1]
        row, column = sites.one // width, sites.one % width
        for i, (block, kept) in enumerate(zip(self.down_pixels, state["down"])):
            across = rows["down_across"][i][:, column, None]
            ul, kept = block.step(ul, kept, sites, added=across, condition=condition)
            uls.append(ul)
            after["down"].append(kept)
        if self.inner is None:
            uls.pop()
        else:
            small, after["shrink"] = self.shrink_pixels.step(ul, state["shrink"], sites)

            def inside():
                site = row // 2 * (width // 2) + column // 2
                fewer = one_by_one(sites.schedule.rows * sites.schedule.columns // 4).at(site)
                y, inner = self.inner.step(small, fewer, rows["inner"], state["inner"], condition)
                y, _ = self.grow_pixels.step(y, (), fewer)
                return tf.concat([state["grown"][:, 1:], y], axis=1), inner

            after["grown"], after["inner"] = tf.cond(
                (row % 2 == 0) & (column % 2 == 0),
                inside,
                lambda: (state["grown"], state["inner"]),
            )
            # An even row reads the newest entry; an odd row reads those that the even row above
            # it left.
            place = tf.where(row % 2 == 0, width // 2 - 1, column // 2)
            corners = tf.reshape(after["grown"][:, place], [-1, 4, self.filters])
            ul = corners[:, row % 2 * 2 + column % 2, None]
        for i, (block, kept) in enumerate(zip(self.up_pixels, state["up"])):
            shortcut, _ = self.pixel_shortcuts[i].step(concat_elu(uls.pop()), (), sites)
            added = rows["up_across"][i][:, column, None] + shortcut
            ul, kept = block.step(ul, kept, sites, added=added, condition=condition)
            after["up"].append(kept)
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
