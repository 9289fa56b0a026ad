"""`POST /explain`, and the same for KServe v1: `POST /v1/models/<name>:explain`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

import msgspec

from api.errors import Answer, NotAcceptable
from api.explanations import Explanations
from api.formats import accept, results
from api.formats.writers import JSON
from api.http import turns
from api.http.gateway import Environ, Gateway
from api.protocols import kserve_v1
from api.service import Service, notes
from models.rows.batch import Batch


def init(gateway: Gateway, service: Service) -> None:
    """Add both."""
    explanations = Explanations(service, service.timeout)
    reads: dict[str, Callable[[Environ], Batch]] = {
        "/explain": service.read,
        f"/v1/models/{service.name}:explain": partial(kserve_v1.read, service),
    }
    for path, read in reads.items():
        gateway.post(path, partial(answer, service, explanations, read))


def answer(
    service: Service,
    explanations: Explanations,
    read: Callable[[Environ], Batch],
    environ: Environ,
) -> Answer:
    """Answer the rows that `read` finds in a request with what each feature adds to the answers."""
    if not accept.preferred(environ.get("HTTP_ACCEPT", ""), [JSON]):
        raise NotAcceptable(f"An explanation is {JSON}.")
    batch = read(environ)
    turns.leave()  # it may take long
    body = msgspec.json.encode(explanations.explain(batch))
    results.check_size(len(body), batch.count, service.contract.max_answer_bytes)
    service.count(environ, batch)
    headers = {"Content-Type": JSON, **notes(batch)}
    return Answer(HTTPStatus.OK, headers, body)
