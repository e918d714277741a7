"""Real values some of which have a probability of their own."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfar.distributions import casting


class WithAtoms(tfd.AutoCompositeTensorDistribution):
    """pi_a is the probability of atom a, and pi_0 f(x) the density of all other real x.

    ``log_prob`` is log pi_a, a log-probability, at an atom, and log pi_0 + log f(x), a log-density,
    elsewhere: sum_a pi_a + integral pi_0 f = 1. If f(x) are masses as well, that of x is
    sum_a pi_a [x = a] + pi_0 f(x), whether f has the atom or not: sum_a pi_a + sum_x pi_0 f = 1.

    Args:
      logits: [..., 1 + A], of pi, that of the density first.
      others: the ``tfd.Distribution`` f of scalars, of batch shape [...].
      atoms: A numbers, all different.
      masses: whether f(x) are masses.
      validate_args, allow_nan_stats, name: as in TFP.

    >>> p = WithAtoms(tf.zeros([2]), tfd.Normal(0.0, 1.0), atoms=[0.0])
    >>> p.prob([0.0, 1.0]).numpy().round(3)
    array([0.5  , 0.121], dtype=float32)
    """

    def __init__(
        self,
        logits: tf.Tensor,
        others: tfd.Distribution,
        *,
        atoms: tuple[float, ...] | list[float],
        masses: bool = False,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "WithAtoms",
    ) -> None:
        parameters = dict(locals())
        (self.logits,) = casting.parameters(1, logits=logits)
        self.others = others
        self.masses = masses
        self.atoms = tuple(float(np.float32(atom)) for atom in atoms)
        if self.logits.shape[-1] != len(self.atoms) + 1:
            raise ValueError(
                f"Expected logits [..., {len(self.atoms) + 1}] for {len(self.atoms)} atoms, got "
                f"{self.logits.shape}."
            )
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "logits": tfp.util.ParameterProperties(event_ndims=1),
            "others": tfp.util.BatchedComponentProperties(),
        }

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _default_event_space_bijector(self):
        return None

    def _log_prob(self, x):
        log_pi = tf.nn.log_softmax(self.logits)
        at = tf.equal(x[..., None], tf.constant(self.atoms))  # [..., A]
        elsewhere = log_pi[..., 0] + self.others.log_prob(x)
        here = tf.reduce_sum(tf.where(at, log_pi[..., 1:], 0.0), axis=-1)
        is_atom = tf.reduce_any(at, axis=-1)
        if self.masses:
            inside = elsewhere > -np.inf
            total = tfp.math.log_add_exp(here, tf.where(inside, elsewhere, 0.0))
            here = tf.where(inside, total, here)
        return tf.where(is_atom, here, elsewhere)

    def _sample_n(self, n, seed=None):
        which, rest = tfp.random.split_seed(seed)
        chosen = tfd.Categorical(logits=self.logits).sample(n, seed=which)
        x = tf.cast(self.others.sample(n, seed=rest), tf.float32)
        return tf.where(chosen > 0, tf.gather((0.0, *self.atoms), chosen), x)
