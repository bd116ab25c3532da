"""Stored relaxations: what makes two of them one question, and the way through BSON-like dictionaries."""

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.relaxation.documents import RelaxationDocument, Subject, relaxation_id
from invdesflow.relaxation.hull import hull_entries
from invdesflow.relaxation.potentials import Potential
from invdesflow.relaxation.relaxation import RelaxationResult, RelaxationSettings, failed_relaxation

POTENTIAL = Potential(kind="CHGNet", model="0.3.0", digest="d1", elements=("Mg", "B"))
CRYSTAL = Structure.from_spacegroup(191, Lattice.hexagonal(3.1, 3.5), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]])
SUBJECT = Subject(kind="candidate", id="cand-1")


def document(result, settings):
    return RelaxationDocument.from_result(CRYSTAL, result, SUBJECT, POTENTIAL, settings)


def converged():
    relaxed = CRYSTAL.copy()
    relaxed.scale_lattice(28.0)
    return RelaxationResult(
        structure=relaxed,
        converged=True,
        reason="",
        energy_ev=-15.0,
        enthalpy_ev=-12.0,
        max_force=0.01,
        stress_gpa=[[-20.0, 0.0, 0.0], [0.0, -20.0, 0.0], [0.0, 0.0, -20.0]],
        n_steps=3,
        n_force_evaluations=4,
        volume_change=28.0 / CRYSTAL.volume - 1,
        spacegroup_before=191,
        spacegroup_after=191,
        wall_time_s=0.2,
    )


def test_the_id_depends_on_subject_crystal_weights_and_settings_only():
    settings = RelaxationSettings()
    first = relaxation_id(SUBJECT, CRYSTAL, POTENTIAL, settings)
    assert first.startswith("rlx-")
    assert (
        relaxation_id(SUBJECT, CRYSTAL.copy(), POTENTIAL.model_copy(update={"model": "/elsewhere"}), settings) == first
    )
    others = {
        relaxation_id(SUBJECT, CRYSTAL * (1, 1, 2), POTENTIAL, settings),
        relaxation_id(SUBJECT, CRYSTAL, POTENTIAL.model_copy(update={"digest": "d2"}), settings),
        relaxation_id(SUBJECT, CRYSTAL, POTENTIAL, RelaxationSettings(pressure_gpa=1.0)),
        relaxation_id(Subject(kind="superconductor", id="sc-1"), CRYSTAL, POTENTIAL, settings),
    }
    assert len(others | {first}) == 5


def test_a_document_comes_back_from_the_store_as_it_went_in():
    stored = document(converged(), RelaxationSettings(pressure_gpa=20.0)).to_mongo()
    again = RelaxationDocument.from_mongo(stored | {"_id": "x"})
    assert again.to_mongo() == stored
    assert (again.reduced_formula, again.chemical_system, again.elements, again.nsites) == (
        "MgB2",
        "B-Mg",
        ["B", "Mg"],
        3,
    )
    assert again.energy_ev_per_atom == -5.0
    assert again.enthalpy_ev_per_atom == -4.0
    assert again.final_structure.volume == pytest.approx(28.0)


def test_only_converged_relaxations_enter_a_hull_with_their_enthalpy():
    settings = RelaxationSettings(pressure_gpa=20.0)
    failed = document(failed_relaxation(CRYSTAL, "worker died (SIGKILL)"), settings)
    assert failed.energy_ev_per_atom is None
    assert failed.volume_change is failed.wall_time_s is failed.n_steps is failed.spacegroup_after is None
    [entry] = hull_entries([failed, document(converged(), settings)])
    assert entry.enthalpy_ev == -12.0
    assert entry.conditions.pressure_gpa == 20.0
