"""Rows from decoded JSON: a row, a list of rows, or one of the forms that pandas and MLflow write.

These are the bodies that msgspec refuses in `samples` and `frames`: they are read here to say what
is wrong and where, and to find the orients of pandas' `to_json`. No value of a row is a list or an
object, so that no form can be mistaken for a row.

https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

from functools import partial
from typing import Any

from api.formats.envelope import FORMS, PARAMETERS
from api.formats.tables import Tables, read_columns, read_split, repeated
from models.errors import InvalidRows, Place, limit_faults
from models.rows.batch import Batch, row_pointer
from models.rows.words import escape, name_of
from models.text.contract import Contract

RECORDS = 'pandas writes them with to_json(orient="records")'


def read(contract: Contract, document: Any, *, ignore: bool) -> Batch:
    """Read a whole body; with `ignore`, names that are no features are ignored.

    Raises InvalidRows with the places, TooLarge.
    """
    tables = Tables(contract, ignore=ignore)
    one_feature = contract.width == 1
    if isinstance(document, dict):
        return _read_object(tables, document)
    if isinstance(document, list):
        if document and not one_feature and not any(map(_is_container, document)):
            return tables.check([document], lambda _: "")
        return tables.check(document, row_pointer)
    if one_feature:
        return tables.check([document], lambda _: "")
    expected = 'expected an object, a list, or {"instances": [...]}'
    raise InvalidRows([Place("", f"{expected}, got {name_of(document)}")])


def _read_object(tables: Tables, document: dict[str, Any]) -> Batch:
    """Read an object: a row, or a table in one of the forms."""
    names = tables.names
    given = [name for name in FORMS if _is_container(document.get(name))]
    is_row = not names.open and names.fit(document, ignore=False)
    if given and not (is_row and len(document) > 1):
        return _read_form(tables, document, given)
    data = document.get("data")
    # If a feature is called "data", its column has no lists in it.
    if isinstance(data, list) and (all(map(_is_container, data)) or not is_row):
        if isinstance(document.get("columns"), list):
            return read_split(tables, document, "")
        if isinstance(document.get("schema"), dict):
            return _read_records(tables, document, data)
        if document.keys() == {"data"}:
            return tables.check(data, lambda i: f"/data/{i}")
    kinds: set[Any] = set(map(type, document.values()))
    if kinds and all(issubclass(kind, dict) for kind in kinds):
        return _read_labelled(tables, document)
    if kinds == {list} and not names.open and names.resolve(document):
        return read_columns(tables, document, "")
    return tables.check([document], lambda _: "")


def _read_form(tables: Tables, document: dict[str, Any], given: list[str]) -> Batch:
    """Read an object around rows."""
    form, value = given[0], document[given[0]]
    places = repeated(document, "")
    if len(given) > 1:
        places.append(Place("", f"expected one of {', '.join(FORMS)}, got {len(given)} of them"))
    places += limit_faults(
        Place(
            f"/{escape(name)}",
            "this model takes no parameters" if name in PARAMETERS else "is not known",
        )
        for name in document
        if name not in given and (name not in PARAMETERS or document[name] not in (None, {}))
    )
    if places:
        raise InvalidRows(places)
    if form == "dataframe_split":
        return read_split(tables, value, f"/{form}")
    if isinstance(value, list):
        return tables.check(value, lambda i: f"/{form}/{i}")
    if form == "inputs":
        return read_columns(tables, value, f"/{form}")
    raise InvalidRows([Place(f"/{form}", "expected a list of rows, got an object")])


def _read_records(tables: Tables, table: dict[str, Any], data: list[Any]) -> Batch:
    """Read what `orient="table"` writes: records, among them the index, which the schema names.

    https://specs.frictionlessdata.io/table-schema/
    """
    places = repeated(table, "")
    places += limit_faults(
        Place(f"/{escape(name)}", "is not known: expected schema, data")
        for name in table
        if name not in ("schema", "data")
    )
    if places:
        raise InvalidRows(places)
    index = table["schema"].get("primaryKey", [])
    labels = index if isinstance(index, list) else [index]
    rows = [
        {name: value for name, value in row.items() if name not in labels}
        if type(row) is dict
        else row
        for row in data
    ]
    return tables.check(rows, lambda i: f"/data/{i}")


def _read_labelled(tables: Tables, document: dict[str, Any]) -> Batch:
    """Read what `orient="columns"` or `orient="index"` writes: an object of objects."""
    names = tables.names
    # Numbers may be labels of rows as well as names of columns, and decide nothing.
    fits = partial(names.fit, ignore=tables.ignore, numbers=False)
    columns = not names.open and fits(document)
    rows = not names.open and all(map(fits, document.values()))
    if columns == rows:
        known = partial(names.resolve, numbers=False)
        columns = bool(known(document))
        rows = any(map(known, document.values()))
        if columns == rows:
            what = "columns or rows, and it can be both" if columns else "rows of the model"
            raise InvalidRows([Place("", f"expected {what}: send a list of rows; {RECORDS}")])
    if columns:
        return read_columns(tables, document, "")
    if places := repeated(document, ""):
        raise InvalidRows(places)
    labels = [escape(label) for label in document]
    return tables.check(list(document.values()), lambda i: f"/{labels[i]}")


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, dict))
