"""Models of other libraries answer as they do themselves, and no thread pool of theirs hangs.

They lie in an environment of their own, which has our locked packages beside them.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
import subprocess
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import clients, tables
from tests.test_serving import ROOT, Server, serving

CLIENTS = 32
REQUESTS = 64
LIBRARIES = {
    "lightgbm": "4.7.0",
    "xgboost-cpu": "3.2.0",
    "catboost": "1.2.10",
    "imbalanced-learn": "0.14.2",
    "category-encoders": "2.11.2",
    "feature-engine": "1.9.4",
}
# The models that tests/clients/libraries_fit.py fits, and the library that each is a test of.
MODELS = {
    "LightGBM classifier": "lightgbm",
    "LightGBM regressor": "lightgbm",
    "LightGBM ranker": "lightgbm",
    "LightGBM category columns": "lightgbm",
    "LightGBM ordered category": "lightgbm",
    "LightGBM column named as categorical": "lightgbm",
    "LightGBM categories passed on": "lightgbm",
    "LightGBM behind other columns": "lightgbm",
    "XGBoost classifier": "xgboost-cpu",
    "XGBoost regressor": "xgboost-cpu",
    "XGBoost gblinear": "xgboost-cpu",
    "XGBoost category columns": "xgboost-cpu",
    "XGBoost categories by number": "xgboost-cpu",
    "XGBoost flags and DART": "xgboost-cpu",
    "XGBoost in a search": "xgboost-cpu",
    "CatBoost classifier": "catboost",
    "CatBoost regressor": "catboost",
    "CatBoost category columns": "catboost",
    "CatBoost text": "catboost",
    "imbalanced-learn pipeline": "imbalanced-learn",
    "category_encoders target encoder": "category-encoders",
    "feature-engine imputers and encoder": "feature-engine",
}
# How often the server is started with one model of each library: of those that have a thread pool
# more than once, since a hang is a matter of chance.
STARTS = {
    "LightGBM classifier": 3,
    "XGBoost classifier": 3,
    "CatBoost category columns": 3,
    "imbalanced-learn pipeline": 1,
    "category_encoders target encoder": 2,
    "feature-engine imputers and encoder": 2,
}
REFUSED = {
    "LightGBM two ordered categories": "fit it on frame[column].cat.as_unordered()",
    "XGBoost 3.0": "fit it with XGBoost 3.1 or newer, or behind an OrdinalEncoder",
    "XGBoost not ASCII": "XGBoost 3 cuts the names of categories that are not ASCII",
    "CatBoost not fitted": "holds a CatBoostRegressor that is not fitted",
}


@pytest.fixture(scope="module")
def place() -> Path:
    """The environment: our packages as they are locked, what measures coverage, and theirs."""
    lock = (ROOT / "requirements-pandas.lock").read_text()
    ours = re.findall(r"^(\S+==\S+)", lock, re.MULTILINE)
    theirs = [f"{name}=={number}" for name, number in LIBRARIES.items()]
    tools = [f"{name}=={version(name)}" for name in ("coverage", "pytest")]
    return clients.environment("libraries", *ours, *tools, *theirs)


@pytest.fixture(scope="module")
def folder(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models, what they answer themselves, and what the service does."""
    folder = tmp_path_factory.mktemp("libraries")
    for script in ("libraries_fit.py", "libraries_serve.py"):
        result = clients.run(place, script, folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def own(folder: Path) -> Any:
    return json.loads((folder / "own.json").read_text())


@pytest.fixture(scope="module")
def served(folder: Path) -> Any:
    return json.loads((folder / "served.json").read_text())


def is_equal(expected: Any, got: Any) -> bool:
    """Whether labels are equal, and numbers to their last bits.

    A product of matrices differs there by the number of rows.
    """
    numbers = not isinstance(expected[0], str)
    return np.allclose(got, expected, rtol=1e-12, atol=0) if numbers else got == expected


@pytest.mark.parametrize("way", ["together", "alone"])
@pytest.mark.parametrize("name", MODELS)
def test_rows_are_answered_as_the_model_answers_its_frame(
    own: Any, served: Any, name: str, way: str
) -> None:
    for method, answers in own[name]["answers"].items():
        assert is_equal(answers, served[name][way][method])


@pytest.mark.parametrize("name", MODELS)
def test_the_names_are_those_of_the_frame_and_the_example_is_answered(
    own: Any, served: Any, name: str
) -> None:
    features = served[name]["metadata"]["features"]
    assert [feature["name"] for feature in features] == list(own[name]["rows"][0])
    assert isinstance(served[name]["example"], list)


@pytest.mark.parametrize("name", ["LightGBM category columns", "CatBoost category columns"])
def test_a_new_category_is_what_the_library_takes_it_for(own: Any, served: Any, name: str) -> None:
    (row, answer), *_ = own[name]["odd"]
    assert row["city"] == "Lima"
    assert served[name]["odd"][0] == answer


def test_a_new_category_is_refused_where_xgboost_has_no_name_for_it(served: Any) -> None:
    found = served["XGBoost category columns"]["odd"][0]
    assert re.fullmatch('expected one of "?Rome"?, "?Oslo"?, "?Bern"?', found)


@pytest.mark.parametrize("name", ["LightGBM category columns", "XGBoost category columns"])
def test_a_missing_category_is_answered_as_that_of_a_frame(
    own: Any, served: Any, name: str
) -> None:
    assert served[name]["odd"][1] == own[name]["odd"][1][1]


def test_catboost_takes_no_missing_category(own: Any, served: Any) -> None:
    assert own["CatBoost category columns"]["odd"][1][1] is None
    assert "takes no missing value" in served["CatBoost category columns"]["odd"][1]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("LightGBM category columns", 'a string, such as "?Rome"?, "?Oslo"?, "?Bern"?, got'),
        ("XGBoost category columns", 'one of "?Rome"?, "?Oslo"?, "?Bern"?, got'),
    ],
)
def test_the_code_of_a_category_is_refused(served: Any, name: str, sentence: str) -> None:
    assert re.search(f"^expected {sentence}", served[name]["coded"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_tell_its_categories_is_not_served(served: Any, name: str) -> None:
    assert REFUSED[name] in served[name]["error"]


def ask(server: Server, facts: dict[str, Any]) -> dict[str, list[Any]]:
    """Each row in a request of its own, again and again, from many clients at once."""
    rows = [facts["rows"][i % len(facts["rows"])] for i in range(REQUESTS)]
    found = {}
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for method in facts["answers"]:
            answers = pool.map(partial(server.post, f"/{method}"), rows)
            found[method] = [answer["predictions"][0] for answer in answers]
    return found


@pytest.mark.parametrize("name", STARTS)
def test_many_clients_are_answered_after_each_start(
    place: Path, folder: Path, own: Any, name: str
) -> None:
    facts = own[name]
    for _ in range(STARTS[name]):
        with serving(
            folder,
            python=place / "bin" / "python",
            traced=False,
            MODEL_PATH=folder / f"{name}.joblib",
            ENGINE="sklearn",
            PROCESSES=2,
            TIMEOUT=10,
        ) as server:
            found = ask(server, facts)
        for method, answers in facts["answers"].items():
            expected = [answers[i % len(answers)] for i in range(REQUESTS)]
            assert is_equal(expected, found[method])


def test_their_trees_and_pipelines_are_compiled(place: Path) -> None:
    options = ["-q", "--noconftest", "-p", "tests.plan.conftest", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [place / "bin" / "python", "-m", "pytest", *options, "tests/plan/libraries.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_the_docs_say_so(own: Any, served: Any) -> None:
    lines = [
        "| library | version | model | engine | rows equal | starts under 32 clients, hangs |",
        "|---|---|---|---|---|---|",
    ]
    for name, library in MODELS.items():
        plan = [method for method in own[name]["answers"] if method in served[name]["plan"]]
        engine = f"plan: {', '.join(plan)}" if plan else "its own"
        equal = all(
            is_equal(answers, served[name]["together"][method])
            for method, answers in own[name]["answers"].items()
        )
        starts = f"{STARTS[name]}, 0" if name in STARTS else ""
        lines.append(
            f"| {library} | {LIBRARIES[library]} | {name} | {engine} | "
            f"{'all' if equal else 'not all'} | {starts} |"
        )
    tables.check_table("libraries", "\n".join(lines))
