"""The Open Inference Protocol, which is KServe's protocol v2, over REST.

Sources: its specification, "HTTP/REST"; the extensions of Triton Inference Server for binary
tensors, the model repository, configuration and statistics, as far as clients ask for them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from api.answers import ModelReady, Models, Server, V2Well
from api.errors import SENTENCE, Answer, NotAcceptable, UnsupportedType
from api.feedback.notes import LABELLED
from api.formats import inference, media, results, tensors
from api.formats.writers import JSON
from api.http.request import Request
from api.http.route import Route, Site, Tag
from api.protocols import health, model_names
from api.protocols.model_tensors import answer_tensor, configure, describe_model, statistics
from api.service import Service, remarks
from models.errors import MalformedBody
from models.model import Model


class IndexRequest(msgspec.Struct):
    """The body of /v2/repository/index: whether only versions that serve are asked for."""

    ready: bool = False


TAG = Tag("Open Inference v2", "The Open Inference Protocol: KServe, Triton and MLServer speak it.")
BINARY = "application/octet-stream"
EXTENSIONS = ["binary_tensor_data", "model_repository", "model_configuration", "statistics"]
PLATFORM = "sklearn_joblib"
# The specification has `live` in one answer and `ready` in the other; KServe has both in both.
WELL = V2Well(ready=True, live=True)


def routes(site: Site) -> Iterator[Route]:
    """`POST /v2/models/<model>/infer`, health, and what is known of the server and its model."""
    yield from _infer(site.service)
    yield from _server(site)
    for suffix, of in (("", ""), ("/versions/<version>", "_version")):
        yield from _model(site, f"/v2/models/<name>{suffix}", of)


own = partial(Route, tag=TAG, render=SENTENCE)


def _infer(service: Service) -> Iterator[Route]:
    has = bool(inference.tensor_methods(service.model.methods))
    for path, name in zip(paths(service), ("v2_infer", "v2_infer_version"), strict=True):
        yield own(
            verb="POST",
            path=path,
            handler=partial(infer, service),
            name=name,
            summary="Tensors to tensors" if has else "",
            takes="tensors",
            gives={JSON: "Tensors"},
        )


def _server(site: Site) -> Iterator[Route]:
    service = site.service
    get = partial(own, verb="GET")
    for name, summary in (("live", "The server is alive"), ("ready", "The model is loaded")):
        yield get(
            path=f"/v2/health/{name}",
            handler=partial(health.answer, WELL),
            name=f"v2_{name}",
            summary=summary,
            gives={JSON: "V2Well"},
            open=True,
        )
    counted, version = paths(service), service.model.version
    server = Server("machine-learning-api", version, EXTENSIONS).plain()
    models = Models([service.name]).plain()
    known: list[tuple[str, str, str, str, Any]] = [
        ("/v2", "v2", "The server", "Server", server),
        ("/v2/models", "v2_models", "The models", "Models", models),
    ]
    for path, name, summary, schema, document in known:
        yield get(
            path=path,
            handler=partial(_same, document),
            by_flask=True,
            name=name,
            summary=summary,
            gives={JSON: schema},
        )
    yield own(
        verb="POST",
        path="/v2/repository/index",
        handler=partial(index, site),
        name="v2_index",
        summary="The versions of the model, and which one is ready",
        takes="index",
        gives={JSON: "RepositoryIndex"},
        errors=(400, 411, 413, 415),
    )
    yield get(
        path="/v2/models/stats",
        handler=partial(statistics, service, counted, service.name),
        by_flask=True,
        name="v2_all_stats",
        summary="What was counted",
        gives={JSON: "Object"},
    )


def _model(site: Site, path: str, of: str) -> Iterator[Route]:
    """The routes about the model at `path`; `of` is the end of the names of their operations."""
    service = site.service
    counted = paths(service)
    described = functools.cache(partial(describe_model, service))
    views: list[tuple[str, str, str, str, Callable[[str], Any]]] = [
        ("", "v2_model", "The tensors of the model", "ModelTensors", lambda _: described().plain()),
        ("/ready", "v2_model_ready", "The model is loaded", "ModelReady", ready),
        ("/config", "v2_config", "The model, as Triton has it", "Object",
         lambda _: configure(described(), service.contract.max_rows)),
        ("/stats", "v2_stats", "What was counted", "Object", partial(statistics, service, counted)),
    ]  # fmt: skip
    for end, name, summary, schema, view in views:
        yield own(
            verb="GET",
            path=path + end,
            handler=partial(_checked, site, view),
            by_flask=True,
            name=name + of,
            summary=summary,
            gives={JSON: schema},
            open=end == "/ready",
        )
    # The gateway answers at the path of the model itself.
    other = partial(model_names.refuse, site)
    yield own(verb="POST", path=f"{path}/infer", handler=other, by_flask=True)


def _same(document: Any) -> Any:
    return document


def _checked(site: Site, view: Callable[[str], Any], name: str, version: str = "") -> Any:
    """What `view` says of the model, if it has this name and version; raises UnknownModel."""
    model_names.check(site, name, version)
    return view(name)


def index(site: Site, request: Request) -> Answer:
    """Answer with the versions of the model; with those that serve, if the body asks for these.

    Raises MalformedBody, and what `Service.body` raises.
    """
    body = site.service.body(request)
    try:
        asked = msgspec.json.decode(body or b"{}", type=IndexRequest)
    except msgspec.DecodeError as error:
        raise MalformedBody(f'Expected no body, or {{"ready": true}}: {error}.') from None
    found = [
        entry for entry in model_names.index(site) if entry.state == "READY" or not asked.ready
    ]
    return Answer(HTTPStatus.OK, {"Content-Type": JSON}, msgspec.json.encode(found))


def paths(service: Service) -> list[str]:
    """The paths of the model for `infer`, without its version and with it."""
    model = f"/v2/models/{service.name}"
    return [f"{path}/infer" for path in (model, f"{model}/versions/{service.model.version}")]


def infer(service: Service, request: Request) -> Answer:
    """Answer tensors with one tensor for each method that is asked for."""
    given = request.content_type.partition(";")[0].strip().lower()
    if given != BINARY and not media.is_json(given):
        raise UnsupportedType(f"The Content-Type {given} is not read: send {JSON}.")
    body = service.body(request)
    length = request.header("Inference-Header-Content-Length")
    ignore = service.ignores(request)
    asked, batch = inference.read(service.contract, body, length, ignore=ignore)
    outputs = [
        (method, answer_tensor(service, method, batch), binary)
        for method, binary in wanted(service.model, asked).items()
    ]
    response = inference.Response(service.name, service.model.version, [], asked.id)
    answer, header_length = inference.write(response, outputs, service.contract.max_answer_bytes)
    results.check_size(len(answer), batch.count, service.contract.max_answer_bytes)
    service.count(request, batch)
    if service.notes is not None:
        # Of several methods the one that names a label tells most.
        method, tensor, _ = min(outputs, key=lambda output: output[0] not in LABELLED)
        service.notes.take(request, method, batch, tensor)
    headers = {"Content-Type": JSON}
    if header_length is not None:
        headers = {"Content-Type": BINARY, "Inference-Header-Content-Length": str(header_length)}
    return Answer(HTTPStatus.OK, headers | remarks(batch), answer)


def wanted(model: Model, asked: inference.Request) -> dict[str, bool]:
    """The methods that a request asks for, or the first, and whether each shall be binary."""
    have = inference.tensor_methods(model.methods)
    if not have:
        raise NotAcceptable(
            f"The results of this {model.kind} make no tensors: POST /{model.methods[0]}."
        )
    outputs = asked.outputs or [tensors.Output(have[0])]
    found = {output.name: asked.wants_binary(output) for output in outputs}
    if len(found) < len(outputs):
        raise MalformedBody("An output is asked for twice.")
    if not found.keys() <= set(have):
        raise MalformedBody(f"Expected as outputs some of {', '.join(have)}.")
    return found


def ready(name: str) -> dict[str, Any]:
    """Say that the model is loaded."""
    return ModelReady(name, ready=True).plain()
