"""The part of Cloud Logging's query language that gcloud and people write.

Source: https://cloud.google.com/logging/docs/view/logging-query-language
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

Entry = dict[str, Any]
Predicate = Callable[[Entry], bool]

SEVERITIES = (
    "DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY",
)  # fmt: skip
OPERATOR = re.compile(r"\s*(<=|>=|!=|=~|!~|=|<|>|:)\s*")
WORD = re.compile(r'\s*((?:"(?:[^"\\]|\\.)*"|[^\s()<>=!:"])+)')
VALUE = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s()"]+)')
SYMBOL = re.compile(r"\s*([()])")


class Malformed(Exception):
    """A filter that Cloud Logging would not read either."""


def unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def look_up(entry: Entry, path: str) -> Any:
    """What stands in an entry at a path such as `labels."a.b".c`; None if nothing does."""
    found: Any = entry
    for name in re.findall(r'"(?:[^"\\]|\\.)*"|[^."]+', path):
        found = found.get(unquote(name)) if isinstance(found, dict) else None
    return found


def comparable(path: str, value: Any) -> Any:
    """What a value is ordered by: severities by rank, times as times, numbers as numbers."""
    try:
        if path == "severity":
            return SEVERITIES.index(str(value).upper())
        if path in ("timestamp", "receiveTimestamp"):
            moment = dt.datetime.fromisoformat(str(value))
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise Malformed(f"{path} cannot be compared with {value!r}") from error
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value).lower()


def compare(path: str, operator: str, wanted: str) -> Predicate:
    """The predicate `path operator wanted`; an entry without that field does not fulfil it."""

    def holds(entry: Entry) -> bool:
        found = look_up(entry, path)
        if found is None:
            if path != "severity":
                return False
            found = "DEFAULT"
        match operator:
            case ":":
                return wanted == "*" or wanted.lower() in str(found).lower()
            case "=~" | "!~":
                return (re.search(wanted, str(found)) is not None) == (operator == "=~")
        left, right = comparable(path, found), comparable(path, wanted)
        if type(left) is not type(right):
            left, right = str(found).lower(), wanted.lower()
        return bool({
            "=": left == right, "!=": left != right, "<": left < right,
            "<=": left <= right, ">": left > right, ">=": left >= right,
        }[operator])  # fmt: skip

    return holds


class Reader:
    """Reads a filter from left to right; OR binds closer than AND, which may be left out."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def take(self, pattern: re.Pattern[str]) -> str | None:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()
            return found[1]
        return None

    def takes(self, keyword: str) -> bool:
        return self.take(re.compile(rf"\s*({keyword})(?=[\s(\"]|$)")) is not None

    def ended(self) -> bool:
        return not self.text[self.at :].strip() or self.text[self.at :].lstrip().startswith(")")

    def conjunction(self) -> Predicate:
        terms = [self.disjunction()]
        while self.takes("AND") or not self.ended():
            terms.append(self.disjunction())
        return lambda entry: all(term(entry) for term in terms)

    def disjunction(self) -> Predicate:
        terms = [self.term()]
        while self.takes("OR"):
            terms.append(self.term())
        return lambda entry: any(term(entry) for term in terms)

    def term(self) -> Predicate:
        if self.takes("NOT") or self.take(re.compile(r"\s*(-)")):
            inner = self.term()
            return lambda entry: not inner(entry)
        if self.take(SYMBOL) == "(":
            inner = self.conjunction()
            self.close()
            return inner
        return self.comparison()

    def comparison(self) -> Predicate:
        word = self.take(WORD)
        if word is None:
            raise Malformed(f"Unparseable filter: syntax error at column {self.at + 1}")
        operator = self.take(OPERATOR)
        if operator is None:
            text = unquote(word).lower()
            return lambda entry: text in str(entry).lower()
        if self.take(re.compile(r"\s*(\()")):
            values = [compare(word, operator, self.value())]
            while self.takes("OR"):
                values.append(compare(word, operator, self.value()))
            self.close()
            return lambda entry: any(value(entry) for value in values)
        return compare(word, operator, self.value())

    def value(self) -> str:
        value = self.take(VALUE)
        if value is None:
            raise Malformed(f"Unparseable filter: no value at column {self.at + 1}")
        return unquote(value)

    def close(self) -> None:
        if self.take(SYMBOL) != ")":
            raise Malformed(f"Unparseable filter: ) is missing at column {self.at + 1}")


def read(text: str) -> Predicate:
    """The predicate that a filter stands for; the empty one holds for everything."""
    if not text.strip():
        return lambda _: True
    reader = Reader(text)
    predicate = reader.conjunction()
    if reader.text[reader.at :].strip():
        raise Malformed(f"Unparseable filter: syntax error at column {reader.at + 1}")
    return predicate
