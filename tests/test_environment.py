"""The environment that fits a model: decided before anything is installed, the same for all."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from models import environment, wheels
from models.environment import Environment
from models.explain.tree import OUTPUTS
from models.pickles import LZ4, Content
from models.wheels import Misfit, additions, base_python, required, set_for

ROOT = Path(__file__).parent.parent
X = np.arange(40.0).reshape(20, 2)
FITTED = LogisticRegression().fit(X, [0, 1] * 10)
TREE = DecisionTreeClassifier().fit(X, [0, 1] * 10)
LOCKED = sklearn.__version__


def content(version: str, *modules: str) -> Content:
    return Content(None, tuple((module, "name") for module in modules), (version,))


SETS: list[tuple[str, int, list[str]]] = [
    ("1.5.2", 11, ["scikit-learn==1.5.2", "numpy<2.3", "scipy<1.16", "pandas<3"]),
    ("1.3.0", 11, ["scikit-learn==1.3.0", "numpy<2", "scipy<1.12", "pandas<2.2"]),
    # Only a later patch version has wheels for this Python; the form of the file is the same.
    ("1.1.1", 11, ["scikit-learn==1.1.3", "numpy<1.26", "scipy<1.11", "pandas<2.1"]),
    ("1.5.0", 13, ["scikit-learn==1.5.2", "numpy<2.3", "scipy<1.16", "pandas<3"]),
    ("1.8.0", 14, ["scikit-learn==1.8.0"]),
    ("1.99.0", 14, ["scikit-learn==1.99.0"]),
]


@pytest.mark.parametrize(("version", "python", "expected"), SETS)
def test_what_was_new_with_a_version_is_installed_with_it(
    version: str, python: int, expected: list[str]
) -> None:
    assert set_for(version, python) == expected


def test_a_file_of_numpy_2_gets_numpy_2() -> None:
    assert set_for("1.4.0", 11, numpy_2=True)[:2] == ["scikit-learn==1.4.2", "numpy>=2,<2.1"]
    found = additions(content("1.4.2", "numpy._core.multiarray"), "", LOCKED, 11, lz4=False)
    assert "numpy>=2,<2.1" in found


MISFITS = [
    ("1.2.2", 13, "there is for Python 3.8 to 3.11, and this is Python 3.13: make run PYTHON=python3.11"),
    ("1.8.0", 10, "there is for Python 3.11 to 3.14, and this is Python 3.10: make run PYTHON=python3.11"),
    ("1.0.2", 11, "Python 3.7 to 3.10 only.* load it with scikit-learn 1.0.2 .* fit it again .* save it again"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "python", "sentence"), MISFITS)
def test_the_python_that_has_a_version_is_named(version: str, python: int, sentence: str) -> None:
    with pytest.raises(Misfit, match=sentence):
        set_for(version, python)


@pytest.mark.parametrize(
    ("version", "python"), [(LOCKED, 13), ("1.5.2", 13), ("1.4.2", 12), ("1.1.3", 11), ("1.99", 13)]
)
def test_an_image_is_made_of_the_newest_python_that_has_the_version(
    version: str, python: int
) -> None:
    assert base_python(content(version)) == python


def test_an_image_of_no_python_is_refused() -> None:
    assert base_python(Content(None, (), ())) == 13
    with pytest.raises(
        Misfit, match=r"scikit-learn 1.0.2, which there is for Python 3.7 to 3.10 only"
    ):
        base_python(content("1.0.2"))


def test_the_lines_of_a_requirements_file_are_read() -> None:
    text = (
        "# a comment\n-r other.txt\nscikit_learn == 1.5.2\nlightgbm>=4\nxgboost[gpu]==2.0 ; x\n\n"
    )
    assert required(text) == {"scikit-learn": "1.5.2", "lightgbm": "", "xgboost": "2.0"}


ADDITIONS: list[tuple[str, Content, str, bool, list[str]]] = [
    ("the locked version", content(LOCKED), "", False, []),
    ("a patch version beside it", content(LOCKED.rpartition(".")[0] + ".7"), "", False, []),
    ("lz4", content(LOCKED), "", True, ["lz4"]),
    ("an older version", content("1.8.0"), "", False, ["scikit-learn==1.8.0"]),
    ("no version", Content(None, (), ()), "", False, []),
    ("a line that says another", content("1.5.2"), "scikit-learn==1.8.0", False, []),
    ("lines of one's own", content("1.5.2"), "scikit-learn==1.5.2\npandas==2.1", False, ["numpy<2.3", "scipy<1.16"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("read", "extra", "lz4", "expected"),
    [row[1:] for row in ADDITIONS],
    ids=[row[0] for row in ADDITIONS],
)
def test_ones_own_requirements_go_before_what_the_file_asks_for(
    read: Content, extra: str, lz4: Any, expected: list[str]
) -> None:
    assert additions(read, extra, LOCKED, 11, lz4=lz4) == expected


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small locks, in which an environment is made in a second."""
    lines = (ROOT / "requirements-slim.lock").read_text()
    first = lines[lines.index("blinker==") : lines.index("click==")]
    (tmp_path / "requirements-pandas.lock").write_text(
        first + f"# scikit-learn\nscikit-learn=={LOCKED}\n"
    )
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Recorder(Environment):
    """An environment that says what it would install, and is as full as it is told."""

    def __init__(self, *have: str) -> None:
        super().__init__(Path("nowhere"))
        self.have, self.asked = have, None

    def has(self, module: str) -> bool:
        return module.partition(".")[0] in self.have

    def need(self, lock: str, wanted: list[str], extra: str) -> None:
        self.asked = (lock, wanted, extra)  # type: ignore[assignment]


def saved(folder: Path, value: Any, *, module: str = "", version: str = LOCKED) -> Path:
    """A file of a model whose class is said to be in another module, saved by another version."""
    raw = pickle.dumps(value, protocol=2).replace(LOCKED.encode(), version.encode())
    if module:
        own = b"sklearn.linear_model._logistic"
        raw = raw.replace(own, module.encode())
    (folder / "m.joblib").write_bytes(raw)
    return folder / "m.joblib"


def test_all_reasons_are_said_before_anything_is_installed(project: Path) -> None:
    path = saved(project, {"model": FITTED}, module="mymodule", version="1.0.2")
    recorder = Recorder()
    with pytest.raises(Misfit) as misfit:
        environment.fit(path, recorder, environment.RUN)
    said = str(misfit.value)
    assert "cannot be served for 3 reasons: (1) it was saved with scikit-learn 1.0.2" in said
    assert "(2) it holds a builtins.dict" in said
    assert "(3) it needs LogisticRegression of the module mymodule" in said
    assert recorder.asked is None


@pytest.mark.parametrize(
    ("module", "extra", "have", "file", "served"),
    [
        ("mymodule", "", (), "", False),
        ("mymodule", "", ("mymodule",), "", True),
        ("mymodule", "", (), "mymodule.py", True),
        ("models.steps", "", (), "", False),
        ("models.steps", "", (), "models/steps.py", True),
        ("models.steps", "their-package", (), "", False),
        ("lightgbm.sklearn", "", (), "", False),
        ("lightgbm.sklearn", "lightgbm", (), "", True),
        ("lightgbm.sklearn", "", ("lightgbm",), "", True),
        # What a line installs is seen once it is.
        ("mymodule", "their-package", (), "", True),
        ("mymodule", "scikit-learn", (), "", False),
    ],
)  # fmt: skip
def test_what_is_missing_is_known_before_it_is_installed(
    module: str, extra: str, have: tuple[str, ...], file: str, served: Any, project: Path
) -> None:
    path = saved(project, FITTED, module=module)
    if extra:
        (project / "models" / "requirements.txt").write_text(extra)
    if file:
        (project / file).write_text("")
    recorder = Recorder(*have)
    if served:
        environment.fit(path, recorder, environment.RUN)
        assert recorder.asked == (environment.RUN, [], extra)
    else:
        with pytest.raises(Misfit, match=module.partition(".")[0]):
            environment.fit(path, recorder, environment.RUN)


@pytest.mark.parametrize(
    ("estimator", "version", "lock"),
    [
        (TREE, LOCKED, environment.EXPLAIN),
        (TREE, "1.8.0", environment.RUN),
        (FITTED, LOCKED, environment.RUN),
    ],
)
def test_shap_is_installed_for_trees_beside_the_locked_scikit_learn_only(
    estimator: Any, version: str, lock: str, project: Path
) -> None:
    (project / environment.EXPLAIN).write_text(f"scikit-learn=={LOCKED}\n")
    recorder = Recorder()
    environment.fit(saved(project, estimator, version=version), recorder, environment.EXPLAIN)
    assert recorder.asked[0] == lock


def test_shap_is_installed_for_each_class_that_it_explains_and_no_other() -> None:
    found = {name for name, _ in all_estimators() if wheels.TREES.fullmatch(name)}
    assert found == set(OUTPUTS)


def test_a_missing_file_needs_no_more_than_the_lock(project: Path) -> None:
    recorder = Recorder()
    environment.fit(project / "missing.joblib", recorder, environment.RUN)
    assert recorder.asked == (environment.RUN, [], "")


def test_a_wrong_path_leaves_an_environment_as_it_is(project: Path) -> None:
    (project / environment.EXPLAIN).write_text(f"scikit-learn=={LOCKED}\n")
    recorder = Recorder()
    recorder.is_made = True
    recorder.installed = lambda: {"lock": environment.RUN, "wanted": ["scikit-learn==1.8.0"]}  # type: ignore[method-assign]
    environment.fit(project / "missing.joblib", recorder, environment.EXPLAIN)
    assert recorder.asked == (environment.RUN, ["scikit-learn==1.8.0"], "")
    environment.fit(environment.NO_MODEL, recorder, environment.RUN)
    assert recorder.asked == (environment.RUN, [], "")


def test_lz4_is_installed_for_a_file_that_it_compresses(project: Path) -> None:
    path = project / "m.joblib"
    path.write_bytes(
        LZ4 + b"\x40\x70\x00" + (5 | 1 << 31).to_bytes(4, "little") + b"\x80\x02]q." + bytes(4)
    )
    assert environment.look(path)[1]


def installed(place: Environment) -> set[str]:
    """The packages of an environment, with its own Python's word."""
    program = "from importlib.metadata import distributions as d; print(*(x.name for x in d()))"
    out = subprocess.run([place.python, "-c", program], capture_output=True, text=True, check=True)
    return set(out.stdout.split()) - {"pip", "setuptools", "uv"}


def test_the_environment_is_made_changed_and_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    slim = (ROOT / "requirements-slim.lock").read_text()
    (tmp_path / "small.lock").write_text(
        re.search(r"^itsdangerous==(.*\n)+?(?= +#)", slim, re.MULTILINE)[0]
    )
    (tmp_path / "requirements-uv.lock").write_text((ROOT / "requirements-uv.lock").read_text())
    folder = tmp_path / "env"
    assert not Environment(folder).is_made
    Environment(folder).need("small.lock", [], "")
    place = Environment(folder)
    assert (place.is_made, place.version) == (True, sys.version_info.minor)
    assert installed(place) == {"itsdangerous"}
    assert place.has("itsdangerous.timed")
    assert not place.has("lz4")
    (tmp_path / "models" / "requirements.txt").write_text("blinker\n")
    place.need("small.lock", ["lz4"], "blinker\n")
    assert installed(place) == {"itsdangerous", "lz4", "blinker"}
    assert "The model needs lz4" in capfd.readouterr().err
    place.need("small.lock", [], "blinker\n")
    assert installed(place) == {"itsdangerous", "blinker"}
    place.need("small.lock", [], "")
    assert installed(place) == {"itsdangerous"}
    stamp = (folder / ".installed").stat().st_mtime_ns
    place.need("small.lock", [], "")
    assert (folder / ".installed").stat().st_mtime_ns == stamp
    with pytest.raises(SystemExit, match="the environment cannot be made: .* ended with"):
        place.need("small.lock", ["no such package"], "")
    assert place.installed() == {}


def test_another_python_that_is_given_remakes_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "lib" / "python3.9").mkdir(parents=True)
    assert Environment(tmp_path).version == 9
    assert not Environment(tmp_path, given=True).is_made


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["environment", *map(str, arguments)])
    environment.main()


def test_the_command_says_the_python_of_the_image(project: Path) -> None:
    command = (sys.executable, "-m", "models.environment", "--base")
    path = saved(project, FITTED, version="1.4.2")
    out = subprocess.run([*command, path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout == "3.12\n"


def test_the_command_ends_with_one_sentence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="^error: .*m.joblib holds a builtins.dict"):
        run(monkeypatch, saved(project, {"model": FITTED}), "--lock", environment.RUN)


def test_the_command_keeps_what_tests_need_where_it_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(sys, "argv", ["environment"])
    monkeypatch.setattr(Environment, "has", lambda *_: True)
    monkeypatch.setattr(Environment, "need", lambda _, *args: asked.append(args))
    (project / environment.DEVELOP).write_text(f"scikit-learn=={LOCKED}\n")
    environment.main()
    assert asked == [(environment.DEVELOP, [], "")]


@pytest.mark.parametrize(
    ("estimator", "kept"),
    [
        (FITTED, False),
        (
            make_pipeline(FunctionTransformer(os.path.basename, validate=True), StandardScaler()),
            True,
        ),
    ],
    ids=["of scikit-learn alone", "with code of its own"],
)
def test_pandas_stays_where_the_model_may_need_it(
    estimator: Any, kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    path = tmp_path / "latest.joblib"
    joblib.dump(estimator, path)
    if kept:
        path.write_bytes(path.read_bytes().replace(b"posixpath", b"mysteps01"))
    asked: list[Any] = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Environment, "_run", lambda *command: asked.append(command))
    monkeypatch.setattr(sys, "argv", ["environment", "--drop-pandas", str(path)])
    environment.main()
    assert ("The model needs pandas: the image gets it" in capsys.readouterr().out) is kept
    assert any("pandas" in command for command in asked) is not kept


@pytest.mark.parametrize("imported", ["", "from numpy._core.tests._natype import pd_NA"])
def test_the_packages_tests_go_but_what_numpy_imports_of_its_own(
    imported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    own = packages / "numpy" / "_core" / "tests"
    others = packages / "scipy" / "tests" / "test"
    for folder in (own, others, packages / "numpy" / "testing" / "_private"):
        folder.mkdir(parents=True)
    (packages / "numpy" / "testing" / "_private" / "utils.py").write_text(imported)
    (packages / "scipy" / "test").write_text("")
    run(monkeypatch, "--strip", "--folder", tmp_path)
    assert own.exists() is bool(imported)
    assert not others.parent.exists()


def test_an_image_has_openmp_by_the_name_that_lightgbm_looks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = tmp_path / "lib/python3.13/site-packages/scikit_learn.libs/libgomp-ab12.so.1.0.0"
    bundled.parent.mkdir(parents=True)
    bundled.write_text("OpenMP")
    for _ in range(2):
        run(monkeypatch, "--strip", "--folder", tmp_path)
    assert (tmp_path / "lib" / "libgomp.so.1").read_text() == "OpenMP"
    assert "LD_LIBRARY_PATH=/venv/lib" in (ROOT / "Dockerfile").read_text()


def test_the_lock_of_the_installer_is_that_of_the_tests() -> None:
    development = required((ROOT / environment.DEVELOP).read_text())
    assert required((ROOT / environment.INSTALLER).read_text()) == {"uv": development["uv"]}


def test_a_model_is_baked_again_only_if_it_or_the_code_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latest.joblib"

    def status() -> Any:
        with pytest.raises(SystemExit) as end:
            run(monkeypatch, "--is-baked", path)
        return end.value.code

    path.touch()
    assert status() == 1
    with pytest.raises(SystemExit, match="True"):
        run(monkeypatch, "--is-baked", "")
    path.with_suffix(".plan.npz").touch()
    assert status() == 0
    os.utime(path, (time.time() + 60, time.time() + 60))
    assert status() == 1


def test_the_image_copies_all_that_the_environment_is_made_with(tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^COPY (.*models/environment.py .*) models/$", text, re.MULTILINE)
    (tmp_path / "models").mkdir()
    for name in line.split():
        shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-S", "-m", "models.environment", "--base", "/dev/null"]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout == "3.13\n"
