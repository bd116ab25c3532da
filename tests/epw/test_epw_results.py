"""What a document holds of a calculation that has been put together, once or twice."""

from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.database import Database
from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.epw.outputs import GapOutput
from invdesflow.epw.results import _left_out, stopped
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.costs import count_task
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.outputs import PhononOutput, PwOutput
from invdesflow.espresso.ph_jobs import _away_from_gamma

STRUCTURE = Structure(Lattice([[0, 1.985, 1.985], [1.985, 0, 1.985], [1.985, 1.985, 0]]), ["Al"], [[0, 0, 0]])
PSEUDOPOTENTIALS: dict[str, Any] = {"Al": {"file": "Al.upf", "sha256": "0" * 64, "functional": "PZ"}}
STATIC = PwOutput(
    task_id="qe-static",
    structure=STRUCTURE,
    energy_ev=-57.0,
    fermi_energy_ev=8.0,
    pressure_gpa=0.0,
    n_electrons=3.0,
    n_bands=6,
    gap_ev=1.0,
    absolute_magnetisation=None,
)


def begun(database: Database, **result: Any) -> Calculation:
    """Store a document, and return the calculation that it is of."""
    calculation = Calculation.of("smoke", "a family").model_copy(update={"elph_id": "elph-1"})
    fields: dict[str, Any] = {
        "elph_id": "elph-1",
        "candidate_id": "cand-1",
        "reduced_formula": "Al",
        "space_group_number": 225,
        "structure": STRUCTURE,
        "pressure_gpa": 0.0,
        "protocol": "smoke",
        "changed_settings": {"degauss_ry": 0.01},
        "settings": calculation.protocol.values(),
        "pseudopotentials": PSEUDOPOTENTIALS,
        "status": "running",
        "reason": "",
    }
    database.collection(ElectronPhononDocument).upsert([ElectronPhononDocument(**fields | result)])
    return calculation


def ran(task_id: str, *parents: str) -> EspressoTaskDocument:
    return EspressoTaskDocument(
        task_id=task_id,
        step="a step",
        program="pw.x",
        program_version="6.7",
        reduced_formula="Al",
        structure=STRUCTURE,
        pseudopotentials=PSEUDOPOTENTIALS,
        parents=list(parents),
        input="",
        final_input="",
        status="completed",
        failure=None,
        corrections=[],
        attempts=1,
        results={},
        folder="",
        wall_time_s=900.0,
        core_hours=0.25,
    )


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (None, ""),
        (40.0, ""),
        (-1.5, ""),
        (-9.6, "Phonons away from Gamma are imaginary down to -9.6 cm-1, and the coupling lacks them."),
    ],
)
def test_soft_phonons_that_the_coupling_lacks_are_told(away: float | None, said: str) -> None:
    phonons = PhononOutput(
        task_id="qe-1",
        bands_task_id="qe-2",
        dos_task_id="qe-3",
        q_tasks=["qe-4"],
        stable=True,
        min_frequency_cm1=-9.8,
        min_frequency_away_cm1=away,
        max_frequency_cm1=300.0,
        imaginary_modes=[],
    )
    assert _left_out(phonons) == said


def test_near_gamma_is_what_no_other_calculated_point_is_nearer_to() -> None:
    points = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.9], [1.0, 0.0, -0.12], [0.0, 0.0, 0.13], [0.5, 0.5, 0.5]])
    assert _away_from_gamma(points, (4, 4, 4)).tolist() == [False, False, False, True, True]
    assert not _away_from_gamma(points, (1, 1, 1)).any()


def test_a_run_that_only_judged_costs_too(database: Database) -> None:
    static = STATIC.model_copy(update={"checks": ["qe-spin"]})
    calculation = begun(database)
    database.collection(EspressoTaskDocument).upsert([ran("qe-static"), ran("qe-spin", "qe-static"), ran("qe-other")])
    stopped(calculation, "magnetic", "It has a moment.", static)
    found = database.collection(ElectronPhononDocument).get("elph-1")
    assert found is not None
    assert sorted(step.task_id for step in found.cost) == ["qe-spin", "qe-static"]
    assert found.core_hours == 0.5


def test_what_was_spent_in_vain_is_in_the_cost(database: Database) -> None:
    calculation = begun(database)
    tries = ran("qe-tried").model_copy(update={"lost_core_hours": 3.0})
    database.collection(EspressoTaskDocument).upsert([ran("qe-static"), tries])
    for task_id in ("qe-tried", "qe-static", "qe-static"):
        count_task(database, "elph-1", task_id)
    stopped(calculation, "insulating", "The gap is 1 eV.", STATIC)
    found = database.collection(ElectronPhononDocument).get("elph-1")
    assert found is not None
    assert {step.task_id: step.used for step in found.cost} == {"qe-static": True, "qe-tried": False}
    assert found.core_hours == 0.25 + 0.25 + 3.0


def test_nothing_of_an_earlier_result_stays_under_another_status(database: Database) -> None:
    gap = GapOutput(
        task_id="qe-gap",
        temperature_k=1.0,
        converged=True,
        vanished=False,
        gap_min_mev=0.2,
        gap_max_mev=0.2,
        gap_mean_mev=0.2,
        reason="",
    )
    calculation = begun(
        database,
        status="completed",
        dos_per_ev=0.4,
        lambda_=0.4,
        omega_log_mev=20.0,
        omega_2_mev=22.0,
        arrays="0" * 64,
        gaps=[gap],
        critical_temperatures=[CriticalTemperature(method="allen_dynes", mu_star=0.1, tc_k=1.0)],
    )
    collection = database.collection(ElectronPhononDocument)
    earlier = collection.get("elph-1")
    assert earlier is not None
    stopped(calculation, "insulating", "The gap is 1 eV.", STATIC)
    found = collection.get("elph-1")
    assert found is not None
    assert (found.status, found.candidate_id, found.created_at) == ("insulating", "cand-1", earlier.created_at)
    assert (found.changed_settings, found.structure) == (earlier.changed_settings, STRUCTURE)
    assert (found.lambda_, found.omega_log_mev, found.omega_2_mev, found.dos_per_ev) == (None,) * 4
    assert (found.gaps, found.critical_temperatures, found.arrays) == ([], [], None)
