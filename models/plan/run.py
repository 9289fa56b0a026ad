"""Run a model as a plan: a straight line of numpy operations on what was fitted.

A plan is made and proven by `models.bake`. It is no code: its file has arrays, and the names of
operations to do with them. While it answers, scikit-learn is not imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models import pins
from models.engines import Engine, Rows, Single
from models.model import write_file
from models.plan import one_row
from models.plan.operations import OPERATIONS
from models.signature.types import NAN, Signature, plain_rows

FORMAT = 2
# A plan's file ends with the SHA-256 of all that stands before it, in hexadecimal digits.
DIGEST_BYTES = 64
# The rows of the request are the first value; each step adds one.
INPUT = 0


class PlanError(Exception):
    """The plan cannot be used; the message says why and what to do."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One operation: its name, the values it takes, and its settings.

    A setting is a plain value, or `{"array": n}` for array n of the file, `{"labels": [...]}`,
    `{"places": [...]}` for what finds a value's place in a list.
    """

    operation: str
    inputs: tuple[int, ...]
    settings: dict[str, Any]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps, and for each method the value that is its result.

    `model` is the SHA-256 of the joblib file that it was made of. `left` are the methods that only
    scikit-learn can answer, each with the reason. `joined` are those whose call is dear enough that
    it pays to wait for others' rows; `alone` those that Python's own numbers answer sooner for one
    row; `mergeable` is what an Engine says. `nones` are the features whose `null` is None, for JSON
    has one null for None and NaN. The rest is a Model's.
    """

    format: int = FORMAT
    model: str
    kind: str
    classes: list[Any] | None
    versions: dict[str, str]
    outputs: tuple[str, ...] = ()
    signature: Signature
    steps: tuple[Step, ...]
    methods: dict[str, int]
    left: dict[str, str]
    joined: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    mergeable: bool = False
    nones: tuple[int, ...] = ()
    arrays: list[Any] = msgspec.field(default_factory=list)


def save(plan: Plan, path: Path) -> str:
    """Write a plan to an npz file, and give its SHA-256; the same plan gives the same bytes."""
    features = plan.signature.features
    nones = tuple(i for i, feature in enumerate(features) if feature.null is None)
    document = msgspec.structs.replace(plan, arrays=[], nones=nones)
    encoded = np.frombuffer(msgspec.json.encode(document), dtype=np.uint8)
    arrays = {str(i): array for i, array in enumerate(plan.arrays)}
    buffer = io.BytesIO()
    np.savez(buffer, plan=encoded, **arrays)
    with zipfile.ZipFile(buffer, "a") as file:
        # Readers of zip files take the digest for a comment.
        file.comment = b"0" * DIGEST_BYTES
    content = buffer.getvalue()[:-DIGEST_BYTES]
    raw = content + _digest(content)
    write_file(path, raw)
    return hashlib.sha256(raw).hexdigest()


def load(path: Path, *, pinned: bool = False) -> Plan:
    """Read a plan, which must be one that was made here where the model is `pinned`.

    Raises PlanError if the file is damaged, or is none that this version of the service wrote.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read ({error.strerror}): make bake") from None
    content, digest = raw[:-DIGEST_BYTES], raw[-DIGEST_BYTES:]
    if digest != _digest(content):
        raise PlanError(f"the plan {path} is damaged, or of another version: make bake")
    if pinned and not pins.is_ours(hashlib.sha256(raw).hexdigest()):
        raise PlanError(f"MODEL_SHA256 is set, and the plan {path} was not made here: make bake")
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            document = file["plan"].tobytes()
            if (number := msgspec.json.decode(document, type=_Format).format) != FORMAT:
                raise PlanError(f"the plan {path} is of format {number}, not {FORMAT}: make bake")
            plan = msgspec.json.decode(document, type=Plan)
            arrays = [file[str(i)] for i in range(len(file.files) - 1)]
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        zipfile.BadZipFile,
        msgspec.MsgspecError,
    ) as error:
        raise PlanError(f"the plan {path} cannot be read ({error}): make bake") from None
    features = tuple(
        msgspec.structs.replace(feature, null=NAN)
        if feature.null is None and i not in plan.nones
        else feature
        for i, feature in enumerate(plan.signature.features)
    )
    signature = msgspec.structs.replace(plan.signature, features=features)
    return msgspec.structs.replace(plan, arrays=arrays, signature=signature)


class _Format(msgspec.Struct):
    """The part of a plan's document that every version has."""

    format: int


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _no_others() -> Engine:
    raise PlanError("the plan lacks this method")


class PlanEngine:
    """Runs the methods that a plan has; see `Engine`.

    `others` gives the engine for those it does not have; it is asked at the first request for one.
    """

    def __init__(self, plan: Plan, others: Callable[[], Engine] = _no_others) -> None:
        self.signature = plan.signature
        self.mergeable = plan.mergeable
        self.immediate = frozenset(plan.methods).difference(plan.joined)
        self._others = others
        self._plan = plan
        self._count = len(plan.steps) + 1
        self._single_steps: dict[int, Callable[..., Any] | None] = {}
        self._settings = [_settings(step.settings, plan.arrays) for step in plan.steps]
        functions = [
            partial(OPERATIONS[step.operation], **settings)
            for step, settings in zip(plan.steps, self._settings, strict=True)
        ]
        self._lines = {
            method: _line(plan.steps, functions, result) for method, result in plan.methods.items()
        }
        alone = {method: self.single(method) for method in plan.methods if method in plan.alone}
        self.singles = {method: single for method, single in alone.items() if single}

    def run(self, method: str, rows: Rows) -> Any:
        """Call one method on rows that fit the signature."""
        line = self._lines.get(method)
        if line is None:
            return self._others().run(method, rows)
        return _quiet.run(self._follow, line, rows)

    def try_out(self) -> None:
        """Run each method on one row, which may be refused; any other exception is raised."""
        signature = self.signature
        row = signature.example if signature.example is not None else plain_rows(signature)[0]
        rows = np.array([row], dtype=np.float64) if signature.numeric else [row]
        for method in self._lines:
            with contextlib.suppress(ValueError):
                self.run(method, rows)

    def refuses(self, method: str, error: Exception) -> bool:
        """Whether an error of a call says that the model refuses the values of its rows."""
        if method in self._lines:
            # An operation raises no other.
            return isinstance(error, ValueError)
        return self._others().refuses(method, error)

    def single(self, method: str) -> Single | None:
        """What answers one row with Python's own numbers, if all steps of a method can do so.

        See `Engine.singles`. What they find out of the ordinary is left to `run`.
        """
        steps, result = self._lines[method]
        if not all(one_row.has(self._plan.steps[place - 1].operation) for place, _, _ in steps):
            return None
        made = [(place, self._single_step(place), inputs) for place, _, inputs in steps]
        if any(function is None for _, function, _ in made):
            return None
        line, numeric = (made, result), self.signature.numeric

        def answer(row: Sequence[Any]) -> Any:
            try:
                return self._follow(line, one_row.numbers_of(row) if numeric else row)
            except ArithmeticError:
                rows = np.array([row], dtype=np.float64) if numeric else [row]
                return self.run(method, rows).tolist()[0]

        return answer

    def _single_step(self, place: int) -> Callable[..., Any] | None:
        if place == INPUT:
            return None
        if place not in self._single_steps:
            step, settings = self._plan.steps[place - 1], self._settings[place - 1]
            sources = [self._single_step(source) for source in step.inputs]
            self._single_steps[place] = one_row.make(step.operation, sources, settings)
        return self._single_steps[place]

    def _follow(self, line: tuple[list[Any], int | None], rows: Any) -> Any:
        steps, result = line
        if result is None:
            value: Any = rows
            for _, function, _ in steps:
                value = function(value)
            return value
        values: list[Any] = [rows] * self._count
        for place, function, inputs in steps:
            values[place] = function(*[values[i] for i in inputs])
        return values[result]


class _Quiet(threading.local):
    """For each thread a context in which numpy does not warn.

    An overflow is an infinity, as in scikit-learn, which does not warn of it either. To go into a
    context that is there takes a twentieth of the time of np.errstate.
    """

    def __init__(self) -> None:
        context = Context()
        context.run(np.seterr, all="ignore")
        self.run = context.run


_quiet = _Quiet()


def _settings(settings: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    """What JSON has no form for: arrays, labels, and the places of known values."""
    ready = {}
    for name, value in settings.items():
        match value:
            case {"array": number}:
                ready[name] = arrays[number]
            case {"labels": labels}:
                ready[name] = np.empty(len(labels), dtype=object)
                ready[name][:] = labels
            case {"places": known}:
                ready[name] = {each: place for place, each in enumerate(known)} | {None: len(known)}
            case _:
                ready[name] = value
    return ready


def _line(
    steps: Sequence[Step], functions: Sequence[Any], result: int
) -> tuple[list[Any], int | None]:
    """The steps that a result needs, in their order, and its place.

    There is no place where each step takes nothing but what the one before has worked out.
    """
    needed = {result}
    for place in range(len(steps), 0, -1):
        if place in needed:
            needed.update(steps[place - 1].inputs)
    line = [
        (place, functions[place - 1], steps[place - 1].inputs) for place in sorted(needed - {INPUT})
    ]
    before = [(INPUT,), *((place,) for place, _, _ in line)]
    chain = all(inputs == each for (_, _, inputs), each in zip(line, before, strict=False))
    return line, None if chain else result
