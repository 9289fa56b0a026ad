"""The command of a package: files and pipes of any size, and a sentence where a row is wrong."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from models.model import Model
from models.packaging import command, stream
from tests.checkout import ROOT
from tests.packaging.conftest import DATA, Installed

HEAD = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\n"
ROW = "Torgersen,39.1,18.7,181,3750,male\n"
Run = Callable[..., str]


@pytest.fixture
def run(
    model: Model, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes],
) -> Run:  # fmt: skip
    """Run the command on a text, and take what it prints; an error is raised."""

    def run(text: str | bytes, *options: str, name: str = "in.csv", by: Model = model) -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        command.main(by, "penguins-predict", "0.1.0", [str(path), *options])
        return capfdbinary.readouterr().out.decode()

    return run


def refused(run: Run, text: str | bytes, *options: str, **how: Any) -> str:
    """The sentence that the command ends with, without the folder of the file."""
    with pytest.raises(SystemExit) as ended:
        run(text, *options, **how)
    first, _, rest = str(ended.value.code).partition("/")
    return first + rest.rpartition("/")[2] if rest else first


@pytest.mark.parametrize("options", [(), ("--proba",)])
def test_answers_are_those_of_the_service_in_csv(
    installed: Installed, penguins: FlaskClient, rows: pd.DataFrame, options: tuple[str, ...]
) -> None:
    body = rows.to_csv(index=False).encode()
    path = "/predict_proba" if options else "/predict"
    answer = penguins.post(path, data=body, content_type="text/csv", headers={"Accept": "text/csv"})
    done = installed.run("penguins-predict", "-", *options, input=body)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == answer.data


def test_lines_of_json_are_answered_by_lines_of_json(run: Run, rows: pd.DataFrame) -> None:
    text = rows.to_json(orient="records", lines=True)
    found = [
        json.loads(line) for line in run(text, "--ndjson", "--proba", name="in.jsonl").splitlines()
    ]
    table = pd.read_csv(io.StringIO(run(rows.to_csv(index=False), "--proba")))
    assert found == table.to_dict("records")


def test_one_answer_a_row_has_the_name_of_its_column(run: Run) -> None:
    assert run(HEAD + ROW, "--ndjson") == '{"prediction":"Adelie"}\n'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HEAD + ROW, "in.csv"),
        ((HEAD + ROW).replace(",", "\t"), "in.tsv"),
        ((HEAD + ROW).replace(",", ";").replace("39.1", "39,1").replace("18.7", "18,7"), "in.csv"),
        ('{"island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181, "body_mass_g": 3750, "sex": "male"}', "in"),
        ('["Torgersen", 39.1, 18.7, 181, 3750, "male"]\n', "in.ndjson"),
    ],
)  # fmt: skip
def test_texts_are_read_as_the_service_reads_them(run: Run, text: str, name: str) -> None:
    assert run(text, name=name) == "prediction\nAdelie\n"


def test_columns_that_are_no_features_are_left_out_if_that_is_said(run: Run) -> None:
    text = DATA.read_text()
    assert refused(run, text) == (
        "error: in.csv, line 1, species: is not a feature of the model; --ignore leaves such names "
        "out (and 1 more)"
    )
    assert len(run(text, "--ignore").splitlines()) == len(text.splitlines())


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (HEAD + 2 * ROW + ROW.replace("3750", "heavy"), "in.csv", "in.csv, line 4, body_mass_g: expected a number, got a string"),
        (HEAD + "\n\n" + ROW + "\n" + ROW.replace("3750", "heavy"), "in.csv", "in.csv, line 6, body_mass_g: expected a number, got a string"),
        (HEAD + '"Torgersen",39.1,18.7,181,"3750\n",male\n' + ROW.replace("181", "x"), "in.csv", "in.csv, line 4, flipper_length_mm: expected a number, got a string"),
        (HEAD + ROW + "Torgersen,39.1\n", "in.csv", "in.csv, line 3: expected 6 fields, got 2"),
        (HEAD + ROW + '"Torgersen', "in.csv", "in.csv: The body is not CSV: unexpected end of data in line 3"),
        ("", "in.csv", "in.csv: expected a header row with the names of the features"),
        (HEAD, "in.csv", "in.csv: expected at least one sample"),
        ("", "in.ndjson", "in.ndjson: expected at least one sample"),
        ("island\nDream\n", "in.csv", "in.csv, line 1, bill_length_mm: the header lacks this feature (and 4 more)"),
        ('["Dream", 1, 2, 3, 4, "male"]\n\n["Dream", 1, 2, 3, "heavy", "male"]\n', "in.ndjson", "in.ndjson, line 3: body_mass_g: expected a number, got a string"),
        ('["Dream", 1, 2, 3, 4, "male"]\n{"a": \n', "in.ndjson", "in.ndjson: The body is not JSON: Expecting value at line 2: column 7. It ends too early: it was cut, or its Content-Length is too small"),
        ((HEAD + ROW).encode() + b"\xff\n", "in.csv", "in.csv: The body is not UTF-8: invalid start byte at byte 104"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_told_with_its_line(run: Run, text: Any, name: str, sentence: str) -> None:
    assert refused(run, text, name=name) == f"error: {sentence}"


def test_what_was_written_before_a_wrong_row_stays(
    run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = HEAD + command.CHUNK_ROWS * ROW + ROW.replace("3750", "heavy")
    line = command.CHUNK_ROWS + 2
    assert f"in.csv, line {line}, body_mass_g: " in refused(run, text)
    assert capfdbinary.readouterr().out.decode() == "prediction\n" + command.CHUNK_ROWS * "Adelie\n"


def test_decimal_commas_and_points_in_one_table_are_refused(run: Run) -> None:
    commas, points = "Dream;39,1;18,7;181;3750;male\n", "Dream;39.1;18.7;181;3750;male\n"
    text = HEAD.replace(",", ";") + command.CHUNK_ROWS * commas + points
    assert "have a decimal comma, and others a point" in refused(run, text)


def test_a_file_that_is_not_there_is_told(model: Model, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"none.csv: No such file or directory"):
        command.main(model, "penguins-predict", "0.1.0", [str(tmp_path / "none.csv")])


def test_a_model_without_probabilities_says_so(run: Run, model: Model) -> None:
    other = msgspec.structs.replace(model, methods=("predict",))
    sentence = (
        "error: --proba: this Pipeline → LogisticRegression has no predict_proba; it has predict"
    )
    assert refused(run, HEAD + ROW, "--proba", by=other) == sentence


def test_a_model_whose_rows_depend_on_each_other_answers_those_of_one_call(
    run: Run, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.engine, "batchable", False)
    assert run(HEAD + ROW) == "prediction\nAdelie\n"
    text = HEAD + (command.CHUNK_ROWS + 1) * ROW
    assert f"in.csv: over {command.CHUNK_ROWS:,} rows, and this Pipeline" in refused(run, text)


def test_a_row_that_the_model_refuses_is_told_with_its_line(
    run: Run, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str, rows: list[Any]) -> Any:
        if any(row[1] == 0 for row in rows):
            raise ValueError("no bill")
        return np.array(["Adelie"] * len(rows))

    monkeypatch.setattr(model.engine, "run", refuse)
    text = HEAD + ROW + ROW.replace("39.1", "0")
    assert refused(run, text) == "error: in.csv, line 3: the model refuses this row: no bill"


PIPE = """
import sys
from pathlib import Path
from models.packaging import command, plan_model
command.main(plan_model.load(Path(sys.argv[1])), "penguins-predict", "0.1.0", sys.argv[2:])
"""


def piped(model: Model, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    folder = Path(model.path).parent
    return subprocess.Popen([sys.executable, "-c", PIPE, folder, *arguments], cwd=ROOT, **options)


def test_whoever_reads_may_stop_early(model: Model) -> None:
    process = piped(
        model, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.close()
    _, said = process.communicate((HEAD + 50_000 * ROW).encode(), timeout=30)
    assert (process.returncode, said) == (0, b"")


def test_a_person_may_stop_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "answers", stopped)
    with pytest.raises(SystemExit) as ended:
        run(HEAD + ROW)
    assert ended.value.code == 130


def test_a_long_run_tells_a_terminal_how_far_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(stream, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(stream, "TELL_SECONDS", 0.0)
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    said.isatty = lambda: True  # type: ignore[method-assign]
    run(HEAD + ROW)
    assert re.fullmatch(r"\r1 rows, 100%, [\d,]+ a second\r +\r", said.getvalue())


def test_without_any_input_a_person_is_told_what_to_name(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: True))
    with pytest.raises(SystemExit, match="there is no input: name a file of CSV or NDJSON"):
        command.main(model, "penguins-predict", "0.1.0", [])


def test_neighbors_have_a_column_for_distances_and_one_for_indices(
    run: Run, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = msgspec.structs.replace(model, methods=("kneighbors",))
    found = np.array([[0.5, 1.5]]), np.array([[3, 4]])
    monkeypatch.setattr(model.engine, "run", lambda *_: found)
    assert run(HEAD + ROW, by=other) == 'distances,indices\n"[0.5,1.5]","[3,4]"\n'
    assert run(HEAD + ROW, "--ndjson", by=other) == '{"distances":[0.5,1.5],"indices":[3,4]}\n'


def test_outputs_have_a_column_for_each_class(
    run: Run, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = msgspec.structs.replace(model, classes=[["a", "b"], ["c", "d"]])
    found = [np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])]
    monkeypatch.setattr(model.engine, "run", lambda *_: found)
    assert run(HEAD + ROW, "--proba", by=other) == "0_a,0_b,1_c,1_d\n0.5,0.5,0.25,0.75\n"
    expected = '{"0_a":0.5,"0_b":0.5,"1_c":0.25,"1_d":0.75}\n'
    assert run(HEAD + ROW, "--proba", "--ndjson", by=other) == expected


MEMORY = """
import resource, sys
from pathlib import Path
import penguins
from penguins._engine.packaging import command
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
penguins.predict([penguins.card["example"]])
begun = peak()
command.main(penguins.model, "penguins-predict", "0.1.0", [sys.argv[1]])
print(peak() - begun, file=sys.stderr)
"""


def test_many_rows_take_the_memory_of_one_chunk(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(HEAD + 100_000 * ROW)
    done = installed.run("python", "-c", MEMORY, path)
    assert len(done.stdout.splitlines()) == 100_001
    assert float(done.stderr) < 60
