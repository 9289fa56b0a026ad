"""A model at an address of https: what is fetched, and each way in which it cannot be."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import sources
from models.errors import ModelError
from models.settings import ModelSettings
from tests.sources.conftest import Fetch, Refused
from tests.sources.servers import Answer, Handler, Web, authority, fails, redirect, send

MODEL = b"a model" * 1000
SHA256 = hashlib.sha256(MODEL).hexdigest()
OTHER = "0a" * 32


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("authority") / "trusted.pem")


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[Web]:
    with Web(certificate).serving() as web:
        yield web


@pytest.fixture
def web(server: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A server with a model at /a/penguins.joblib, which this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.asked.clear()
    server.paths = {"/a/penguins.joblib": MODEL}
    return server


@pytest.fixture(scope="module")
def plain() -> Iterator[Web]:
    """A server without TLS."""
    with Web().serving() as web:
        web.paths["/a/penguins.joblib"] = MODEL
        yield web


def test_a_model_is_fetched_by_its_hash(fetch: Fetch, folder: Path, web: Web) -> None:
    fetched = fetch(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert fetched
    assert fetched.model == folder / "penguins.joblib"
    assert fetched.model.read_bytes() == MODEL
    assert fetched.card is None
    assert fetched.revision == f"{web.address}/a/penguins.joblib#{SHA256}"
    assert web.asked == [("/a/penguins.joblib", None), ("/a/penguins.json", None)]


def test_its_card_is_fetched_with_it(fetch: Fetch, folder: Path, web: Web) -> None:
    web.paths["/a/penguins.json"] = b"{}"
    fetched = fetch(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert fetched
    assert fetched.card == folder / "penguins.json"


def test_a_known_hash_asks_for_nothing(fetch: Fetch, web: Web) -> None:
    uri = f"{web.address}/a/penguins.joblib#sha256={SHA256.upper()}"
    first = fetch(uri)
    assert first
    web.asked.clear()
    assert fetch(uri, first.revision) is None
    assert web.asked == []


def test_another_hash_is_fetched(fetch: Fetch, web: Web) -> None:
    first = fetch(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert first
    web.paths["/a/penguins.joblib"] = b"b model"
    new = hashlib.sha256(b"b model").hexdigest()
    second = fetch(f"{web.address}/a/penguins.joblib#sha256={new}", first.revision)
    assert second
    assert second.model.read_bytes() == b"b model"


def test_model_sha256_stands_for_the_hash(fetch: Fetch, web: Web) -> None:
    fetched = fetch(f"{web.address}/a/penguins.joblib", model_sha256=SHA256)
    assert fetched
    assert fetched.sha256 == SHA256


def test_a_redirect_to_another_server_is_followed_without_the_password(
    fetch: Fetch, web: Web, plain: Web
) -> None:
    web.paths["/old"] = redirect("/new")
    web.paths["/new"] = redirect(f"{plain.address}/a/penguins.joblib")
    plain.asked.clear()
    host = web.address.removeprefix("https://")
    fetched = fetch(f"https://me:p%40ss@{host}/old#sha256={SHA256}", max_model_bytes=7000)
    assert fetched
    assert fetched.model.name == "old"
    assert web.asked == [("/old", "Basic bWU6cEBzcw=="), ("/new", "Basic bWU6cEBzcw==")]
    assert plain.asked == [("/a/penguins.joblib", None)]


def test_loopback_may_be_without_tls(fetch: Fetch, plain: Web) -> None:
    assert fetch(f"{plain.address}/a/penguins.joblib#sha256={SHA256}")


def test_a_signed_address_keeps_its_signature_and_shows_it_nowhere(
    fetch: Fetch, web: Web, refused: Refused
) -> None:
    web.paths["/a/m.joblib?signature=secret"] = MODEL
    fetched = fetch(f"{web.address}/a/m.joblib?signature=secret#sha256={SHA256}")
    assert fetched
    assert "secret" not in fetched.revision
    said = refused(f"{web.address}/b?signature=secret#sha256={SHA256}")
    assert said == f"cannot fetch {web.address}/b (404 Not Found): it must be there"


ADDRESSES = [
    ("http://models.example/a.joblib", "http://models.example/a.joblib can be changed by anyone on the way: use https:// (http:// only for localhost)"),
    ("https://me:secret@127.0.0.1:9/a.joblib", "https://127.0.0.1:9/a.joblib says no SHA-256, and what is at an address can change: write https://127.0.0.1:9/a.joblib#sha256=..., with the 64 digits that sha256sum prints, or set MODEL_SHA256"),
    ("https://127.0.0.1:9/a#sha256=12", "https://127.0.0.1:9/a has a # that is not followed by sha256= and 64 hexadecimal digits"),
    (f"https://127.0.0.1:9/a#sha256={SHA256}", "cannot fetch https://127.0.0.1:9/a ([Errno 111] Connection refused): it must answer with the file"),
    (f"https://no-such-host.invalid/a#sha256={SHA256}", "cannot fetch https://no-such-host.invalid/a (no such host: "),
    (f"https://127.0.0.1:many/a#sha256={SHA256}", "cannot fetch https://127.0.0.1:many/a (no address"),
    (f"https:///a#sha256={SHA256}", "cannot fetch https:///a (no host given)"),
    ("https://[::1/a", "MODEL_URI is no address: expected a file"),
]  # fmt: skip


@pytest.mark.parametrize(("uri", "sentence"), ADDRESSES)
def test_a_wrong_address_is_one_sentence(refused: Refused, uri: str, sentence: str) -> None:
    said = refused(uri)
    assert said.startswith(sentence)
    assert "secret" not in said


def test_two_hashes_that_differ_are_refused(refused: Refused, web: Web) -> None:
    said = refused(f"{web.address}/a/penguins.joblib#sha256={SHA256}", model_sha256=OTHER)
    assert said.endswith(f" says #sha256={SHA256}, but MODEL_SHA256 says {OTHER}")
    assert web.asked == []


def half(handler: Handler) -> None:
    send(handler, MODEL[:100], len(MODEL))


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(100_000))


def chunks_that_end(handler: Handler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"64\r\nhalf a chunk")


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")


REFUSED: list[tuple[Answer | bytes | None, str, int]] = [
    (None, "(404 Not Found): it must be there", 1),
    (fails(401), "(401 Unauthorized): write the user and the password into it, as in https://user:", 1),
    (fails(403), "(403 Forbidden): the user in it must be allowed to read it", 1),
    (fails(429), "(429 Too Many Requests): it must answer with the file", 3),
    (fails(503), "(503 Service Unavailable): it must answer with the file", 3),
    (half, "(the connection ended too early): ", 3),
    (chunks_that_end, "(the connection ended too early): ", 3),
    (no_http, "(its answer is not HTTP): ", 3),
    (b"another", f" has SHA-256 {hashlib.sha256(b'another').hexdigest()}, but its #sha256= or ", 1),
    (lambda handler: send(handler, b"", 10**12), " has 1000000000000 bytes, more than MAX_MODEL_BYTES=100000: ", 1),
    (endless, " has more than MAX_MODEL_BYTES=100000: raise it", 1),
    (redirect("http://models.example/a"), "(it redirects to http://models.example, which is not https)", 1),
    (redirect("file:///etc/passwd"), "(302 Found - Redirection to url 'file:///etc/passwd' is not allowed)", 1),
    (redirect("/a/penguins.joblib"), "(302 The HTTP server returned a redirect error that would lead to an infinite loop", 5),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "sentence", "asked"), REFUSED)
def test_what_is_not_the_model_is_refused_and_what_may_pass_is_tried_again(
    refused: Refused, web: Web, answer: Answer | bytes | None, sentence: str, asked: int
) -> None:
    web.paths = {"/a/penguins.joblib": answer} if answer else {}
    said = refused(f"{web.address}/a/penguins.joblib#sha256={SHA256}", max_model_bytes=100_000)
    assert sentence in said
    assert len(web.asked) == asked


@pytest.mark.parametrize("failure", [half, fails(503), fails(429), no_http])
def test_a_failure_that_passes_is_not_noticed(fetch: Fetch, web: Web, failure: Answer) -> None:
    def once(handler: Handler) -> None:
        web.paths["/a/penguins.joblib"] = MODEL
        failure(handler)

    web.paths["/a/penguins.joblib"] = once
    assert fetch(f"{web.address}/a/penguins.joblib#sha256={SHA256}")


def test_a_server_that_says_when_to_come_again_is_heeded(fetch: Fetch, web: Web) -> None:
    def busy(handler: Handler) -> None:
        web.paths["/a/penguins.joblib"] = MODEL
        handler.send_response(503)
        handler.send_header("Retry-After", "1")
        handler.end_headers()

    web.paths["/a/penguins.joblib"] = busy
    begun = time.monotonic()
    assert fetch(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert time.monotonic() - begun >= 1


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def drip_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def silent(handler: Handler) -> None:
    time.sleep(3)


def busy_for_long(handler: Handler) -> None:
    handler.send_response(503)
    handler.send_header("Retry-After", "30")
    handler.end_headers()


@pytest.mark.parametrize("slow", [drip, drip_headers, silent])
def test_a_slow_server_is_left_at_the_deadline(
    refused: Refused, web: Web, plain: Web, slow: Answer
) -> None:
    for server in (web, plain):
        server.paths["/slow"] = slow
        begun = time.monotonic()
        said = refused(f"{server.address}/slow#sha256={SHA256}", model_fetch_seconds=0.2)
        assert time.monotonic() - begun < 2
        assert said == (
            f"{server.address}/slow was not fetched within MODEL_FETCH_SECONDS=0.2: raise it, or "
            "look at why it is so slow"
        )


def test_a_wait_beyond_the_deadline_is_not_begun(refused: Refused, web: Web) -> None:
    web.paths["/busy"] = busy_for_long
    assert "(503 " in refused(f"{web.address}/busy#sha256={SHA256}", model_fetch_seconds=5)


def test_an_authority_that_is_not_trusted_is_refused(
    refused: Refused, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    said = refused(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert "(its certificate is not trusted: self" in said
    assert web.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_card_that_is_not_given_is_none(fetch: Fetch, web: Web, status: int) -> None:
    web.paths["/a/penguins.json"] = fails(status)
    fetched = fetch(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert fetched
    assert fetched.card is None


def test_a_card_that_fails_is_one_sentence(refused: Refused, web: Web) -> None:
    web.paths["/a/penguins.json"] = fails(500)
    said = refused(f"{web.address}/a/penguins.joblib#sha256={SHA256}")
    assert said.startswith(f"cannot fetch its card {web.address}/a/penguins.joblib (500 ")


def test_a_file_of_rows_is_fetched_by_its_hash(folder: Path, web: Web) -> None:
    settings = ModelSettings(model_sha256=OTHER)
    uri = f"{web.address}/a/penguins.joblib#sha256={SHA256}"
    assert sources.fetch_data(uri, folder, settings).read_bytes() == MODEL


def test_a_file_of_rows_on_this_machine_stays_where_it_is(folder: Path) -> None:
    assert sources.fetch_data("rows.csv", folder, ModelSettings()) == Path("rows.csv")


def test_rows_at_an_address_that_can_change_are_not_fetched(folder: Path, web: Web) -> None:
    with pytest.raises(ModelError, match="with the 64 digits that sha256sum prints$"):
        sources.fetch_data(f"{web.address}/a/penguins.joblib", folder, ModelSettings())


@pytest.mark.parametrize("uri", ["mlflow://penguins/1", "ftp://host/rows.csv"])
def test_rows_are_fetched_from_no_other_scheme(folder: Path, uri: str) -> None:
    with pytest.raises(ModelError, match="which holds no rows: expected a file of this machine"):
        sources.fetch_data(uri, folder, ModelSettings())
