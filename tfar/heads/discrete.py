"""Heads for zeros and ones, categories and characters."""

from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import randomness
from tfar.arguments import flag, integer
from tfar.heads.base import Head, tempered, tempered_categories
from tfar.heads.vocabulary import Vocabulary
from tfar.typing import Temperature


@keras.saving.register_keras_serializable(package="tfar")
class Bernoulli(Head):
    """p(x = 1) = sigmoid(a) for x in {0, 1}; one parameter per site. Samples are int32.

    Args:
      centered: whether x enters the network as 2x - 1 instead of x. The function class is the
        same, but gradients are better conditioned if most values are 0.

    >>> Bernoulli().distribution(tf.constant([[0.0]])).probs_parameter().numpy().tolist()
    [0.5]
    """

    num_params = 1
    num_inputs = 1
    num_uniforms = 1
    dtype = tf.int32
    support = "0 or 1"
    on_a_scale = True
    digits = (2,)

    def __init__(self, *, centered: bool = False) -> None:
        self.centered = flag("centered", centered)

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        x = tf.cast(x, dtype)[..., None]
        return 2 * x - 1 if self.centered else x

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        return tfd.Bernoulli(logits=tempered(params[..., 0], temperature), dtype=self.dtype)

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        on = tf.sigmoid(tempered(params[..., 0], temperature))
        return tf.cast(uniforms[..., 0] < on, self.dtype)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        on = x.astype(np.float64).sum(axis=0) + 1
        return np.log(on / (len(x) + 2 - on))[:, None]

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bool:
            return tf.ones_like(x)
        return (x == 0) | (x == 1)

    def get_config(self) -> dict[str, Any]:
        return {"centered": self.centered}


@keras.saving.register_keras_serializable(package="tfar")
class Categorical(Head):
    """p(x = k) = softmax(a)_k for x in {0, ..., K - 1}; K parameters per site. Samples are int32.

    Values enter the network one-hot, or scaled to [-1, 1].

    Args:
      num_categories: K, at least 2.
      scaled: whether x enters the network as the number 2x / (K - 1) - 1: for the levels of grey
        and of colours, whose neighbours mean nearly the same. The first layer then has one channel
        for K.

    Raises:
      ValueError: if K is less than 2.

    >>> Categorical(4).distribution(tf.zeros([4])).probs_parameter().numpy().tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    num_uniforms = 1
    dtype = tf.int32
    of_logits = True
    on_a_scale = True

    def __init__(self, num_categories: int, *, scaled: bool = False) -> None:
        self.num_categories = integer("num_categories", num_categories, least=2)
        self.scaled = flag("scaled", scaled)
        self.num_params = self.num_categories
        self.num_inputs = 1 if self.scaled else self.num_categories
        self.digits = (self.num_categories,)
        self.support = f"an integer from 0 to {self.num_categories - 1}"

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        if self.scaled:
            x = tf.cast(x, tf.float32) * (2 / (self.num_categories - 1)) - 1
            return tf.cast(x, dtype)[..., None]
        return tf.one_hot(tf.cast(x, tf.int32), self.num_categories, dtype=dtype)

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        logits = tempered_categories(params, temperature)
        return tfd.Categorical(logits=logits, dtype=self.dtype)

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        return randomness.category(tempered_categories(params, temperature), uniforms[..., 0])

    def digit_log_probs(self, params: tf.Tensor, digits: tf.Tensor, i: int) -> tf.Tensor:
        return tf.nn.log_softmax(params)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        counts = np.stack([(x == k).sum(axis=0) for k in range(self.num_categories)], axis=-1) + 1
        return np.log(counts / counts.sum(axis=-1, keepdims=True))

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float32)
        return (x >= 0) & (x < self.num_categories) & (x == tf.floor(x))

    def get_config(self) -> dict[str, Any]:
        config = {"num_categories": self.num_categories}
        return {**config, "scaled": True} if self.scaled else config


@keras.saving.register_keras_serializable(package="tfar")
class Characters(Categorical):
    """`Categorical` over the characters of a vocabulary, which is saved with the model.

    Values are the numbers of characters; `tfar.text` converts text to numbers and back.

    Args:
      characters: a string of different characters, see `tfar.heads.Vocabulary`.

    >>> Characters("helo").vocabulary.decode([0, 1, 2, 2, 3])
    'hello'
    """

    on_a_scale = False

    def __init__(self, characters: str) -> None:
        self.vocabulary = Vocabulary(characters)
        super().__init__(len(self.vocabulary))

    @classmethod
    def of(cls, text: str) -> Self:
        """The head for all the characters of a text."""
        return cls(Vocabulary.of(text).characters)

    def get_config(self) -> dict[str, Any]:
        return {"characters": self.vocabulary.characters}
