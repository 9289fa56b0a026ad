"""One SQLite file for several processes and threads: what they write is in the file that is there."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.tasks.database import Database

SCHEMA = ["CREATE TABLE IF NOT EXISTS words (word TEXT)"]


@pytest.fixture(params=["file", "folder"])
def removed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path that somebody removes: of the database, or of its folder."""
    return tmp_path / "own" / "words.db" if request.param == "file" else tmp_path / "own"


@pytest.fixture
def both(tmp_path: Path) -> tuple[Database, Database]:
    """One database, as two processes have it open."""
    path = tmp_path / "own" / "words.db"
    return opened(path), opened(path)


def opened(path: Path, *, durable: bool = False) -> Database:
    return Database(path, SCHEMA, durable=durable)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        for file in path.parent.iterdir():
            file.unlink()


def write(database: Database, word: str) -> None:
    with database.writing() as db:
        db.execute("INSERT INTO words VALUES (?)", (word,))


def words(database: Database) -> list[str]:
    with database.reading() as db:
        return [row["word"] for row in db.execute("SELECT word FROM words")]


def test_a_file_that_was_removed_is_made_anew_for_all_who_have_it_open(
    both: tuple[Database, Database], removed: Path
) -> None:
    for database in both:
        write(database, "old")
    remove(removed)
    for database, word in zip(both, ("one", "two"), strict=True):
        write(database, word)
    assert [words(database) for database in both] == [["one", "two"]] * 2


def test_a_thread_that_comes_once_the_file_was_removed_finds_its_tables(
    both: tuple[Database, Database], removed: Path
) -> None:
    remove(removed)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(words, both[0]).result() == []
    write(both[1], "new")
    assert words(both[0]) == ["new"]


def test_whoever_writes_to_a_file_while_it_is_removed_is_told(
    both: tuple[Database, Database], removed: Path
) -> None:
    def write_and_remove() -> None:
        with both[0].writing(durable=True) as db:
            db.execute("INSERT INTO words VALUES ('lost')")
            remove(removed)

    with pytest.raises(OSError, match="was removed while it was written"):
        write_and_remove()
    assert words(both[0]) == []
    write(both[0], "new")
    assert words(both[1]) == ["new"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.db").write_text("no database" * 100)
    with pytest.raises(OSError, match=r"words\.db cannot be used: file is not a database"):
        opened(tmp_path / "words.db")


def test_a_folder_that_cannot_be_made_anew_is_named(
    both: tuple[Database, Database], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "own")
    (tmp_path / "own").touch()
    with pytest.raises(OSError, match="own"):
        words(both[0])


@pytest.mark.parametrize("all_are", ["durable", ""])
def test_one_transaction_may_survive_a_loss_of_power_where_others_do_not(
    tmp_path: Path, all_are: str
) -> None:
    database = opened(tmp_path / "words.db", durable=bool(all_are))

    def synchronous() -> int:
        with database.reading() as db:
            return int(db.execute("PRAGMA synchronous").fetchone()[0])

    before = synchronous()
    with database.writing(durable=True):
        within = synchronous()
    assert (before, within, synchronous()) == ((2, 2, 2) if all_are else (1, 2, 1))
