"""What guests change, on documents whose differences can be added up by hand."""

import numpy as np
import pytest
from harmonic_hydride import X_GUEST, X_HOST, A
from pydantic import ValidationError
from pymatgen.core import Lattice, Structure
from study_documents import CELLS, GUEST, HOST, UNFINISHED, calculation, relaxation, screening

from invdesflow.crystals.symmetry import space_group
from invdesflow.errors import IntercalationError
from invdesflow.intercalation.comparison import (
    compare_energies,
    compare_predictions,
    compare_structures,
    element_references,
)
from invdesflow.intercalation.coupling import bands_at_fermi, comparable_calculations, compare_coupling
from invdesflow.intercalation.documents import Compared, Pair
from invdesflow.intercalation.study import KnownCrystal, StudySettings, compare_pair
from invdesflow.relaxation.relaxation import RelaxationSettings


def bare(symbol, energy_ev, name="", **changes):
    cell = Structure(Lattice.cubic(3.0), [symbol, symbol], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return relaxation(cell, energy_ev, name or symbol, kind="element", **changes)


def test_missing_values_need_a_reason():
    assert Compared.of(2.0, 5.0).difference == 3.0
    assert Compared.of(2.0, 5.0).percent == pytest.approx(150.0)
    assert Compared.of(2.0, None, "no phonons").reason == "no phonons"
    assert Compared.of(2.0, None).reason
    with pytest.raises(ValidationError):
        Compared(host=1.0, guest=None, difference=None, reason="")
    with pytest.raises(ValidationError):
        Compared(host=1.0, guest=2.0, difference=None, reason="")


def test_volume_lattice_and_bonds():
    change = compare_structures(relaxation(CELLS[HOST], -40.0), relaxation(CELLS[GUEST], -44.0, GUEST), ["Ga"])
    assert change.volume_a3.percent == pytest.approx(100 * ((7.5 / A) ** 3 - 1))
    assert (change.lattice_constant_a.host, change.lattice_constant_a.guest) == pytest.approx((A, 7.5))
    bonds = {bond.name: bond for bond in change.bonds}
    assert list(bonds) == ["Cu-H", "H-K"]
    assert (bonds["Cu-H"].host_a, bonds["Cu-H"].guest_a) == pytest.approx((X_HOST * A, X_GUEST * 7.5))
    across = [np.sqrt((0.25 - x) ** 2 + 0.125) for x in (X_HOST, X_GUEST)]
    assert (bonds["H-K"].host_a, bonds["H-K"].guest_a) == pytest.approx((across[0] * A, across[1] * 7.5))
    assert bonds["H-K"].guest_longest_a == pytest.approx(bonds["H-K"].guest_shortest_a)


def test_volume_is_counted_for_a_cell_of_the_host():
    double = half_filled()
    change = compare_structures(relaxation(CELLS[HOST], -40.0), relaxation(double, -84.0, GUEST), ["Ga"])
    assert change.volume_a3.guest == pytest.approx(7.5**3 / 4)
    assert change.lattice_constant_a.reason == "not both are cubic"
    assert [bond.name for bond in change.bonds] == ["Cu-H", "H-K"]


def test_a_lattice_constant_is_that_of_the_host_in_a_superstructure():
    oxide = Structure.from_spacegroup("Pm-3m", Lattice.cubic(4.0), ["Re", "O"], [[0] * 3, [0.5, 0, 0]])
    ordered = oxide * (2, 2, 2)
    for site in ([0.25] * 3, [0.25, 0.75, 0.75], [0.75, 0.25, 0.75], [0.75, 0.75, 0.25]):
        ordered.append("Na", site)
    assert space_group(ordered)[1] == "Fm-3m"  # rock salt, a = 8 A
    ordered.scale_lattice(1.02**3 * ordered.volume)
    change = compare_structures(relaxation(oxide, -40.0), relaxation(ordered, -330.0, GUEST), ["Na"])
    assert (change.lattice_constant_a.host, change.lattice_constant_a.guest) == pytest.approx((4.0, 4.08))


def test_energies_add_up():
    references = {"K": -1.0, "Cu": -4.0, "H": -3.0, "Ga": -2.5}  # host from elements: -2 - 4 - 18 = -24
    change = compare_energies(
        relaxation(CELLS[HOST], -25.8), relaxation(CELLS[GUEST], -27.1, GUEST), ["Ga"], references
    )
    assert change.formation_ev_per_atom.host == pytest.approx(-0.2)
    assert change.formation_ev_per_atom.guest == pytest.approx((-27.1 + 26.5) / 10)
    assert change.intercalation_ev == pytest.approx(-27.1 + 25.8 + 2.5)


def test_energies_without_an_element_are_missing():
    change = compare_energies(
        relaxation(CELLS[HOST], -25.8),
        relaxation(CELLS[GUEST], -27.1, GUEST),
        ["Ga"],
        {"K": -1.0, "Cu": -4.0, "H": -3.0},
    )
    assert change.intercalation_ev is None
    assert "Ga" in change.intercalation_reason
    assert change.formation_ev_per_atom.reason == change.intercalation_reason


def test_reference_is_the_lowest_crystal_under_the_same_conditions():
    like = relaxation(CELLS[HOST], -25.8)
    pressed = RelaxationSettings(pressure_gpa=5.0)
    found = element_references(
        [
            bare("K", -2.0, "K bcc"),
            bare("K", -2.4, "K fcc"),
            bare("K", -9.0, settings=pressed),
            bare("K", -8.0, reason="x"),
        ],
        like,
    )
    assert found == {"K": pytest.approx(-1.2)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": RelaxationSettings(pressure_gpa=5.0)}, "pressure_gpa"),
        ({"reason": "not converged after 300 steps"}, "was not relaxed"),
    ],
)
def test_unequal_or_failed_relaxations_are_refused(changes, words):
    with pytest.raises(IntercalationError, match=words):
        compare_structures(relaxation(CELLS[HOST], -40.0), relaxation(CELLS[GUEST], -44.0, GUEST, **changes), ["Ga"])


def test_predictions():
    change = compare_predictions(screening(HOST, "rlx-1", 16.0), screening(GUEST, "rlx-2", 60.0))
    assert change.tc_k.difference == 44.0
    assert change.lambda_.reason == "not predicted"
    with pytest.raises(IntercalationError, match="tc"):
        compare_predictions(screening(HOST, "rlx-1", 16.0), screening(GUEST, "rlx-2", 60.0, digest="n" * 64))
    with pytest.raises(IntercalationError, match="mu_star"):
        compare_predictions(screening(HOST, "rlx-1", 16.0), screening(GUEST, "rlx-2", 60.0, mu_star=0.13))


def test_coupling_is_compared_and_split():
    (before, its), (after, others) = calculation(HOST, 0.6, 16.0), calculation(GUEST, 1.8, 68.0)
    change = compare_coupling(before, after, (its, others), ["Ga"])
    assert change.lambda_.difference == pytest.approx(1.2)
    assert change.dos_per_ev.difference == pytest.approx(1.0)
    assert change.bands_at_fermi.host == 2
    assert change.tc_k("migdal_eliashberg").difference == pytest.approx(52.0)  # at the smaller mu*
    assert change.tc_k("allen_dynes") is None
    assert [window.lambda_ for window in change.guest_windows] == pytest.approx([0.9, 0.9], rel=1e-2)
    for windows, atoms, total in (
        (change.host_windows, change.host_atoms, 0.6),
        (change.guest_windows, change.guest_atoms, 1.8),
    ):
        assert sum(window.lambda_ for window in windows) == pytest.approx(total, rel=1e-3)
        assert sum(atom.lambda_ for atom in atoms) == pytest.approx(total, rel=1e-3)
    assert sum(atom.lambda_ for atom in change.guest_atoms if atom.element == "H") == pytest.approx(0.9, rel=1e-2)


def test_what_has_not_converged_is_compared_and_says_so():
    reason = "Tc still changes with the interpolated mesh: 80, 68 K."
    before, its = calculation(HOST, 0.6, 16.0)
    after, others = calculation(GUEST, 1.8, 68.0, status="not_converged", reason=reason)
    change = compare_coupling(before, after, (its, others), ["Ga"])
    assert change.lambda_.difference == pytest.approx(1.2)
    assert (change.host_status, change.guest_status) == ("completed", "not_converged")
    assert change.doubts == [f"K2GaCuH6: {reason}"]


def half_filled():
    double = CELLS[GUEST].copy()
    double.make_supercell([[1, 0, 0], [0, 1, 0], [0, 0, 2]])
    double.remove_sites([next(index for index, site in enumerate(double) if site.specie.symbol == "Ga")])
    return double


def test_what_belongs_to_a_cell_is_counted_for_that_of_the_host():
    before, its = calculation(HOST, 0.6, 16.0)
    after, others = calculation(GUEST, 1.8, 68.0, relaxed_structure=half_filled())
    change = compare_coupling(before, after, (its, {"bands_ev": others["bands_ev"]}), ["Ga"])
    assert change.dos_per_ev.guest == pytest.approx(1.5)
    assert (change.bands_at_fermi.host, change.bands_at_fermi.guest) == (2, None)
    assert "2 cells of the host are folded" in change.bands_at_fermi.reason


def test_density_of_states_of_cells_that_cannot_be_counted_is_missing():
    (before, its), (after, others) = calculation(HOST, 0.6, 16.0), calculation(GUEST, 1.8, 68.0)
    change = compare_coupling(before, after, (its, others), ["Li"])
    assert (change.dos_per_ev.host, change.dos_per_ev.guest) == (2.0, None)
    assert "with Li put in" in change.dos_per_ev.reason
    assert change.dos_per_ev.reason == change.bands_at_fermi.reason


def test_a_damaged_spectrum_leaves_the_numbers():
    (before, its), (after, others) = calculation(HOST, 0.6, 16.0), calculation(GUEST, 1.8, 68.0)
    change = compare_coupling(before, after, (its, others | {"alpha2f": others["alpha2f"] * np.nan}), ["Ga"])
    assert change.lambda_.guest == 1.8
    assert change.guest_windows == []
    assert "alpha2F" in change.split_reason


def test_unstable_crystal_says_why_there_is_no_coupling():
    before, its = calculation(HOST, 0.6, 16.0)
    after, _ = calculation(
        GUEST, 1.8, 68.0, status="dynamically_unstable", reason="2 modes are imaginary", **UNFINISHED
    )
    change = compare_coupling(before, after, (its, {}), ["Ga"])
    assert change.lambda_.host == 0.6
    assert "2 modes are imaginary" in change.lambda_.reason
    assert change.tc == []
    assert "2 modes are imaginary" in change.tc_reason
    assert "K2GaCuH6" in change.split_reason


def test_a_verdict_stands_without_a_calculation_of_the_host():
    """First principles found the crystal unstable, and nobody calculated the host: there is no gain to predict."""
    unstable, _ = calculation(GUEST, 1.8, 68.0, status="dynamically_unstable", reason="2 modes", **UNFINISHED)
    host, guest = (
        KnownCrystal(name, relaxation(CELLS[name], -1.0, name), calculations=found)
        for name, found in ((HOST, ()), (GUEST, (unstable,)))
    )
    pair = compare_pair(
        Pair(host_id=HOST, guest_id=GUEST, guests={"Ga": 1}, sites=["4b"], filling=1.0),
        host,
        guest,
        references={},
        arrays_of=lambda _: {},
        settings=StudySettings(network_element="H"),
    )
    assert (pair.verdict, pair.verified) == ("dynamically unstable", True)
    assert pair.tc_k.difference is None


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": "moderate"},
        {"settings": {"ecutwfc_ry": 80.0, "mu_stars": [0.1, 0.13]}},
        {"pressure_gpa": 10.0},
        {"changed_settings": {"ecutwfc_ry": 60.0}},
    ],
)
def test_coupling_at_unequal_settings_is_refused(changes):
    before, its = calculation(HOST, 0.6, 16.0)
    after, others = calculation(GUEST, 1.8, 68.0, **changes)
    with pytest.raises(IntercalationError, match="not comparable"):
        compare_coupling(before, after, (its, others), ["Ga"])


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"functional": "PBEsol"}])
def test_other_pseudopotentials_are_refused(change):
    before, _ = calculation(HOST, 0.6, 16.0)
    after, _ = calculation(GUEST, 1.8, 68.0)
    other = {**after.pseudopotentials, "H": after.pseudopotentials["H"].model_copy(update=change)}
    with pytest.raises(IntercalationError, match=r"pseudopotential of H|functional"):
        comparable_calculations([before], [after.model_copy(update={"pseudopotentials": other})])


def test_finished_calculations_are_chosen_before_others():
    fast, _ = calculation(HOST, 0.6, 16.0)
    running, _ = calculation(HOST, 0.6, 16.0, elph_id="elph-slow", protocol="slow", status="running", **UNFINISHED)
    guests = [calculation(GUEST, 1.8, 68.0, protocol=name)[0] for name in ("slow", "fast")]
    assert [one.protocol for one in comparable_calculations([running, fast], guests)] == ["fast", "fast"]
    assert comparable_calculations([running], guests)[0] is running
    with pytest.raises(IntercalationError, match="Only one"):
        comparable_calculations([fast], [])
    with pytest.raises(IntercalationError, match="Neither"):
        comparable_calculations([], [])


def test_bands_that_only_touch_are_not_counted():
    assert bands_at_fermi({"bands_ev": np.array([[-1.0, 0.0], [0.0, 1.0]])}) == 0
    assert bands_at_fermi({}) is None
