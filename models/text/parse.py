"""Decode JSON slowly, to say where it is wrong and which names it repeats."""

from __future__ import annotations

import codecs
import json
import math
import sys
from collections import Counter
from typing import Any

from models.errors import MalformedBody
from models.rows.names import Repeated
from models.text.limits import TOO_DEEP

# Words that Python and MLflow write, and JSON does not have. NaN is a missing value; the infinities
# are refused later, with their place.
CONSTANTS: dict[str, float | None] = {"Infinity": math.inf, "-Infinity": -math.inf}


def parse(body: bytes, where: str = "", *, nan: float | None = None) -> Any:
    """Decode JSON as Python does; an object with a repeated name becomes a `Repeated`.

    NaN becomes `nan`. Raises MalformedBody with the position, after `where`.
    """
    constants = CONSTANTS | {"NaN": nan}
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode()
        return json.loads(text, object_pairs_hook=_object, parse_constant=constants.__getitem__)
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"{where}The body is not UTF-8: {error.reason} at byte {error.start}."
        ) from None
    except json.JSONDecodeError as error:
        raise MalformedBody(_not_json(error, where)) from None
    except RecursionError:
        raise MalformedBody(f"{where}{TOO_DEEP}") from None
    except ValueError:
        # json.loads raises no other ValueError than that of Python's limit on digits.
        limit = sys.get_int_max_str_digits()
        raise MalformedBody(f"{where}The body has an integer of over {limit} digits.") from None


def _not_json(error: json.JSONDecodeError, where: str) -> str:
    if not error.doc.strip():
        return "The body is empty."
    line = "" if where else f"line {error.lineno}, "
    detail = f"{error.msg} at {where}{line}column {error.colno}."
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        detail += " It ends too early: it was cut, or its Content-Length is too small."
    return f"The body is not JSON: {detail}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    repeated = Repeated(values)
    repeated.name = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return repeated
