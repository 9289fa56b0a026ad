"""The answers of `/content/` about the service: times, tasks, versions, and its settings."""

from __future__ import annotations

import time
from itertools import accumulate
from typing import TYPE_CHECKING

from api.content_answers import (
    ContentInfo,
    ContentLatency,
    ContentModels,
    ContentTasks,
    RouteLatency,
    SwapAt,
    VersionFacts,
)
from api.feedback import sums
from api.feedback.content import Span, time_at
from api.feedback.facts import HOUR_SECONDS
from api.feedback.recorder import recorder
from api.feedback.sums import Sum
from api.feedback.swaps import NOTE
from api.http.route import Site
from api.monitor import metrics

if TYPE_CHECKING:
    from api.settings import Settings
    from api.tasks.task import Counts
    from models.versions import Version

MILLISECONDS = 1000


def latency(_: Site, __: Span) -> ContentLatency:
    """The times of each route since the service was started."""
    found = metrics.total().seconds
    return ContentLatency([_times(route, found[route]) for route in sorted(found)])


def _times(route: str, histogram: list[float]) -> RouteLatency:
    *counts, total = histogram
    requests = int(sum(counts))
    p50, p90, p99 = (quantile(counts, part) * MILLISECONDS for part in (0.5, 0.9, 0.99))
    mean = total / requests * MILLISECONDS if requests else 0.0
    return RouteLatency(route, requests, mean, p50, p90, p99)


def quantile(counts: list[float], part: float) -> float:
    """A quantile in seconds of a histogram, as histogram_quantile() of Prometheus computes it."""
    rank = part * sum(counts)
    bounds = (0.0, *metrics.SECONDS)
    for i, below in enumerate(accumulate(counts)):
        if below >= rank and counts[i]:
            if i == len(metrics.SECONDS):
                break
            within = (rank - (below - counts[i])) / counts[i]
            return bounds[i] + (bounds[i + 1] - bounds[i]) * within
    return bounds[-1] if sum(counts) else 0.0


def tasks(site: Site, _: Span) -> ContentTasks:
    """How many tasks there are in each state."""
    counts, note = _counts_of_tasks(site)
    if counts is None:
        return ContentTasks(states={}, ended={}, rows=0, attempts=0, oldest_seconds=None, note=note)
    oldest = None if counts.oldest is None else max(time.time() - counts.oldest, 0.0)
    return ContentTasks(
        states=counts.states,
        ended=counts.ended,
        rows=counts.rows,
        attempts=counts.attempts,
        oldest_seconds=oldest,
        note="",
    )


def _counts_of_tasks(site: Site) -> tuple[Counts | None, str]:
    from api.tasks.desk import NoTasks, asked, desk

    try:
        with asked():
            return desk(site.settings).store.counts(), ""
    except NoTasks as problem:
        return None, str(problem)


def models(site: Site, span: Span) -> ContentModels:
    """The versions, what each has answered, and when it began to serve."""
    active = site.service.model
    answered: dict[str, Sum] = {}
    if recorder.mode != "off":
        parts = sums.sums(recorder.store, span.first, span.each)
        answered = {each.version: each for each in sums.by_version(parts)}
    kept: dict[str, Version] = {}
    before = ""
    if site.swap is not None:
        kept = {each.version: each for each in site.swap.store.versions()}
        found = site.swap.store.active()
        before = found.before if found else ""
    states = dict.fromkeys(answered, "removed") | dict.fromkeys(kept, "kept")
    states |= {before: "before"} if before in kept else {}
    states |= {active.version: "active"}
    versions = []
    for version in dict.fromkeys([active.version, *kept, *answered]):
        own, total = kept.get(version), answered.get(version)
        card = active.card if version == active.version else own.card if own else {}
        versions.append(
            VersionFacts(
                version=version,
                state=states[version],  # type: ignore[arg-type]
                added=own.added if own else "",
                release=str(card.get("release") or ""),
                metrics=card.get("metrics", {}),
                answers=total.answers if total else 0,
                selected=total.selected if total else 0,
            )
        )
    return ContentModels(span.window, active.version, versions, _swaps())


def _swaps() -> list[SwapAt]:
    """The swaps that were noted; before these, the first hour in which a version answered."""
    if recorder.mode == "off":
        return []
    noted = [(float(when), str(version)) for when, version in recorder.store.note(NOTE) or []]
    known = {version for _, version in noted}
    hours = sums.first_hours(recorder.store)
    noted += [(first * HOUR_SECONDS, name) for name, first in hours.items() if name not in known]
    return [SwapAt(time_at(when), version) for when, version in sorted(noted)]


def info(site: Site, _: Span) -> ContentInfo:
    """The settings of feedback: which rows are kept, where, and for how long."""
    settings, model = site.settings, site.service.model
    first = last = None
    predictions = selections = 0
    if recorder.mode != "off":
        first, last = sums.span(recorder.store)
        predictions = recorder.store.count_predictions()
        selections = recorder.store.count_selections()
    return ContentInfo(
        model=site.service.name,
        version=model.version,
        mode=recorder.mode,
        note=recorder.reason,
        kept_in=_place(settings),
        ttl_seconds=settings.prediction_ttl,
        rate=settings.prediction_log_rate if recorder.mode == "all" else 0,
        hashed=_names(settings.prediction_hash),
        dropped=_names(settings.prediction_drop),
        predictions=predictions,
        selections=selections,
        first=None if first is None else time_at(first * HOUR_SECONDS),
        last=None if last is None else time_at(last * HOUR_SECONDS),
        values=[],
    )


def _names(setting: str) -> list[str]:
    return [name.strip() for name in setting.split(",") if name.strip()]


def _place(settings: Settings) -> str:
    """Where predictions are kept, in words: a path or an address may tell a secret."""
    if recorder.mode == "off":
        return "nowhere"
    folder = settings.data_folder
    if folder is not None and recorder.store.folder.is_relative_to(folder):
        place = "SQLite in DATA_DIR of this machine"
    else:
        place = "SQLite in a temporary folder, which ends with this instance"
    return f"{place}, and objects in FEEDBACK_URI" if settings.feedback_uri else place
