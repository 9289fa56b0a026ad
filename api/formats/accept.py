"""The media type of an answer, as the Accept header likes it best."""

from __future__ import annotations

from collections.abc import Sequence

from api.errors import NotAcceptable
from api.formats.writers import WRITERS

ANY = "*/*"


def choose(accept: str) -> str:
    """The media type of results; raises NotAcceptable."""
    types = tuple(WRITERS)
    if found := preferred(accept, types):
        return found
    raise NotAcceptable(f"The answer can be {', '.join(types[:-1])} or {types[-1]}.")


def preferred(accept: str, types: Sequence[str]) -> str | None:
    """The type that Accept likes best, or the first if it says nothing; None if it likes none."""
    if accept in ("", ANY):
        return types[0]
    if ";" not in accept:
        # The common case without werkzeug, which is slow to import.
        named = {name.strip().lower() for name in accept.split(",")}
        if found := [name for name in types if name in named]:
            return found[0]
        if {name for name in named if "*" in name} == {ANY}:
            return types[0]
    from werkzeug.datastructures import MIMEAccept
    from werkzeug.http import parse_accept_header

    parsed = parse_accept_header(accept, MIMEAccept)
    return parsed.best_match(types) if parsed else types[0]
