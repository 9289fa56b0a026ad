"""Tell ALERT_URL that answers have become worse than the card says, or that a feature has drifted.

Each is told when it begins and when it has ended. What is not delivered yet is in the store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from api.feedback.content import time_at
from api.feedback.faults import faults
from api.feedback.store import FeedbackStore
from api.http.route import Site
from models.errors import ModelError
from models.sources import client
from models.sources.transfer import Deadline, Failure

log = logging.getLogger("api")

LOOK_SECONDS = 60.0
# An episode has ended once it was not seen for so long: figures near a limit cross it often.
QUIET_SECONDS = 3600.0
POST_SECONDS = 5.0
# Services for chats take about one message a second.
POSTS_A_LOOK = 10
# An alert that is not taken is sent again after one minute, two, four, ... and then each hour.
MAX_WAIT_SECONDS = 3600.0
MAX_TRIES = 24
MAX_POSTS = 200
LOG_SECONDS = 3600.0
NOTE = "alerts"
SHOWN_DIGITS = 12
# Google's APIs refuse fields that they do not know.
ONLY_TEXT = frozenset({"chat.googleapis.com"})

Sites = Callable[[], Site]


class Episode(msgspec.Struct):
    """A fault that somebody was told of; times are in seconds since 1970."""

    kind: str
    version: str
    feature: str
    since: float
    seen: float


class Post(msgspec.Struct):
    """An alert that is to be delivered, and when it is tried next."""

    body: dict[str, Any]
    due: float
    tries: int = 0


class State(msgspec.Struct):
    """The episodes by their keys, and the alerts not delivered yet, as the store notes them."""

    episodes: dict[str, Episode] = {}
    posts: list[Post] = []


class Alerts:
    """Looks for faults once a minute, in one process of the service, and posts them to `url`.

    `site` gives the version that serves; `name` is what the service is called.
    """

    def __init__(self, store: FeedbackStore, url: str, name: str, site: Sites) -> None:
        self._store = store
        self._url = url
        self._name = name
        self._site = site
        self._logged = -LOG_SECONDS

    def look(self) -> None:
        """Note what has begun and what has ended, and deliver what is due; raises OSError."""
        state = msgspec.convert(self._store.note(NOTE) or {}, State)
        self._compare(state)
        self._deliver(state)

    def _compare(self, state: State) -> None:
        """Begin and end episodes, each with a post."""
        now, had_any = time.time(), bool(state.episodes)
        for fault in faults(self._site(), now):
            if fault.key in state.episodes:
                state.episodes[fault.key].seen = now
                continue
            state.episodes[fault.key] = Episode(
                fault.kind, fault.version, fault.feature, since=now, seen=now
            )
            self._add(state, "begun", state.episodes[fault.key], fault.text, fault.figures)
        for key, episode in list(state.episodes.items()):
            if now - episode.seen > QUIET_SECONDS:
                del state.episodes[key]
                self._add(state, "ended", episode, _ended(episode), {})
        if had_any or state.episodes:
            self._store.set_note(NOTE, state)

    def _add(
        self, state: State, what: str, episode: Episode, text: str, figures: dict[str, Any]
    ) -> None:
        now = time.time()
        version = f"version {episode.version[:SHOWN_DIGITS]}"
        body = {
            "text": f"{self._name}, {version}: {text}",
            "service": self._name,
            "state": what,
            "kind": episode.kind,
            "version": episode.version,
            "feature": episode.feature,
            "since": time_at(episode.since),
            "at": time_at(now),
            "figures": figures,
        }
        state.posts = [*state.posts, Post(body, due=now)][-MAX_POSTS:]

    def _deliver(self, state: State) -> None:
        """Send posts that are due, until one is not taken, or it takes too long."""
        started = time.time()
        due = [post for post in state.posts if post.due <= started]
        for post in due[:POSTS_A_LOOK]:
            is_taken = self._try(state, post)
            # After each: the service may end at any time.
            self._store.set_note(NOTE, state)
            if not is_taken or time.time() > started + POST_SECONDS:
                return

    def _try(self, state: State, post: Post) -> bool:
        """Send a post, and say whether it was taken."""
        try:
            self._send(post.body)
        except (Failure, ModelError) as error:
            self._put_off(state, post, str(error))
            return False
        state.posts.remove(post)
        return True

    def _send(self, body: dict[str, Any]) -> None:
        if urlsplit(self._url).hostname in ONLY_TEXT:
            body = {"text": body["text"]}
        client.post(
            Deadline(POST_SECONDS, ()),
            self._url,
            {"Content-Type": "application/json"},
            msgspec.json.encode(body),
        )

    def _put_off(self, state: State, post: Post, reason: str) -> None:
        wait = min(LOOK_SECONDS * 2**post.tries, MAX_WAIT_SECONDS)
        post.tries, post.due = post.tries + 1, time.time() + wait
        outcome = "they are sent again later"
        if post.tries >= MAX_TRIES:
            state.posts.remove(post)
            outcome = f"this one is given up: {post.body['text']}"
        now = time.monotonic()
        if now - self._logged >= LOG_SECONDS or post.tries >= MAX_TRIES:
            self._logged = now
            # Whoever knows the rest of the address can post there.
            host = urlsplit(self._url).hostname
            log.warning("ALERT_URL: %s does not take alerts (%s); %s", host, reason, outcome)


def _ended(episode: Episode) -> str:
    if episode.kind == "drift":
        return f"the feature {episode.feature} has not drifted any more for an hour"
    return "for an hour, answers were not surely worse than the card says"
