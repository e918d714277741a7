"""What a model takes, and clear errors for what it cannot take."""

import numpy as np
import tensorflow as tf


class InputChecks:
    """Reads and checks the inputs of a model: x, or a dict of "x" and, if conditional, "condition".

    For a class with the attributes ``event_shape``, ``head`` and ``num_classes`` of
    `tfar.models.AutoregressiveModel`. Shapes and dtypes are checked wherever inputs are read,
    values where they are at hand.
    """

    def _pick(self, inputs):
        """``(x, condition)`` of ``x`` or a dict of them, as tensors of checked shapes."""
        expected = {"x"} if self.num_classes is None else {"x", "condition"}
        if isinstance(inputs, dict):
            if set(inputs) != expected:
                raise ValueError(f"Expected the keys {sorted(expected)}, got {sorted(inputs)}.")
        elif self.num_classes is not None:
            raise ValueError(
                "This model is conditional: expected {'x': x, 'condition': labels}, got x alone."
            )
        else:
            inputs = {"x": inputs}
        x = self._pick_events(inputs["x"])
        if self.num_classes is None:
            return x, None
        labels = tf.convert_to_tensor(inputs["condition"])
        if tf.get_static_value(labels) is not None and labels.dtype.is_integer:
            self.check_condition(tf.get_static_value(labels))
        if not labels.dtype.is_integer or not labels.shape.is_compatible_with(x.shape[:1]):
            raise ValueError(
                f"Expected one integer label for each of {x.shape[0]} examples as condition, got "
                f"{labels.dtype.name} of shape {labels.shape}."
            )
        return x, labels

    def _pick_events(self, inputs):
        x = tf.convert_to_tensor(inputs)
        expected = (None, *self.event_shape)
        if not x.shape.is_compatible_with(expected) or x.shape.rank is None:
            raise ValueError(
                f"Expected x of shape [batch, {', '.join(map(str, self.event_shape))}], "
                f"got {x.shape.as_list() if x.shape.rank is not None else 'an unknown rank'}."
            )
        if x.shape[0] == 0:
            raise ValueError(f"Expected at least one example, got an empty batch {x.shape}.")
        if not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool):
            raise ValueError(f"Expected x of an integer, bool or float dtype, got {x.dtype.name}.")
        return x

    def check(self, x):
        """Raises ValueError if ``x``, an array or eager tensor, holds what cannot be modelled.

        Checked are the shape, the dtype and every value; other kinds of input (``tf.data``) pass.
        """
        parts = x if isinstance(x, dict) else {"x": x}
        if not all(isinstance(part, (np.ndarray, tf.Tensor)) for part in parts.values()):
            return
        self._pick(x)
        self.check_events(parts["x"])

    def check_events(self, x):
        """As `check`, of the array ``x`` alone."""
        self._pick_events(x)
        for start in range(0, len(x), 10_000):
            self.check_support(tf.convert_to_tensor(x[start : start + 10_000]), start)

    def check_condition(self, condition):
        """Raises ValueError if a label is none of the model's classes."""
        labels = np.asarray(condition)
        outside = (labels < 0) | (labels >= self.num_classes)
        if outside.any():
            raise ValueError(
                f"Labels are from 0 to {self.num_classes - 1}, got {labels[outside][0]} as "
                f"condition ({int(outside.sum())} such labels)."
            )

    def check_support(self, x, start=0):
        """Raises ValueError that names the first of the eager ``x`` outside the head's support."""
        outside = np.argwhere(~self.head.in_support(x).numpy())
        if len(outside):
            index = tuple(int(i) for i in outside[0])
            raise ValueError(
                f"{self.head} takes {self.head.support}, got {x[index].numpy()} at index "
                f"{[index[0] + start, *index[1:]]} ({len(outside)} such values)."
            )
