"""Validity against crystals and formulas whose answer is known."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.generation.evaluation.validity import assess_validity, compositionally_valid, structurally_valid


def dimer(distance: float, cell: float = 5.0) -> Structure:
    return Structure(Lattice.cubic(cell), ["Na", "Cl"], [[0, 0, 0], [distance / cell, 0, 0]])


@pytest.mark.parametrize(("distance", "valid"), [(0.49, False), (0.51, True), (4.6, False)])
def test_atoms_must_be_half_an_angstrom_apart(distance: float, valid: bool) -> None:
    # 4.6 A in a cell of 5 A is 0.4 A from the next image.
    assert structurally_valid(dimer(distance)) is valid


def test_a_cell_must_have_a_volume() -> None:
    def one_atom(volume: float) -> Structure:
        return Structure(Lattice.cubic(volume ** (1 / 3)), ["Na"], [[0, 0, 0]])

    assert not structurally_valid(one_atom(0.09))
    assert structurally_valid(one_atom(0.11))


def test_what_is_not_finite_is_invalid() -> None:
    broken = dimer(2.0)
    broken[1].frac_coords[0] = np.nan
    assert not structurally_valid(broken)


@pytest.mark.parametrize(
    ("formula", "valid"),
    [
        ("NaCl", True),
        ("BaTiO3", True),
        ("Na2Cl", False),  # 2 - 1
        ("CaF", True),  # SMACT lists Ca+
        ("AlF", True),
        ("MgF3", False),  # Mg+ and Mg2+, F-: never neutral
        ("Nb3Sn", True),  # metals only
        ("Fe", True),
        ("HeF2", False),  # no oxidation state of He
    ],
)
def test_charges_must_balance(formula: str, valid: bool) -> None:
    assert compositionally_valid(formula) is valid


def test_cations_must_be_less_electronegative() -> None:
    # The only neutral choices have O+ with F-, which is allowed, or, in OCl2, O2+ with a less electronegative anion.
    assert compositionally_valid("OF2")
    # C has every state from -4 to 4, H is + or -, so that CH4 is fine with C4- (2.55) and H+ (2.20).
    assert compositionally_valid("CH4")
    # Caesium is - only with a positive partner that is more electronegative, which the rule forbids.
    assert not compositionally_valid("CsHe")


def test_counts_are_given_next_to_the_shares() -> None:
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    result = assess_validity([salt, dimer(0.3)])
    assert (result.structural.count, result.structural.total) == (1, 2)
    assert (result.compositional.count, result.both.count) == (2, 1)
    assert result.gates.share == 0.5
    assert result.rejections["contact"] == 1
    assert '"share":0.5' in result.model_dump_json()


def test_nothing_has_no_share() -> None:
    assert assess_validity([]).structural.share is None
