"""Models of sequences, of any length."""

import keras
import tensorflow as tf

from tfar.arguments import integer
from tfar.models.base import AutoregressiveModel
from tfar.typing import Nest, Seed, Temperature


@keras.saving.register_keras_serializable(package="tfar")
class SequenceModel(AutoregressiveModel):
    """A model whose conditionals are the same function of the past at every site.

    ``event_shape`` is the length of the windows that it is trained on; its weights make a model of
    sequences of any other length too, if all layers of the network are ``stationary``.
    """

    def of_length(self, length: int) -> AutoregressiveModel:
        """The model of sequences of another length, of the same weights.

        Args:
          length: n.

        Returns:
          A `tfar.models.AutoregressiveModel` with ``event_shape`` [length], which shares the
          network: what trains one trains the other.

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
        """Goes on from a prompt.

        Args:
          prompt: a string of the characters of the model's vocabulary.
          length: characters to draw; the training windows do not limit it.
          temperature, top_k, top_p: see `tfar.sampling.Policy`.
          seed: as in `tfar.sampling.Autoregressive`.
          condition: of a conditional model, the one of this text.

        Returns:
          The prompt and what was drawn, a string. `tfar.text.stream` gives it piece by piece.

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
        """Raises ValueError if sequences may not be so long."""
        length = integer("length", length, least=1)
        if self.longest is not None and length > self.longest:
            raise ValueError(
                f"Sequences have at most {self.longest} sites, got {length}: a layer of the "
                "network knows positions, or has no window."
            )
