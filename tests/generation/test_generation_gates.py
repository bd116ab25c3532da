"""The gates against crystals that are known to be good or bad."""

import numpy as np
import pytest
from pydantic import ValidationError
from pymatgen.core import Lattice, Structure

from invdesflow.generation.gates import GateSettings, check

SETTINGS = GateSettings()
FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def rock_salt(first, second, a):
    return Structure(Lattice(a * FCC), [first, second], [[0, 0, 0], [0.5] * 3])


def gates(structure, settings=SETTINGS, intended=None):
    return [rejection.gate for rejection in check(structure, settings, intended)]


@pytest.mark.parametrize(
    ("structure", "number"),
    [
        (rock_salt("Nb", "N", 4.39), 225),
        (rock_salt("Ta", "C", 4.46), 225),
        (rock_salt("Pd", "H", 4.09), 225),
        (Structure(Lattice.cubic(3.30), ["Nb", "Nb"], [[0, 0, 0], [0.5] * 3]), 229),
        (Structure(Lattice.cubic(4.95), ["Pb"] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]), 225),
        (
            Structure(
                Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
            ),
            191,
        ),
    ],
)
def test_known_superconductors_pass(structure, number):
    assert check(structure, SETTINGS, number) == []


def test_contact_of_044_angstrom_is_rejected_with_its_value():
    damaged = Structure(Lattice.cubic(5.3), ["La", "N", "N"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.583]])
    [rejection] = [r for r in check(damaged, SETTINGS, 225) if r.gate == "contact"]
    assert rejection.value == pytest.approx(0.44 / (2 * 0.71), rel=0.01)  # Cordero 2008: r(N) = 0.71 A
    assert rejection.threshold == SETTINGS.min_contact_ratio
    assert "N-N at 0.44 A" in rejection.reason
    assert "space_group" not in gates(damaged, intended=225)


def test_volume_window():
    assert gates(rock_salt("Nb", "N", 6.5)) == ["volume"]
    assert "volume" in gates(rock_salt("Nb", "N", 3.3))


@pytest.mark.parametrize("symbol", ["He", "Xe", "Tc", "U", "Pu", "Th"])
def test_radioactive_elements_and_noble_gases(symbol):
    structure = rock_salt(symbol, "N", 5.0)
    assert "elements" in gates(structure)
    assert "elements" not in gates(structure, GateSettings(allow_radioactive=True, allow_noble_gases=True))


def test_excluded_elements_and_potential():
    structure = rock_salt("Nb", "N", 4.39)
    assert gates(structure, GateSettings(excluded_elements=["N"])) == ["elements"]
    assert gates(structure, GateSettings(potential_elements=["Nb", "N"])) == []
    [rejection] = check(structure, GateSettings(potential_elements=["Nb"]))
    assert (rejection.gate, rejection.reason) == ("potential", "the potential does not know N")


def test_number_of_sites():
    structure = rock_salt("Nb", "N", 4.39)
    assert gates(structure, GateSettings(max_sites=1)) == ["sites"]
    assert gates(structure.make_supercell([3, 3, 3], in_place=False), GateSettings(max_sites=None)) == []


def test_space_group_as_intended():
    distorted = rock_salt("Nb", "N", 4.39)
    distorted.translate_sites([1], [0.03, 0, 0])
    assert gates(distorted, intended=225) == ["space_group"]
    assert gates(distorted) == []


@pytest.mark.parametrize(
    "structure",
    [
        Structure(Lattice(np.full((3, 3), np.nan)), ["Nb"], [[0, 0, 0]]),
        Structure(Lattice.cubic(3), ["Nb"], [[np.nan, 0, 0]]),
        Structure(Lattice.cubic(3), ["Nb"], [[np.inf, 0, 0]]),
        Structure(Lattice(np.ones((3, 3))), ["Nb"], [[0, 0, 0]]),
        Structure(Lattice.cubic(3), [], []),
        Structure(Lattice.cubic(3), [{"Nb": 0.5}], [[0, 0, 0]]),
    ],
)
def test_what_is_no_crystal_is_refused_for_that_alone(structure):
    assert gates(structure, intended=225) == ["finite"]


def test_flat_cell_is_refused_and_not_searched():
    flat = Structure(Lattice(np.diag([1e-7, 50.0, 50.0])), ["Nb"], [[0, 0, 0]])
    assert "contact" in gates(flat)


def test_settings_are_validated():
    with pytest.raises(ValidationError, match="not an element"):
        GateSettings(excluded_elements=["Xx"])
    with pytest.raises(ValidationError, match="below"):
        GateSettings(min_volume_ratio=2, max_volume_ratio=1)
    with pytest.raises(ValidationError):
        GateSettings(min_distance=1)
    assert GateSettings.model_validate_json(SETTINGS.model_dump_json()) == SETTINGS
