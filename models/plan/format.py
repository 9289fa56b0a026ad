"""The file of a plan: arrays, and the names of the operations on them; no code.

`docs/plan-format.md` describes it for those who write a reader of their own.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from .errors import PlanError
from .operations import OPERATIONS
from .signature import NAN, Signature

# The version of the file and of the operations: it changes when one of them is renamed or removed,
# takes other settings or gives another result.
FORMAT = 3
# The file ends with the SHA-256 of all bytes before it, in hexadecimal digits.
DIGEST_BYTES = 64
# The rows are value 0; step i works out value i, counted from 1.
INPUT = 0


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One operation: its name, the values it takes, and its settings.

    A setting is a plain value, or `{"array": n}` for array n of the file, `{"labels": [...]}` for
    an array of labels, `{"places": [...]}` for a dict that gives a value's place in a list.
    """

    operation: str
    inputs: tuple[int, ...]
    settings: dict[str, Any]


class Plan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The steps, and for each method the value that is its result.

    `model` is the SHA-256 of the joblib file that the plan was made of, `kind` the name of the
    estimator's class. `fallback` has the methods that only scikit-learn can answer, each with the
    reason. `batched` are the methods whose call takes so long that waiting for the rows of other
    requests pays; `one_row` those that Python's own numbers answer sooner than numpy for one row;
    `batchable` says whether the rows of several requests may go into one call. `nones` are the
    features whose `null` is None: JSON has one null for None and NaN.
    """

    format: int = FORMAT
    model: str = ""
    kind: str = ""
    classes: list[Any] | None = None
    versions: dict[str, str] = {}
    outputs: tuple[str, ...] = ()
    signature: Signature
    steps: tuple[Step, ...]
    methods: dict[str, int]
    fallback: dict[str, str] = {}
    batched: tuple[str, ...] = ()
    one_row: tuple[str, ...] = ()
    batchable: bool = False
    nones: tuple[int, ...] = ()
    arrays: list[Any] = msgspec.field(default_factory=list)

    @cached_property
    def _interpreter(self) -> Any:
        from .run import Interpreter

        return Interpreter(self)

    def run(self, method: str, rows: Any) -> Any:
        """The results of one method, in the order of the rows.

        `rows` are an array of float64 if all features are numbers, or a list with the values of
        each row in the order of the features, None for a missing one. Raises ValueError if a row
        does not fit the signature, or if the model refuses it.
        """
        from .rows import checked

        if method in self.methods:
            rows = checked(self.signature, rows)
        return self._interpreter.run(method, rows)


def save(plan: Plan, path: Path | str) -> str:
    """Write a plan to an npz file and give the file's SHA-256; equal plans give equal bytes."""
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
    # Readers find the old file or the new one, never a part.
    new = Path(f"{path}.new")
    new.write_bytes(raw)
    new.replace(path)
    return hashlib.sha256(raw).hexdigest()


def load(path: Path | str, is_trusted: Callable[[str], bool] | None = None) -> Plan:
    """Read a plan. `is_trusted` is asked about the file's SHA-256 before the file is decoded.

    Raises PlanError if the file is damaged, not trusted, or of another version.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read ({error.strerror}): make bake") from None
    content, digest = raw[:-DIGEST_BYTES], raw[-DIGEST_BYTES:]
    if digest != _digest(content):
        raise PlanError(f"the plan {path} is damaged, or of another version: make bake")
    if is_trusted and not is_trusted(hashlib.sha256(raw).hexdigest()):
        raise PlanError(f"MODEL_SHA256 is set, and the plan {path} was not made here: make bake")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            # Whoever sends a plan could send a thousand times its size.
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise PlanError(f"the plan {path} is compressed, as no plan is: make bake")
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
    if unknown := {step.operation for step in plan.steps} - OPERATIONS.keys():
        names = ", ".join(sorted(unknown))
        raise PlanError(f"the plan {path} has operations of another version ({names}): make bake")
    return msgspec.structs.replace(plan, arrays=arrays, signature=_with_nulls(plan))


def settings_of(step: Step, arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    """The settings of a step with arrays, labels and dicts of places in their Python form."""
    ready: dict[str, Any] = {}
    for name, value in step.settings.items():
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


def needed_steps(plan: Plan, method: str) -> list[int]:
    """The numbers of the steps that a method needs, in their order."""
    needed = {plan.methods[method]}
    for place in range(len(plan.steps), 0, -1):
        if place in needed:
            needed.update(plan.steps[place - 1].inputs)
    return sorted(needed - {INPUT})


def _with_nulls(plan: Plan) -> Signature:
    """The signature of a plan that was decoded from JSON, with its `null` values."""
    features = tuple(
        msgspec.structs.replace(feature, null=NAN)
        if feature.null is None and i not in plan.nones
        else feature
        for i, feature in enumerate(plan.signature.features)
    )
    return msgspec.structs.replace(plan.signature, features=features)


class _Format(msgspec.Struct):
    """The part of a plan's document that every version has."""

    format: int


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
