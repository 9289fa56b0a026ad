"""The programs that the small Google Cloud and its callers are made of."""

from __future__ import annotations

import shutil
import subprocess

PROGRAMS = ("gcloud", "docker", "docker-registry")


def missing() -> str:
    """Why tests on the small Google Cloud cannot run here, or nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    answer = subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=60)
    return "" if answer.returncode == 0 else "docker does not answer"
