"""Bring the feedback of all instances together: `python -m api.feedback.gather PROJECT REGION`.

`make feedback` runs it. It reads what is new in FEEDBACK_URI with gcloud, adds it to the store in
DATA_DIR, and prints the commands that load all objects into BigQuery.
"""

from __future__ import annotations

import datetime as dt
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from api.feedback import lines, sums
from api.feedback.facts import HOUR_SECONDS
from api.feedback.merge import MergedStore
from api.settings import Settings
from models.drift import accuracy
from models.drift.accuracy import Measured
from models.printing import say
from models.settings import SettingsError

# What gcloud says where a folder is empty.
NOTHING = "matched no objects"
OBJECTS_AT_ONCE = 2000
# The name of the dataset in the commands that are printed.
DATASET = "feedback"


class Failed(Exception):
    """The feedback cannot be brought together; the message is a sentence."""


def main() -> None:
    """Gather, and say what was found; exits with one sentence where that cannot be done."""
    try:
        gather(Settings.from_env(os.environ), *sys.argv[1:])
    except (Failed, SettingsError, OSError) as error:
        sys.exit(f"error: {error}")


def gather(settings: Settings, project: str, region: str) -> None:
    """Add the new objects in FEEDBACK_URI to the store, and say what is there.

    `project` and `region` are those of Google Cloud. Raises Failed and OSError.
    """
    data = settings.data_folder
    if data is None or not settings.feedback_uri:
        raise Failed("FEEDBACK_URI is not set: expected a folder, as gs://bucket/feedback")
    uri = settings.feedback_uri.rstrip("/")
    store = MergedStore(data / "feedback")
    listed = _by_kind(uri, _gcloud(["ls", f"{uri}/**"], project).splitlines())
    new = {kind: store.new(found) for kind, found in listed.items()}
    for kind, uris in new.items():
        for start in range(0, len(uris), OBJECTS_AT_ONCE):
            _merge(store, kind, uris[start : start + OBJECTS_AT_ONCE], project)
    store.expire(time.time() - settings.prediction_ttl, settings.max_predictions)
    total = sum(map(len, listed.values()))
    say(f"{uri} has {total} objects, of which {sum(map(len, new.values()))} are new")
    say(f"{store.folder} has {_held(store)}")
    for sentence in _accuracy(store):
        say(sentence)
    if total:
        kinds = [kind for kind in listed if listed[kind]]
        say("\n  ".join(["To load all of it into BigQuery:", *_loads(uri, kinds, project, region)]))


def _by_kind(uri: str, listed: Iterable[str]) -> dict[str, list[str]]:
    """The objects of each kind; others in the folder are passed over."""
    found: dict[str, list[str]] = {kind: [] for kind in lines.COLUMNS}
    for each in listed:
        kind = each.removeprefix(f"{uri}/").partition("/")[0]
        if kind in found and each.endswith(".ndjson"):
            found[kind].append(each)
    return found


def _gcloud(command: Sequence[str], project: str, typed: str = "") -> str:
    """What gcloud storage prints, which gets these lines to read; raises Failed."""
    line = ["gcloud", "storage", *command, f"--project={project}"]
    sys.stderr.write(f"{shlex.join(line)}\n")
    done = subprocess.run(  # noqa: S603
        line, input=typed, capture_output=True, text=True, check=False
    )
    if done.returncode and NOTHING not in done.stderr:
        said = done.stderr.strip().partition("\n")[0]
        raise Failed(
            f"gcloud cannot read it ({said}): whoever is logged in needs the role "
            "roles/storage.objectViewer on the bucket"
        )
    return done.stdout


def _merge(store: MergedStore, kind: str, uris: Sequence[str], project: str) -> None:
    """Fetch objects of one kind, and add them to the store; raises Failed and OSError."""
    with tempfile.TemporaryDirectory() as folder:
        _gcloud(["cp", "--read-paths-from-stdin", f"{folder}/"], project, "\n".join(uris))
        for uri in uris:
            try:
                content = Path(folder, uri.rpartition("/")[2]).read_bytes()
                store.merge(uri, kind, [*lines.read(kind, content)])
            except (lines.Malformed, *lines.LINE_ERRORS) as error:
                sys.stderr.write(f"warning: {uri} is left out: {error}\n")


def _held(store: MergedStore) -> str:
    """What the store has, in words."""
    hours = store.hours(0)
    answers = sum(each.answers for each in hours)
    selections, predictions = store.count_selections(), store.count_predictions()
    said = f"{predictions} predictions, {selections} selections, and counts of {answers} answers"
    if not hours:
        return said
    first, last = (_date(each(hour.hour for hour in hours)) for each in (min, max))
    return f"{said} from {first} to {last}"


def _date(hour: int) -> str:
    return dt.datetime.fromtimestamp(hour * HOUR_SECONDS, dt.UTC).date().isoformat()


def _accuracy(store: MergedStore) -> Iterator[str]:
    """A sentence on each version whose answers were told right or wrong."""
    for each in sums.by_version(sums.sums(store, 0, 1)):
        if each.version and each.labels:
            measured = accuracy.share_correct(each.correct, each.labels)
            yield _sentence(each.version, "accuracy", measured)
        if each.version and each.numbers:
            measured = accuracy.mean_absolute(each.absolute, each.squared, each.numbers)
            yield _sentence(each.version, "mean absolute error", measured)


def _sentence(version: str, metric: str, found: Measured) -> str:
    ends = "" if found.low is None else f" ({found.low:.4g} to {found.high:.4g})"
    return f"version {version[:12]}: {metric} {found.value:.4g}{ends} in {found.rows} selections"


def _loads(uri: str, kinds: Iterable[str], project: str, region: str) -> Iterator[str]:
    """The commands that load the objects of each kind into a table of BigQuery."""
    bq = f"bq --project_id={project} --location={region}"
    yield f"{bq} mk --force --dataset {DATASET}"
    for kind in kinds:
        yield (
            f"{bq} load --replace --source_format=NEWLINE_DELIMITED_JSON {DATASET}.{kind} "
            f"{shlex.quote(f'{uri}/{kind}/*')} {lines.COLUMNS[kind]}"
        )


if __name__ == "__main__":
    main()
