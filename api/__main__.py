"""Serve the model: `python -m api`."""
from pathlib import Path
import os, sys
import pyuwsgi
os.environ.setdefault("OMP_NUM_THREADS","1"); os.environ.setdefault("OPENBLAS_NUM_THREADS","1")
from api.wsgi import settings
pyuwsgi.run(["--ini", str(Path(__file__).with_name("uwsgi.ini")), "--module","api.wsgi:app","--http-socket", f"{settings.host}:{settings.port}","--processes",str(settings.processes),"--threads",str(settings.threads)])
