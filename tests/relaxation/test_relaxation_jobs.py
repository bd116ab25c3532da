"""What is relaxed beside the candidates: the crystals that compete with them for the hull."""

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.relaxation.jobs import RelaxMaker
from invdesflow.relaxation.potentials import find_potential
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers import ReferenceCrystal
from invdesflow.superconductors.references import ReferenceDocument


def diboride(metal: str, a: float, c: float) -> Structure:
    layers = [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    return Structure(Lattice.hexagonal(a, c), [metal, "B", "B"], layers)


def superconductor(structure: Structure, pressure_gpa: float = 0.0) -> SuperconductorDocument:
    return SuperconductorDocument.from_structure(
        structure, name="test", lattice_source="test", pressure_gpa=pressure_gpa
    )


@pytest.fixture
def filled(database):
    database.collection(SuperconductorDocument).upsert(
        [
            superconductor(diboride("Mg", 3.086, 3.524)),
            superconductor(diboride("Mg", 3.0, 3.4), pressure_gpa=20.0),
            superconductor(diboride("Nb", 3.11, 3.26)),
        ]
    )
    crystals = [("near", 4.5, 0.0), ("far", 4.6, 0.2), ("unknown", 4.7, None)]
    database.collection(ReferenceDocument).insert_new(
        ReferenceDocument.from_crystal(
            ReferenceCrystal(
                name,
                Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Mg", "B"], [[0, 0, 0], [0.5] * 3]),
                None,
                above,
            )
        )
        for name, a, above in crystals
    )
    return database


def competitors(database, **settings):
    maker = RelaxMaker(**settings)
    return dict(maker._competitors(database, [{"Mg", "B"}], find_potential()))


def test_elements_known_superconductors_and_references_within_the_system_compete(filled):
    found = competitors(filled)
    assert {structure.chemical_system for structure in found.values()} == {"B", "Mg", "B-Mg"}
    kinds = [subject.kind for subject in found]
    assert kinds.count("superconductor") == 1  # neither another system nor another pressure
    assert kinds.count("reference") == 1  # near its own hull
    assert {subject.id.split()[0] for subject in found if subject.kind == "element"} == {"B", "Mg"}


def test_a_wider_window_admits_more_references(filled):
    found = competitors(filled, max_reference_e_above_hull_ev_per_atom=0.5)
    assert sum(subject.kind == "reference" for subject in found) == 2  # one has no energy
