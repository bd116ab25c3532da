"""What a document holds after a calculation that has been put together twice."""

from pymatgen.core import Lattice, Structure

from invdesflow.database import Database
from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.epw.outputs import GapOutput
from invdesflow.epw.results import stopped
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.outputs import PwOutput

STRUCTURE = Structure(Lattice([[0, 1.985, 1.985], [1.985, 0, 1.985], [1.985, 1.985, 0]]), ["Al"], [[0, 0, 0]])
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


def test_nothing_of_an_earlier_result_stays_under_another_status(database: Database) -> None:
    calculation = Calculation.of("smoke", "a family").model_copy(update={"elph_id": "elph-1"})
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
    earlier = ElectronPhononDocument(
        elph_id="elph-1",
        candidate_id="cand-1",
        reduced_formula="Al",
        space_group_number=225,
        structure=STRUCTURE,
        pressure_gpa=0.0,
        protocol="smoke",
        changed_settings={"degauss_ry": 0.01},
        settings=calculation.protocol.values(),
        pseudopotentials={"Al": {"file": "Al.upf", "sha256": "0" * 64, "functional": "PZ"}},
        status="completed",
        reason="",
        dos_per_ev=0.4,
        lambda_=0.4,
        omega_log_mev=20.0,
        omega_2_mev=22.0,
        arrays="0" * 64,
        gaps=[gap],
        critical_temperatures=[CriticalTemperature(method="allen_dynes", mu_star=0.1, tc_k=1.0)],
    )
    collection = database.collection(ElectronPhononDocument)
    collection.upsert([earlier])
    stopped(calculation, "insulating", "The gap is 1 eV.", STATIC)
    found = collection.get("elph-1")
    assert found is not None
    assert (found.status, found.candidate_id, found.created_at) == ("insulating", "cand-1", earlier.created_at)
    assert (found.changed_settings, found.structure) == (earlier.changed_settings, STRUCTURE)
    assert (found.lambda_, found.omega_log_mev, found.omega_2_mev, found.dos_per_ev) == (None,) * 4
    assert (found.gaps, found.critical_temperatures, found.arrays) == ([], [], None)
