"""`POST /explain`, and for KServe v1 `POST /v1/models/<name>:explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus

import msgspec

from api.errors import SENTENCE, Answer, NotAcceptable
from api.explanations import Explanations
from api.formats import results, writers
from api.formats.writers import JSON
from api.http import big_body
from api.http.request import Request
from api.http.route import Route, Site
from api.protocols import kserve_v1, native
from api.service import Service, remarks
from models.rows.batch import Batch


def routes(site: Site) -> Iterator[Route]:
    """Both, which read their rows each in its own form."""
    service = site.service
    explained = partial(answer, service, Explanations(service, service.timeout))
    own = partial(
        Route,
        verb="POST",
        summary="What each feature adds to the model's output",
        gives={JSON: "Explanation"},
        errors=(HTTPStatus.NOT_IMPLEMENTED,),
    )
    yield own(
        path="/explain",
        handler=partial(explained, service.read),
        tag=native.MODEL,
        name="explain",
        takes="rows",
        listed=True,
    )
    yield own(
        path=f"/v1/models/{service.name}:explain",
        handler=partial(explained, partial(kserve_v1.read, service)),
        tag=kserve_v1.TAG,
        name="v1_explain",
        takes="instances",
        render=SENTENCE,
    )


def answer(
    service: Service,
    explanations: Explanations,
    read: Callable[[Request], Batch],
    request: Request,
) -> Answer:
    """Answer the rows that `read` finds in a request with what each feature adds to the answers."""
    if not writers.preferred(request.accept, [JSON]):
        raise NotAcceptable(f"An explanation is {JSON}.")
    batch = read(request)
    big_body.release()  # an explanation may take long
    body = msgspec.json.encode(explanations.explain(batch))
    results.check_size(len(body), batch.count, service.contract.max_answer_bytes)
    service.count(request, batch)
    headers = {"Content-Type": JSON, **remarks(batch)}
    return Answer(HTTPStatus.OK, headers, body)
