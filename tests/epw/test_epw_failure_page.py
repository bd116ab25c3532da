from pathlib import Path

from invdesflow.epw.failure_page import failure_table, write_failure_table
from invdesflow.espresso.failure_table import FAILURES

PAGE = Path(__file__).parents[2] / "docs/explanation/espresso-errors.md"


def test_the_page_has_the_table_of_the_code(tmp_path):
    assert PAGE.read_text().endswith(f"\n\n{failure_table()}"), "run python -m invdesflow.epw.failure_page on the page"
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text() + "| stale |\n")
    write_failure_table(copy)
    assert copy.read_text() == PAGE.read_text()


def test_every_failure_has_its_row():
    rows = failure_table().splitlines()[2:]
    assert [int(row.split("|")[1]) for row in rows] == sorted(kind.code for kind in FAILURES)
