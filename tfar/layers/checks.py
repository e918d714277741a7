"""Layers that check the shapes they are built with and the inputs they are called on."""

import functools
import numbers
from typing import Any

import keras
import tensorflow as tf


class Checked(keras.layers.Layer):
    """A layer whose `build` and call raise ValueError if an input does not have the axes it takes.

    Without this check TensorFlow would abort the process: a convolution of the wrong rank does.
    """

    axes: tuple[str, ...] = ("n", "c")  # after the batch; the last one is the channels
    stationary = False  # whether the first may differ in length from the one built with
    condition_size = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _checked(cls.build)

    def __call__(self, x: tf.Tensor, *args: Any, **kwargs: Any) -> Any:
        shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
        name = getattr(dtype, "name", dtype)
        if shape is None or not isinstance(name, str) or not name.startswith(NUMBERS):
            got = f"{type(x).__name__}" if shape is None else f"dtype {name}"
            raise ValueError(f"{self._takes()} of numbers, got {got}.")
        if getattr(shape, "rank", 0) is not None:  # a symbolic tensor may have no known rank
            self._check_inputs(tuple(shape))
            if self.condition_size:
                self._check_condition(args[0] if args else kwargs.get("condition"), shape[0])
        return super().__call__(x, *args, **kwargs)

    def _check_inputs(self, shape):
        expected = getattr(self, "_axes_built", [None] * len(self.axes))
        matches = len(shape) == 1 + len(expected) and all(
            size is None or other is None or size == other
            for size, other in zip(shape[1:], expected)
        )
        if not matches:
            built = f" with {list(expected)} after the batch" if any(expected) else ""
            raise ValueError(f"{self._takes()}{built}, got the shape {list(shape)}.")

    def _check_condition(self, condition, batch):
        shape = getattr(condition, "shape", None)
        if shape is not None and tf.TensorShape(shape).is_compatible_with(
            [batch, self.condition_size]
        ):
            return
        raise ValueError(
            f"{type(self).__name__} {self.name!r} takes a condition of shape "
            f"{[batch, self.condition_size]}, got "
            f"{'None' if condition is None else type(condition).__name__}"
            + ("." if shape is None else f" of shape {list(shape)}.")
        )

    def _takes(self):
        axes = ", ".join(self.axes)
        return f"{type(self).__name__} {self.name!r} takes a tensor or an array [B, {axes}]"


NUMBERS = ("float", "bfloat", "int", "uint", "bool")


def _checked(build):
    @functools.wraps(build)
    def checked(self, input_shape):
        try:
            sizes = tuple(input_shape)[1:]
        except TypeError:
            sizes = ()
        free = [self.stationary, *[False] * (len(self.axes) - 1)]
        if len(sizes) != len(free) or not all(
            (size is None and may) or (isinstance(size, numbers.Integral) and size > 0)
            for size, may in zip(sizes, free)
        ):
            raise ValueError(
                f"{self._takes()} and is built with its shape, whose batch may be None, got "
                f"{input_shape!r}."
            )
        self._axes_built = (None if self.stationary else sizes[0], *sizes[1:])
        return build(self, input_shape)

    return checked
