"""Quantum ESPRESSO without its programs: pw.x, ph.x, q2r.x, matdyn.x and projwfc.x play recorded runs.

Use it with ``pytest_plugins = ["invdesflow.testing.mock_espresso"]``; `invdesflow.testing.mock_epw` adds epw.x.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from invdesflow.settings import get_settings
from invdesflow.testing.recorded_runs import RecordedRun
from invdesflow.testing.replay import read_journal

__all__ = ["MockEspresso", "mock_espresso"]

_PROGRAMS = ("pw.x", "ph.x", "q2r.x", "matdyn.x", "projwfc.x")
_EXECUTABLE = """#!{python}
import sys
from pathlib import Path

from invdesflow.testing.replay import main

sys.exit(main({program!r}, Path(__file__).parent, sys.argv[1:]))
"""


@dataclass(frozen=True)
class MockEspresso:
    """A folder of executables that play recorded runs.

    Attributes
    ----------
    folder
        The folder, for the setting ``espresso_bin``.
    """

    folder: Path

    @classmethod
    def install(cls, folder: Path, programs: Sequence[str] = _PROGRAMS) -> "MockEspresso":
        """Write the executables, which know no runs yet.

        Parameters
        ----------
        folder
            Where to write them.
        programs
            Which ones.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for program in programs:
            path = folder / program
            path.write_text(_EXECUTABLE.format(python=sys.executable, program=program))
            path.chmod(0o755)
        (folder / "cases").touch()
        return cls(folder)

    def use(self, *cases: Path) -> None:
        """Let them play more recorded runs.

        Parameters
        ----------
        cases
            Folders of recorded runs. Several of one input are played in the order in which they are given, the last one
            ever after.

        Raises
        ------
        ValueError
            If a case is of a program that is not here.
        """
        for case in cases:
            program = RecordedRun.of(case).program
            if not (self.folder / program).exists():
                raise ValueError(f"{case} is a run of {program}, which is not mocked here")
        with (self.folder / "cases").open("a") as file:
            file.writelines(f"{case.absolute()}\n" for case in cases)

    @property
    def played(self) -> list[str]:
        """Names of the cases that were played, in order."""
        return [entry["case"] for entry in read_journal(self.folder)]


@pytest.fixture
def mock_espresso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockEspresso]:
    """Put mocks of the programs of Quantum ESPRESSO, but not epw.x, in the place of the real ones."""
    mock = MockEspresso.install(tmp_path / "mock_bin")
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(mock.folder))
    get_settings.cache_clear()
    yield mock
    get_settings.cache_clear()
