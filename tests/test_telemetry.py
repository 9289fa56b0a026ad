"""What the service tells of itself: its log and `/metrics`, across all of its processes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import logging
import os
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from api.http.request import Request, current
from api.monitor import metrics
from api.monitor.shared import Shared
from api.monitor.telemetry import JsonFormatter, configure_logging, trace
from models.logs import TextFormatter
from tests.conftest import Serve
from tests.test_rejections import GOOD
from tests.test_serving import BOUND, Server, serving, workers

ID = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{ID}-{SPAN}-01"
NAME = "logging.googleapis.com/"
SECRET = "4711.25"


def failure(message: str) -> logging.LogRecord:
    record = logging.makeLogRecord(
        {"msg": "request %s failed", "args": ("abc",), "levelname": "ERROR"}
    )
    try:
        try:
            raise KeyError(message)
        except KeyError as error:
            raise ValueError(message) from error
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def test_a_log_line_is_one_json_object_with_its_traceback() -> None:
    line = JsonFormatter().format(failure("a\nb"))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["severity"] == "ERROR"
    assert entry["message"].startswith("request abc failed\nTraceback")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_traceback_says_what_was_raised_and_where_but_not_which_value(
    formatter: logging.Formatter,
) -> None:
    text = formatter.format(failure(f"could not convert {SECRET}"))
    assert text.index("builtins.KeyError") < text.index("builtins.ValueError")
    assert text.count(__file__) == 2
    assert SECRET not in text


def test_an_exception_that_hides_the_one_before_it_is_alone_in_the_log() -> None:
    record = logging.makeLogRecord({"msg": "failed"})
    try:
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    assert TextFormatter().format(record).count("Traceback") == 1


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    loggers = [logging.getLogger(name) for name in ("api", "models")]
    before = [logger.handlers[:] for logger in loggers]
    yield loggers[0]
    logging.captureWarnings(capture=False)
    for logger, handlers in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate, logger.level = handlers, True, logging.NOTSET
    logging.getLogger("py.warnings").handlers = []


def test_the_log_goes_to_the_standard_error_stream(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(json=True)
    logger.warning("hello")
    assert json.loads(capsys.readouterr().err) == {"severity": "WARNING", "message": "hello"}


def test_on_a_terminal_the_log_is_readable(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(json=False)
    logger.warning("hello")
    assert capsys.readouterr().err == "WARNING hello\n"


@pytest.mark.parametrize(
    ("level", "said"), [("debug", ["debug", "error"]), ("warning", ["error"]), ("error", ["error"])]
)
def test_the_level_decides_what_is_logged(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], level: str, said: list[str]
) -> None:
    configure_logging(json=False, level=level)
    logger.debug("debug")
    logger.error("error")
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == said


@pytest.mark.parametrize(
    ("header", "value", "span", "sampled"),
    [
        ("TRACEPARENT", PARENT, SPAN, True),
        ("TRACEPARENT", f"00-{ID}-{SPAN}-00", SPAN, False),
        ("TRACEPARENT", f"01-{ID}-{SPAN}-03-more", SPAN, True),
        ("X_CLOUD_TRACE_CONTEXT", f"{ID}/74;o=1", "000000000000004a", True),
        ("X_CLOUD_TRACE_CONTEXT", f"{ID}/74", "000000000000004a", False),
        ("X_CLOUD_TRACE_CONTEXT", ID, None, False),
    ],
)
def test_a_log_line_names_the_trace(
    header: str, value: str, span: str | None, *, sampled: bool
) -> None:
    fields = trace({f"HTTP_{header}": value}, "projects/p/traces/")
    assert fields[f"{NAME}trace"] == f"projects/p/traces/{ID}"
    assert fields.get(f"{NAME}spanId") == span
    assert fields[f"{NAME}trace_sampled"] is sampled


@pytest.mark.parametrize(
    "value",
    ["", "junk", f"ff-{ID}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{ID}-{'0' * 16}-01"],
)
def test_a_trace_that_is_not_valid_is_left_out(value: str) -> None:
    assert trace({"HTTP_TRACEPARENT": value, "HTTP_X_CLOUD_TRACE_CONTEXT": value}) == {}


class Quoting(np.ndarray):
    """Results that cannot be written, and quote what they were made of when they say so."""

    def tolist(self) -> Any:
        raise RuntimeError(f"no {SECRET} here")


class Telling(BaseEstimator):
    """Writes to the service's log, and gives what quotes a value, once it serves."""

    n_features_in_ = 1

    def predict(self, X: Any) -> Any:
        if X[0][0] == float(SECRET):
            logging.getLogger("api").warning("hello")
            return np.array([object()] * len(X)).view(Quoting)
        return [0.0] * len(X)


@pytest.mark.parametrize("project", ["", "p"])
def test_a_line_logged_in_a_request_names_it(
    serve: Serve, logger: logging.Logger, capsys: pytest.CaptureFixture[str], project: str
) -> None:
    client = serve(Telling())
    configure_logging(json=True, project=project)
    answer = client.post(
        "/predict", json=[[float(SECRET)]], headers={"X-Request-Id": "r1", "traceparent": PARENT}
    )
    assert answer.status_code == 500
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["severity"] for line in lines] == ["WARNING", "ERROR"]
    for line in lines:
        assert line["request_id"] == "r1"
        assert line[f"{NAME}trace"] == (f"projects/p/traces/{ID}" if project else ID)
        assert SECRET not in json.dumps(line)
    assert current.get() is None


def test_a_line_names_the_key_of_its_request() -> None:
    request = Request({})
    request.key = "alice"
    token = current.set(request)
    try:
        entry = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "late"})))
    finally:
        current.reset(token)
    assert entry["key"] == "alice"


def test_every_line_of_a_request_names_its_id_and_its_trace() -> None:
    token = current.set(Request({"HTTP_TRACEPARENT": PARENT}))
    try:
        entry = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "early"})))
    finally:
        current.reset(token)
    assert len(entry["request_id"]) == 32
    assert entry[f"{NAME}trace"] == ID


def read(text: str) -> dict[tuple[Any, ...], float]:
    """Samples by their name and the values of their labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def growth(client: FlaskClient, path: str, **arguments: Any) -> dict[tuple[Any, ...], float]:
    """What one request adds to `/metrics`."""
    before = read(client.get("/metrics").text)
    client.open(path, **arguments)
    after = read(client.get("/metrics").text)
    return {key: value - before.get(key, 0) for key, value in after.items()}


def test_a_prediction_is_counted_with_its_rows(penguins: FlaskClient) -> None:
    grown = growth(penguins, "/predict", method="POST", json=[GOOD] * 3)
    assert grown["http_requests_total", "POST", "/predict", "200"] == 1
    assert grown["http_request_duration_seconds_count", "/predict"] == 1
    assert grown["http_request_duration_seconds_sum", "/predict"] > 0
    assert grown["http_request_duration_seconds_bucket", "10.0", "/predict"] == 1
    assert grown["prediction_rows_total", "/predict"] == 3


def test_a_refusal_is_counted_without_rows(penguins: FlaskClient) -> None:
    grown = growth(penguins, "/predict", method="POST", json=[{}])
    assert grown["http_requests_total", "POST", "/predict", "422"] == 1
    assert grown.get(("prediction_rows_total", "/predict"), 0) == 0


@pytest.mark.parametrize(
    ("path", "method", "labels"),
    [
        ("/metadata", "GET", ("GET", "/metadata", "200")),
        ("/metadata", "HEAD", ("HEAD", "/metadata", "200")),
        ("/predict", "GET", ("GET", "/predict", "405")),
        ("/predict", "BREW", ("other", "/predict", "405")),
        ("/nowhere/at/all", "GET", ("GET", "other", "404")),
        ("/metrics", "GET", ("GET", "/metrics", "200")),
    ],
)
def test_every_request_is_counted_under_a_route_and_a_method_that_exist(
    penguins: FlaskClient, path: str, method: str, labels: tuple[str, ...]
) -> None:
    grown = growth(penguins, path, method=method)
    # Each look at /metrics counts from the next one on.
    assert grown["http_requests_total", *labels] == (2 if path == "/metrics" else 1)


def test_unknown_categories_are_counted_by_feature(serve: Serve) -> None:
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    client = serve(model.fit([["a", "x"], ["b", "y"]], [0, 1]))
    rows = [["a", "x"], ["c", "x"], ["d", "z"]]
    grown = growth(client, "/predict", method="POST", json=rows)
    assert grown["unknown_categories_total", "x0"] == 2
    assert grown["unknown_categories_total", "x1"] == 1


def test_the_model_is_named(penguins: FlaskClient) -> None:
    version = penguins.get("/health").headers["X-Model-Version"]
    samples = read(penguins.get("/metrics").text)
    named = {key: value for key, value in samples.items() if version in key}
    assert [value for key, value in named.items() if key[0] == "model_info"] == [1]
    assert [
        value for key, value in named.items() if key[0] == "http_requests_by_version_total"
    ] != []


def test_metrics_come_in_the_form_that_is_asked_for(penguins: FlaskClient) -> None:
    assert penguins.get("/metrics").content_type.startswith("text/plain; version=")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = penguins.get("/metrics", headers=accept)
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def test_calls_of_the_model_and_what_waits_are_told(penguins: FlaskClient) -> None:
    before = read(penguins.get("/metrics").text)
    metrics.observe(40, 7)
    after = read(penguins.get("/metrics").text)
    metrics.observe(1, 0)
    assert after["requests_waiting",] - before.get(("requests_waiting",), 0) == 7
    for bound, more in (("32.0", 0), ("64.0", 1)):
        key = ("engine_batch_rows_bucket", bound)
        assert after[key] - before.get(key, 0) == more


def in_child(act: Callable[[], None]) -> int:
    """Do this in a forked process that is killed then, and give its id."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(9)
    os.waitpid(child, 0)
    return child


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_a_dead_process_counted_stays_and_what_waited_in_it_goes(
    penguins: FlaskClient,
) -> None:
    def count() -> None:
        metrics.observe(3, 100)
        metrics.tally().write()

    before = read(penguins.get("/metrics").text)
    in_child(count)
    after = read(penguins.get("/metrics").text)
    assert after["requests_waiting",] == before["requests_waiting",]
    assert after["engine_batch_rows_sum",] - before["engine_batch_rows_sum",] == 3


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_counts_of_dead_processes_are_kept_as_one(penguins: FlaskClient) -> None:
    def count() -> None:
        metrics.observe(3, 0)
        metrics.tally().write()

    before = read(penguins.get("/metrics").text)
    for _ in range(3):
        in_child(count)
    after = read(penguins.get("/metrics").text)
    assert after["engine_batch_rows_sum",] - before["engine_batch_rows_sum",] == 9
    dead = [name for name in metrics.tally().read() if not metrics.alive(int(name.split("-")[0]))]
    # The last one has nobody after it that would add it to the others.
    assert len(dead) <= 1


def test_what_waited_in_a_dead_process_does_not_wait_in_another_of_its_id(
    penguins: FlaskClient,
) -> None:
    shared = metrics.tally().shared
    before = read(penguins.get("/metrics").text)
    old = {f"{os.getpid()}-1": msgspec.Raw(msgspec.msgpack.encode(metrics.Counts(waiting=5)))}
    kept = shared.read()
    shared.write(kept | old)
    try:
        after = read(penguins.get("/metrics").text)
    finally:
        shared.write(kept)
    assert after["requests_waiting",] == before["requests_waiting",]


def written(tally: metrics.Tally) -> metrics.Counts:
    """What the only process that counts here has written."""
    (counts,) = [
        counts
        for raw in tally.shared.read().values()
        if (counts := msgspec.msgpack.decode(raw, type=metrics.Counts)).requests
    ]
    return counts


def test_what_has_no_thread_to_write_it_waits_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    tally = metrics.Tally()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        tally.request("no_thread", "POST", 200, 0.1, "v")
    tally.request("no_thread", "POST", 200, 0.1, "v")
    time.sleep(2 * metrics.FLUSH_SECONDS)
    assert written(tally).requests["no_thread", "POST", 200] == 2


def test_what_many_threads_count_adds_up() -> None:
    tally = metrics.Tally()
    route = ("counted_by_many", "POST", 200)

    def count() -> None:
        for _ in range(500):
            tally.request(*route, 0.25, "v")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.write()
    counts = written(tally)
    assert counts.requests[route] == 4_000
    assert counts.seconds[route[0]][-1] == 1_000


def test_counts_that_grow_and_shrink_are_read_as_written() -> None:
    shared = Shared()
    for size in (1, 50, 3, 400, 2, 2, 1000, 0):
        given = {f"{pid}-1": msgspec.Raw(b"\x07") for pid in range(size)}
        shared.write(given)
        assert {name: bytes(raw) for name, raw in shared.read().items()} == {
            name: bytes(raw) for name, raw in given.items()
        }


def test_where_there_are_no_files_in_memory_a_file_without_a_name_has_the_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tally = metrics.Tally()
    tally.request("no_name", "POST", 200, 0.1, "v")
    tally.write()
    assert written(tally).requests["no_name", "POST", 200] == 1
    assert list(tmp_path.iterdir()) == []


def test_counts_that_cannot_be_written_are_told_of_once_a_minute_and_written_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tally = metrics.Tally()
    tally.request("no_room", "POST", 200, 0.1, "v")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *_: 0)
        for _ in range(3):
            tally.write()
        assert not tally.read()
    assert caplog.messages == ["the counts for /metrics cannot be shared: No space left on device"]
    tally.write()
    assert written(tally).requests["no_room", "POST", 200] == 1


@contextlib.contextmanager
def serving_alone(cwd: Path, **variables: Any) -> Iterator[Server]:
    """A service whose folder for temporary files is gone, which it does not need."""
    with serving(cwd, TMPDIR=cwd / "gone", **variables) as server:
        yield server


def samples(server: Server) -> dict[tuple[Any, ...], float]:
    url = f"http://127.0.0.1:{server.port}/metrics"
    with urllib.request.urlopen(url, timeout=BOUND) as answer:
        return read(answer.read().decode())


PREDICTED = ("http_requests_total", "POST", "/predict", "200")


def test_all_processes_count_together_and_a_killed_one_takes_nothing_with_it(
    baked_path: Path, tmp_path: Path
) -> None:
    with serving_alone(tmp_path, MODEL_PATH=baked_path, PROCESSES=2) as server:
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: server.post("/predict", GOOD), range(50)))
            time.sleep(4 * metrics.FLUSH_SECONDS)
            told = list(pool.map(lambda _: samples(server), range(10)))
        for sample in told:
            assert sample[PREDICTED] == 50
            assert sample["prediction_rows_total", "/predict"] == 50
            assert sample["engine_batch_rows_sum",] == 50
            assert sample["requests_waiting",] == 0

        before = workers(server.process)
        assert len(before) == 2
        for count, victim in enumerate(sorted(before)):
            os.kill(victim, signal.SIGKILL)
            deadline = time.monotonic() + BOUND
            while victim in (now := workers(server.process)) or len(now) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert samples(server)[PREDICTED] == 50 + 10 * count
            for _ in range(10):
                server.post("/predict", GOOD)
            time.sleep(4 * metrics.FLUSH_SECONDS)
            assert samples(server)[PREDICTED] == 60 + 10 * count
        assert samples(server)["requests_waiting",] == 0
        assert server.stop() == 0


def refuse(X: Any) -> Any:
    """Stands for a model that quotes what it was given."""
    if (X == 1).any():
        raise ValueError(f"cannot take {X.tolist()}")
    if (X == 2).any():
        return np.array([[object()] * 2]).view(Quoting)
    return X


@pytest.mark.parametrize("environment", [{}, {"K_SERVICE": "service"}])
def test_no_value_that_was_sent_is_in_the_log(tmp_path: Path, environment: dict[str, str]) -> None:
    model = tmp_path / "quoting.joblib"
    joblib.dump(FunctionTransformer(refuse).fit([[0.0, 0.0]]), model)
    statuses = []
    with serving_alone(tmp_path, MODEL_PATH=model, **environment) as server:
        for kind in (0, 1, 2):
            try:
                server.post("/transform", [[kind, float(SECRET)]])
                statuses.append(200)
            except urllib.error.HTTPError as error:
                with error:
                    statuses.append(error.code)
        server.stop()
    log = server.log.read_text()
    assert statuses == [200, 422, 500]
    assert SECRET not in log
    assert "RuntimeError" in log
    found = [json.loads(line) for line in log.splitlines() if line.startswith('{"severity"')]
    assert [entry["severity"] for entry in found] == (["WARNING", "ERROR"] if environment else [])
    assert ("\nERROR request " in log) is not bool(environment)
