"""`make feedback`: what all instances wrote to a bucket in one store, read by the real gcloud."""

from __future__ import annotations

import datetime as dt
import http.client
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api import create_app
from api.feedback import gather, lines
from api.feedback.facts import HOUR_SECONDS, Hour, Prediction, Selection, new_id
from api.feedback.lines import PREDICTIONS, SELECTIONS, STATISTICS
from api.feedback.merge import MergedStore
from api.feedback.recorder import recorder
from api.settings import Settings
from tests.checkout import ROOT
from tests.google_cloud.cloud import PERSON, PROJECT, Cloud
from tests.google_cloud.metadata import Machine
from tests.google_cloud.storage import Bucket, Buckets
from tests.test_rejections import GOOD
from tests.test_serving import Server, serving

REGION = "europe-west1"
RUNTIME = f"ml-api-runtime@{PROJECT}.iam.gserviceaccount.com"
THIS_HOUR = int(time.time() // HOUR_SECONDS)
NOW = THIS_HOUR * HOUR_SECONDS + 1.0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    if shutil.which("gcloud") is None:
        pytest.skip("not installed: gcloud")
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.enabled.add("storage.googleapis.com")
        cloud.policies.set(
            f"projects/{PROJECT}/buckets/ours",
            {
                "bindings": [
                    {"role": "roles/storage.objectViewer", "members": [f"user:{PERSON}"]},
                    {
                        "role": "roles/storage.objectCreator",
                        "members": [f"serviceAccount:{RUNTIME}"],
                    },
                ]
            },
        )
        yield cloud


@pytest.fixture
def objects(small: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    for name, value in small.environment().items():
        monkeypatch.setenv(name, value)
    small.part(Buckets).all = {"ours": Bucket("ours"), "theirs": Bucket("theirs")}
    return small.part(Buckets).all["ours"].objects


@pytest.fixture
def settings(objects: dict[str, bytes], tmp_path: Path) -> Settings:
    return Settings(feedback_uri="gs://ours/f", data_dir=str(tmp_path))


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """Gather, and give the lines that are printed."""

    def run() -> list[str]:
        gather.gather(settings, PROJECT, REGION)
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def store(settings: Settings) -> MergedStore:
    return MergedStore(Path(settings.data_dir) / "feedback")


def made(number: int, label: Any = "a", **others: Any) -> Prediction:
    at = NOW + number / 1000
    facts = {"id": new_id(at), "row": 0, "version": "v1", "owner": "", "method": "predict"}
    return Prediction(**{**facts, "at": at, "inputs": [1.5], "label": label, **others})


def told(prediction: Prediction, label: Any, after: float = 1, **others: Any) -> Selection:
    return Selection(id=prediction.id, row=0, at=prediction.at + after, label=label, **others)


def counted(*counts: int) -> Hour:
    return Hour(
        hour=THIS_HOUR,
        version="v1",
        layout="l",
        answers=sum(counts),
        counts=np.array(counts, np.int64),
    )


def put(objects: dict[str, bytes], kind: str, name: str, *records: Any) -> None:
    objects[f"f/{kind}/2026-11-29/{name}.ndjson"] = lines.write(kind, records)


def test_what_several_instances_wrote_is_brought_together_once(
    objects: dict[str, bytes], run: Callable[[], list[str]], store: MergedStore
) -> None:
    one, two, three = (made(number) for number in range(3))
    put(objects, PREDICTIONS, "aa-000001", one, two)
    put(objects, PREDICTIONS, "bb-000001", three)
    put(objects, STATISTICS, "aa-000001", counted(1, 2))
    put(objects, STATISTICS, "bb-000001", counted(3, 4))
    # The truth of a prediction of one instance came to another, which was corrected later.
    put(objects, SELECTIONS, "0", told(one, "b", 2), told(two, "a"))
    put(objects, SELECTIONS, "1", told(one, "b"), told(three, None))
    objects["f/readme.txt"] = objects["f/models/a.ndjson"] = b"not ours"
    first = run()
    assert first[0] == "gs://ours/f has 6 objects, of which 6 are new"
    date = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
    assert first[1] == (
        f"{store.folder} has 3 predictions, 3 selections, and counts of 10 answers from {date} to "
        f"{date}"
    )
    assert first[2] == "version v1: accuracy 0.3333 (0.06149 to 0.7923) in 3 selections"
    again = run()
    assert again[0] == "gs://ours/f has 6 objects, of which 0 are new"
    assert again[1:] == first[1:]
    ((hour,), found) = store.hours(0), {each.id: chosen.label for each, chosen in store.labelled()}
    assert hour.counts.tolist() == [4, 6]
    assert found == {one.id: "b", two.id: "a", three.id: None}


def test_a_truth_that_came_before_its_prediction_counts_once_that_is_there(
    objects: dict[str, bytes], run: Callable[[], list[str]], store: MergedStore
) -> None:
    late = made(0)
    put(objects, SELECTIONS, "0", told(late, "a"))
    assert not any("accuracy" in line for line in run())
    put(objects, PREDICTIONS, "aa-000002", late)
    assert "version v1: accuracy 1 (0.2065 to 1) in 1 selections" in run()


def test_of_numbers_the_mean_absolute_error_is_said(
    objects: dict[str, bytes], run: Callable[[], list[str]]
) -> None:
    rows = [made(number, 2.0) for number in range(2)]
    put(objects, PREDICTIONS, "aa-000001", *rows)
    put(objects, SELECTIONS, "0", *(told(row, 3.5, is_number=True) for row in rows))
    assert "version v1: mean absolute error 1.5 in 2 selections" in run()


def test_rows_older_than_prediction_ttl_are_not_kept(
    objects: dict[str, bytes], settings: Settings, store: MergedStore
) -> None:
    put(objects, PREDICTIONS, "aa-000001", made(0), made(-40 * 24 * 3_600_000))
    gather.gather(settings, PROJECT, REGION)
    assert store.count_predictions() == 1


def test_an_object_that_cannot_be_read_is_named_and_left_out_and_others_are_added(
    objects: dict[str, bytes],
    settings: Settings,
    store: MergedStore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(objects, PREDICTIONS, "aa-000001", made(0))
    objects["f/predictions/2026-11-29/zz.ndjson"] = b'{"id": 1}\n'
    put(objects, SELECTIONS, "0", told(made(1), "b", is_number=True, predicted="a", version="v"))
    gather.gather(settings, PROJECT, REGION)
    said = capsys.readouterr().err
    assert "warning: gs://ours/f/selections/2026-11-29/0.ndjson is left out: could not" in said
    assert "warning: gs://ours/f/predictions/2026-11-29/zz.ndjson is left out: line 1 is" in said
    assert store.count_predictions() == 1


def test_an_empty_folder_is_said(run: Callable[[], list[str]], store: MergedStore) -> None:
    assert run() == [
        "gs://ours/f has 0 objects, of which 0 are new",
        f"{store.folder} has 0 predictions, 0 selections, and counts of 0 answers",
    ]


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("gs://theirs/f", "needs the role roles/storage.objectViewer on the bucket"),
        ("", "error: FEEDBACK_URI is not set: expected a folder, as gs://bucket/feedback"),
        ("s3://ours", "error: FEEDBACK_URI='s3://ours': expected a folder, as gs://bucket/path"),
    ],
)
def test_a_bucket_that_cannot_be_read_ends_with_a_sentence(
    objects: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    sentence: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["gather", PROJECT, REGION])
    monkeypatch.setenv("FEEDBACK_URI", uri)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        gather.main()
    assert sentence in str(ended.value)
    assert "\n" not in str(ended.value)


def test_make_brings_it_together_for_the_person_who_is_logged_in(
    objects: dict[str, bytes], tmp_path: Path
) -> None:
    put(objects, PREDICTIONS, "aa-000001", made(0))

    def run(*given: str) -> subprocess.CompletedProcess[str]:
        # The environment of the tests is as good as one that `make install` makes.
        command = ["make", "--old-file=install", "feedback", f"GCP_PROJECT_ID={PROJECT}", *given]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("FEEDBACK_URI=gs://ours/f", f"DATA_DIR={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("gs://ours/f has 1 objects, of which 1 are new\n")
    assert f"gcloud storage ls 'gs://ours/f/**' --project={PROJECT}" in done.stderr
    assert "Next: make run" in done.stderr
    refused = run()
    assert refused.returncode == 2
    assert refused.stderr.startswith("FEEDBACK_URI is not set: write the folder of the bucket that")


class BigQuery:
    """The API of BigQuery, as far as bq needs it: it notes what is posted."""

    def __init__(self, sdk: Path) -> None:
        self.posted: list[dict[str, Any]] = []
        described = json.loads(next(sdk.glob("platform/bq/**/bigquery.json")).read_bytes())
        bigquery = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({**described, "rootUrl": f"{bigquery.address}/"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bigquery.posted.append(body)
                job = {"projectId": PROJECT, "jobId": "1"}
                self._answer({**body, "jobReference": job, "status": {"state": "DONE"}})

            def _answer(self, value: Any) -> None:
                content = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


def test_bq_takes_the_commands_that_are_printed(
    objects: dict[str, bytes],
    run: Callable[[], list[str]],
    tmp_path: Path,
) -> None:
    put(objects, PREDICTIONS, "aa-000001", made(0))
    printed = run()
    commands = printed[printed.index("To load all of it into BigQuery:") + 1 :]
    bigquery = BigQuery(Path(os.path.realpath(str(shutil.which("bq")))).parents[1])
    (tmp_path / "bigqueryrc").write_text(f"api = {bigquery.address}/\n")
    (tmp_path / "token").write_text("token")
    env = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSDK_")}
    env |= {
        "BIGQUERYRC": str(tmp_path / "bigqueryrc"),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(tmp_path / "token"),
    }
    threading.Thread(target=bigquery.server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        for command in commands:
            done = subprocess.run(
                command, shell=True, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        bigquery.server.shutdown()
        bigquery.server.server_close()
    dataset, load = bigquery.posted
    assert dataset["datasetReference"] == {"datasetId": "feedback", "projectId": PROJECT}
    assert dataset["location"] == REGION
    job = load["configuration"]["load"]
    assert job["sourceUris"] == ["gs://ours/f/predictions/*"]
    assert job["destinationTable"]["tableId"] == "predictions"
    assert job["writeDisposition"] == "WRITE_TRUNCATE"
    columns = [f"{each['name']}:{each['type']}" for each in job["schema"]["fields"]]
    assert ",".join(columns) == lines.COLUMNS[PREDICTIONS]


def request(server: Server, verb: str, path: str, body: Any) -> tuple[int, Message, dict[str, Any]]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request(verb, path, json.dumps(body), headers)
        with connection.getresponse() as answer:
            return answer.status, answer.headers, json.loads(answer.read())


def test_an_instance_without_a_disk_loses_nothing_when_it_is_told_to_end(
    small: Cloud,
    objects: dict[str, bytes],
    run: Callable[[], list[str]],
    store: MergedStore,
    baked_path: Path,
    tmp_path: Path,
) -> None:
    small.part(Machine).account = RUNTIME
    with serving(
        tmp_path,
        K_SERVICE="penguins",
        MODEL_PATH=baked_path,
        PREDICTION_LOG="all",
        FEEDBACK_URI="gs://ours/f",
        GCE_METADATA_HOST=small.address,
        STORAGE_EMULATOR_HOST="http://storage.googleapis.test",
        http_proxy=f"http://{small.address}",
        no_proxy="127.0.0.1",
    ) as instance:
        ids = []
        for _ in range(3):
            status, headers, _ = request(instance, "POST", "/predict", GOOD)
            assert status == 200
            ids.append(headers["X-Prediction-Id"])
        # The truth of another instance's answer may come to this one.
        ids[0] = new_id(NOW)
        for each in ids:
            told = {"prediction_id": each, "label": "Gentoo"}
            assert request(instance, "PUT", "/inference/select", told)[0] == 200
        # All that is told is in the bucket before its answer.
        assert sum("/selections/" in name for name in objects) == 3
        small.fault("POST", "upload", 403)
        status, _, said = request(instance, "PUT", "/inference/select", told)
        assert status == 503
        assert "it cannot be kept now (cannot write gs://ours/f/selections/" in said["detail"]
        assert instance.stop() == 0
    assert "warning" not in instance.log.read_text()
    put(objects, PREDICTIONS, "of-another", made(0, "Gentoo", id=ids[0], version="v1"))
    found = run()
    assert f"{store.folder} has 4 predictions, 3 selections, and counts of 3 answers" in found[1]
    assert "version v1: accuracy 1 (0.2065 to 1) in 1 selections" in found
    assert any("accuracy 1 (0.3424 to 1) in 2 selections" in line for line in found)
    # A service that is started on this folder has it all.
    here = Settings(model_path=str(baked_path), data_dir=str(store.folder.parent))
    recorder.begin(here)
    shown = create_app(here).test_client().get("/content/accuracy").get_json()
    recorder.begin(Settings(prediction_log="off"))
    assert sorted(each["selected"] for each in shown["versions"]) == [1, 2]
    assert sum(1 for _ in store.labelled()) == 3


def test_an_object_that_two_people_add_at_once_is_added_once(tmp_path: Path) -> None:
    store = MergedStore(tmp_path)
    for _ in range(2):
        store.merge("gs://a/statistics/b", STATISTICS, [counted(1)])
    assert [each.answers for each in store.hours(0)] == [1]
