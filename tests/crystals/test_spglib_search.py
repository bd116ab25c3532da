"""The same answers whether spglib returns None or raises."""

import pytest
import spglib
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import primitive, space_group
from invdesflow.errors import StructureError
from invdesflow.generation.diffusion.encoding import encode
from invdesflow.generation.evaluation.uniqueness import space_group_share

OVERLAPPING = Structure(Lattice.cubic(3), ["Fe", "Fe"], [[0, 0, 0], [0.0001, 0, 0]])


@pytest.mark.parametrize("old", [True, False])
def test_a_failed_search_is_our_error_either_way(monkeypatch, old):
    monkeypatch.setattr(spglib.error, "OLD_ERROR_HANDLING", old)
    for ask in (space_group, primitive, encode):
        with pytest.raises(StructureError, match="symmetry"):
            ask(OVERLAPPING)
    assert space_group_share([OVERLAPPING], [221]).count == 0


@pytest.mark.parametrize("old", [True, False])
def test_a_found_symmetry_is_the_same_either_way(monkeypatch, old):
    monkeypatch.setattr(spglib.error, "OLD_ERROR_HANDLING", old)
    assert space_group(Structure(Lattice.cubic(3), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])) == (229, "Im-3m")
