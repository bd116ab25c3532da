"""Formation energies from runs of pw.x: only what may be subtracted is."""

import pytest
from learned import caesium_chloride
from pymatgen.core import Lattice, Structure

from invdesflow.database.documents import content_hash
from invdesflow.espresso.documents import EspressoTaskDocument, PseudopotentialReference
from invdesflow.espresso.inputs import automatic_k_points, pw_input
from invdesflow.espresso.meshes import mesh_of_spacing
from invdesflow.learning.espresso_rows import formation_energy_rows, total_energy_rows
from invdesflow.learning.training_set_rows import Sources, build_training_set
from invdesflow.screening.training.formation_energy_data import LARGEST_ENERGY

SILVER = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.15), ["Ag"], [[0, 0, 0]]).get_primitive_structure()
MAGNESIUM = Structure.from_spacegroup("P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 0.25]])
COMPOUND = caesium_chloride("Mg", "Ag", 3.3)
ENERGIES = {"Ag": -10.0, "Mg": -20.0, "MgAg": -15.2}  # eV/atom: -0.2 of the compound over its elements


def task(structure, mode, energy, *, parents=(), pressure=0.0, cutoff=60, smearing=0.02, spacing=0.19, **fields):
    groups = {
        "control": {"calculation": mode},
        "system": {"ecutwfc": cutoff, "ecutrho": 4 * cutoff, "occupations": "smearing", "degauss": smearing},
        "electrons": {},
    }
    elements = sorted({site.specie.symbol for site in structure})
    files = {element: f"{element}.upf" for element in elements}
    text = pw_input(structure, files, groups, automatic_k_points(mesh_of_spacing(structure, spacing)))
    values = {
        "task_id": content_hash("task", {"text": text, "energy": energy, "parents": parents, "pressure": pressure}),
        "step": mode,
        "program": "pw.x",
        "program_version": "6.7",
        "reduced_formula": structure.composition.reduced_formula,
        "structure": structure,
        "pseudopotentials": {
            element: PseudopotentialReference(file=files[element], sha256=element * 32, functional="PBE")
            for element in elements
        },
        "parents": list(parents),
        "input": text,
        "final_input": text,
        "status": "completed",
        "failure": None,
        "corrections": [],
        "attempts": 1,
        "results": {"energy_ev": energy * len(structure), "pressure_gpa": pressure},
        "folder": "gone",
        "wall_time_s": 1.0,
        "core_hours": 0.1,
    }
    return EspressoTaskDocument(**(values | fields))


def relaxed(structure, energy=None, **options):
    """A relaxation and the static run after it."""
    energy = ENERGIES[structure.composition.reduced_formula] if energy is None else energy
    first = task(structure, "vc-relax", energy, **options)
    return [first, task(structure, "scf", energy, parents=[first.task_id], **options)]


def chain(*parts):
    return [one for part in parts for one in part]


def energies(tasks):
    found = list(formation_energy_rows(tasks))
    rows = [row.labels["formation_energy_ev_per_atom"] for row in found if not isinstance(row, str)]
    return rows, {reason for reason in found if isinstance(reason, str)}


def test_the_formation_energy_is_that_over_the_reference_phases():
    rows, _ = energies(chain(relaxed(SILVER), relaxed(MAGNESIUM), relaxed(COMPOUND)))
    assert rows == pytest.approx([-0.2])


@pytest.mark.parametrize(
    ("magnesium", "reason"),
    [
        (relaxed(MAGNESIUM, -17.0, pressure=150.0), "under pressure"),
        ([task(MAGNESIUM, "scf", -19.5)], "not relaxed"),  # a rattled crystal of `potential label`
        (relaxed(MAGNESIUM, smearing=0.05), "a reference phase of an element was not calculated at this level"),
        (relaxed(MAGNESIUM, cutoff=80), "a reference phase of an element was not calculated at this level"),
        (relaxed(MAGNESIUM, spacing=0.5), "coarse k-mesh"),
        (
            relaxed(Structure.from_spacegroup("Im-3m", Lattice.cubic(3.5), ["Mg"], [[0, 0, 0]]), -19.9),
            "a reference phase of an element was not calculated at this level",
        ),
    ],
)
def test_another_reference_gives_none(magnesium, reason):
    rows, reasons = energies(chain(relaxed(SILVER), magnesium, relaxed(COMPOUND)))
    assert rows == []
    assert reason in reasons


def test_a_reference_under_pressure_beside_the_right_one_changes_nothing():
    squeezed = relaxed(MAGNESIUM, -25.0, pressure=30.0)
    rows, _ = energies(chain(relaxed(SILVER), squeezed, relaxed(MAGNESIUM), relaxed(COMPOUND)))
    assert rows == pytest.approx([-0.2])


@pytest.mark.parametrize(
    ("compound", "reason"),
    [
        (relaxed(COMPOUND, pressure=20.0), "under pressure"),
        ([task(COMPOUND, "scf", -15.0)], "not relaxed"),
        (relaxed(COMPOUND, -15.0 + 1.01 * LARGEST_ENERGY), "beyond what the model is for"),
        (relaxed(caesium_chloride("Mg", "Ag", 6.5)), "beyond what the model is for"),
        (relaxed(caesium_chloride("Mg", "O"), -15.0), "element whose energy the Materials Project corrects"),
        (relaxed(caesium_chloride("Mg", "Fe"), -15.0), "element that may be magnetic"),
    ],
)
def test_compounds_that_give_no_formation_energy(compound, reason):
    rows, reasons = energies(chain(relaxed(SILVER), relaxed(MAGNESIUM), compound))
    assert rows == []
    assert reason in reasons


def test_the_highest_cutoff_speaks_for_a_crystal():
    low = chain(relaxed(SILVER), relaxed(MAGNESIUM), relaxed(COMPOUND))
    high = chain(relaxed(SILVER, cutoff=100), relaxed(MAGNESIUM, cutoff=100), relaxed(COMPOUND, -15.3, cutoff=100))
    for tasks in (low + high, high + low):
        rows, _ = energies(tasks)
        assert rows == pytest.approx([-0.3])
    rows, _ = energies(low + relaxed(COMPOUND, -15.3, cutoff=100))
    assert rows == pytest.approx([-0.2])  # at the higher one there are no elements


def test_a_set_is_made_of_them():
    training_set = build_training_set(
        "formation-energy", Sources(espresso_tasks=chain(relaxed(SILVER), relaxed(MAGNESIUM), relaxed(COMPOUND)))
    )
    assert [row.formula for row in training_set.rows] == ["MgAg"]


def test_total_energies_of_one_theory():
    tasks = [task(COMPOUND, "scf", -15.0), task(SILVER, "scf", -10.0), task(SILVER, "scf", -10.1, smearing=0.05)]
    found = list(total_energy_rows(tasks))
    assert sorted(row.formula for row in found if not isinstance(row, str)) == ["Ag", "MgAg"]
    assert "another theory than most" in found
