"""Run gcloud: `ask` reads, `run` changes something and prints the command as one would type it."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from names import OPTIONS, PROJECT

# The APIs that deploying needs, by the first part of their names.
NEEDED_APIS = (
    "run",
    "artifactregistry",
    "iam",
    "iamcredentials",
    "cloudresourcemanager",
    "logging",
)
# Commands without a project, or with the project in them.
WITHOUT_OPTIONS = ("auth ", "config ", "info ", "projects ")
API_IS_OFF = re.compile(r"/apis/api/(\w+)\.googleapis\.com/")
RETRY_SECONDS = 5
_POOL = ThreadPoolExecutor(8)


class Failed(Exception):
    """Ends the target with this error message; without one if gcloud has printed its own."""


class Missing(Failed):
    """Something that is needed does not exist."""


def typed(command: str) -> str:
    """The whole command line."""
    names_its_own = command.startswith(WITHOUT_OPTIONS)
    return f"gcloud {command}" if names_its_own else f"gcloud {command} {OPTIONS}"


def answer(command: str) -> list[str]:
    """The lines that gcloud prints, without a cache; raises `Failed` if gcloud fails."""
    done = subprocess.run(
        shlex.split(typed(command)),
        env={**os.environ, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        off = API_IS_OFF.search(done.stderr)
        raise Failed(_is_off(off[1]) if off else done.stderr.strip())
    return [line for line in done.stdout.splitlines() if line.strip()]


def _is_off(api: str) -> str:
    mend = (
        "make enable-apis" if api in NEEDED_APIS else f"gcloud services enable {api}.googleapis.com"
    )
    return f"API {api}.googleapis.com is off in project {PROJECT}: {mend}"


# functools.cache lets two threads that ask at once both run gcloud.
_ASKING = threading.Lock()


@functools.cache
def _asked(command: str) -> Future[list[str]]:
    return _POOL.submit(answer, command)


def ask(command: str) -> list[str]:
    """The lines that gcloud prints, cached until `run`; raises `Failed` if gcloud fails."""
    with _ASKING:
        future = _asked(command)
    return future.result()


def run(command: str, tries: int = 1) -> None:
    """Print the command and run it; raises `Failed` after the last try."""
    for left in reversed(range(tries)):
        print(typed(command), flush=True)
        done = subprocess.run(shlex.split(typed(command)), check=False)
        _asked.cache_clear()
        if done.returncode == 0:
            return
        time.sleep(RETRY_SECONDS if left else 0)
    raise Failed


def enabled() -> list[str]:
    """The APIs that are on in the project, such as run for run.googleapis.com."""
    listed = ask("services list --enabled --format='value(config.name)'")
    return [name.partition(".")[0] for name in listed]


def enable(*apis: str) -> None:
    """Turn on these APIs."""
    run(f"services enable {' '.join(f'{api}.googleapis.com' for api in apis)}")
