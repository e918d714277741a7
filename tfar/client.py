"""Small clients of TensorFlow Serving, by REST and by gRPC.

Neither imports TensorFlow models or anything of tfar. `Rest` needs ``requests``; `Grpc` needs
``grpcio`` and ``tensorflow-serving-api`` (``pip install 'tfar[serving]'``).

#### References
https://www.tensorflow.org/tfx/serving/api_rest, and predict.proto of TensorFlow Serving.
"""

import abc

import numpy as np

__all__ = ["Client", "Grpc", "Rest"]

# TensorFlow's names of dtypes, as its REST interface spells them: those of tfar's exports.
DTYPES = {
    "DT_BOOL": np.bool_,
    "DT_FLOAT": np.float32,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_STRING": np.object_,
}


class Client(abc.ABC):
    """What the two clients share: signatures, and arguments that fit them."""

    def __init__(self):
        self._signatures = {}

    def predict(self, model, signature="serving_default", version=None, **inputs):
        """Runs a signature of a served model.

        Args:
          model: the name that the server knows.
          signature: name of the signature.
          version: a number; by default the newest that is served.
          **inputs: the inputs by name, arrays or what NumPy makes arrays of; they are cast to the
            signature's dtypes, where that loses nothing.

        Returns:
          A dict of arrays, by the names of the outputs; those of strings hold ``str``.

        Raises:
          ValueError: if there is no such signature, or it takes other inputs.
          RuntimeError: if the server refuses, with its message, or does not answer.
        """
        taken, given = self._checked(model, version, signature, set(inputs))
        arrays = {name: _cast(name, value, taken[name]) for name, value in inputs.items()}
        return self._predict(model, version, signature, arrays, given)

    def _checked(self, model, version, signature, names):
        """The dtypes of a signature, asked for anew where those known do not fit: the server may
        have another version by now."""
        for known in (self._signatures.get((model, version)), None):
            if known is None:
                known = self._signatures[model, version] = self.signatures(model, version)
            if signature in known and names == set(known[signature][0]):
                return known[signature]
        if signature not in known:
            raise ValueError(f"{model} has the signatures {sorted(known)}, and no {signature!r}.")
        raise ValueError(f"{signature} takes {sorted(known[signature][0])}, got {sorted(names)}.")

    @abc.abstractmethod
    def signatures(self, model, version=None):
        """``{signature: (inputs, outputs)}``, the dtypes of both by their names."""

    @abc.abstractmethod
    def _predict(self, model, version, signature, arrays, outputs):
        pass


def _cast(name, value, dtype):
    """An array of a dtype; ValueError where that would change a value.

    >>> _cast("seed", [1, 2], np.int32).dtype
    dtype('int32')
    """
    if dtype is np.object_:
        if isinstance(value, str):
            return np.asarray(value, object)
        raise ValueError(f"{name} is to be a string, got {value!r}.")
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        with np.errstate(invalid="ignore", over="ignore"):
            cast = array.astype(dtype)
        rounded = np.issubdtype(dtype, np.floating)
        if (
            np.array_equal(np.isfinite(cast), np.isfinite(array))
            if rounded
            else np.all(cast == array)
        ):
            return cast
    raise ValueError(f"{name} is to be {np.dtype(dtype).name}, got {array.dtype} {value!r}.")


def _decoded(array):
    """An array of bytes, UTF-8, as one of strings."""
    return np.vectorize(bytes.decode, otypes=[object])(array)


class Rest(Client):
    """By REST, in the columnar form: ``{"signature_name": ..., "inputs": {...}}``.

    Args:
      url: of the server.
      timeout: seconds.
    """

    def __init__(self, url="http://localhost:8501", timeout=60.0):
        super().__init__()
        self.url = url.rstrip("/")
        self.timeout = timeout

    def _ask(self, method, model, version, what, **options):
        import requests

        versions = "" if version is None else f"/versions/{version}"
        url = f"{self.url}/v1/models/{model}{versions}{what}"
        try:
            answer = getattr(requests, method)(url, timeout=self.timeout, **options)
        except requests.RequestException as error:
            raise RuntimeError(f"{url}: {error}") from error
        try:
            body = answer.json()
        except ValueError:
            raise RuntimeError(f"{url} gave no JSON: {answer.text[:200]!r}") from None
        if not answer.ok or "error" in body:
            raise RuntimeError(str(body.get("error", body)))
        return body

    def signatures(self, model, version=None):
        body = self._ask("get", model, version, "/metadata")
        found = body["metadata"]["signature_def"]["signature_def"]
        return {
            name: tuple(
                {key: DTYPES.get(info["dtype"]) for key, info in signature.get(side, {}).items()}
                for side in ("inputs", "outputs")
            )
            for name, signature in found.items()
            if not name.startswith("__")  # the op that sets the variables
        }

    def _predict(self, model, version, signature, arrays, outputs):
        for name, array in arrays.items():
            if array.dtype != object and not np.all(np.isfinite(array)):
                raise ValueError(f"JSON has no NaN and no infinity, and there is one in {name}.")
        inputs = {name: array.tolist() for name, array in arrays.items()}
        body = {"signature_name": signature, "inputs": inputs}
        found = self._ask("post", model, version, ":predict", json=body)["outputs"]
        if len(outputs) == 1:  # then the server leaves out its name
            found = {next(iter(outputs)): found}
        return {name: np.asarray(value, outputs[name]) for name, value in found.items()}


class Grpc(Client):
    """By gRPC, the ``PredictionService``.

    Args:
      address: of the server.
      timeout: seconds.
      channel: a ``grpc.Channel`` in place of an insecure one to the address.
    """

    def __init__(self, address="localhost:8500", timeout=60.0, channel=None):
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        super().__init__()
        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        channel = grpc.insecure_channel(address, unlimited) if channel is None else channel
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.timeout = timeout

    def signatures(self, model, version=None):
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._specify(request, model, version)
        answer = self._call(self.stub.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(found)
        return {
            name: tuple(
                {key: DTYPES.get(types_pb2.DataType.Name(info.dtype)) for key, info in side.items()}
                for side in (signature.inputs, signature.outputs)
            )
            for name, signature in found.signature_def.items()
            if not name.startswith("__")
        }

    @staticmethod
    def _specify(request, model, version):
        request.model_spec.name = model
        if version is not None:
            request.model_spec.version.value = version

    def _predict(self, model, version, signature, arrays, outputs):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._specify(request, model, version)
        request.model_spec.signature_name = signature
        for name, array in arrays.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        answer = self._call(self.stub.Predict, request)
        found = {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}
        return {k: _decoded(a) if a.dtype == object else a for k, a in found.items()}

    def _call(self, method, request):
        import grpc

        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise RuntimeError(error.details()) from error
