"""Models of sequences, of any length."""

import keras
import tensorflow as tf

from tfar.arguments import integer
from tfar.models.base import AutoregressiveModel
from tfar.typing import Nest, Seed, Temperature


@keras.saving.register_keras_serializable(package="tfar")
class SequenceModel(AutoregressiveModel):
    """A model whose conditionals are the same function of the past at every site.

    ``event_shape`` is the length of the windows that it is trained on. If all layers of the network
    are ``stationary``, its weights also model sequences of any other length.
    """

    def of_length(self, length: int) -> AutoregressiveModel:
        """The model of sequences of another length, with the same weights.

        Args:
          length: n.

        Returns:
          A `tfar.models.AutoregressiveModel` with ``event_shape`` [length], which shares the
          network: training one trains the other.

        Raises:
          ValueError: if the network knows positions, or the length is invalid.

        >>> model = tfar.models.CharRNN([8], (4,), head=tfar.heads.Characters("abc"))
        >>> model.of_length(20).joint().sample(seed=1).shape
        TensorShape([20])
        """
        length = integer("length", length, least=1)
        self.check_length(length)
        if self.longest is not None and length < self.longest:
            raise ValueError(
                f"Sequences have {self.longest} sites, got {length}: a layer of the network knows "
                "positions, or has no window."
            )
        shape = [length, *self.event_shape[1:]]
        options = {"condition": self.condition, "dtype": self.dtype_policy}
        return AutoregressiveModel(self.network, shape, self.head, **options)

    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        temperature: Temperature = None,
        top_k: int | tf.Tensor | None = None,
        top_p: Temperature = None,
        seed: Seed = None,
        condition: Nest = None,
    ) -> str:
        """Continues a prompt.

        Args:
          prompt: a string of characters of the model's vocabulary.
          length: how many characters to draw, not limited by the training windows.
          temperature, top_k, top_p: see `tfar.sampling.Policy`.
          seed: as in `tfar.sampling.Autoregressive`.
          condition: the condition of this text, if the model is conditional.

        Returns:
          The prompt and its continuation, a string. `tfar.text.stream` yields it piece by piece.

        Raises:
          ValueError: if the head is not one of characters, or an argument is not as above.

        >>> model = tfar.models.CharRNN([8], (4,), head=tfar.heads.Characters("abc"))
        >>> text = model.generate("ab", length=20, top_k=2, seed=1)
        >>> text[:2], len(text)
        ('ab', 22)
        """
        from tfar import text

        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        return text.generate(self, prompt, length, condition=condition, **options)

    @property
    def longest(self) -> int | None:
        """The most sites that the weights can model, or None if there is no limit."""
        return None if getattr(self.network, "stationary", False) else self.num_sites

    def check_length(self, length: int) -> None:
        """Raises ValueError if sequences cannot be that long."""
        length = integer("length", length, least=1)
        if self.longest is not None and length > self.longest:
            raise ValueError(
                f"Sequences have at most {self.longest} sites, got {length}: a layer of the "
                "network knows positions, or has no window."
            )
