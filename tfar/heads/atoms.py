"""A head for numbers some of which have a probability of their own."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfar import distributions, randomness
from tfar.arguments import instance, numbers
from tfar.heads.base import Head, tempered_categories
from tfar.heads.integers import DIGITS, MOST, Integers
from tfar.heads.real import RealMixture
from tfar.typing import Temperature


@keras.saving.register_keras_serializable(package="tfar")
class Atoms(Head):
    """A probability for each of A exact values, and a density, or masses, for all others.

    For columns that hold a value more often than a density can: zeros among amounts, a code such as
    999999 for "unknown", a constant. See `tfar.distributions.WithAtoms`; a log-probability at an
    atom is a mass, and elsewhere a density. The parameters of a site are 1 + A logits, then those
    of ``others``. Values enter the network as A indicators and the value, 0 at an atom.

    Args:
      others: `GaussianMixture` or `LogisticMixture`, of the other values.
      atoms: the values, as float32.

    Raises:
      ValueError: if there is no atom, two are the same, or the other head is of another kind.

    >>> head = Atoms(tfar.heads.LogisticMixture(2), [0.0])
    >>> round(float(head.distribution(tf.zeros([8])).prob(0.0)), 3)
    0.5
    """

    def __init__(self, others: Head, atoms: Sequence[float]) -> None:
        what = "a GaussianMixture, a LogisticMixture or Integers"
        self.others: RealMixture | Integers = instance(
            "others", others, RealMixture | Integers, what
        )
        self.atoms = [float(np.float32(atom)) for atom in numbers("atoms", atoms)]
        if len(set(self.atoms)) != len(self.atoms):
            raise ValueError(f"Expected atoms that differ in float32, got {atoms!r}.")
        self.dtype, self.support = self.others.dtype, self.others.support
        if isinstance(self.others, Integers):
            self._take_integers(self.others)
        self.mean, self.std = self.others.mean, self.others.std
        self.num_params = 1 + len(self.atoms) + others.num_params
        self.num_inputs = len(self.atoms) + others.num_inputs
        self.num_uniforms = 1 + others.num_uniforms

    def _take_integers(self, others):
        if any(atom < 0 or atom != int(atom) or atom > MOST for atom in self.atoms):
            raise ValueError(f"Expected atoms from 0 to {MOST}, integers, got {self.atoms}.")
        beyond = [int(atom) for atom in self.atoms if atom >= others.levels]
        self.support += "".join(f", or {atom}" for atom in beyond)
        size = max([others.levels, *(atom + 1 for atom in beyond)])
        self.digits = (size,) if size <= DIGITS else None

    def _at(self, x):
        return tf.equal(tf.cast(x, tf.float32)[..., None], tf.constant(self.atoms))

    def encode(self, x: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
        at = self._at(x)
        code = self.others.encode(x, dtype)
        code = tf.where(tf.reduce_any(at, axis=-1, keepdims=True), tf.zeros_like(code), code)
        return tf.concat([tf.cast(at, dtype), code], axis=-1)

    def _split(self, params):
        return tf.split(params, [1 + len(self.atoms), self.others.num_params], axis=-1)

    def distribution(self, params: tf.Tensor, temperature: Temperature = None) -> tfd.Distribution:
        logits, rest = self._split(params)
        others = self.others.distribution(rest, temperature)
        logits = tempered_categories(logits, temperature)
        masses = not self.dtype.is_floating
        return distributions.WithAtoms(logits, others, atoms=self.atoms, masses=masses)

    def draw(
        self, params: tf.Tensor, uniforms: tf.Tensor, temperature: Temperature = None
    ) -> tf.Tensor:
        logits, rest = self._split(params)
        logits = tempered_categories(logits, temperature)
        chosen = randomness.category(logits, uniforms[..., 0])
        x = self.others.draw(rest, uniforms[..., 1:], temperature)
        atoms = tf.cast(tf.constant([0.0, *self.atoms]), self.dtype)
        return tf.where(chosen > 0, tf.gather(atoms, chosen), x)

    def marginal(self, x: np.ndarray) -> np.ndarray:
        rows = []
        for column in x.astype(np.float32).T:
            counts = np.array([(column == atom).sum() for atom in self.atoms]) + 1
            rest = column[~np.isin(column, np.array(self.atoms, np.float32))]
            logits = np.log(np.concatenate([[len(rest) + 1], counts]))
            own = rest if len(rest) else np.array([self.others.mean], np.float32)
            rows.append(np.concatenate([logits, self.others.marginal(own[:, None])[0]]))
        return np.array(rows)

    def in_support(self, x: tf.Tensor) -> tf.Tensor:
        return self.others.in_support(x) | tf.reduce_any(self._at(x), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {"others": keras.saving.serialize_keras_object(self.others), "atoms": self.atoms}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        others = keras.saving.deserialize_keras_object(config["others"])
        return cls(others, config["atoms"])

    def __repr__(self) -> str:
        return f"Atoms({self.others!r}, {self.atoms})"
