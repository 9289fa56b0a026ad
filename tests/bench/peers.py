"""The servers under measurement: what is installed, how each is started, how each is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from api.server import connections
from api.settings import Settings
from tests.bench.loads import (
    BULK,
    CLOSED_1,
    CLOSED_64,
    CURVE,
    HALF_CLOSED,
    HUGE,
    KEPT_1,
    KEPT_16,
    KEPT_64,
    USUAL,
    Load,
    Pace,
)

Rows = list[Any]

NUMERIC, MIXED = ("pipeline", "forest"), ("penguins",)
MODELS = (*NUMERIC, *MIXED)
MODEL = ("scikit-learn==1.9.1", "pandas")
# Processes or workers of each server, if the bench does not say otherwise: our own default.
PROCESSES = 2
# Threads of our server in each process: those that accept connections, and all.
ACCEPTING_THREADS, THREADS = connections.ACCEPTING, Settings().threads
# How many threads accepted connections before there were few.
MANY_THREADS = 32
UWSGI = (
    "{bin}/uwsgi --master --die-on-term --need-app --disable-logging --enable-threads "
    "--listen 1024 --processes {processes} "
)
# Without the header a client that reuses its connection is cut off: http-socket has no keep-alive.
CLOSE = "--http-socket 127.0.0.1:{port} --add-header 'Connection: close' "


def instances(rows: Rows) -> Any:
    """The body that most servers take."""
    return {"instances": rows}


def tensor(rows: Rows) -> Any:
    """The body of the Open Inference Protocol, version 2."""
    values = [value for row in rows for value in row]
    shape = [len(rows), len(rows[0])]
    return {"inputs": [{"name": "x", "shape": shape, "datatype": "FP64", "data": values}]}


@dataclass(frozen=True)
class Peer:
    """One server: `command` and `variables` are templates, filled in when it is started."""

    name: str
    title: str
    setup: str
    pins: tuple[str, ...]
    command: str
    path: str = "/predict"
    directory: str = "{servers}"
    variables: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Rows], Any] = instances
    read: Callable[[Any], Any] = lambda answer: answer["predictions"]
    # What of the answer is the same each time starts here.
    marker: str = ""
    models: tuple[str, ...] = NUMERIC
    loads: tuple[Load, ...] = USUAL
    # At which parts of its highest rate latency is measured, with PACED_MODEL.
    paces: tuple[Pace, ...] = ()
    # Whose environment it runs in, if not in one of its own.
    home: str = ""


OURS = Peer(
    name="ours",
    title="**this server**",
    setup="`python -m api` with its defaults: the baked plan",
    pins=("requirements-pandas.lock",),
    command="{bin}/python -m api",
    directory="{root}",
    variables={"PROCESSES": "{processes}"},
    models=MODELS,
    paces=(*CURVE, HALF_CLOSED),
)
OURS_SKLEARN = replace(
    OURS,
    name="ours-sklearn",
    title="this server without the plan",
    setup="`ENGINE=sklearn python -m api`",
    variables={"ENGINE": "sklearn", **OURS.variables},
    loads=USUAL,
    paces=(),
    home="ours",
)
OURS_OLD = replace(
    OURS,
    name="ours-old",
    title="this server with many threads, without keep-alive",
    setup=f"its application behind uWSGI's `http-socket`, 2 processes of {MANY_THREADS} threads",
    command=UWSGI + CLOSE + f"--threads {MANY_THREADS} --py-call-uwsgi-fork-hooks "
    "--module tests.bench.servers.many_threads:application",
    variables={},
    models=MIXED,
    loads=(CLOSED_64,),
    paces=(HALF_CLOSED,),
    home="ours",
)
FLOOR = Peer(
    name="floor",
    title="uWSGI, a constant answer (the floor)",
    setup=f"a bare WSGI callable, 2 processes of {ACCEPTING_THREADS} threads; reads the request, "
    "knows no model",
    pins=("pyuwsgi==2.0.30.post1",),
    command=UWSGI + CLOSE + f"--threads {ACCEPTING_THREADS} --module floor:application",
    variables={"ANSWERS": "{answers}"},
    models=MODELS,
    loads=(CLOSED_1, CLOSED_64),
    paces=(HALF_CLOSED,),
)
FLOOR_KEPT = replace(
    FLOOR,
    name="floor-kept",
    title="the floor, connections kept",
    setup=f"the same behind `http11-socket`, {THREADS} threads: each connection takes up one",
    command=UWSGI
    + "--http11-socket 127.0.0.1:{port} "
    + f"--threads {THREADS} --module floor:application",
    # More connections at a time than threads in a process, and some would never get an answer.
    loads=(KEPT_1, KEPT_16, BULK),
    paces=(),
    home="floor",
)
FLASK = Peer(
    name="flask",
    title="Flask + uWSGI, as usually written",
    setup="master, 2 processes of 2 threads, loaded before the fork, uWSGI's own HTTP router",
    pins=("flask==3.1.3", "pyuwsgi==2.0.30.post1", *MODEL),
    command=UWSGI + "--http 127.0.0.1:{port} --http-keepalive --threads 2 --module flask_{app}:app",
    models=MODELS,
    # The router closes where it is asked to, but its answers do not say so.
    loads=(KEPT_1, KEPT_16, KEPT_64, BULK, HUGE),
    paces=CURVE,
)
FASTAPI = Peer(
    name="fastapi",
    title="FastAPI + uvicorn",
    setup="2 workers, async endpoint, uvloop and httptools, no access log",
    pins=("fastapi==0.165.0", "uvicorn[standard]==0.54.0", *MODEL),
    command="{bin}/uvicorn fastapi_{app}:app --host 127.0.0.1 --port {port} "
    "--workers {processes} --no-access-log",
    models=MODELS,
    paces=CURVE,
)
MLSERVER = Peer(
    name="mlserver",
    title="MLServer, adaptive batching",
    setup="1 process for HTTP and 1 parallel worker, batches of up to 64 in 5 ms, no debug",
    # With a newer uvloop the parallel workers of 1.7.1 end at their start.
    pins=("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0", *MODEL),
    command="{bin}/mlserver start {state}",
    path="/v2/models/model/infer",
    directory="{state}",
    variables={
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "{second_port}",
        "MLSERVER_METRICS_PORT": "{third_port}",
        "MLSERVER_DEBUG": "false",
        "MLSERVER_PARALLEL_WORKERS": "1",
        "MLSERVER_MODEL_NAME": "model",
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
        "MLSERVER_MODEL_URI": "{model}",
        "MLSERVER_MODEL_MAX_BATCH_SIZE": "64",
        "MLSERVER_MODEL_MAX_BATCH_TIME": "0.005",
    },
    body=tensor,
    read=lambda answer: answer["outputs"][0]["data"],
    marker='"outputs":',
)
KSERVE = Peer(
    name="kserve",
    title="KServe sklearnserver",
    setup="2 workers, protocol v1, no gRPC, no log of requests",
    pins=("kserve==0.21.0", *MODEL),
    command="{bin}/python kserve_server.py --http_port {port} --workers 2 --enable_grpc false "
    "--enable_latency_logging false",
    path="/v1/models/model:predict",
)
BENTOML = Peer(
    name="bentoml",
    title="BentoML, adaptive batching",
    setup="2 workers, batchable endpoint, no log of requests",
    # 1.4.40 asks for a certifi that PyPI did not have when this was written.
    pins=("bentoml==1.4.39", *MODEL),
    command="{bin}/bentoml serve bentoml_app:Batcher --host 127.0.0.1 --port {port}",
    variables={"BENTOML_HOME": "{state}/home", "BENTOML_DO_NOT_TRACK": "true"},
    read=lambda answer: answer,
)

SERVERS = (
    OURS,
    OURS_OLD,
    OURS_SKLEARN,
    FLOOR,
    FLOOR_KEPT,
    FLASK,
    FASTAPI,
    MLSERVER,
    KSERVE,
    BENTOML,
)
ALL = {peer.name: peer for peer in SERVERS}
RIVALS = ("flask", "fastapi", "mlserver", "kserve", "bentoml")
# Whose latency is measured against the load.
PACED_MODEL = "penguins"
