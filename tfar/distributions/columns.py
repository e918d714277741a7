"""Independent distributions of several families, side by side."""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Columns(tfd.Distribution):
    """Distributions of batch shape [..., n] whose last axis goes through families.

    ``log_prob``, ``cdf`` and ``sample`` are those of each column. All values are float32, those of
    discrete columns too.

    Args:
      params: [..., n, P]; column i takes the first of its P numbers that its head needs.
      head: a `tfar.heads.Columns`.
      temperature: as there.
      validate_args, allow_nan_stats, name: as in TFP.
    """

    def __init__(
        self,
        params,
        head,
        temperature=None,
        validate_args=False,
        allow_nan_stats=True,
        name="Columns",
    ):
        parameters = dict(locals())
        self.params = tf.convert_to_tensor(params)
        self.columns = [
            one.distribution(self.params[..., i, : one.num_params], temperature)
            for i, one in enumerate(head.heads)
        ]
        super().__init__(
            dtype=head.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"params": tfp.util.ParameterProperties(event_ndims=1)}

    def _batch_shape(self):
        return self.params.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.shape(self.params)[:-1]

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _default_event_space_bijector(self):
        return None

    def _of_each(self, method, x):
        x = tf.cast(x, tf.float32)
        each = [getattr(p, method)(tf.cast(x[..., i], p.dtype)) for i, p in enumerate(self.columns)]
        return tf.stack(each, axis=-1)

    def _log_prob(self, x):
        return self._of_each("log_prob", x)

    def _cdf(self, x):
        return self._of_each("cdf", x)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, n=len(self.columns))
        drawn = [p.sample(n, seed=own) for p, own in zip(self.columns, seeds)]
        return tf.stack([tf.cast(x, self.dtype) for x in drawn], axis=-1)
