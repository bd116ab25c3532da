"""Hulls of generated crystals: by hand, without a potential."""

import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.competitors import find_competitors, stabilities, summarise_hull
from invdesflow.campaigns.journal import Journal
from invdesflow.errors import ConfigurationError
from invdesflow.generation.evaluation.shares import Share
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.potentials import Potential
from invdesflow.relaxation.relaxation import DEFAULT_SETTINGS, RelaxationResult

POTENTIAL = Potential(kind="CHGNet", model="test", digest="0" * 64, elements=("Ti", "N", "O"))
TI, N = Structure(Lattice.cubic(2.8), ["Ti"], [[0, 0, 0]]), Structure(Lattice.cubic(3.0), ["N"], [[0, 0, 0]])


def nitride(a: float = 2.6, n: int = 1) -> Structure:
    sites = [[0, 0, 0]] + [[(i + 1) / (n + 1)] * 3 for i in range(n)]
    return Structure(Lattice.cubic(a), ["Ti"] + ["N"] * n, sites)


def relaxed(kind: str, name: str, structure: Structure, energy_per_atom: float | None) -> RelaxationDocument:
    energy = None if energy_per_atom is None else energy_per_atom * len(structure)
    result = RelaxationResult(
        structure=structure,
        converged=energy is not None,
        reason="" if energy is not None else "it ran away",
        energy_ev=energy,
        enthalpy_ev=energy,
        max_force=0.0,
        stress_gpa=np.zeros((3, 3)).tolist(),
        n_steps=1,
        n_force_evaluations=1,
        volume_change=0.0,
        spacegroup_before=221,
        spacegroup_after=221,
        wall_time_s=0.0,
    )
    return RelaxationDocument.from_result(structure, result, Subject(kind=kind, id=name), POTENTIAL, DEFAULT_SETTINGS)


ELEMENTS = [relaxed("element", "Ti A3", TI, -7.0), relaxed("element", "N molecule", N, -8.0)]
KNOWN = relaxed("reference", "TiN", nitride(), -8.5)  # formation energy of -1 eV per atom


def above(drawn, competitors):
    return [one and one.e_above_hull_ev_per_atom for one in stabilities(drawn, competitors)]


def test_crystals_are_compared_with_competitors_and_not_with_each_other():
    stable, near = (
        relaxed("candidate", "drawing 0", nitride(2.5), -8.7),
        relaxed("candidate", "drawing 1", nitride(2.7), -8.4),
    )
    assert above([stable, near], [*ELEMENTS, KNOWN]) == pytest.approx([0, 0.1])


def test_the_elements_alone_make_a_hull():
    drawn = relaxed("candidate", "drawing 0", nitride(), -7.3)  # 0.2 eV per atom above both elements
    assert above([drawn], ELEMENTS) == pytest.approx([0.2])


def test_another_composition_is_measured_from_the_line_between():
    drawn = relaxed("candidate", "drawing 0", nitride(n=3), -8.0)
    # TiN3 lies between TiN (half of its atoms) and N: -8.5 / 2 - 8 / 2 = -8.25 eV per atom
    assert above([drawn], [*ELEMENTS, KNOWN]) == pytest.approx([0.25])


def test_what_is_not_known_is_none():
    failed = relaxed("candidate", "drawing 0", nitride(), None)
    fine = relaxed("candidate", "drawing 1", nitride(), -8.5)
    alone = relaxed("candidate", "drawing 2", Structure(Lattice.cubic(2), ["O"], [[0, 0, 0]]), -4.0)
    assert above([failed, fine], ELEMENTS)[0] is None
    assert above([fine], ELEMENTS[:1]) == [None]  # nitrogen has no reference
    assert above([alone], ELEMENTS) == [None]  # a crystal is no reference of itself
    broken = relaxed("element", "N molecule", N, None)
    assert above([fine], [ELEMENTS[0], broken]) == [None]


def test_coverage_is_reported():
    fine = relaxed("candidate", "drawing 0", nitride(2.5), -8.5)
    failed = relaxed("reference", "Ti2N", nitride(3.0), None)
    found = stabilities([fine], [*ELEMENTS, failed])
    summary = summarise_hull(found, [*ELEMENTS, failed], left_out=7)
    assert summary.elements == Share(count=2, total=2)
    assert summary.compounds == Share(count=0, total=1)
    assert summary.systems == Share(count=2, total=3)  # nothing competes in N-Ti
    assert summary.complete == Share(count=0, total=1)
    assert summary.left_out == 7
    known = summarise_hull(stabilities([fine], [*ELEMENTS, KNOWN]), [*ELEMENTS, KNOWN], left_out=0)
    assert known.complete == Share(count=1, total=1)


def materials_project(path, rows):
    lines = []
    for number, (structure, above_hull) in enumerate(rows):
        species = [site.specie.symbol for site in structure]
        cell = {"lattice": structure.lattice.matrix.tolist(), "frac": structure.frac_coords.tolist()}
        lines.append(json.dumps({"id": f"mp-{number}", "species": species, "e_form": -1, "ehull": above_hull, **cell}))
    path.write_text("\n".join(lines))
    return path


def test_competitors_are_near_the_hull_and_within_the_systems(tmp_path):
    sodium = Structure(Lattice.cubic(3), ["Na", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    large = nitride(4.0).make_supercell(3, in_place=False)
    rows = [(nitride(), 0.0), (nitride(2.7), 0.02), (sodium, 0.0), (large, 0.0), (nitride(n=2), 0.005), (TI, 0.0)]
    path = materials_project(tmp_path / "mp.jsonl", rows)
    found = find_competitors([frozenset({"Ti", "N"}), frozenset({"Na", "N"})], POTENTIAL, path, most=10)
    names = [subject.id for subject in found.crystals]
    assert [name for name in names if "materials-project" in name] == [
        "materials-project:mp-0",
        "materials-project:mp-4",
    ]
    assert {name.split()[0] for name in names[: names.index("materials-project:mp-0")]} == {"Ti", "N"}  # Na is unknown
    assert found.left_out == 1
    fewer = find_competitors([frozenset({"Ti", "N"})], POTENTIAL, path, most=1)
    assert "materials-project:mp-4" not in [subject.id for subject in fewer.crystals]
    assert fewer.left_out == 2
    alone = find_competitors([frozenset({"Ti", "N"})], POTENTIAL, None, most=1)
    assert {subject.kind for subject in alone.crystals} == {"element"}


def test_a_damaged_journal_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, {"asked": 1}, RelaxationDocument)
    journal.append(KNOWN)
    [again] = Journal(path, {"asked": 1}, RelaxationDocument).read()
    assert again.relaxation_id == KNOWN.relaxation_id
    assert again.final_structure == KNOWN.final_structure
    path.write_text(path.read_text() + "nonsense\n")
    with pytest.raises(ConfigurationError, match="is damaged"):
        journal.read()
    path.write_text("nonsense\n")
    with pytest.raises(ConfigurationError, match="another model or other settings"):
        Journal(path, {"asked": 1}, RelaxationDocument)
