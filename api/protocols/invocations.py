"""The endpoint of MLflow's scoring server and of SageMaker, which share its path.

What a body is, its Content-Type says; JSON is one of MLflow's forms, or what `/predict` takes.
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

from functools import partial

from api.errors import Answer
from api.formats import csv, parquet, results
from api.formats.frames import FrameReader
from api.formats.rows import Batch
from api.gateway import Environ, Gateway, content_type
from api.service import Service

# The second is SageMaker's name for it.
PARQUET = ("application/vnd.apache.parquet", "application/x-parquet")


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /invocations`; `/ping`, `/health` and `/version` are elsewhere."""
    frames = FrameReader(service.signature, service.max_rows, service.reader.json)
    gateway.post("/invocations", partial(answer, service, frames))


def answer(service: Service, frames: FrameReader, environ: Environ) -> Answer:
    """Answer rows with predictions, or what the model's first method gives if it predicts none."""
    media_type = results.choose(environ.get("HTTP_ACCEPT", ""))
    batch = read(service, frames, environ)
    return service.answer(environ, service.model.default_method, batch, media_type)


def read(service: Service, frames: FrameReader, environ: Environ) -> Batch:
    """The rows of a request.

    Raises what `Reader.read`, `parquet.read` and `gateway.read_body` raise.
    """
    given = content_type(environ)
    body = service.body(environ)
    if given in ("application/json", "") and (batch := frames.read(body)):
        return batch
    if given == "text/csv" and _has_no_header(environ):
        return csv.read(service.signature, service.max_rows, body, header=False)
    if given in PARQUET:
        return parquet.read(service.signature, service.max_rows, service.max_bytes, body)
    if given == "application/jsonlines":  # SageMaker's name for it
        given = "application/x-ndjson"
    return service.reader.read(body, given)


def _has_no_header(environ: Environ) -> bool:
    """Whether `text/csv; header=absent` says so, RFC 4180: SageMaker's clients write none."""
    if "header" not in environ["CONTENT_TYPE"].lower():
        return False
    from werkzeug.http import parse_options_header

    return parse_options_header(environ["CONTENT_TYPE"])[1].get("header") == "absent"
