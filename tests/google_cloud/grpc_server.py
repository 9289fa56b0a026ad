"""Runs in gcloud's own Python: answers its gRPC calls by the same calls of the REST API.

Started by `grpc_tunnel`, with the folder that gcloud is in, the file of the certificate and its key, and the port of the
small Google Cloud. Both forms are made of gcloud's own message types. Prints the port that it listens on, and ends when
its standard input is closed.
"""

import importlib
import importlib.util
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Of a method: the message that it takes, whether it gives a WorkerPool (or an Operation), and its request in REST.
# Source: google/cloud/run/v2/worker_pool.proto, google.api.http
METHODS = {
    "GetWorkerPool": ("GetWorkerPoolRequest", True, "GET"),
    "UpdateWorkerPool": ("UpdateWorkerPoolRequest", False, "PATCH"),
    "DeleteWorkerPool": ("DeleteWorkerPoolRequest", False, "DELETE"),
}
SERVICE = "/google.cloud.run.v2.WorkerPools/"
KEPT = ("authorization", "x-goog-user-project")


def load(library: str) -> SimpleNamespace:
    """What gcloud itself speaks gRPC with."""
    sys.path.insert(0, library)
    sys.path[:] = importlib.import_module("gcloud").reorder_sys_path(sys.path)
    importlib.import_module("google.rpc.error_details_pb2")
    types = importlib.import_module("googlecloudsdk.generated_clients.gapic_clients.run_v2.types")
    return SimpleNamespace(
        grpc=importlib.import_module("grpc"),
        json=importlib.import_module("cloudsdk.google.protobuf.json_format"),
        message=lambda name: getattr(types, name).pb(),
        operation=importlib.import_module("google.longrunning.operations_pb2").Operation,
        status=importlib.import_module("google.rpc.status_pb2").Status,
    )


def request_of(verb: str, message: dict[str, Any], metadata: dict[str, str]) -> Any:
    """The request in REST: the pool is the body, all other fields but the name are the query."""
    pool = message.pop("workerPool", None)
    name = (pool or message)["name"]
    message.pop("name", None)
    query = urllib.parse.urlencode(
        {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in message.items()
        }
    )
    url = f"http://{name.split('/')[3]}-run.googleapis.test/v2/{name}?{query}"
    headers = {key: metadata[key] for key in KEPT if key in metadata}
    body = None if pool is None else json.dumps(pool).encode()
    return urllib.request.Request(url, body, headers, method=verb)


def refuse(of: SimpleNamespace, context: Any, answer: bytes) -> None:
    """End the call with the error that REST answered."""
    error = json.loads(answer)["error"]
    code = of.grpc.StatusCode[error["status"]]
    whole = {key: error[key] for key in ("message", "details") if key in error}
    status = of.json.ParseDict({"code": code.value[0], **whole}, of.status())
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, error["message"])


def handler(of: SimpleNamespace, proxy: str, called: Any) -> Any:
    """What answers a call of this method."""
    taken, gives_pool, verb = METHODS[called.method.removeprefix(SERVICE)]
    gives = of.message("WorkerPool") if gives_pool else of.operation

    def answer(message: Any, context: Any) -> Any:
        fields = of.json.MessageToDict(message)
        request = request_of(verb, fields, dict(called.invocation_metadata))
        request.set_proxy(proxy, "http")
        try:
            with urllib.request.urlopen(request) as found:
                return of.json.Parse(found.read(), gives())
        except urllib.error.HTTPError as error:
            refuse(of, context, error.read())

    return of.grpc.unary_unary_rpc_method_handler(
        answer, of.message(taken).FromString, gives.SerializeToString
    )


def main(library: str, certificate: str, port: str) -> None:
    """Serve until whoever started this closes its standard input."""
    of = load(library)

    class Handlers(of.grpc.GenericRpcHandler):  # type: ignore[name-defined]
        def service(self, called: Any) -> Any:
            return handler(of, f"127.0.0.1:{port}", called)

    server = of.grpc.server(ThreadPoolExecutor(8), handlers=(Handlers(),))
    pem = Path(certificate).read_bytes()
    credentials = of.grpc.ssl_server_credentials(((pem, pem),))
    listens = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    print(listens, flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
