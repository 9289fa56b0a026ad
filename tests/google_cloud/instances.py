"""The containers behind a revision of Cloud Run: as many as its requests need."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.google_cloud.container import GRACE, Docker, Instance, Log, Plan, StartFailed

# How long a request waits for an instance: 10 s, or some times as long as an instance takes to start.
# https://cloud.google.com/run/docs/about-instance-autoscaling, "Exceeding maximum instances"
PENDING, PENDING_STARTS = 10.0, 3.5


class NoInstance(Exception):
    """All instances are full and no other may be started."""


class Fleet:
    """The instances of one revision: as many as its requests need, and as few as it may have."""

    def __init__(self, docker: Docker, plan: Plan, name: str, log: Log) -> None:
        self.docker = docker
        self.plan = plan
        self.name = name
        self.log = log
        self.instances: list[Instance] = []
        self.starting = 0
        self.longest_start = 0.0  # in seconds
        self.failed: StartFailed | None = None
        self.wanted = True  # a revision that no address leads to keeps no instance
        self.closed = False
        self.changed = threading.Condition()
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the first instance and wait for it; StartFailed says why there is none."""
        with self.changed:
            self.starting += 1
        self._add("DEPLOYMENT_ROLLOUT")
        with self.changed:
            if not self.instances:
                raise self.failed or StartFailed("The revision was deleted while it started.")
        self._fill()

    def warm(self) -> None:
        """Have an instance before requests come."""
        with self.changed:
            cold = not self.instances and not self.starting and not self.closed
            self.starting += cold
        if cold:
            self._add("DEPLOYMENT_ROLLOUT")

    @contextlib.contextmanager
    def instance(self) -> Iterator[Instance]:
        """An instance with a place for one more request, started if there is none."""
        instance = self._take()
        try:
            yield instance
        finally:
            with self.changed:
                instance.under_way -= 1
                idle = not self.wanted and not any(one.under_way for one in self.instances)
                self.changed.notify_all()
            if idle:
                self.scale_down()

    def _take(self) -> Instance:
        deadline = time.monotonic() + max(PENDING, PENDING_STARTS * self.longest_start)
        with self.changed:
            self.failed = None
            while not self.closed:
                free = [one for one in self.instances if one.under_way < self.plan.concurrency]
                if free:
                    instance = min(free, key=lambda one: one.under_way)
                    instance.under_way += 1
                    return instance
                if self.failed and not self.starting:
                    raise self.failed
                if not self.starting and len(self.instances) < self.plan.maximum:
                    self.starting += 1
                    self._spawn(self._add, "AUTOSCALING")
                if not self.changed.wait(deadline - time.monotonic()):
                    break
        raise NoInstance

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads = [one for one in self.threads if one.is_alive()] + [thread]
        thread.start()
        return thread

    def _add(self, reason: str) -> None:
        """Start an instance that was counted in `starting` already."""
        self.log("system", f"Starting new instance. Reason: {reason}")
        instance = failed = None
        began = time.monotonic()
        try:
            instance = Instance(self.docker, self.plan, self.name, self.log)
            instance.wait_until_ready()
        except (OSError, StartFailed) as error:
            failed = error if isinstance(error, StartFailed) else StartFailed(str(error))
        with self.changed:
            self.starting -= 1
            self.longest_start = max(self.longest_start, time.monotonic() - began)
            self.failed = failed or self.failed
            kept = instance is not None and failed is None and not self.closed
            if instance and kept:
                self.instances.append(instance)
            self.changed.notify_all()
        if instance and not kept:
            self._spawn(instance.stop)
        elif instance and self.plan.liveness:
            self._spawn(self._watch, instance, self.plan.liveness)

    def _watch(self, instance: Instance, probe: Mapping[str, Any]) -> None:
        """Replace an instance whose liveness probe fails too often."""
        failures = 0
        instance.sleep(probe.get("initialDelaySeconds", 0))
        while instance.running and instance in self.instances:
            failures = 0 if instance.probe(probe) else failures + 1
            if failures == probe["failureThreshold"]:
                self.log(
                    "system",
                    f"LIVENESS probe failed {failures} times consecutively. Shutting down.",
                )
                self.dismiss(instance)
                return
            instance.sleep(probe["periodSeconds"])

    def dismiss(self, instance: Instance) -> None:
        """Give an instance no more requests, let it finish those it has, and stop it."""
        with self.changed:
            if instance not in self.instances:
                return
            self.instances.remove(instance)
        self._spawn(self._finish, instance)
        self._fill()

    def _finish(self, instance: Instance) -> None:
        with self.changed:
            self.changed.wait_for(lambda: not instance.under_way, self.plan.timeout)
        instance.stop()

    def replace(self) -> None:
        """Send SIGTERM to all instances at once, whatever they are doing; others take over.

        Cloud Run may do so at any time, as when it moves an instance to another machine.
        """
        with self.changed:
            gone, self.instances = self.instances, []
        self._fill()
        for thread in [self._spawn(one.stop) for one in gone]:
            thread.join()

    def want(self, *, wanted: bool) -> None:
        """Say whether an address leads to this revision."""
        with self.changed:
            self.wanted = wanted
        if wanted:
            self._fill()
        else:
            self._spawn(self.scale_down)

    def _fill(self) -> None:
        """Start as many instances as are to be kept warm."""
        with self.changed:
            if self.wanted and not self.closed:
                for _ in range(self.plan.minimum - len(self.instances) - self.starting):
                    self.starting += 1
                    self._spawn(self._add, "MIN_INSTANCES")

    def scale_down(self) -> None:
        """Stop the instances that answer nothing, down to those that are kept warm."""
        with self.changed:
            keep = self.plan.minimum if self.wanted and not self.closed else 0
            idle = [one for one in self.instances if not one.under_way]
            gone = idle[: max(len(self.instances) - keep, 0)]
            for instance in gone:
                self.instances.remove(instance)
        for thread in [self._spawn(one.stop) for one in gone]:
            thread.join()

    def close(self) -> None:
        """Stop everything, after the requests under way."""
        with self.changed:
            self.closed = True
            gone, self.instances = self.instances, []
            self.changed.notify_all()
        for thread in [self._spawn(self._finish, one) for one in gone]:
            thread.join()
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join(GRACE + 5)
