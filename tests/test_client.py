"""The clients before servers that are none of TensorFlow Serving, and bad arguments."""

import contextlib
import http.server
import json
import re
import socket
import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from tfar.serving import client

DTYPE = {"dtype": "DT_INT32"}
SCORES = {
    "inputs": {"x": DTYPE},
    "outputs": {"log_prob": {"dtype": "DT_FLOAT"}, "bits_per_dim": {"dtype": "DT_FLOAT"}},
}
SIGNATURES = {
    "serving_default": SCORES,
    "sample": {"inputs": {"num_samples": DTYPE}, "outputs": {"samples": DTYPE}},
    "generate": {
        "inputs": {"prompt": {"dtype": "DT_STRING"}},
        "outputs": {"text": {"dtype": "DT_STRING"}},
    },
    "other": {"inputs": {"x": {"dtype": "DT_COMPLEX64"}}, "outputs": {"y": DTYPE}},
}
METADATA = {"metadata": {"signature_def": {"signature_def": SIGNATURES}}}


@contextlib.contextmanager
def http_server(get, post=(200, "{}"), headers=()):
    """Answers every GET and every POST with a status and a body; gives the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, status, body):
            body = body if isinstance(body, bytes) else body.encode()
            self.send_response(status)
            for header in headers:
                self.send_header(*header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self._answer(*get)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*post)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def refusal(url, *arguments, timeout=5.0, **inputs):
    """What `Rest` says, which names the server."""
    with pytest.raises(RuntimeError) as refused:
        client.Rest(url, timeout=timeout).predict("toy", *arguments, **(inputs or {"x": [[1]]}))
    words = str(refused.value)
    assert words.startswith(url) and "\n" not in words and len(words) < 600
    return words


FOREIGN = [
    ((200, "<html><body>It works!</body></html>"), r"got '200 OK, <html><body>It works"),
    ((404, "<html>Not Found</html>"), r"got '404 Not Found, <html>Not Found"),
    ((502, ""), r"JSON with 'metadata', got '502 Bad Gateway, '"),
    ((200, ""), r"JSON with 'metadata', got '200 OK, '"),
    ((200, b"\xff\xfe\x00"), r"got '200 OK, "),
    ((200, "[" * 100_000), r"got '200 OK, \[\["),
    ((200, "[1, 2]"), r"JSON with 'metadata', got \[1, 2\]"),
    ((200, '"hello"'), r"JSON with 'metadata', got 'hello'"),
    ((200, "null"), r"JSON with 'metadata', got None"),
    ((200, "{}"), r"JSON with 'metadata', got {}"),
    ((404, '{"detail": "Not Found"}'), r"got {'detail': 'Not Found'}"),
    ((200, '{"metadata": 5}'), r"signatures as metadata, got 5"),
    ((200, '{"metadata": {"signature_def": [3]}}'), r"signatures as metadata, got "),
    ((200, '{"metadata": {"signature_def": {"signature_def": 3}}}'), "signatures as metadata"),
    ((200, json.dumps(METADATA).replace('{"dtype": "DT_INT32"}', "[1]")), "signatures as metadata"),
    # These two are TensorFlow Serving's own: of a model that it does not have, or has not loaded.
    (
        (404, '{"error": "Could not find any versions of model toy"}'),
        "/toy/metadata: Could not fin",
    ),
    ((200, '{"error": {"code": 5}}'), r"/toy/metadata: {'code': 5}"),
]


@pytest.mark.parametrize("answer, message", FOREIGN)
def test_what_is_no_metadata(answer, message):
    with http_server(answer) as url:
        assert re.search(message, refusal(url))


GOOD = (200, json.dumps(METADATA))
HALF = {"log_prob": [-1.5]}
ANSWERS = [
    ((200, "<html>"), (), "JSON with 'outputs', got '200 OK, <html>"),
    ((200, "[]"), (), r"JSON with 'outputs', got \[\]"),
    ((200, '{"predictions": [1]}'), (), r"JSON with 'outputs', got {'predictions': \[1\]}"),
    ((500, '{"outputs": []}'), (), "JSON with 'outputs', got"),
    ((400, '{"error": "x is missing"}'), (), ":predict: x is missing"),
    ((200, '{"outputs": [1, 2]}'), (), r"the outputs \['bits_per_dim', 'log_prob'\], got \[1, 2\]"),
    ((200, json.dumps({"outputs": HALF})), (), r"outputs \['bits_.*, got \['log_prob'\]"),
    ((200, json.dumps({"outputs": {**HALF, "bits_per_dim": [1], "a": 1}})), (), r"got \['a', 'bit"),
    ((200, json.dumps({"outputs": {**HALF, "bits_per_dim": "a"}})), (), "arrays of the promised"),
    ((200, json.dumps({"outputs": {**HALF, "bits_per_dim": [[1], 2]}})), (), "arrays of the prom"),
    ((200, '{"outputs": [1.5]}'), ("sample", {"num_samples": 1}), "arrays of the promised"),
    ((200, '{"outputs": {"b64": ""}}'), ("generate", {"prompt": "a"}), "arrays of the promised"),
]


@pytest.mark.parametrize("answer, asked, message", ANSWERS)
def test_what_is_no_prediction(answer, asked, message):
    signature, inputs = asked or ("serving_default", {"x": [[1]]})
    with http_server(GOOD, answer) as url:
        assert re.search(message, refusal(url, signature, **inputs))


def test_a_redirection_is_not_followed():
    header = ("Location", "https://login.example/?next=toy")
    with http_server((302, ""), headers=[header]) as url:
        assert "got '302 Found, to https://login.example/?next=toy'" in refusal(url)


@contextlib.contextmanager
def socket_server(answer):
    """Answers every connection with bytes and closes it, or with nothing at all if None."""
    with socket.create_server(("localhost", 0)) as server:
        held = []

        def accept():
            with contextlib.suppress(OSError):  # when it is closed
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    if answer is not None:
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://localhost:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    "answer, message",
    [
        (b"", "the connection was closed; REST has another port than gRPC, usually 8501"),
        (b"SSH-2.0-OpenSSH\r\n", "the connection was closed; REST"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "the answer broke off"),
        (None, "none came within 0.2 s"),
    ],
)
def test_what_speaks_no_http(answer, message):
    with socket_server(answer) as url:
        assert message in refusal(url, timeout=0.2 if answer is None else 5.0)


def test_the_port_of_grpc_and_no_port_at_all():
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        words = refusal(f"http://localhost:{port}")
        assert "the connection was closed; REST has another port than gRPC" in words
        message = f"localhost:{port}: UNIMPLEMENTED, Method not found!"
        with pytest.raises(RuntimeError, match=message):
            client.Grpc(f"localhost:{port}").predict("toy", x=1)
    finally:
        server.stop(None)
    assert "no server listens there" in refusal("http://localhost:9")
    assert "there is no such host" in refusal("http://nowhere.invalid:8501")
    assert refusal("http://a..b:1") and refusal(f"http://{'a' * 70}.invalid:1")
    with pytest.raises(RuntimeError, match="localhost:9: UNAVAILABLE, "):
        client.Grpc("localhost:9").predict("toy", x=1)


def test_tls_where_there_is_none():
    with http_server(GOOD) as url:
        assert "TLS failed, which https:// needs" in refusal(url.replace("http", "https"))
        with pytest.raises(RuntimeError, match="UNAVAILABLE, "):
            client.Grpc(url.removeprefix("http://"), timeout=5.0).predict("toy", x=1)


class Stub:
    """In place of a gRPC stub: answers with what it is given."""

    def __init__(self, metadata, answer=None):
        self.GetModelMetadata = lambda request, timeout: metadata
        self.Predict = lambda request, timeout: answer


def test_grpc_answers_that_are_none():
    served = client.Grpc("localhost:9")
    served.stub = Stub(get_model_metadata_pb2.GetModelMetadataResponse())
    with pytest.raises(
        RuntimeError, match=r"localhost:9 did not answer as .* signatures as metadata"
    ):
        served.predict("toy", x=[[1]])
    metadata = get_model_metadata_pb2.GetModelMetadataResponse()
    found = get_model_metadata_pb2.SignatureDefMap()
    found.signature_def["serving_default"].inputs["x"].dtype = 3
    found.signature_def["serving_default"].outputs["log_prob"].dtype = 1
    metadata.metadata["signature_def"].Pack(found)
    answer = predict_pb2.PredictResponse()
    served.stub = Stub(metadata, answer)
    with pytest.raises(RuntimeError, match=r"the outputs \['log_prob'\], got \[\]"):
        served.predict("toy", x=[[1]])
    answer.outputs["log_prob"].dtype = 1
    answer.outputs["log_prob"].tensor_shape.dim.add().size = 3
    answer.outputs["log_prob"].tensor_content = b"1234567"
    with pytest.raises(RuntimeError, match="tensors as outputs"):
        served.predict("toy", x=[[1]])


# Arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", [None, 8501, b"http://localhost:8501", "", "localhost:8501", "http://"]
)
def test_urls(url):
    with pytest.raises(ValueError, match="Expected url to be "):
        client.Rest(url)


@pytest.mark.parametrize("address", [None, 8500, "", "localhost", "http://localhost:8500"])
def test_addresses(address):
    with pytest.raises(ValueError, match="Expected address to be "):
        client.Grpc(address)


@pytest.mark.parametrize("timeout", [0, -1, None, "5", float("nan"), float("inf"), True])
def test_timeouts(timeout):
    for kind in (client.Rest, client.Grpc):
        with pytest.raises(ValueError, match="Expected timeout to be a finite number above 0, got"):
            kind(timeout=timeout)


@pytest.fixture(scope="module")
def rest():
    with http_server(GOOD) as url:
        yield client.Rest(url)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": None}, "Expected model to be a string, got None"),
        ({"model": ""}, "Expected model to be the name of a served model, got ''"),
        ({"model": "../a"}, "Expected model to be the name of a served model, got '../a'"),
        ({"version": "a"}, "Expected version to be an integer of at least 0"),
        ({"version": -1}, "Expected version to be an integer of at least 0"),
        ({"version": 1.5}, "Expected version to be an integer of at least 0"),
        ({"version": 2**64}, "Expected version to be an integer of at least 0"),
        ({"signature": None}, "Expected signature to be a string, got None"),
        ({"signature": "smaple"}, "not 'smaple'"),
        ({"signature": "other"}, "x is of a dtype that this client does not know"),
    ],
)
def test_models_versions_and_signatures(rest, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rest.predict(**{"model": "toy", "x": [[1]], **change})


@pytest.mark.parametrize(
    "x, message",
    [
        ([[1], [2, 3]], "int32, got [[1], [2, 3]], which is not an array"),
        (None, "int32, got object None"),
        (np.array([1, None], object), "int32, got object array([1, None]"),
        ({"a": 1}, "int32, got object {'a': 1}"),
        ("abc", "int32, got <U3 'abc'"),
        ([[0.5]], "int32, got float64 [[0.5]]"),
        ([[np.nan]], "int32, got float64 [[nan]]"),
        ([[2**31]], "int32, got int64 [[2147483648]]"),
        ([[1j]], "int32, got complex128 [[1j]]"),
        (np.full([100, 100], 0.5), "..."),
    ],
)
def test_arrays(rest, x, message):
    with pytest.raises(ValueError, match="Expected x to be an array of ") as refused:
        rest.predict("toy", x=x)
    assert message in str(refused.value) and len(str(refused.value)) < 300
    with pytest.raises(ValueError, match="Expected prompt to be a string, got b'a'"):
        rest.predict("toy", "generate", prompt=b"a")
