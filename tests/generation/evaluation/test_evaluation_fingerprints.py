"""Fingerprints against coordination numbers of known crystals and statistics worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition, Element, Lattice, Structure

from invdesflow.errors import StructureError
from invdesflow.generation.evaluation.fingerprints import (
    STRUCTURE_FEATURES,
    composition_fingerprint,
    fingerprints,
    structure_fingerprint,
)

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
BLENDE = Structure.from_spacegroup("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]])


def feature(structure: Structure, coordination: int, name: str) -> float:
    return float(structure_fingerprint(structure)[STRUCTURE_FEATURES.index((coordination, name))])


def test_there_are_as_many_features_as_published() -> None:
    assert len(STRUCTURE_FEATURES) == 61


def test_known_environments() -> None:
    assert feature(SALT, 6, "weight") == pytest.approx(1, abs=1e-6)
    assert feature(SALT, 6, "octahedral") == pytest.approx(1, abs=1e-4)
    assert feature(BLENDE, 4, "weight") == pytest.approx(1, abs=1e-6)
    assert feature(BLENDE, 4, "tetrahedral") == pytest.approx(1, abs=1e-4)


def test_the_average_counts_every_atom() -> None:
    # Perovskite: the fingerprint of all atoms is that of the primitive cell written twice.
    perovskite = Structure(
        Lattice.cubic(3.905),
        ["Sr", "Ti", "O", "O", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )
    doubled = perovskite.make_supercell([2, 1, 1], in_place=False)
    assert structure_fingerprint(doubled) == pytest.approx(structure_fingerprint(perovskite), abs=1e-6)
    assert feature(perovskite, 12, "cuboctahedral") == pytest.approx(1 / 5, abs=1e-3)


def test_composition_statistics_by_hand() -> None:
    # The first property is the atomic number: Na 11, O 8 in Na2O.
    numbers = composition_fingerprint(Composition("Na2O"))[:6]
    mean = (2 * 11 + 8) / 3
    assert numbers == pytest.approx([8, 11, 3, mean, (2 * (11 - mean) + (mean - 8)) / 3, 11])
    assert composition_fingerprint(Composition("NaCl"))[5] == 11  # equally abundant: the smaller one


def test_composition_agrees_with_pymatgen() -> None:
    # Electronegativity is the eighth property; the mean is its fourth statistic.
    expected = (Element("Ba").X + Element("Ti").X + 3 * Element("O").X) / 5
    assert composition_fingerprint(Composition("BaTiO3"))[7 * 6 + 3] == pytest.approx(expected, abs=1e-6)


def test_multiples_are_one_composition() -> None:
    assert np.array_equal(composition_fingerprint(Composition("Mg2B4")), composition_fingerprint(Composition("MgB2")))


def test_an_element_without_properties() -> None:
    with pytest.raises(StructureError, match="Og"):
        composition_fingerprint(Composition("OgH"))


def test_a_hopeless_crystal_has_no_fingerprint() -> None:
    overlapping = Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 0]])
    found = fingerprints([SALT, overlapping])
    assert found.complete.tolist() == [True, False]


def test_fingerprints_are_kept_by_content(tmp_path: Path) -> None:
    folder = tmp_path / "fingerprints"
    first = fingerprints([SALT], folder)
    (file,) = folder.iterdir()
    np.savez_compressed(file, structure=first.structure + 1, composition=first.composition)
    assert np.array_equal(fingerprints([SALT], folder).structure, first.structure + 1)  # read, not computed
    fingerprints([BLENDE], folder)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.slow
def test_worker_processes_give_the_same() -> None:
    crystals = [SALT, BLENDE]
    assert np.array_equal(fingerprints(crystals, processes=2).structure, fingerprints(crystals).structure)
