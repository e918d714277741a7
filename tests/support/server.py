"""A stand-in for TensorFlow Serving: its two interfaces around loaded SavedModels, in process."""

import contextlib
import http.server
import json
import threading
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfar import serving


class Model:
    """A SavedModel behind the messages of TensorFlow Serving."""

    def __init__(self, folder):
        self.loaded = tf.saved_model.load(str(folder))
        self.signatures = serving.meta_graph(folder).signature_def

    def metadata(self):
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signatures.items():
            found.signature_def[name].CopyFrom(signature)
        return found

    def predict(self, request):
        name = request.model_spec.signature_name or "serving_default"
        expected = self.signatures[name].inputs
        if set(request.inputs) != set(expected):
            raise ValueError(f"got the inputs {sorted(request.inputs)}, not {sorted(expected)}")
        for key, tensor in request.inputs.items():
            if tensor.dtype != expected[key].dtype:
                raise ValueError(f"{key} is {types_pb2.DataType.Name(tensor.dtype)}")
        inputs = {key: tf.constant(tf.make_ndarray(t)) for key, t in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        for key, value in self.loaded.signatures[name](**inputs).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def _model(self, request, context):
        if request.model_spec.name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        return self.models[request.model_spec.name]

    def Predict(self, request, context):
        model = self._model(request, context)
        try:
            return model.predict(request)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    def GetModelMetadata(self, request, context):
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(self._model(request, context).metadata())
        return response


@contextlib.contextmanager
def serve_grpc(models):
    """Serves ``{name: Model}``; gives the address."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(models), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None)


def from_json(body, model):
    """The PredictRequest of a body in the columnar form; dtypes are those of the signature."""
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = body.get("signature_name", "serving_default")
    expected = model.signatures[request.model_spec.signature_name].inputs
    for key, value in body["inputs"].items():
        dtype = tf.dtypes.as_dtype(expected[key].dtype)
        if dtype.is_integer and np.asarray(value).dtype.kind != "i":
            raise ValueError(f"JSON Value: {value} Type: Number is not of expected type: int32")
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value, dtype))
    return request


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def to_json(response):
    outputs = {key: tf.make_ndarray(t) for key, t in response.outputs.items()}
    outputs = {k: np.vectorize(_text)(v).tolist() for k, v in outputs.items()}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


@contextlib.contextmanager
def serve_rest(models):
    """Serves ``{name: Model}``; gives the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, status, body):
            body = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            name, *_ = self.path.removeprefix("/v1/models/").removesuffix("/metadata").split("/")
            if name not in models:
                return self._answer(404, {"error": f"Servable not found for request: {name}"})
            found = json_format.MessageToDict(
                models[name].metadata(), preserving_proto_field_name=True
            )
            self._answer(200, {"model_spec": {"name": name}, "metadata": {"signature_def": found}})

        def do_POST(self):
            name, *_ = self.path.removeprefix("/v1/models/").removesuffix(":predict").split("/")
            model = models[name]
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                self._answer(200, to_json(model.predict(from_json(body, model))))
            except (ValueError, tf.errors.InvalidArgumentError) as error:
                self._answer(400, {"error": str(error)})

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
