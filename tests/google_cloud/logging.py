"""Cloud Logging: what containers and Cloud Run write, and `entries:list`."""

from __future__ import annotations

import datetime as dt
import json
import threading
import uuid

from tests.google_cloud import errors, log_filter
from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.log_filter import SEVERITIES, Entry

Labels = dict[str, str]
# Source: https://cloud.google.com/logging/docs/structured-logging, "Special JSON fields".
SPECIAL = {
    "logging.googleapis.com/trace": "trace",
    "logging.googleapis.com/spanId": "spanId",
    "logging.googleapis.com/trace_sampled": "traceSampled",
    "logging.googleapis.com/labels": "labels",
    "logging.googleapis.com/sourceLocation": "sourceLocation",
    "logging.googleapis.com/operation": "operation",
    "logging.googleapis.com/insertId": "insertId",
    "httpRequest": "httpRequest",
}


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def structured(line: str) -> Entry:
    """What a line of a container becomes: text, or fields where it is a JSON object."""
    try:
        payload = json.loads(line)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return {"textPayload": line}
    entry: Entry = {name: payload.pop(key) for key, name in SPECIAL.items() if key in payload}
    severity = str(payload.pop("severity", "DEFAULT")).upper()
    entry["severity"] = severity if severity in SEVERITIES else "DEFAULT"
    if "time" in payload:
        entry["timestamp"] = payload.pop("time")
    if set(payload) == {"message"}:
        entry["textPayload"] = payload["message"]
    else:
        entry["jsonPayload"] = payload
    return entry


class Logs:
    """All entries, in the order in which they came."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.lock = threading.Lock()

    def write(self, log: str, resource: Labels, entry: Entry) -> None:
        """Add an entry of a revision to one of the logs of Cloud Run."""
        project = resource["project_id"]
        whole = {
            "insertId": uuid.uuid4().hex,
            "logName": f"projects/{project}/logs/run.googleapis.com%2F{log.replace('/', '%2F')}",
            "resource": {"type": "cloud_run_revision", "labels": resource},
            "timestamp": now(),
            "receiveTimestamp": now(),
            **entry,
        }
        with self.lock:
            self.entries.append(whole)

    def list(self, project: str, text: str, *, newest_first: bool) -> list[Entry]:
        """The entries of a project that a filter lets through, in the order of their times."""
        predicate = log_filter.read(text)
        with self.lock:
            entries = list(self.entries)
        prefix = f"projects/{project}/"
        found = [one for one in entries if one["logName"].startswith(prefix) and predicate(one)]
        return sorted(found, key=lambda one: str(one["timestamp"]), reverse=newest_first)


class Logging(Part):
    """The log of the project; it is no resource that callers make."""

    def __init__(self) -> None:
        self.logs = Logs()


def register(cloud: Cloud) -> None:
    """Add the path by which gcloud reads entries."""
    api = cloud.api("logging")
    logs = cloud.add(Logging()).logs

    @api.route("/v2/entries:list", "POST")
    def list_entries() -> Json:
        body = cloud.body()
        for name in body.get("resourceNames", []):
            kind, _, project = name.partition("/")
            if kind != "projects":
                raise errors.invalid(f"Invalid resource name: {name}")
            cloud.require("logging.logEntries.list", f"projects/{cloud.known_project(project)}")
        newest_first = body.get("orderBy", "timestamp asc") == "timestamp desc"
        try:
            found = logs.list(cloud.project, body.get("filter", ""), newest_first=newest_first)
        except log_filter.Malformed as error:
            raise errors.invalid(str(error)) from error
        begin = int(body.get("pageToken") or 0)
        end = begin + int(body.get("pageSize") or 50)
        page = {"entries": found[begin:end]}
        return page | ({"nextPageToken": str(end)} if end < len(found) else {})
