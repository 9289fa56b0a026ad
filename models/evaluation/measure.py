"""Measure one model on rows whose answers are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from models import releases
from models.engines.choose import load
from models.errors import CallError, ModelError
from models.evaluation import bootstrap, classes, gates, metrics, parts, spread
from models.evaluation.answers import answered
from models.evaluation.data import Known, read_known
from models.evaluation.facts import Answers, Kind, Score
from models.evaluation.served import Served, ask
from models.evaluation.slices import slices as slices_of
from models.files import PLAN
from models.model import Model
from models.settings import ModelSettings

# Refused rows whose reasons are said.
MAX_REASONS = 3


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured of a model on `rows` rows of `data`.

    `version` is the SHA-256 of the model's file, `sha256` that of the data. `left_out` has the
    number of rows that were not measured, by the reason; `fitted` says that the model was fitted on
    rows of this data; `unmeasured` says why a metric is not
    among the scores. `served` is how a running service answered the same rows. Parts that a kind of
    model does not have are None or empty. `missed` are sentences on gates that are not met.
    """

    model: str
    name: str
    release: str
    version: str
    estimator: str
    kind: Kind
    data: str
    sha256: str
    target: str
    fitted: bool
    rows: int
    left_out: dict[str, int]
    notes: list[str]
    scores: dict[str, Score]
    unmeasured: dict[str, str]
    gates: list[parts.Gate]
    confusion: parts.Confusion | None = None
    classes: list[parts.OfClass] = []
    calibration: parts.Calibration | None = None
    curves: list[parts.Curve] = []
    residuals: parts.Residuals | None = None
    groups: list[parts.Group] = []
    spread: parts.Histogram | None = None
    slices: list[parts.Slice] = []
    served: Served | None = None

    @property
    def missed(self) -> list[str]:
        """Why gates are not met, a sentence each."""
        return [gate.missed for gate in self.gates if gate.missed]

    @property
    def title(self) -> str:
        """The model's name with its release version, or the first digits of its hash."""
        return f"{self.name} {self.release or self.version[:12]}"

    def __str__(self) -> str:
        """The evaluation as lines for a terminal."""
        from models.evaluation.text import text

        return text(self)

    def _repr_html_(self) -> str:
        """The report for a notebook, in a frame of its own."""
        from models.evaluation.html import frame

        return frame(self)


def evaluate(
    model: str | Path | Model,
    data: str | Path | pd.DataFrame | None = None,
    target: str = "",
    slices: Sequence[str] = (),
    minimum: str = "",
    url: str = "",
) -> Evaluation:
    """Measure a model on rows whose answers are known.

    `model` is a joblib file, a release version such as "1.2.0", or a loaded model; `data` and
    `target` are as in `read_known`. `slices` are columns by whose values the rows are measured
    apart, `minimum` are gates, as in accuracy>=0.95,log_loss<=0.1. The running service at `url`
    answers the same rows, and these answers are measured instead, if it is given.
    Raises ModelError, DataError, SettingsError or Unmeasurable, with a sentence.
    """
    conditions = gates.read(minimum)
    if not isinstance(model, Model):
        model = _loaded(model)
    known = read_known(model, data, target)
    answers = _answered(model, known)
    for gate in conditions:
        metrics.metric_of(answers.kind, gate.metric)
    served = None
    if url:
        served, answers = ask(url, model, known.rows.iloc[answers.places], answers)
    scores = bootstrap.scores(answers)
    return evaluation_of(
        answers,
        **_names(model),
        data=known.name,
        sha256=known.sha256,
        target=known.target,
        fitted=known.fitted,
        left_out=_left_out(model, known, answers),
        notes=list(known.notes),
        scores=scores,
        gates=_gates(answers, conditions, scores),
        slices=slices_of(answers, known.frame.iloc[answers.places], slices),
        served=served,
    )


def _names(model: Model) -> dict[str, str]:
    """What the model is called."""
    return {
        "model": model.path,
        "name": str(
            model.card.get("name") or Path(model.path.removesuffix(PLAN)).name
        ).removesuffix(".joblib"),
        "release": str(model.card.get("release") or ""),
        "version": model.version,
        "estimator": model.kind,
    }


def _loaded(given: str | Path) -> Model:
    """The model of a file, or of a release version, run by the engine that the settings demand."""
    settings = ModelSettings.from_env(os.environ)
    path = given
    if isinstance(given, str) and given != settings.model_path:
        path = releases.path_of(given, releases.name_of())
    sha256 = settings.model_sha256 if str(path) == settings.model_path else ""
    return load(path, sha256, settings.engine)


def _answered(model: Model, known: Known) -> Answers:
    """The model's answers; raises Unmeasurable or ModelError."""
    if "predict" not in model.methods:
        raise ModelError(f"a {model.kind} has no predict, so that it has no answers to measure")
    return answered(model, known.rows, known.truth)


def evaluation_of(answers: Answers, **known: Any) -> Evaluation:
    """The evaluation of a model's answers; `known` are the other fields: see `Evaluation`."""
    measured: dict[str, Any] = {"kind": answers.kind, "rows": len(answers.places)}
    if "scores" not in known:
        measured["scores"] = bootstrap.scores(answers)
    measured["unmeasured"] = bootstrap.left_out(answers)
    return Evaluation(**measured, **known, **_parts(answers))


def _gates(
    answers: Answers, conditions: Sequence[gates.Gate], scores: dict[str, Score]
) -> list[parts.Gate]:
    """Each condition, with a sentence if it is not met."""
    reasons = bootstrap.left_out(answers)
    return [
        parts.Gate(
            condition=f"{gate.metric}{gate.sign}{gate.bound}",
            missed="".join(gates.missed([gate], scores, reasons)),
        )
        for gate in conditions
    ]


def _parts(answers: Answers) -> dict[str, Any]:
    """The parts of an evaluation that its kind of model has."""
    if answers.kind == "classifier":
        found = classes.confusion(answers)
        return {
            "confusion": found,
            "classes": classes.by_class(found, answers),
            "calibration": classes.calibration(answers),
            "curves": classes.curves(answers),
        }
    if answers.kind == "regressor":
        return {"residuals": spread.residuals(answers)}
    scores = answers.scores
    return {
        "groups": spread.groups(answers),
        "spread": None
        if scores is None
        else spread.histogram(scores.reshape(len(scores), -1)[:, 0]),
    }


def _left_out(model: Model, known: Known, answers: Answers) -> dict[str, int]:
    """How many rows were not measured, by the reason."""
    found = {}
    if answers.without_truth:
        found[f"the target {known.target} is missing"] = answers.without_truth
    if answers.refused:
        found[f"the model refuses them: {_reasons(model, known, answers)}"] = answers.refused
    return found


def _reasons(model: Model, known: Known, answers: Answers) -> str:
    """Why the first rows that the model refuses are refused."""
    others = np.ones(len(known.rows), dtype=bool)
    others[answers.places] = False
    if known.truth is not None:
        others &= ~pd.isna(pd.Series(known.truth)).to_numpy()
    said = []
    for i in np.flatnonzero(others)[:MAX_REASONS]:
        try:
            model.answer("predict", known.rows.iloc[[i]])
        except CallError as error:
            place = error.places[0] if error.places else None
            detail = f"{place.pointer}, {place.detail}" if place else error.detail
            said.append(detail.replace("row 0", f"row {i + 1}", 1))
    return "; ".join(said)
