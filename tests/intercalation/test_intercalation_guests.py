"""Which elements fit into which voids, and why others do not."""

import pytest
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Lattice, Structure

from invdesflow.errors import ConfigurationError, IntercalationError
from invdesflow.intercalation.guests import ELECTRONEGATIVITY, SIZE, GuestSettings, judge_guests, require_room
from invdesflow.intercalation.voids import VoidSettings, find_voids
from invdesflow.superconductors.catalogue import load_catalogue

K2CUH6 = next(document.structure for document in load_catalogue() if document.name == "K2CuH6")
TIS2 = Structure.from_spacegroup(
    "P-3m1", Lattice.hexagonal(3.407, 5.695), ["Ti", "S"], [[0, 0, 0], [1 / 3, 2 / 3, 0.25]]
)
ALUMINIUM = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]])


def verdicts(structure, guests=None, settings=None):
    judged = judge_guests(structure, find_voids(structure)[:1], guests, settings)
    return {verdict.guest: verdict for verdict in judged}


def test_the_guests_of_the_paper_fit():
    judged = verdicts(K2CUH6, ["Ga", "Li", "In", "Al"])
    assert all(verdict.fits for verdict in judged.values())
    assert {verdict.site for verdict in judged.values()} == {"4b"}


def test_the_fit_is_the_distance_over_the_sum_of_the_radii():
    fit = verdicts(ALUMINIUM, ["Li"])["Li"].fit
    assert fit == pytest.approx(4.05 / 2 / (covalent_radii[3] + covalent_radii[13]))


def test_alkali_metals_enter_titanium_disulphide():
    judged = verdicts(TIS2, ["Li", "Na", "K", "F"])
    assert [judged[symbol].fits for symbol in ("Li", "Na", "K")] == [True, True, True]
    assert judged["F"].rejection.gate == ELECTRONEGATIVITY
    assert judged["F"].rejection.reason == "F (3.98) is more electronegative than S (2.58)"


def test_sizes_are_refused_on_both_sides():
    large, small = verdicts(K2CUH6, ["Cs"])["Cs"].rejection, verdicts(K2CUH6, ["H"])["H"].rejection
    assert (large.gate, small.gate) == (SIZE, SIZE)
    assert "too large" in large.reason
    assert "too small" in small.reason
    assert large.value < large.threshold
    assert small.value > small.threshold


def test_thresholds_are_settings():
    assert verdicts(K2CUH6, ["Cs"], GuestSettings(min_fit=0.6))["Cs"].fits
    refused = verdicts(K2CUH6, ["Ga"], GuestSettings(min_electronegativity_difference=0.5))["Ga"].rejection
    assert refused.reason == "Ga (1.81) is more electronegative than H (2.20) less 0.5"


def test_every_element_gets_a_verdict():
    judged = verdicts(K2CUH6)
    assert {"Li", "Cs", "F", "H"} <= set(judged)
    assert {"He", "Tc", "U"}.isdisjoint(judged)  # noble gases and radioactive elements are not tried unasked
    for symbol, verdict in judged.items():
        assert verdict.fits or verdict.rejection.reason.startswith(symbol)
    assert sum(verdict.fits for verdict in judged.values()) > 10


def test_an_element_without_electronegativity_is_refused_with_that_reason():
    assert verdicts(K2CUH6, ["He"])["He"].rejection.reason == "no electronegativity is tabulated for He"


def test_what_is_no_element():
    with pytest.raises(ConfigurationError, match="'Xx' is not an element"):
        verdicts(K2CUH6, ["Xx"])


def test_voids_smaller_than_any_atom():
    compressed = Structure.from_spacegroup("Fm-3m", Lattice.cubic(2.2), ["Al"], [[0, 0, 0]])
    voids = find_voids(compressed, VoidSettings(min_radius_a=0.5))
    smallest = (2.2 / 2) / (covalent_radii[atomic_numbers["H"]] + covalent_radii[13])
    assert smallest < 0.75
    with pytest.raises(IntercalationError, match=r"smaller than any atom: in the largest, 4b with a radius of 1.10 A"):
        require_room(compressed, voids)
    with pytest.raises(IntercalationError, match="Al has no voids"):
        require_room(compressed, [])
    require_room(ALUMINIUM, find_voids(ALUMINIUM))
