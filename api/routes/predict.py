"""The service's own endpoints: one for each method that the estimator has."""

from __future__ import annotations

from flask import Flask, Response, request

from api.errors import InvalidRows, LengthRequired, Place, Refused, UnknownMethod, UnsupportedType
from api.formats import Reader, results
from api.model import METHODS, PER_CLASS, Model
from api.predictor import Predictor


def init_app(app: Flask, model: Model, reader: Reader, predictor: Predictor) -> None:
    """Add `POST /<method>` for every method, those that this model lacks as well."""

    def answer(method: str) -> Response:
        if method not in model.methods:
            have = ", ".join(f"/{name}" for name in model.methods)
            raise UnknownMethod(f"This {model.kind} has no {method}; it has {have}.")
        media_type = results.choose(request.accept_mimetypes)
        batch = reader.read(body(), request.mimetype)
        try:
            result = predictor.run(method, batch.rows)
        except Refused as refused:
            detail = f"the model refuses this row: {refused.reason}"
            raise InvalidRows([Place(batch.pointers(refused.row), detail)]) from None
        classes = model.classes if method in PER_CLASS else None
        columns = [str(label) for label in classes] if classes else [column_name(method)]
        response = Response(
            results.write(result, media_type, columns, classes), content_type=media_type
        )
        if batch.unknown:
            response.headers["X-Unknown-Categories"] = ", ".join(
                f"{name}={count}" for name, count in batch.unknown.items()
            )
        return response

    for method in METHODS:
        app.add_url_rule(
            f"/{method}", method, answer, methods=["POST"], defaults={"method": method}
        )


def body() -> bytes:
    """The whole body of the request.

    Raises UnsupportedType if it is compressed, LengthRequired if its length is not known.
    """
    if encoding := request.headers.get("Content-Encoding"):
        raise UnsupportedType(f"The Content-Encoding {encoding} is not read: send plain bytes.")
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        raise LengthRequired("Send the body with a Content-Length instead of in chunks.")
    return request.get_data(cache=False)


def column_name(method: str) -> str:
    """The column of CSV for a method's results."""
    return "prediction" if method == "predict" else method
