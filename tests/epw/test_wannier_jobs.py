"""Which Wannier functions are taken, with recorded ones of aluminium in the place of those that epw.x would make."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from invdesflow.epw.choices import WannierChoice
from invdesflow.epw.outputs import WannierOutput
from invdesflow.epw.parsers.wannier import read_hamiltonian
from invdesflow.epw.wannier_jobs import WannierMaker
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.failure_table import FAILURES
from invdesflow.espresso.failures import Failure
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.parsers.pw_xml import PwResult, read_pw_xml
from invdesflow.espresso.tasks import Way, task_path

DATA = Path(__file__).parents[1] / "data"
RECORDED = DATA / "epw/al_wannier/outputs"
STRUCTURE = Structure(Lattice([[0, 1.985, 1.985], [1.985, 0, 1.985], [1.985, 1.985, 0]]), ["Al"], [[0, 0, 0]])
FERMI_EV = 8.0


def pw_output(task_id: str) -> PwOutput:
    return PwOutput(
        task_id=task_id,
        structure=STRUCTURE,
        energy_ev=None,
        fermi_energy_ev=None,
        pressure_gpa=None,
        n_electrons=3.0,
        n_bands=4,
        gap_ev=0.0,
        absolute_magnetisation=None,
    )


def show_bands(monkeypatch: pytest.MonkeyPatch, points: NDArray[np.float64], energies_ev: NDArray[np.float64]) -> None:
    """Let these be the bands of pw.x."""
    found = read_pw_xml(DATA / "pw/al_nscf/outputs/out/crystal.save/data-file-schema.xml")
    values = {name: getattr(found, name) for name in found.__slots__}
    result = PwResult(**values | {"k_points": points, "eigenvalues_ev": energies_ev})
    monkeypatch.setattr("invdesflow.epw.wannier_jobs.read_pw", lambda _: result)


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of run folders, one for each choice; the bands of pw.x are those of the recorded functions."""
    n_wannier = len(read_hamiltonian(RECORDED / "crystal_hr.dat").eigenvalues(np.zeros((1, 3)))[0])
    names: list[str] = []

    def trial(_maker: object, _nscf: object, choice: WannierChoice) -> SimpleNamespace:
        works = task_path(choice.name).exists()
        failure = None if works else Failure.of("wannierisation_failed", f"here\n{choice.name} does not work")
        return SimpleNamespace(task_id=choice.name, failure=failure)

    points = np.random.default_rng(0).random((200, 3))
    show_bands(monkeypatch, points, read_hamiltonian(RECORDED / "crystal_hr.dat").eigenvalues(points))
    monkeypatch.setattr(WannierMaker, "_project", lambda *_: "qe-projections")
    monkeypatch.setattr(
        WannierMaker, "_choices", lambda *_: iter([WannierChoice(name, n_wannier, 0) for name in names])
    )
    monkeypatch.setattr(WannierMaker, "_try", trial)
    return names


def folder(name: str) -> Path:
    path = task_path(name)
    path.mkdir(parents=True)
    for file in ("crystal_hr.dat", "crystal.wout"):
        shutil.copy(RECORDED / file, path)
    return path


def made() -> WannierOutput:
    maker = WannierMaker(Calculation.of("smoke", "a family"))
    output = WannierMaker.make.original(maker, pw_output("qe-nscf"), pw_output("qe-bands"), FERMI_EV)
    assert isinstance(output, WannierOutput)
    return output


def shift(path: Path, ev: float) -> None:
    """Raise one of the functions."""
    lines = (path / "crystal_hr.dat").read_text().splitlines()
    for n, line in enumerate(lines):
        words = line.split()
        if words[:5] == ["0", "0", "0", "1", "1"] and len(words) == 7:
            lines[n] = f"    0    0    0    1    1  {float(words[5]) + ev:10.6f}    0.000000"
    (path / "crystal_hr.dat").write_text("\n".join(lines) + "\n")


def test_the_first_good_functions_are_taken_and_the_others_told(tries: list[str]) -> None:
    tries += ["qe-none", "qe-shifted", "qe-good", "qe-never"]
    shift(folder("qe-shifted"), 1.0)
    folder("qe-good")
    output = made()
    assert output.task_id == "qe-good"
    assert [trial.choice for trial in output.trials] == tries[:3]
    problems = [trial.problem for trial in output.trials]
    assert problems[0] == "The Wannierisation stopped. epw.x said: qe-none does not work"
    assert "meV rms, more than 50" in problems[1]
    assert problems[2] == ""
    assert [trial.task_id for trial in output.trials] == tries[:3]  # all of them cost something
    good = output.trials[2]
    assert good.rms_mev == pytest.approx(0.0, abs=1e-6)
    assert good.spreads_a2 is not None
    assert len(good.spreads_a2) == output.n_wannier
    rms, largest = output.trials[1].rms_mev, output.trials[1].max_mev
    assert rms is not None
    assert largest is not None
    assert 50.0 < rms < largest < 1000.0


@pytest.mark.parametrize("damaged", ["crystal_hr.dat", "crystal.wout"])
def test_files_that_are_damaged_are_no_reason_for_other_functions(tries: list[str], damaged: str) -> None:
    tries += ["qe-1", "qe-2"]
    file = folder("qe-1") / damaged
    file.write_text(file.read_text()[:100])
    folder("qe-2")
    with pytest.raises(EspressoError, match=damaged):
        made()


def test_only_what_the_functions_do_leads_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[Way] = []
    monkeypatch.setattr("invdesflow.epw.wannier_jobs.perform", lambda *arguments: ways.append(arguments[-1]))
    monkeypatch.setattr(Calculation, "pseudopotentials", lambda *_: {})
    maker = WannierMaker(Calculation.of("smoke", "a family"))
    maker._try(pw_output("qe-nscf"), WannierChoice("atomic orbitals", 4, 0))
    [way] = ways
    assert {"wannierisation_failed", "frozen_window_too_large", "window_too_small"} <= way.answers
    assert way.answers.isdisjoint(kind.name for kind in FAILURES if kind.transient)
    assert way.answers.isdisjoint({"meshes_not_commensurate", "earlier_files_missing", "out_of_memory", "crashed"})


def test_no_good_functions_are_an_error_with_all_numbers(tries: list[str]) -> None:
    tries += ["qe-none", "qe-shifted"]
    shift(folder("qe-shifted"), 1.0)
    with pytest.raises(EspressoError, match="No Wannier functions of Al") as caught:
        made()
    assert "qe-none: The Wannierisation stopped. epw.x said: qe-none does not work" in caught.value.problem
    assert "meV rms" in caught.value.problem
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("height_ev", "number", "said"),
    [
        (1.6, 40, "meV rms, more than 50"),  # bands far above the Fermi level that the functions put on it
        (0.3, 1, "a band differs by 300.0 meV, more than 250"),  # a short stretch, lost in the rms
        (0.2, 1, ""),
    ],
)
def test_bands_that_the_functions_pull_to_the_fermi_level_are_seen(
    tries: list[str], monkeypatch: pytest.MonkeyPatch, height_ev: float, number: int, said: str
) -> None:
    tries += ["qe-1", "qe-2"]
    folder("qe-1")
    points = np.random.default_rng(0).random((400, 3))
    energies = read_hamiltonian(RECORDED / "crystal_hr.dat").eigenvalues(points)
    nearest = np.unravel_index(np.argsort(np.abs(energies - FERMI_EV), axis=None)[:number], energies.shape)
    energies[nearest] += height_ev
    show_bands(monkeypatch, points, energies)
    if said:
        with pytest.raises(EspressoError, match=said):
            made()
    else:
        assert made().task_id == "qe-1"
