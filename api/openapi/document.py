"""The OpenAPI 3.1 document of the service, made from its routes and its model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from api.errors import PROBLEM, Busy
from api.formats.writers import JSON, WRITERS
from api.http.route import Route
from api.openapi import answer_schemas, bodies, components, row_schemas, sample, snippets
from api.openapi.sample import Sample
from api.openapi.schemas import Schema, ref
from api.service import Service
from models.rows.words import expectation

# A part of a path that each request fills in.
PARAMETER = re.compile("<(?:[a-z]+:)?([a-z]+)>")
# An example of an answer is left out where it is longer than this.
MAX_EXAMPLE_CHARACTERS = 2000


class Context(msgspec.Struct, frozen=True):
    """The service, a sample, and each method's result for the sample, None where there is none."""

    service: Service
    sample: Sample
    results: dict[str, Any]


def describe(service: Service, routes: Iterable[Route]) -> Schema:
    """The whole document: all routes that have a summary.

    `snippets.ORIGIN` in it stands for the address of the service.

    Raises Busy if the model has no time to answer the example.
    """
    context = _context(service)
    paths: dict[str, Schema] = {}
    tags: dict[str, str] = {}
    model = service.model
    for route in routes:
        if route.summary and route.tag:
            tags |= dict([route.tag])
            path = PARAMETER.sub(r"{\1}", route.place(service.name, model.version))
            paths.setdefault(path, {})[route.verb.lower()] = _operation(route, context)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{service.name}: {model.kind}",
            "version": model.version[:12],
            "description": _introduction(service),
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "paths": paths,
        "components": _components(context, paths),
        **({"security": [{name: []} for name in components.KEYS]} if service.locked else {}),
    }


def _context(service: Service) -> Context:
    """Let the model answer the sample with each of its methods, for the examples of answers."""
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


def _operation(route: Route, context: Context) -> Schema:
    service = context.service
    more: Schema = {}
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in route.parameters]
    has_rows = route.takes in ("rows", "task", "instances", "tensors")
    faults = components.WITH_ROWS if has_rows else components.WITHOUT
    if route.name in service.model.methods:
        parameters.append({"$ref": "#/components/parameters/X-Request-Id"})
        texts = snippets.write(route.name, context.sample.row, locked=service.locked)
        more["x-codeSamples"] = snippets.samples(texts)
    if has_rows:
        parameters += components.WITH_ROWS_PARAMETERS
    if route.takes:
        more["requestBody"] = bodies.BODIES[route.takes](service, context.sample)
    if parameters:
        more["parameters"] = parameters
    if route.admin:
        more["security"] = [{name: []} for name in components.KEYS]
        faults = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *faults)
    elif service.locked:
        if route.open:
            more["security"] = []
        else:
            faults = (HTTPStatus.UNAUTHORIZED, *faults)
    return components.operation(
        route.tag.name if route.tag else "",
        route.name,
        route.summary,
        {media_type: _answer(route, media_type, context) for media_type in route.gives},
        faults=(*faults, *route.errors),
        form=(route.render or PROBLEM).schema,
        headers=components.NOTES if has_rows else (),
        status=route.status,
        **more,
    )


def _answer(route: Route, media_type: str, context: Context) -> Schema:
    """An answer in one media type; those of the model's methods have an example."""
    schema = route.gives[media_type]
    described: Schema = {"schema": bodies.INLINE.get(schema) or ref(schema)}
    method = route.gives.get(JSON, "").removesuffix("_answer")
    result = context.results.get(method)
    if result is not None and WRITERS[media_type].is_text:
        text = context.service.encode(method, result, media_type).decode()
        if len(text) <= MAX_EXAMPLE_CHARACTERS:
            described["example"] = msgspec.json.decode(text) if schema.endswith("_answer") else text
    return described


def _components(context: Context, paths: dict[str, Schema]) -> Schema:
    service = context.service
    model = service.model
    answers = {
        f"{method}_answer": answer_schemas.answer(method, model, result)
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
            **row_schemas.rows(service.contract, model.card),
            **answers,
            **components.SCHEMAS,
            **bodies.answers(service),
        },
        "responses": {name: answer for name, answer in faults if name in used},
        "headers": components.HEADERS,
        "parameters": _parameters(model.methods),
        **({"securitySchemes": components.KEYS} if _asks_for_keys(context, paths) else {}),
    }


def _parameters(methods: Sequence[str]) -> Schema:
    """The parameters of all operations; `method` is one that this model has."""
    method = components.PARAMETERS["method"] | {"schema": {"enum": list(methods)}}
    return components.PARAMETERS | {"method": method}


def _asks_for_keys(context: Context, paths: dict[str, Schema]) -> bool:
    each = (operation for path in paths.values() for operation in path.values())
    return context.service.locked or any(operation.get("security") for operation in each)
