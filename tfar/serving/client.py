"""Small clients of TensorFlow Serving, by REST and by gRPC.

Neither needs a model or Keras. `Rest` needs ``requests``, and no TensorFlow; `Grpc` needs
``grpcio`` and ``tensorflow-serving-api`` (``pip install 'tfar[serving]'``).

#### References
https://www.tensorflow.org/tfx/serving/api_rest, and predict.proto of TensorFlow Serving.
"""

from __future__ import annotations

import abc
import re
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments

if TYPE_CHECKING:
    from typing import Any

    import grpc
    from numpy.typing import ArrayLike

__all__ = ["Client", "Grpc", "Rest"]

# TensorFlow's names of dtypes, as its REST interface spells them: those of tfar's exports.
DTYPES = {
    "DT_BOOL": np.bool_,
    "DT_DOUBLE": np.float64,
    "DT_FLOAT": np.float32,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_STRING": np.object_,
}


class Client(abc.ABC):
    """What the two clients share: signatures, and arguments that fit them.

    Args:
      server: what errors call the server.
      timeout: seconds.
    """

    def __init__(self, server: str, timeout: float) -> None:
        self.server = server
        self.timeout = arguments.number("timeout", timeout, above=0)
        self._signatures = {}

    def predict(
        self,
        model: str,
        signature: str = "serving_default",
        *,
        version: int | None = None,
        **inputs: ArrayLike,
    ) -> dict[str, np.ndarray]:
        """Runs a signature of a served model.

        Args:
          model: the name that the server knows.
          signature: name of the signature.
          version: a number; by default the newest that is served.
          **inputs: the inputs by name, arrays or what NumPy converts to arrays; they are cast to
            the signature's dtypes, if that loses nothing.

        Returns:
          A dict of arrays, by the names of the outputs; those of strings hold ``str``.

        Raises:
          ValueError: if there is no such signature, it takes other inputs, or an argument is not
            as above.
          RuntimeError: if the server refuses (with its message), does not answer, or does not
            answer as TensorFlow Serving does.
        """
        _check_names(model, version)
        arguments.string("signature", signature)
        taken, given = self._checked(model, version, signature, set(inputs))
        arrays = {name: _cast(name, value, taken[name]) for name, value in inputs.items()}
        found = self._predict(model, version, signature, arrays, given)
        if set(found) != set(given):
            raise self._foreign(f"the outputs {sorted(given)}", sorted(found))
        return found

    def _checked(self, model, version, signature, names):
        """The dtypes of a signature, requested again if those known do not fit: the server may have
        another version by now."""
        for known in (self._signatures.get((model, version)), None):
            if known is None:
                known = self._signatures[model, version] = self.signatures(model, version)
            if signature in known and names == set(known[signature][0]):
                return known[signature]
        if signature not in known:
            raise ValueError(f"{model} has the signatures {sorted(known)}, not {signature!r}.")
        raise ValueError(f"{signature} takes {sorted(known[signature][0])}, got {sorted(names)}.")

    def signatures(
        self, model: str, version: int | None = None
    ) -> dict[str, tuple[dict[str, Any], ...]]:
        """``{signature: (inputs, outputs)}`` of a served model, the dtypes of both by their names.

        A dtype that this client does not know is None. Arguments and errors are those of `predict`.
        """
        _check_names(model, version)
        return {
            name: tuple({key: DTYPES.get(dtype) for key, dtype in side.items()} for side in sides)
            for name, sides in self._metadata(model, version).items()
            if not name.startswith("__")  # the op that sets the variables
        }

    @abc.abstractmethod
    def _metadata(self, model, version):
        """As `signatures`, with TensorFlow's names of dtypes."""

    @abc.abstractmethod
    def _predict(self, model, version, signature, arrays, outputs):
        """The outputs, a dict of arrays."""

    def _foreign(self, expected, got):
        """The error for an answer that is not one of TensorFlow Serving."""
        return RuntimeError(
            f"{self.server} did not answer as TensorFlow Serving does: expected {expected}, got "
            f"{_shown(got)}."
        )


def _check_names(model, version):
    if not arguments.string("model", model) or re.search(r"[/?#:\s]", model):
        raise ValueError(f"Expected model to be the name of a served model, got {model!r}.")
    if version is not None:
        arguments.integer("version", version, least=0, most=2**63 - 1)


def _cast(name, value, dtype):
    """An array of a dtype; ValueError where that would change a value.

    >>> _cast("seed", [1, 2], np.int32).dtype
    dtype('int32')
    """
    if dtype is None:
        raise ValueError(f"{name} is of a dtype that this client does not know.")
    if dtype is np.object_ and np.ndim(value) == 0:
        arguments.string(name, value)
    return _array(name, value, dtype)


def _array(name, value, dtype):
    """An array of a dtype; None means any dtype, and ``object`` strings."""
    if dtype is np.object_:
        array = np.asarray(value, object)
        if all(isinstance(text, str) for text in array.flat):
            return array
        raise ValueError(f"Expected {name} to be of strings, got {_shown(value)}.")
    expected = f"Expected {name} to be an array of {np.dtype(dtype).name}, got"
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:  # lists of different lengths, for instance
        raise ValueError(f"{expected} {_shown(value)}, which is not an array.") from error
    if dtype is None:
        return array
    if array.dtype.kind in "biuf":
        with np.errstate(invalid="ignore", over="ignore"):
            cast = array.astype(dtype)
        if np.issubdtype(dtype, np.floating):  # it rounds, but does not overflow
            kept = np.array_equal(np.isfinite(cast), np.isfinite(array))
        else:
            kept = np.all(cast == array)
        if kept:
            return cast
    raise ValueError(f"{expected} {array.dtype} {_shown(value)}.")


def _decoded(array):
    """An array of bytes, UTF-8, as one of strings."""
    return np.vectorize(bytes.decode, otypes=[object])(array)


def _shown(value):
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


class Rest(Client):
    """By REST, in the columnar form: ``{"signature_name": ..., "inputs": {...}}``.

    Args:
      url: of the server, with http:// or https://.
      timeout: seconds to wait for a connection, and for an answer.

    Raises:
      ValueError: if an argument is not as above.
    """

    def __init__(self, url: str = "http://localhost:8501", *, timeout: float = 60.0) -> None:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", arguments.string("url", url)):
            raise ValueError(f"Expected url to be like http://localhost:8501, got {url!r}.")
        super().__init__(url.rstrip("/"), timeout)

    def _ask(self, method, model, version, what, key, **options):
        """The value of a key of the answer, which is JSON."""
        import requests

        versions = "" if version is None else f"/versions/{version}"
        url = f"{self.server}/v1/models/{model}{versions}{what}"
        options.update(timeout=self.timeout, allow_redirects=False)
        try:
            answer = getattr(requests, method)(url, **options)
        except (requests.RequestException, ValueError) as error:  # ValueError: an invalid host
            raise RuntimeError(f"{url} gave no answer: {self._reason(error)}.") from error
        expected = f"JSON with {key!r}"
        status = f"{answer.status_code} {answer.reason}"
        if answer.is_redirect:
            raise self._foreign(expected, f"{status}, to {answer.headers['Location']}")
        try:
            body = answer.json()
        except (ValueError, RecursionError):
            raise self._foreign(expected, f"{status}, {answer.text[:200]}") from None
        if isinstance(body, dict) and "error" in body:
            raise RuntimeError(f"{url}: {body['error']}")
        if not answer.ok or not isinstance(body, dict) or key not in body:
            raise self._foreign(expected, body)
        return body[key]

    def _reason(self, error):
        import requests

        if isinstance(error, requests.Timeout):
            return f"none came within {self.timeout:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "TLS failed, which https:// needs"
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return "the answer broke off"
        if isinstance(error, requests.ConnectionError):
            refused = "Connection refused" in str(error)
            if "NewConnectionError" in str(error) or "NameResolutionError" in str(error):
                return "no server listens there" if refused else "there is no such host"
            return "the connection was closed; REST has another port than gRPC, usually 8501"
        return _shown(str(error))

    def _metadata(self, model, version):
        found = self._ask("get", model, version, "/metadata", "metadata")
        try:
            return {
                name: tuple(
                    {key: info.get("dtype") for key, info in signature.get(side, {}).items()}
                    for side in ("inputs", "outputs")
                )
                for name, signature in found["signature_def"]["signature_def"].items()
            }
        except (KeyError, TypeError, AttributeError):  # some part of it is of another type
            raise self._foreign("signatures as metadata", found) from None

    def _predict(self, model, version, signature, arrays, outputs):
        for name, array in arrays.items():
            if array.dtype != object and not np.all(np.isfinite(array)):
                raise ValueError(f"Expected finite {name}: JSON has no NaN and no infinity.")
        inputs = {name: array.tolist() for name, array in arrays.items()}
        body = {"signature_name": signature, "inputs": inputs}
        found = self._ask("post", model, version, ":predict", "outputs", json=body)
        if len(outputs) == 1:  # then the server leaves out its name
            found = {next(iter(outputs)): found}
        if not isinstance(found, dict):
            raise self._foreign(f"the outputs {sorted(outputs)}", found)
        try:
            return {name: _array(name, value, outputs.get(name)) for name, value in found.items()}
        except ValueError:
            raise self._foreign("arrays of the promised dtypes as outputs", found) from None


class Grpc(Client):
    """By gRPC, the ``PredictionService``.

    Args:
      address: of the server, a host and a port.
      timeout: seconds.
      channel: a ``grpc.Channel`` instead of an insecure one to the address.

    Raises:
      ValueError: if an argument is not as above.
    """

    def __init__(
        self,
        address: str = "localhost:8500",
        *,
        timeout: float = 60.0,
        channel: grpc.Channel | None = None,
    ) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as error:
            raise ImportError(f"{error}: pip install 'tfar[serving]' provides it.") from error

        if re.match(r"https?://", arguments.string("address", address)) or ":" not in address:
            raise ValueError(f"Expected address to be like localhost:8500, got {address!r}.")
        super().__init__(address, timeout)
        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        channel = grpc.insecure_channel(address, unlimited) if channel is None else channel
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def _metadata(self, model, version):
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._specify(request, model, version)
        answer = self._call(self.stub.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        if not answer.metadata["signature_def"].Unpack(found):
            raise self._foreign("signatures as metadata", answer)
        return {
            name: tuple(
                {key: types_pb2.DataType.Name(info.dtype) for key, info in side.items()}
                for side in (signature.inputs, signature.outputs)
            )
            for name, signature in found.signature_def.items()
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
        try:
            found = {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}
            return {k: _decoded(a) if a.dtype == object else a for k, a in found.items()}
        except (ValueError, TypeError):
            raise self._foreign("tensors as outputs", answer) from None

    def _call(self, method, request):
        import grpc

        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            reason = f"{error.code().name}, {error.details()}"
            raise RuntimeError(f"{self.server}: {reason}") from error
