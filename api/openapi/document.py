"""The service described for programs and people, OpenAPI 3.1, made from the model it serves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from api.errors import Busy
from api.formats.inference import tensor_methods
from api.formats.writers import JSON, WRITERS
from api.openapi import components, protocols, sample, schemas, snippets
from api.openapi.components import NOTES, TEXT, WITH_EXTRA, WITH_ROWS, operation
from api.openapi.sample import Sample
from api.openapi.schemas import Schema, ref
from api.service import Service
from models.rows.words import expectation

PLAIN = {"text/plain": TEXT}
# An example of an answer is left out where it is longer than this.
LONG_EXAMPLE = 2000
TAGS = {
    "Model": "What the model can do.",
    "Service": "What is served, and whether it is well.",
    "Documentation": "This description, for programs and for people.",
    "MLflow and SageMaker": "What MLflow's scoring server and SageMaker's containers take.",
    "KServe v1": "The protocol of KServe v1 and TensorFlow Serving.",
    "Open Inference v2": "The Open Inference Protocol, which KServe, Triton and MLServer speak.",
}
METHODS = {
    "predict": "Predict",
    "predict_proba": "The probability of each class",
    "predict_log_proba": "The logarithm of the probability of each class",
    "predict_joint_log_proba": "The logarithm of the probability of each class with the row",
    "decision_function": "How far a row is on the side of each class",
    "score_samples": "How usual a row is",
    "mahalanobis": "The squared Mahalanobis distance of a row",
    "transform": "Transform",
    "kneighbors": "The nearest rows of the training data",
    "radius_neighbors": "The rows of the training data within a radius",
    "apply": "The leaf that a row ends in, of each tree",
}


class Context(msgspec.Struct, frozen=True):
    """What operations are described from; `results` has each method's result for the sample."""

    service: Service
    sample: Sample
    results: dict[str, Any]


Build = Callable[[Context], Schema]


def describe(service: Service) -> Schema:
    """The whole document. `snippets.ORIGIN` in it stands for the address of the service.

    Raises Busy if the model has no time to answer the example.
    """
    context = _context(service)
    paths: dict[str, Schema] = {}
    for path, verb, build in table(service):
        paths.setdefault(path, {})[verb.lower()] = build(context)
    if service.locked:
        _lock(paths, service.open_paths)
    used = {each["tags"][0] for path in paths.values() for each in path.values()}
    model = service.model
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{service.name}: {model.kind}",
            "version": model.version[:12],
            "description": _introduction(service),
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in TAGS if tag in used],
        "paths": paths,
        "components": _components(context, paths),
        **({"security": [{name: []} for name in components.KEYS]} if service.locked else {}),
    }


def _lock(paths: dict[str, Schema], open_paths: frozenset[str]) -> None:
    """Say which operations need an API key, and how they refuse who has none."""
    for path, operations in paths.items():
        for each in operations.values():
            if path in open_paths:
                each["security"] = []
            else:
                fault = each["responses"]["500"]["$ref"].replace("500", "401")
                each["responses"]["401"] = {"$ref": fault}


def table(service: Service) -> list[tuple[str, str, Build]]:
    """All that can be described: path, HTTP method, and what makes the operation."""
    html = {"text/html": TEXT}
    metrics = {"text/plain": TEXT, "application/openmetrics-text": TEXT}
    return [
        *((f"/{method}", "POST", partial(_method, method)) for method in service.model.methods),
        *_protocols(service),
        ("/", "GET", _get("alive", "Service", "The service is alive", ref("Alive"))),
        ("/metadata", "GET", _get("metadata", "Service", "What is served", ref("Metadata"))),
        ("/health", "GET", _get("health", "Service", "The model is loaded", ref("Well"))),
        ("/ready", "GET", _get("ready", "Service", "The model is loaded", ref("Well"))),
        ("/ping", "GET", _get("ping", "Service", "The model is loaded", ref("Well"))),
        ("/metrics", "GET", _get("metrics", "Service", "Metrics for Prometheus", metrics)),
        ("/snippets", "GET", _get("snippets", "Documentation", "To paste", ref("Snippets"))),
        ("/openapi.json", "GET", _get("openapi", "Documentation", "For programs", ref("OpenAPI"))),
        ("/docs", "GET", _get("docs", "Documentation", "To try out", html)),
        ("/redoc", "GET", _get("redoc", "Documentation", "To read", html)),
    ]


def _protocols(service: Service) -> list[tuple[str, str, Build]]:
    """What the service takes besides its own endpoints, as far as the model can answer it."""
    name = service.name
    found: list[tuple[str, str, Build]] = [
        ("/explain", "POST", _of(protocols.explain)),
        (f"/v1/models/{name}:explain", "POST", _of(protocols.v1_explain)),
        ("/invocations", "POST", _of(protocols.invocations)),
        ("/version", "GET", _get("version", "MLflow and SageMaker", "The version", PLAIN)),
        *(
            (path, verb, _of(protocols.about, tag, operation_id, summary, schema))
            for path, verb, tag, operation_id, summary, schema in protocols.others(name)
        ),
    ]
    if "predict" in service.model.methods:
        found.append((f"/v1/models/{name}:predict", "POST", _of(protocols.v1_predict)))
    if tensor_methods(service.model.methods):
        found.append((f"/v2/models/{name}/infer", "POST", _of(protocols.infer)))
    return found


def _of(build: Callable[..., Schema], *arguments: Any) -> Build:
    return lambda context: build(context.service, context.sample, *arguments)


def _context(service: Service) -> Context:
    """Let the model answer the example with each of its methods, to see what answers are like."""
    chosen = sample.choose(service.model, service.reader)
    return Context(
        service, chosen, {method: _try(service, method, chosen) for method in service.model.methods}
    )


def _try(service: Service, method: str, chosen: Sample) -> Any:
    """The result of a method for the sample; None if the model refuses it, or fails."""
    if chosen.batch is None:
        return None
    try:
        return service.run(method, chosen.batch)
    except Busy:
        raise
    except Exception:
        return None


def _introduction(service: Service) -> str:
    model = service.model
    features = "\n".join(
        f"- `{feature.name}`: {expectation(feature)}{', or null' if feature.missing else ''}"
        for feature in service.model.signature.features
    )
    takes = f"It takes rows of these features:\n\n{features}" if features else "It takes objects."
    return (
        f"A scikit-learn `{model.kind}`, version `{model.version[:12]}`: the start of its file's "
        f"SHA-256. {takes}\n\nA request has one row, a list of rows, or "
        '`{"instances": [...]}`; the answer has one result a row, in their order. What does '
        "not fit is answered with problem details (RFC 9457) that name each wrong place. "
        f"At most {service.contract.max_rows} rows and {service.contract.max_bytes} bytes go into "
        "one request."
    )


def _method(method: str, context: Context) -> Schema:
    """`POST /<method>`."""
    result = context.results[method]
    samples: Schema = {
        "x-codeSamples": snippets.samples(
            snippets.write(method, context.sample.row, locked=context.service.locked)
        )
    }
    answers = components.answers(method)
    for media_type in answers if result is not None else ():
        if not WRITERS[media_type].is_text:
            continue
        text = context.service.encode(method, result, media_type).decode()
        if len(text) <= LONG_EXAMPLE:
            example = msgspec.json.decode(text) if media_type == JSON else text
            answers[media_type]["example"] = example
    return operation(
        "Model",
        method,
        METHODS[method],
        answers,
        faults=WITH_ROWS,
        headers=NOTES,
        parameters=[{"$ref": "#/components/parameters/X-Request-Id"}, *WITH_EXTRA],
        requestBody=components.rows_body(context.sample),
        **samples,
    )


def _get(name: str, tag: str, summary: str, answers: Schema) -> Build:
    """A `GET`; `answers` is the schema of its JSON, or has a schema for each media type."""
    media_types = {"application/json": answers} if "$ref" in answers else answers
    content = {media_type: {"schema": schema} for media_type, schema in media_types.items()}
    return lambda _: operation(tag, name, summary, content)


def _components(context: Context, paths: dict[str, Schema]) -> Schema:
    service = context.service
    signature, model = service.model.signature, service.model
    answers = {
        f"{method}_answer": schemas.answer(method, model, result)
        for method, result in context.results.items()
    }
    faults = [
        components.fault(status, form) for form in components.ERRORS for status in components.FAULTS
    ]
    used = {
        answer["$ref"].rpartition("/")[2]
        for path in paths.values()
        for each in path.values()
        for answer in each["responses"].values()
        if "$ref" in answer
    }
    return {
        "schemas": {
            **schemas.rows(signature, model.card, service.contract.max_rows),
            **answers,
            **components.SCHEMAS,
        },
        "responses": {name: answer for name, answer in faults if name in used},
        "headers": components.HEADERS,
        "parameters": components.PARAMETERS,
        **({"securitySchemes": components.KEYS} if service.locked else {}),
    }
