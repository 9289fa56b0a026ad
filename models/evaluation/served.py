"""A running service's answers to rows, held against those of the model's file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pandas as pd

from models.evaluation.data import samples
from models.evaluation.facts import Answers, Unmeasurable
from models.model import METHODS, Model

# Of a request, unless the service takes fewer.
ROWS_AT_ONCE = 500
TIMEOUT_SECONDS = 60.0
# Numbers are equal up to this relative difference; batches of other sizes round sums otherwise, by
# this part of the largest number.
TOLERANCE = 1e-9
ROUNDING = 1e-15
MAX_SHOWN = 5
DIGITS = 12
TOO_LARGE = 413


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """How the service at `url` answered `rows` rows: by `version`, the SHA-256 of its model.

    On `different` rows its answers are not those of the file, of which `first` tells some.
    """

    url: str
    version: str
    is_same_version: bool
    rows: int
    different: int
    first: list[str]


def ask(url: str, model: Model, rows: pd.DataFrame, answers: Answers) -> tuple[Served, Answers]:
    """The service's answers to the rows of `answers`, and how they differ from these.

    The key in API_KEY is sent, if there is one. Raises Unmeasurable.
    """
    sent = samples(model, rows)
    with contextlib.closing(_Service(url)) as service:
        predictions, _ = service.answers("predict", sent)
        probabilities = None
        if answers.probabilities is not None:
            found, names = service.answers("predict_proba", sent)
            if names != list(model.classes or []):
                raise Unmeasurable(
                    f"the service at {service.url} has the classes {names}, and {model.path} has "
                    f"{model.classes}: serve this model, or evaluate the one that is served"
                )
            probabilities = np.asarray(found, dtype=np.float64)
        version = service.version
    given = _array(predictions, answers)
    different = ~_equal(answers.predictions, given)
    if probabilities is not None and answers.probabilities is not None:
        different |= ~_equal(answers.probabilities, probabilities).all(axis=1)
    served = Served(
        url=service.url,
        version=version,
        is_same_version=version == model.version,
        rows=len(rows),
        different=int(different.sum()),
        first=[
            _said(int(i), rows, answers, given, probabilities)
            for i in np.flatnonzero(different)[:MAX_SHOWN]
        ],
    )
    # The scores of decision_function, which the service was not asked for.
    changes: dict[str, Any] = {"predictions": given, "probabilities": probabilities}
    return served, msgspec.structs.replace(answers, **changes)


def _array(predictions: list[Any], answers: Answers) -> np.ndarray:
    """The service's predictions in the types of JSON, or as float64 for a regressor."""
    given = np.empty(len(predictions), dtype=object)
    given[:] = predictions
    if answers.kind == "regressor":
        return given.astype(np.float64)
    return np.asarray(predictions) if len(set(map(type, predictions))) == 1 else given


def _equal(ours: np.ndarray, served: np.ndarray) -> np.ndarray:
    """Where labels are equal, or numbers up to TOLERANCE."""
    if served.dtype.kind == "f":
        numbers = np.asarray(ours, dtype=np.float64)
        rounding = ROUNDING * float(np.nanmax(np.abs(numbers), initial=0.0))
        close: np.ndarray = np.isclose(
            numbers, served, rtol=TOLERANCE, atol=rounding, equal_nan=True
        )
        return close
    pairs = zip(ours.tolist(), served.tolist(), strict=True)
    return np.array([a == b and type(a) is type(b) for a, b in pairs])


def _said(
    i: int,
    rows: pd.DataFrame,
    answers: Answers,
    given: np.ndarray,
    probabilities: np.ndarray | None,
) -> str:
    ours, served = answers.predictions[i], given[i]
    if probabilities is not None and answers.probabilities is not None and ours == served:
        ours, served = answers.probabilities[i].tolist(), probabilities[i].tolist()
    return f"row {rows.index[i] + 1}: the file answers {ours}, and the service {served}"


class _Service:
    """One connection to a service, which is kept; raises Unmeasurable where it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.version = ""
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            fits = False
        if not fits or "@" in parts.netloc or not (url.isascii() and url.isprintable()):
            raise Unmeasurable(
                f"URL={url}: expected the address of a service, as http://127.0.0.1:8080"
            )
        place, _, last = self.url.rpartition("/")
        if last in METHODS:
            raise Unmeasurable(f"URL={url}: name the service itself, as URL={place}")
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        self._connection = kinds[parts.scheme](parts.netloc, timeout=TIMEOUT_SECONDS)
        self._path = parts.path
        # Rows whose truth is known are no predictions that the service should learn from.
        self._headers = {"Content-Type": "application/json", "X-Prediction-Log": "off"}
        if key := os.environ.get("API_KEY"):
            self._headers["X-Api-Key"] = key

    def close(self) -> None:
        self._connection.close()

    def answers(self, method: str, samples: list[Any]) -> tuple[list[Any], Any]:
        """One answer for each sample, and the classes where they stand with them."""
        found: list[Any] = []
        names = None
        most = ROWS_AT_ONCE
        while len(found) < len(samples):
            part = samples[len(found) : len(found) + most]
            status, document = self._post(method, part)
            if status == TOO_LARGE and len(part) > 1:
                most = len(part) // 2
                continue
            if status >= 300:
                raise self._refused(method, status, document, len(found))
            try:
                answers = document["predictions"]
                fits = len(answers) == len(part)
            except (KeyError, TypeError):
                fits = False
            if not fits:
                raise self._stranger(method)
            found += answers
            names = document.get("classes")
        return found, names

    def _post(self, method: str, samples: list[Any]) -> tuple[int, Any]:
        """The status of an answer, and its document; None if that is no JSON."""
        body = json.dumps({"instances": samples}).encode()
        try:
            # A service that refuses a body before it has all of it says why, and closes.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request("POST", f"{self._path}/{method}", body, self._headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except ConnectionRefusedError:
            raise Unmeasurable(
                f"nothing listens at {self.url}: make run starts the service, and "
                "URL=https://... names another one"
            ) from None
        except TimeoutError:
            raise Unmeasurable(
                f"{self.url} has not answered in {TIMEOUT_SECONDS:g} seconds: try again"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unmeasurable(
                f"{self.url} does not answer: {error or type(error).__name__}"
            ) from None
        if answer.status < 300:
            self._note(answer.headers.get("X-Model-Version"), method)
        with contextlib.suppress(ValueError):
            return answer.status, json.loads(content)
        return answer.status, None

    def _note(self, version: str | None, method: str) -> None:
        if not version:
            raise self._stranger(method)
        if self.version not in ("", version):
            raise Unmeasurable(
                f"{self.url} went over from the version {self.version[:DIGITS]} to "
                f"{version[:DIGITS]} while it was asked: evaluate again"
            )
        self.version = version

    def _refused(self, method: str, status: int, document: Any, before: int) -> Unmeasurable:
        detail = str(document.get("detail", "")) if isinstance(document, dict) else ""
        if status in (401, 403):
            return Unmeasurable(
                f"{self.url} refuses the key ({status}): write one that may predict into API_KEY"
            )
        places = document.get("errors") if isinstance(document, dict) else None
        where = ""
        if isinstance(places, list) and places and isinstance(places[0], dict):
            where = f" {places[0].get('pointer')}: {places[0].get('detail')}, in the rows from "
            where += f"{before + 1:,} on"
        return Unmeasurable(f"{self.url}/{method} answers {status}: {detail}{where}".strip())

    def _stranger(self, method: str) -> Unmeasurable:
        return Unmeasurable(f"{self.url} does not answer /{method} as this service does: check URL")
