"""Hull distances against phase diagrams that can be done by hand."""

import numpy as np
import pytest
from pymatgen.core import Composition

from invdesflow.relaxation.hull import Conditions, HullEntry, assess_stability

CONDITIONS = Conditions("digest", 0.0)


def entry(formula, per_atom, name=None, conditions=CONDITIONS, subject=None):
    composition = Composition(formula)
    name = name or formula
    return HullEntry(name, subject or name, composition, per_atom * composition.num_atoms, conditions)


ELEMENTS = [entry("Mg", -1.0), entry("B", -6.0)]


def test_a_binary_by_hand():
    """References -1 and -6 eV; MgB2 at -0.3, MgB4 at -0.1 above the tie line of MgB2 and B."""
    diboride = entry("MgB2", (-1.0 - 12.0) / 3 - 0.3)
    # tie line at x(B) = 0.8: two fifths of the way from MgB2 (2/3) to B
    tetraboride = entry("MgB4", (-1.0 - 24.0) / 5 - 0.3 * 0.6 + 0.1)
    found = assess_stability([*ELEMENTS, diboride, tetraboride])
    stable = found["MgB2"]
    assert stable.formation_energy_ev_per_atom == pytest.approx(-0.3)
    assert stable.e_above_hull_ev_per_atom == 0
    assert stable.e_above_others_ev_per_atom == pytest.approx(-0.3 + 0.08 / 0.8 * (2 / 3))
    assert stable.decomposition.keys() == {"Mg", "MgB4"}
    unstable = found["MgB4"]
    assert unstable.formation_energy_ev_per_atom == pytest.approx(-0.08)
    assert unstable.e_above_hull_ev_per_atom == pytest.approx(0.1)
    assert unstable.e_above_others_ev_per_atom == pytest.approx(0.1)
    assert unstable.decomposition == pytest.approx({"MgB2": 0.6, "B": 0.4})


def test_polymorphs_compete_and_the_lower_element_is_the_reference():
    high, low = entry("MgB2", -4.5, "high"), entry("MgB2", -4.6, "low")
    found = assess_stability([*ELEMENTS, entry("B", -6.1, "B better"), high, low])
    assert found["high"].e_above_hull_ev_per_atom == pytest.approx(0.1)
    assert found["low"].e_above_others_ev_per_atom == pytest.approx(-0.1)
    assert found["low"].formation_energy_ev_per_atom == pytest.approx(-4.6 + (1.0 + 12.2) / 3)
    assert found["B"].e_above_hull_ev_per_atom == pytest.approx(0.1)
    assert found["Mg"].e_above_others_ev_per_atom is None


def test_relaxations_of_one_crystal_are_not_its_competitors():
    loose, tight = entry("MgB2", -4.60, "loose", subject="x"), entry("MgB2", -4.61, "tight", subject="x")
    found = assess_stability([*ELEMENTS, loose, tight])
    for name, energy in (("loose", -4.60), ("tight", -4.61)):
        assert found[name].e_above_others_ev_per_atom == pytest.approx(energy + 13 / 3)
        assert found[name].e_above_hull_ev_per_atom == 0


def test_under_pressure_the_coverage_says_what_the_elements_are():
    squeezed = Conditions("digest", 20.0)
    entries = [entry("Mg", -1.0, conditions=squeezed), entry("B", -6.0, conditions=squeezed)]
    found = assess_stability([*entries, entry("MgB2", -4.6, conditions=squeezed)])
    assert "ambient pressure only" in found["MgB2"].coverage.caveat
    assert assess_stability(ELEMENTS)["Mg"].coverage.caveat == ""


def test_a_missing_reference_gives_a_reason_and_no_number():
    found = assess_stability([entry("Mg", -1.0), entry("MgB2", -4.6)])["MgB2"]
    assert found.formation_energy_ev_per_atom is None
    assert found.e_above_hull_ev_per_atom is None
    assert "no elemental reference of B" in found.reason


def test_pressures_and_potentials_do_not_mix():
    pressed = Conditions("digest", 10.0)
    found = assess_stability([*ELEMENTS, entry("MgB2", -4.6), entry("MgB2", -4.0, "pressed", pressed)])
    assert found["MgB2"].e_above_hull_ev_per_atom == 0
    assert found["pressed"].e_above_hull_ev_per_atom is None
    assert assess_stability([entry("MgB2", -4.6, "other", Conditions("other", 0.0)), *ELEMENTS])["other"].reason


def test_coverage_names_the_subsystems():
    entries = [*ELEMENTS, entry("C", -9.0), entry("MgB2", -4.6), entry("MgBC", -5.5), entry("B4C", -6.8)]
    coverage = assess_stability(entries, wanted={"MgBC"})["MgBC"].coverage
    assert coverage.present == ["B", "C", "Mg", "B-C", "B-Mg"]
    assert coverage.missing == ["C-Mg", "B-C-Mg"]  # MgBC does not compete with itself


def test_hundreds_of_ternaries_are_all_assessed():
    rng = np.random.default_rng(0)
    symbols = ["Li", "Mg", "Al", "Ca", "Sc", "Ti", "Nb", "B", "C", "H"]
    entries = [entry(symbol, -3.0) for symbol in symbols]
    for i in range(500):
        chosen = rng.choice(symbols, 3, replace=False)
        counts = rng.integers(1, 5, 3)
        formula = "".join(f"{symbol}{count}" for symbol, count in zip(chosen, counts, strict=True))
        entries.append(entry(formula, -3.0 + 0.3 * rng.standard_normal(), str(i)))
    found = assess_stability(entries)
    assert len(found) == 510
    assert all(s.e_above_hull_ev_per_atom >= 0 for s in found.values())
