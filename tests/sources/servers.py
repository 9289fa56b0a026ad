"""A web server on loopback, with TLS of an authority of its own, whose paths a test fills."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


class Web:
    """A web server: `paths` has its answers, `asked` each path with the Authorization sent."""

    def __init__(self, trusted: Path | None = None) -> None:
        """`trusted` has the certificate and its key; None for a server without TLS."""
        self.paths: dict[str, Answer | bytes] = {}
        self.otherwise: Answer = lambda handler: handler.send_error(404)
        self.asked: list[tuple[str, str | None]] = []
        web = self

        class Served(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append((self.path, self.headers["Authorization"]))
                answer = web.paths.get(self.path, web.otherwise)
                # Whoever asks may go away before all is sent.
                with contextlib.suppress(OSError):
                    if callable(answer):
                        answer(self)
                    else:
                        send(self, answer)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
        self.server.daemon_threads = True
        if trusted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(trusted)
            # Each connection shakes hands in its own thread.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.address = f"{'https' if trusted else 'http'}://127.0.0.1:{self.server.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Web]:
        """Serve until the context ends."""
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


def send(
    handler: Handler,
    body: bytes,
    length: int | None = None,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Answer with a body, and say that it has this length."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def redirect(target: str) -> Answer:
    """Answers that redirect to a target."""

    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def fails(status: int) -> Answer:
    """Answers of an error."""
    return lambda handler: handler.send_error(status)


def authority(path: Path, *names: str) -> Path:
    """Write a certificate of 127.0.0.1 and these names, which is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    subjects = [address, *map(x509.DNSName, names)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


# A file that describes a model of MLflow's, as it writes it.
MLMODEL = "flavors:\n  sklearn:\n    code: null\n    pickled_model: model.pkl\n"


def registry(web: Web, artifacts: str) -> dict[str, str]:
    """Answer as MLflow's registry on penguins/1, whose artifacts are there; gives the settings."""
    api, named = "/api/2.0/mlflow/model-versions", "name=penguins&version=1"
    version = {"name": "penguins", "version": "1", "creation_timestamp": 7}
    web.paths[f"{api}/get?{named}"] = json.dumps({"model_version": version}).encode()
    uri = json.dumps({"artifact_uri": artifacts}).encode()
    web.paths[f"{api}/get-download-uri?{named}"] = uri
    return {"mlflow_tracking_uri": web.address}
