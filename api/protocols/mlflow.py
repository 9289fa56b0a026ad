"""The endpoints of MLflow's scoring server and of SageMaker, which share a path.

The Content-Type gives the format of a body; JSON is one of MLflow's forms, or one of `/predict`.
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from api.errors import CODE
from api.http.route import Route, Site, Tag
from api.protocols.native import every_form

TAG = Tag("MLflow and SageMaker", "What MLflow's scoring server and SageMaker's containers take.")


def routes(site: Site) -> Iterator[Route]:
    """`POST /invocations` and `GET /version`; `/ping` and `/health` are elsewhere."""
    service = site.service
    yield Route(
        verb="POST",
        path="/invocations",
        handler=partial(service.call, service.model.default_method),
        tag=TAG,
        name="invocations",
        summary="Predict",
        takes="rows",
        gives=every_form(f"{service.model.default_method}_answer"),
        render=CODE,
    )
    version = service.model.version
    yield Route(
        verb="GET",
        path="/version",
        handler=lambda: (version, {"Content-Type": "text/plain; charset=utf-8"}),
        by_flask=True,
        tag=TAG,
        name="version",
        summary="The version",
        gives={"text/plain": "Text"},
    )
