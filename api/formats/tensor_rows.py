"""Tensors of the Open Inference Protocol to rows.

Rows are one tensor of shape (rows, features) under any name, or one of shape (rows,) or (rows, 1)
for each feature, under the feature's name.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from api.errors import InvalidTensors
from api.formats import tensors
from api.formats.tensors import Tensor, Values
from models.errors import InvalidRows, Place
from models.rows.batch import Batch, count_unknown
from models.rows.check import check, check_array, refuse_ambiguous_floats
from models.rows.names import as_mapping
from models.rows.words import IGNORE_HINT, NOT_A_FEATURE, expectation, some
from models.signature.types import Signature
from models.text.contract import Contract

# The kind of tensor, by numpy's letters, that holds the values of a kind of feature as they are.
OF_KIND = {"string": "O", "boolean": "b"}


def read_tensors(
    contract: Contract, inputs: list[Tensor], binary: memoryview, *, ignore: bool
) -> Batch:
    """The rows of tensors, of which `binary` holds the values that are not in the JSON.

    Raises MalformedBody, InvalidTensors, InvalidRows, TooLarge.
    """
    signature = contract.signature
    for tensor in inputs:
        tensors.check(tensor)
    whole = _is_whole(signature, inputs)
    if not whole:
        _check_names(signature, inputs, ignore=ignore)
    _check_shapes(signature, inputs, whole=whole)
    contract.check_count(inputs[0].shape[0])
    values = tensors.values(inputs, binary)
    ignored: tuple[str, ...] = ()
    if not whole and signature.form != "mapping":
        by_name = {each.tensor.name: each for each in values}
        values = [by_name.pop(feature.name) for feature in signature.features]
        ignored = tuple(by_name)
    return _batch(signature, values, ignored, whole=whole)


def _is_whole(signature: Signature, inputs: list[Tensor]) -> bool:
    """Whether all features are in one tensor."""
    width = len(signature.features)
    if len(inputs) > 1 or signature.form == "mapping":
        return False
    known = any(feature.name == inputs[0].name for feature in signature.features)
    return not known or inputs[0].shape[1:] == [width]


def _check_names(signature: Signature, inputs: list[Tensor], *, ignore: bool) -> None:
    """Each feature has one tensor, and no tensor is anything else."""
    names = Counter(tensor.name for tensor in inputs)
    wrong = [
        f"{tensor.called} stands {names[tensor.name]} times"
        for tensor in {tensor.name: tensor for tensor in inputs}.values()
        if names[tensor.name] > 1
    ]
    if signature.form != "mapping":
        features = dict.fromkeys(feature.name for feature in signature.features)
        shown = some([*features])
        wrong += [
            f"{tensor.called} {NOT_A_FEATURE}: expected {shown}, or all of them in "
            f"one tensor of shape [rows, {len(features)}]; {IGNORE_HINT}"
            for tensor in inputs
            if tensor.name not in features and not ignore
        ]
        wrong += [
            f"there is no tensor {feature.name!r}: expected {expectation(feature)}"
            for feature in signature.features
            if feature.name not in names
        ]
    if wrong:
        raise InvalidTensors(wrong)


def _check_shapes(signature: Signature, inputs: list[Tensor], *, whole: bool) -> None:
    """Tensors are as wide as the model, and as long as each other."""
    width = len(signature.features) if whole else 1
    narrow = [[], [1]] if width == 1 else [[width]]
    wrong = []
    for tensor in inputs:
        if tensor.shape[1:] not in narrow:
            expected = "[rows] or [rows, 1]" if width == 1 else f"[rows, {width}]"
            wrong.append(f"{tensor.called}: expected the shape {expected}, got {tensor.shape}")
        elif tensor.shape[0] != inputs[0].shape[0]:
            other = f"{inputs[0].called} {inputs[0].shape[0]}"
            wrong.append(f"{tensor.called} has {tensor.shape[0]} rows, {other}")
        elif tensor.shape[0] == 0:
            wrong.append(f"{tensor.called}: expected at least one row")
    if wrong:
        raise InvalidTensors(wrong)


def _batch(
    signature: Signature, values: list[Values], ignored: tuple[str, ...], *, whole: bool
) -> Batch:
    """Rows of the values: of all features in their order, or of one tensor that has them all."""
    width = len(signature.features)
    try:
        if signature.numeric and all(each.tensor.kind in "fiu" for each in values):
            # A copy: arithmetic on memory that is not aligned is slower, and may sum otherwise.
            columns = [each.numbers() for each in values]
            table = columns[0].reshape(-1, width) if whole else np.column_stack(columns)
            only_row = tuple(table[0].tolist()) if len(table) == 1 else ()
            checked = check_array(signature, table, _row)
            return Batch(checked, _row, only_row=only_row, ignored=ignored)
        if len(values) == width and (batch := _fitting(signature, values, ignored)):
            return batch
        samples = _samples(signature, values, whole=whole)
        if whole:
            refuse_ambiguous_floats(signature, samples, _row)
        return check(signature, samples, _row, ignored)
    except InvalidRows as error:
        prefix = f"{values[0].tensor.called}: " if whole else ""
        raise InvalidTensors([prefix + _sentence(signature, p) for p in error.places]) from None


def _fitting(
    signature: Signature, values: list[Values], ignored: tuple[str, ...] = ()
) -> Batch | None:
    """Rows of columns whose values all fit; None if the values have to be checked one by one."""
    columns = []
    for feature, each in zip(signature.features, values, strict=True):
        column = each.plain()
        if None in column and not feature.missing:
            return None
        number = feature.kind == "number" and feature.categories is None and not feature.sent
        if number and each.tensor.kind in "fiu":
            if np.isinf(each.numbers()).any():
                return None
            column = [None if value is None else float(value) for value in column]
        elif OF_KIND.get(feature.kind) != each.tensor.kind:
            return None
        columns.append(column)
    rows = list(zip(*columns, strict=True))
    unknown = count_unknown(signature, rows)
    if unknown is None:
        return None
    return Batch(rows, _row, unknown, rows[0] if len(rows) == 1 else (), ignored)


def _samples(signature: Signature, values: list[Values], *, whole: bool) -> list[Any]:
    if whole:
        flat, width = values[0].plain(), len(signature.features)
        return [tuple(flat[start : start + width]) for start in range(0, len(flat), width)]
    columns = zip(*(each.plain() for each in values), strict=True)
    if signature.form != "mapping":
        return list(columns)
    names = [each.tensor.name for each in values]
    return [as_mapping(names, row) for row in columns]


def _row(i: int) -> str:
    return f"row {i}"


def _sentence(signature: Signature, place: Place) -> str:
    """What is wrong in a row; the detail names the feature, or else the pointer does."""
    row, step = place.pointer.split("/", 1)
    name = step.replace("~1", "/").replace("~0", "~") + ": " if signature.form == "mapping" else ""
    return f"{row}, {name}{place.detail}"
