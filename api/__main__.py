"""Serve the model: `python -m api`, with settings from the environment and `.env`.

`python -m api worker` does tasks instead, which other processes accept.

SageMaker starts it as `python -m api serve`, which is the same:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import pyuwsgi

from api import boot
from api.server import aside, process, shutdown, uwsgi_log
from api.settings import Settings, add_file, misspelt
from models.errors import ModelError, brief
from models.settings import SettingsError

log = logging.getLogger("api")


def main() -> None:
    """Load the model, say how to ask it, and become uWSGI; or a worker for tasks."""
    if sys.argv[1:] == ["worker"]:
        be_worker()
    uwsgi_log.keep_stderr()
    shutdown.obey()
    if sys.argv[1:] not in ([], ["serve"]):
        sys.exit(
            f"error: {' '.join(sys.argv[1:])!r} is not known: only the words `serve` and `worker` "
            "can stand here, and everything else is set by variables"
        )
    try:
        settings = load()
    except (ModelError, SettingsError, process.AddressError) as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        # The code of users runs while a model is loaded, and libraries that may not fit the model.
        log.debug("the model cannot be loaded", exc_info=True)
        sys.exit(
            f"error: the model cannot be loaded ({brief(error)}): LOG_LEVEL=debug shows "
            "where that comes from"
        )
    from api.server import wsgi
    from api.tasks import embedded

    # Before there are other threads: what one of them holds would stay held in the child.
    embedded.begin(settings, wsgi.service, wsgi.swap)

    def greet() -> None:
        # Not by `print`: uWSGI has put standard error in the place of `sys.stdout`.
        with contextlib.suppress(OSError):
            os.write(1, f"{wsgi.hello}\n".encode())

    try:
        translator = uwsgi_log.Translator(settings.processes, greet, shutdown.give_up)
        uwsgi_log.watch(translator, leave=wsgi.leave)
        shutdown.watch()
    except RuntimeError as error:
        sys.exit(f"error: {error}: more processes have to be allowed, as by `ulimit -u`")
    aside.watch_in_processes(wsgi.follow, wsgi.app)
    pyuwsgi.run(process.arguments(settings))


def be_worker() -> NoReturn:
    """Do tasks of other processes, until a signal ends this one."""
    from api.tasks.desk import NoTasks

    try:
        # It says which packages are missing.
        import api.tasks.celery  # noqa: F401
        from api.tasks import worker
    except NoTasks as error:
        sys.exit(f"error: {error.detail}")
    worker.main()


def load() -> Settings:
    """Read the settings and load the application, which uWSGI then finds imported.

    Raises SettingsError, AddressError, ModelError, and whatever the code of users raises.
    """
    if Path(".env").exists():
        add_file(os.environ, Path(".env"))
    settings = Settings.from_env(os.environ)
    process.check_address(settings)
    process.share_one_heap()
    with boot.frozen():
        from api.server import wsgi  # noqa: F401
    for problem in misspelt(os.environ):
        log.warning(problem)
    return settings


if __name__ == "__main__":
    main()
