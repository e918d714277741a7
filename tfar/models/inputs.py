"""The inputs of a model, and clear errors for invalid ones."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfar.arguments import integer
from tfar.distributions import casting
from tfar.typing import Member, Nest, OfModel

STREAMS = (tf.data.Dataset, tf.distribute.DistributedDataset, keras.utils.PyDataset)


def _is_loader(x):
    """Whether ``x`` is a ``torch.utils.data.DataLoader``, which Keras takes (no PyTorch needed)."""
    return type(x).__module__.startswith("torch.utils.data")


class InputChecks(OfModel):
    """Reads and checks the inputs of a model: x, or a dict of "x" and, if conditional, "condition".

    For a class with the attributes ``event_shape``, ``head`` and ``condition`` of
    `tfar.models.AutoregressiveModel`. Shapes and dtypes are checked wherever inputs are read,
    values where they are available.
    """

    all_orders = False  # whether p of any sites is known, those that are missing left out

    def __call__(self, inputs: Nest, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(self._arrays(inputs), *args, **kwargs)

    def _arrays(self, x, name="x"):
        """``x`` with arrays or tensors in place of data frames and lists."""
        if isinstance(x, dict):
            return {key: self._arrays(part, f"{name}[{key!r}]") for key, part in x.items()}
        return self._array(x, name)

    def _pick(self, inputs):
        """``(x, condition)`` from ``x`` or a dict of both, as tensors of checked shapes."""
        expected = {"x"} if self.condition is None else {"x", "condition"}
        if isinstance(inputs, dict):
            if set(inputs) != expected:
                raise ValueError(f"Expected the keys {sorted(expected)}, got {sorted(inputs)}.")
        elif self.condition is not None:
            raise ValueError(
                "This model is conditional: expected {'x': x, 'condition': c}, with "
                f"{self.condition.support} as c, got x alone. A dataset of pairs is mapped to that "
                "by dataset.map(lambda x, y: {'x': x, 'condition': y})."
            )
        else:
            inputs = {"x": inputs}
        x = self._pick_events(inputs["x"])
        if self.condition is None:
            return x, None
        condition = self.condition.tensors(inputs["condition"])
        batch = self.condition.batch_shape(condition)
        if not batch.is_compatible_with(x.shape[:1]):
            raise ValueError(
                f"Expected one condition for each of {x.shape[0]} examples, got a batch of shape "
                f"{batch}."
            )
        return x, condition

    def check_member(self, member: Member) -> Member:
        """``member``, a tensor, None or an int; ValueError if it is known and out of range."""
        if member is None or tf.is_tensor(member):
            return member
        try:
            return integer("member", member, least=0, most=self.members - 1)
        except ValueError:
            raise ValueError(
                f"Expected a member from 0 to {self.members - 1}, got {member!r}."
            ) from None

    def _pick_events(self, inputs):
        x = casting.tensor("x", inputs)
        expected = (None, *self.event_shape)
        if not x.shape.is_compatible_with(expected) or x.shape.rank is None:
            raise ValueError(
                f"Expected x of shape [batch, {', '.join(map(str, self.event_shape))}], "
                f"got {x.shape.as_list() if x.shape.rank is not None else 'an unknown rank'}."
            )
        if x.shape[0] == 0:
            raise ValueError(f"Expected at least one example, got an empty batch {x.shape}.")
        return x

    def check(self, x: Any, name: str = "x") -> Any:
        """``x`` as Keras takes it, after all checks that need not read a stream.

        Arrays, data frames and lists are checked for shape, dtype and every value; datasets and
        generators are not checked.

        Args:
          x: an array or what NumPy converts to one, a dict of these as "x" and "condition", a
            ``tf.data.Dataset``, a ``keras.utils.PyDataset`` or a generator.
          name: the name of ``x`` in messages.

        Returns:
          ``x``, with arrays or tensors in place of data frames and lists.

        Raises:
          ValueError: if it is anything else, or holds values that cannot be modelled.
        """
        if isinstance(x, STREAMS) or hasattr(x, "__next__") or _is_loader(x):
            return x
        arrays = self._arrays(x, name)
        events, _ = self._pick(arrays)
        self.check_events(events)
        return arrays

    def _array(self, x, name):
        """An array or tensor; ValueError if NumPy cannot convert ``x`` to an array of numbers."""
        if isinstance(x, tf.Tensor | tf.Variable | keras.Variable | keras.KerasTensor):
            return x
        if isinstance(x, str):
            raise ValueError(
                f"Expected {name} to be an array, got a string of {len(x)} characters: for a text "
                "model, tfar.kinds.of(model).inputs(text) makes an array of windows."
            )
        if not isinstance(x, list) and not hasattr(x, "__array__"):
            raise ValueError(
                f"Expected {name} to be an array, a dict of arrays, a tf.data.Dataset or a "
                f"generator, got {'None' if x is None else type(x).__name__}."
            )
        if np.ma.is_masked(x):
            raise ValueError(f"Expected {name} to have all values, got a masked array.")
        try:
            array = np.asarray(x)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected {name} to be an array, got a list: {error}") from None
        if array.dtype.kind not in "biufV":  # V: NumPy's bfloat16 and the like
            raise ValueError(
                f"Expected {name} of an integer, bool or float dtype, got {array.dtype} of shape "
                f"{list(array.shape)}."
            )
        return array

    def check_events(self, x: Any) -> None:
        """Raises ValueError if ``x``, an array of examples, has values that cannot be modelled."""
        self._pick_events(x)
        for start in range(0, len(x), 10_000):
            self.check_support(tf.convert_to_tensor(x[start : start + 10_000]), start)

    def check_support(self, x: tf.Tensor, start: int = 0) -> None:
        """Raises ValueError that names the first value of the eager ``x`` outside the support."""
        outside = np.argwhere(~self.head.in_support(x).numpy())
        if len(outside):
            index = tuple(int(i) for i in outside[0])
            raise ValueError(
                f"{self.head} takes {self.head.support}, got {x[index].numpy()} at index "
                f"{[index[0] + start, *index[1:]]} ({len(outside)} such values)."
            )
        unknown = np.flatnonzero(self.lacks_earlier(x).numpy())
        if len(unknown):
            raise ValueError(
                f"Example {unknown[0] + start} lacks an entry that comes before one that is given "
                f"({len(unknown)} such examples): of one order of the sites, {self} takes entries "
                "that are missing after all others only. Use a model of all orders, such as an "
                "OrderlessNADE or a GMM."
            )

    def lacks_earlier(self, x: tf.Tensor) -> tf.Tensor:
        """bool [B]: which examples have no exact marginal.

        They lack an entry that comes, in some order of the model, before one that is given; if the
        model is one of all orders, there is none.
        """
        missing = None if self.all_orders else self.head.missing(x)
        if missing is None:
            return tf.zeros(tf.shape(x)[:1], tf.bool)
        missing = tf.reshape(missing, [-1, self.num_sites])
        missing = tf.cast(tf.gather(missing, tf.constant(self.permutations), axis=1), tf.int32)
        later = tf.cumsum(missing, axis=-1, exclusive=True) > 0
        return tf.reduce_any(later & (missing == 0), axis=[1, 2])
