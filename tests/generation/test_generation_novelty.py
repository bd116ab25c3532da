"""Novelty against crystals that are, and are not, the same."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.generation.documents import CandidateDocument, Generator, Origin, Rejection, candidate_document
from invdesflow.generation.known_compounds import KnownCompounds
from invdesflow.generation.novelty import Crystal, CrystalIndex, assess, duplicate_rejection

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def rock_salt(first, second, a):
    return Structure(Lattice(a * FCC), [first, second], [[0, 0, 0], [0.5] * 3])


def caesium_chloride(first, second, a):
    return Structure(Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5] * 3])


def zinc_blende(first, second, a):
    return Structure(Lattice(a * FCC), [first, second], [[0, 0, 0], [0.25] * 3])


@pytest.fixture
def known():
    return CrystalIndex([Crystal("sc-1", "superconductors", rock_salt("Nb", "N", 4.39))], formulas=["TaC"])


def new(structure):
    return Crystal("cand-x", "candidates", structure)


def test_the_same_crystal_in_another_cell_and_size(known):
    cubic = rock_salt("N", "Nb", 4.6).make_supercell([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], in_place=False)
    result = assess(new(cubic), known)
    assert (result.new_composition, result.new_structure) == (False, False)
    assert (result.matched_id, result.matched_collection) == ("sc-1", "superconductors")
    assert duplicate_rejection(result).gate == "duplicate"


def test_another_structure_of_a_known_composition(known):
    for structure in (caesium_chloride("Nb", "N", 2.8), zinc_blende("Nb", "N", 4.8)):
        result = assess(new(structure), known)
        assert (result.new_composition, result.new_structure) == (False, True)
        assert result.matched_id is None
        assert duplicate_rejection(result) is None


def test_a_new_composition(known):
    result = assess(new(rock_salt("Zr", "N", 4.6)), known)
    assert (result.new_composition, result.new_structure) == (True, True)


def test_a_compound_known_without_a_structure(known):
    compounds = KnownCompounds.of([("ZrN", 225), ("ZrC", 221)])
    nitride, carbide = (assess(new(rock_salt("Zr", anion, 4.6)), known, compounds) for anion in "NC")
    assert (nitride.new_composition, nitride.known_compound, nitride.new_structure) == (False, True, True)
    assert (carbide.new_composition, carbide.known_compound) == (False, False)
    assert assess(new(rock_salt("Nb", "N", 4.4)), known).known_compound


def test_a_composition_known_without_a_structure(known):
    assert not assess(new(rock_salt("Ta", "C", 4.46)), known).new_composition


def test_same_space_group_and_formula_but_another_prototype():
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    perovskite = Structure(Lattice.cubic(3.8), ["Mg", "C", "Ni", "Ni", "Ni"], sites)
    exchanged = Structure(Lattice.cubic(3.8), ["C", "Mg", "Ni", "Ni", "Ni"], sites)
    index = CrystalIndex([Crystal("a", "candidates", perovskite)])
    assert assess(new(exchanged), index).new_structure


def test_duplicates_within_a_batch(known):
    batch = CrystalIndex()
    first = Crystal("cand-1", "candidates", rock_salt("Zr", "N", 4.60))
    assert assess(first, known, batch).new_structure
    batch.add(first)
    second = assess(new(rock_salt("Zr", "N", 4.55)), known, batch)
    assert (second.matched_id, second.new_composition) == ("cand-1", False)


def test_exact_identifier_is_preferred_to_a_similar_crystal():
    index = CrystalIndex(
        [
            Crystal("similar", "candidates", rock_salt("Zr", "N", 4.40)),
            Crystal("exact", "candidates", rock_salt("Zr", "N", 4.60)),
        ]
    )
    assert assess(new(rock_salt("Zr", "N", 4.60)), index).matched_id == "exact"


@pytest.fixture
def origin():
    return Origin(
        kind="substitution",
        parents=["sc-1"],
        replacements={"Nb": "Zr"},
        generator=Generator(name="substitution", version="0.1.0"),
        seed=0,
        index=3,
    )


def test_candidate_document_describes_its_crystal_and_survives_the_database(origin):
    document = candidate_document(rock_salt("Zr", "N", 4.6), origin, [])
    assert document.reduced_formula == "ZrN"
    assert document.anonymous_formula == "AB"
    assert (document.chemical_system, document.elements, document.nelements, document.nsites) == (
        "N-Zr",
        ["N", "Zr"],
        2,
        2,
    )
    assert (document.space_group_number, document.space_group_symbol) == (225, "Fm-3m")
    assert document.volume_per_atom == pytest.approx(4.6**3 / 8)
    assert document.status == "accepted"
    again = CandidateDocument.from_mongo(document.to_mongo())
    assert again.candidate_id == document.candidate_id
    assert again.origins == document.origins


def test_rejected_crystal_is_a_document_with_a_reason(origin):
    rejection = Rejection(gate="volume", reason="too large", value=3.0, threshold=2.0)
    document = candidate_document(rock_salt("Zr", "N", 6.0), origin, [rejection])
    assert document.status == "rejected"
    data = document.to_mongo()
    for change in ({"rejections": []}, {"status": "accepted"}, {"candidate_id": "x"}, {"origins": []}):
        with pytest.raises(ValueError, match="validation error"):
            CandidateDocument.from_mongo(data | change)


def test_the_mirror_image_is_the_same_crystal():
    positions = [[0.125, 0.2053, 0.4553], [0.0653, 0.3050, 0.3085], [0.375] * 3]
    boride = Structure.from_spacegroup("P4_332", Lattice.cubic(6.753), ["Li", "Pd", "B"], positions)
    mirrored = Structure(boride.lattice, boride.species, -boride.frac_coords)
    assert boride.get_space_group_info()[1] + mirrored.get_space_group_info()[1] == 212 + 213
    result = assess(new(mirrored), CrystalIndex([Crystal("sc-1", "superconductors", boride)]))
    assert not result.new_structure
    assert result.matched_id == "sc-1"
    for number in (212, 213):
        compounds = KnownCompounds.of([(boride.composition.reduced_formula, number)])
        assert all(assess(new(one), compounds).known_compound for one in (boride, mirrored))


def test_hydrogen_on_the_other_metal_is_another_crystal():
    def hydride(first, second):
        sites = [[0.25] * 3, [0.0] * 3, [0.5] * 3, [0.2255, 0.0, 0.0]]  # 1.66 A from the first, 2.02 A from the second
        return Structure.from_spacegroup("Fm-3m", Lattice.cubic(7.36), ["K", first, second, "H"], sites)

    known_hydride = CrystalIndex([Crystal("sc-1", "superconductors", hydride("Cu", "Li"))])
    assert assess(new(hydride("Li", "Cu")), known_hydride).new_structure
    larger = hydride("Cu", "Li").scale_lattice(430.0)
    assert not assess(new(larger), known_hydride).new_structure
