"""The coupling along the path of the phonon bands: which question a run is of, and what is read of it."""

import shutil
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.epw.outputs import CoarseOutput, FineOutput, WannierOutput
from invdesflow.epw.path_jobs import PathCouplingMaker, read_path_couplings
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.tasks import Task, Way, task_path

RECORDED = Path(__file__).parents[1] / "data/epw/al_linewidths_path"
STRUCTURE = Structure(Lattice([[0, 1.985, 1.985], [1.985, 0, 1.985], [1.985, 1.985, 0]]), ["Al"], [[0, 0, 0]])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Task, Way]]:
    """What would have been run."""
    found: list[tuple[Task, Way]] = []

    def perform(task: Task, _calculation: object, _read: object, way: Way) -> Task:
        found.append((task, way))
        return task

    monkeypatch.setattr("invdesflow.epw.path_jobs.perform", perform)
    monkeypatch.setattr("invdesflow.epw.path_jobs.gather_coarse", lambda *_: None)
    monkeypatch.setattr(Calculation, "pseudopotentials", lambda *_: {})
    return found


def fine() -> FineOutput:
    bands = PwOutput(
        task_id="qe-bands",
        structure=STRUCTURE,
        energy_ev=None,
        fermi_energy_ev=8.0,
        pressure_gpa=None,
        n_electrons=3.0,
        n_bands=4,
        gap_ev=0.0,
        absolute_magnetisation=None,
    )
    wannier = WannierOutput(
        task_id="qe-wannier",
        projections_task_id="qe-projections",
        nscf=bands,
        bands=bands,
        n_wannier=4,
        skipped=0,
        kept={},
        trials=[],
    )
    return FineOutput(
        coarse=CoarseOutput(task_id="qe-coarse", wannier=wannier), series=[], reason="", fermi_energy_ev=8.0
    )


def test_another_path_is_another_question(asked: list[tuple[Task, Way]], tmp_path: Path) -> None:
    for spacing in (0.03, 0.06, 0.03):
        calculation = Calculation.of("smoke", "a family", overrides={"path_spacing": spacing})
        PathCouplingMaker.make.original(PathCouplingMaker(calculation), fine())
    first, other, again = (task for task, _ in asked)
    assert first.task_id == again.task_id != other.task_id
    asked[0][1].prepare(tmp_path)
    [written] = tmp_path.glob("path-*")
    assert f"filqf = '{written.name}'" in first.input
    assert len(written.read_text().splitlines()) > 100


def test_couplings_are_those_of_the_path_or_refused() -> None:
    shutil.copytree(RECORDED / "outputs", task_path("qe-path"))
    assert read_path_couplings("qe-path", (11, 3)).shape == (11, 3)
    with pytest.raises(EspressoError, match="couplings instead of"):
        read_path_couplings("qe-path", (22, 3))
