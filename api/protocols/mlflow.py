"""The endpoint of MLflow's scoring server and of SageMaker, which share its path.

What a body is, its Content-Type says; JSON is one of MLflow's forms, or what `/predict` takes.
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

from functools import partial

from api.errors import Answer
from api.formats import accept
from api.http.gateway import Environ, Gateway
from api.service import Service


def init(gateway: Gateway, service: Service) -> None:
    """Add `POST /invocations`; `/ping`, `/health` and `/version` are elsewhere."""
    gateway.post("/invocations", partial(answer, service))


def answer(service: Service, environ: Environ) -> Answer:
    """Answer rows with predictions, or what the model's first method gives if it predicts none."""
    media_type = accept.choose(environ.get("HTTP_ACCEPT", ""))
    batch = service.read(environ)
    return service.answer(environ, service.model.default_method, batch, media_type)
