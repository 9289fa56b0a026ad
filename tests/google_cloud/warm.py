"""A warm gcloud: the real one, started once.

Nearly all of the second that a call of gcloud takes goes into importing its modules. So its own
Python keeps them (`warm_server`), and each call is a fork of that, which then runs as always.
The gcloud on PATH is a client that hands over the call: gcloud's launcher, a shell script, would
start a dozen processes to find that Python.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


@functools.cache
def path() -> str:
    """The PATH on which gcloud is warm; the one of this process where it has no Python of its own."""
    root = Path(shutil.which("gcloud") or "").resolve().parent.parent
    python = root / "platform" / "bundledpythonunix" / "bin" / "python3"
    if not python.exists():
        return os.environ["PATH"]
    folder = Path(tempfile.mkdtemp(prefix="gcloud-"))
    address, client = folder / "socket", folder / "gcloud"
    client.write_text(
        f"#!{python} -IS\nimport sys\nsys.path.append({str(HERE)!r})\nimport warm_client\n"
        f"sys.exit(warm_client.main({str(address)!r}, {str(root)!r}, sys.argv[1:]))\n"
    )
    client.chmod(0o700)
    server = subprocess.Popen(
        [python, "-P", HERE / "warm_server.py", root / "lib", address],
        env={"CLOUDSDK_PYTHON_SITEPACKAGES": "1", "PYTHONIOENCODING": "UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends it last: whatever stops needs gcloud
    )

    def stop() -> None:
        server.communicate()
        shutil.rmtree(folder)

    atexit.register(stop)
    ends = time.monotonic() + 60
    while not address.exists():
        if server.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("gcloud's Python does not start")
        time.sleep(0.02)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def cold(environment: dict[str, str]) -> dict[str, str]:
    """These variables for a gcloud that starts as it does for anyone."""
    return environment | {"PATH": os.environ["PATH"]}
