"""Objects in a bucket of Cloud Storage, written once each: where feedback outlives an instance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from urllib.parse import quote

from api.feedback import lines
from api.feedback.facts import Selection, new_id
from api.feedback.lines import SELECTIONS
from api.settings import Settings
from models.errors import ModelError
from models.sources import client, gcs
from models.sources.transfer import Deadline, Failure

# One object is written in this time, or not at all.
WRITE_SECONDS = 5.0
WAITS_SECONDS = (0.3,)
# Write only where there is no object of the name.
CONDITION = "&ifGenerationMatch=0"
EXISTS = 412
FORBIDDEN = 403
REFUSALS = (401, FORBIDDEN, 404)
REFUSED = (
    ": the bucket must be there, and the account that the service runs as must be allowed to "
    "create objects in it, which make add-roles grants"
)
# Who may only create objects is told that this is missing where an object exists.
REPLACES = "storage.objects.delete"


def write(settings: Settings, selections: Sequence[Selection]) -> None:
    """Write selections as one object: they outlive this instance once this returns.

    Raises OSError with a sentence where FEEDBACK_URI cannot be written within 5 seconds.
    """
    put(settings, f"{SELECTIONS}/{today()}/{new_id()}", lines.write(SELECTIONS, selections))


def today() -> str:
    """The date in UTC: objects are in a folder for each kind and date."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def put(settings: Settings, name: str, content: bytes, deadline: Deadline | None = None) -> None:
    """Write the object `name`.ndjson in the folder FEEDBACK_URI, unless there is one of this name.

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/insert.

    Raises OSError with a sentence.
    """
    bucket, _, folder = settings.feedback_uri.partition("://")[2].partition("/")
    path = "/".join(part for part in (folder.strip("/"), f"{name}.ndjson") if part)
    url = (
        f"{gcs.origin(settings)}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        f"?uploadType=media{CONDITION}&name={quote(path, safe='')}"
    )
    deadline = deadline or Deadline(WRITE_SECONDS, WAITS_SECONDS)
    unwritten = f"cannot write gs://{bucket}/{path}"
    try:
        headers = {
            "Authorization": f"Bearer {_token(deadline, settings)}",
            "Content-Type": "application/x-ndjson",
        }
        client.post(deadline, url, headers, content)
    except ModelError as error:
        raise OSError(f"{unwritten}: {error}") from None
    except Failure as failure:
        # The answer to an earlier try may have been lost.
        if not _exists(failure):
            advice = REFUSED if failure.status in REFUSALS else ""
            raise OSError(f"{unwritten} ({failure}){advice}") from None


def _token(deadline: Deadline, settings: Settings) -> str:
    try:
        return gcs.token(deadline, settings)
    except Failure as failure:
        raise Failure(f"it needs a token, and {failure}") from None


def _exists(failure: Failure) -> bool:
    return failure.status == EXISTS or (failure.status == FORBIDDEN and REPLACES in failure.text)
