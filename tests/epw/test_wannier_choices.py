"""First guesses and windows from made-up bands, of which everything is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.special import erfc

from invdesflow.epw.choices import WannierChoice, wannier_choices
from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.projections import AtomicState, Projections


def shell(element: str, number: int, momentum: int, atom: int = 0) -> list[AtomicState]:
    return [AtomicState(atom, element, number, momentum, m) for m in range(1, 2 * momentum + 2)]


def projections(energies: ArrayLike, squared: ArrayLike, fermi: float = 0.0) -> Projections:
    """Bands (nk, nbnd) with given squared overlaps (nk, nbnd, orbitals)."""
    bands, weights = np.asarray(energies, dtype=float), np.asarray(squared, dtype=float)
    n = len(bands)
    return Projections(np.zeros((n, 3)), np.full(n, 1 / n), bands, np.sqrt(weights).astype(complex), fermi)


def spread(width: float, n: int = 9) -> np.ndarray:
    return width * np.cos(np.linspace(0.0, np.pi, n))[:, None]


def metal(core: Sequence[float] = (), n_free: int = 4) -> tuple[Projections, list[AtomicState]]:
    """One atom with a core shell of s or p, and s and p near the Fermi level; free electrons from 6 eV on."""
    n_core = len(core)
    momentum = {0: None, 1: 0, 3: 1}[n_core]
    orbitals = [] if momentum is None else shell("X", 1, momentum)
    orbitals += shell("X", 2, 0) + shell("X", 3, 1)
    centres = [*core, -2.0, 0.0, 0.5, 1.0, *(6.0 + 1.5 * np.arange(n_free))]
    widths = np.array([*(0.1 for _ in core), *(1.5 for _ in range(4)), *(0.3 for _ in range(n_free))])
    energies = np.sort(np.array(centres) + spread(1.0) * widths, axis=1)
    squared = np.zeros((*energies.shape, len(orbitals)))
    for band in range(len(orbitals)):
        squared[:, band, band] = 0.98
    squared[:, len(orbitals) :, :] = 0.1 / len(orbitals)
    return projections(energies, squared), orbitals


def frozen_states(bands: Projections, choice: WannierChoice) -> int:
    """Count the states below the frozen window's end, at the k-point that has most of them."""
    kept = bands.energies_ev[:, choice.skipped :]
    return int((kept <= choice.parameters["dis_froz_max"]).sum(axis=1).max())


def choices(bands: Projections, orbitals: Sequence[AtomicState], window: float = 1.0) -> dict[str, WannierChoice]:
    return {choice.name: choice for choice in wannier_choices(bands, orbitals, bands.fermi_energy_ev, window)}


def test_the_order_is_from_the_likely_to_the_last_resort() -> None:
    bands, orbitals = metal(n_free=6)
    names = [choice.name for choice in wannier_choices(bands, orbitals, 0.0, 1.0)]
    assert names == ["atomic orbitals", "atomic orbitals and d of X", "atomic orbitals, narrow window", "SCDM"]


@pytest.mark.parametrize(("core", "projected"), [([], ["X:s", "X:p"]), ([-50.0], ["X:s", "X:p"])])
def test_core_bands_are_skipped_with_their_orbitals(core: list[float], projected: list[str]) -> None:
    bands, orbitals = metal(core)
    found = choices(bands, orbitals)["atomic orbitals"]
    assert (found.skipped, found.n_wannier) == (len(core), 4)
    assert found.parameters["proj"] == projected
    assert found.kept == ({"bands_skipped": "exclude_bands = 1-1"} if core else {})


def test_a_core_of_p_leaves_the_p_of_the_valence() -> None:
    bands, orbitals = metal([-30.3, -30.0, -29.7])
    found = choices(bands, orbitals)
    assert {choice.skipped for choice in found.values()} == {3}
    assert found["atomic orbitals"].parameters["proj"] == ["X:s", "X:p"]  # no second p: the first is in the core
    assert found["atomic orbitals"].kept == {"bands_skipped": "exclude_bands = 1-3"}
    assert all(choice.kept == found["SCDM"].kept for choice in found.values())


@pytest.mark.parametrize(
    ("core", "why"),
    [([-8.0], "not deep enough"), ([-5.5, -5.0, -4.5], "no gap above them")],
)
def test_what_is_near_the_valence_is_kept(core: list[float], why: str) -> None:
    bands, orbitals = metal(core)
    assert choices(bands, orbitals)["atomic orbitals"].skipped == 0, why


def test_deep_bands_that_are_not_those_of_whole_orbitals_are_kept() -> None:
    bands, orbitals = metal([-50.0])
    squared = bands.squared
    squared[:, 0, :] = 0.01  # a deep band of an orbital that is not in the list
    squared[:, 5:, 0] = 0.5
    mixed = projections(bands.energies_ev, squared)
    found = choices(mixed, orbitals)["atomic orbitals"]
    assert (found.skipped, found.n_wannier) == (0, 5)


@pytest.mark.parametrize("core", [[], [-50.0], [-30.3, -30.0, -29.7]])
@pytest.mark.parametrize("window", [0.2, 1.0, 4.0, 9.0, 40.0])
def test_no_window_freezes_more_states_than_there_are_functions(core: list[float], window: float) -> None:
    bands, orbitals = metal(core)
    for choice in choices(bands, orbitals, window).values():
        assert frozen_states(bands, choice) <= choice.n_wannier
        assert choice.parameters["dis_win_max"] > bands.energies_ev.max()


@given(seed=st.integers(0, 10_000), window=st.floats(0.1, 20.0), fermi=st.floats(-5.0, 8.0))
@settings(max_examples=60)
def test_no_window_freezes_too_much_in_any_bands(seed: int, window: float, fermi: float) -> None:
    random = np.random.default_rng(seed)
    orbitals = shell("X", 1, 0) + shell("X", 2, 1)
    energies = np.sort(random.uniform(-6.0, 20.0, (12, 10)), axis=1)
    projected = random.dirichlet(np.ones(5), (12, 10))[..., :4]
    bands = projections(energies, projected, fermi)
    found = list(wannier_choices(bands, orbitals, fermi, window))
    assert found
    for choice in found:
        assert frozen_states(bands, choice) <= choice.n_wannier
        assert choice.n_wannier <= energies.shape[1]


def test_the_first_window_ends_where_the_bands_stop_to_be_atomic() -> None:
    bands, orbitals = metal()
    first_free = bands.energies_ev[:, 4].min()
    frozen = choices(bands, orbitals)["atomic orbitals"].parameters["dis_froz_max"]
    assert frozen == pytest.approx(first_free, abs=0.01)
    assert frozen < first_free
    narrow = choices(bands, orbitals)["atomic orbitals, narrow window"].parameters["dis_froz_max"]
    assert narrow == pytest.approx(1.0)  # the states that conduct


def test_bands_that_are_never_atomic_are_kept_half_way_to_where_the_functions_are_used_up() -> None:
    bands, orbitals = metal()
    first_free = bands.energies_ev[:, 4].min()
    foreign = projections(bands.energies_ev, np.full((*bands.energies_ev.shape, 4), 0.2))
    frozen = choices(foreign, orbitals)["atomic orbitals"].parameters["dis_froz_max"]
    assert frozen == pytest.approx(0.5 * first_free, abs=0.01)  # the Fermi level is at zero


def test_states_that_conduct_are_kept_though_they_are_not_atomic() -> None:
    bands, orbitals = metal()
    poor = projections(bands.energies_ev, np.where(bands.energies_ev[..., None] > -1.0, 0.2, 0.24) * np.ones(4))
    found = choices(poor, orbitals, 4.0)
    assert found["atomic orbitals"].parameters["dis_froz_max"] == pytest.approx(4.0)
    assert "atomic orbitals, narrow window" not in found  # it would be the same


def test_one_shell_more_is_the_lowest_that_is_lacking_on_one_element_then_on_all() -> None:
    orbitals = shell("B", 1, 0, 1) + shell("B", 2, 1, 1) + shell("B", 1, 0, 2) + shell("B", 2, 1, 2) + shell("Mg", 1, 0)
    energies = np.sort(np.linspace(-5.0, 15.0, 30) + spread(0.2), axis=1)
    squared = np.zeros((9, 30, 9))
    squared[:, range(9), range(9)] = 1.0
    bands = projections(energies, squared)
    found = choices(bands, orbitals)
    names = [name for name in found if " and " in name]
    assert names == [
        "atomic orbitals and p of Mg",
        "atomic orbitals and d of B",
        "atomic orbitals and p of Mg and d of B",
    ]
    written = [found[name].parameters["proj"] for name in names]
    assert written == [
        ["B:s", "B:p", "Mg:s", "Mg:p"],
        ["B:s", "B:p", "B:d", "Mg:s"],
        ["B:s", "B:p", "B:d", "Mg:s", "Mg:p"],
    ]
    assert [found[name].n_wannier for name in names] == [9 + 3, 9 + 2 * 5, 9 + 3 + 2 * 5]
    assert all(frozen_states(bands, found[name]) <= found[name].n_wannier for name in names)
    few = projections(energies[:, :21], squared[:, :21])
    assert [name for name in choices(few, orbitals) if " and " in name] == names[:2]


def test_a_second_shell_of_one_momentum_has_one_radial_node_more() -> None:
    orbitals = shell("Y", 1, 0) + shell("Y", 2, 1) + shell("Y", 3, 2) + shell("Y", 4, 0)
    energies = np.sort(np.linspace(-5.0, 15.0, 14) + spread(0.2), axis=1)
    squared = np.zeros((9, 14, 10))
    squared[:, range(10), range(10)] = 1.0
    found = choices(projections(energies, squared), orbitals)
    assert found["atomic orbitals"].n_wannier == 10
    assert found["atomic orbitals"].parameters["proj"] == ["Y:s", "Y:s:r=2", "Y:p", "Y:d"]
    assert not [name for name in found if " and " in name]  # s, p and d are all there


def test_number_of_functions_is_that_of_the_projections() -> None:
    degeneracy = {"s": 1, "p": 3, "d": 5, "f": 7}
    for core in ([], [-50.0], [-30.3, -30.0, -29.7]):
        bands, orbitals = metal(core)
        for choice in choices(bands, orbitals).values():
            if "proj" in choice.parameters:
                written = [one.split(":")[1] for one in choice.parameters["proj"]]
                assert sum(degeneracy[letter] for letter in written) == choice.n_wannier


@pytest.mark.parametrize(("centre", "width"), [(5.0, 2.0), (12.0, 4.0), (0.0, 1.0)])
def test_scdm_gets_the_parameters_of_a_known_fall(centre: float, width: float) -> None:
    energies = np.sort(np.linspace(-10.0, 30.0, 40) + spread(0.5), axis=1)
    projectability = 0.5 * erfc((energies - centre) / width)
    squared = projectability[..., None] * np.full(4, 0.25)
    bands = projections(energies, squared)
    found = choices(bands, shell("X", 1, 0) + shell("X", 2, 1))["SCDM"].parameters
    assert found["scdm_sigma"] == pytest.approx(width, rel=1e-4)
    assert found["scdm_mu"] == pytest.approx(centre - 3.0 * width, rel=1e-4, abs=1e-4)
    assert (found["auto_projections"], found["scdm_proj"], found["scdm_entanglement"]) == (True, True, "erfc")
    assert "proj" not in found


@pytest.mark.parametrize(
    "projectability", [1.0, 0.5, lambda energies: 0.5 * erfc(-energies / 3.0)], ids=["all", "half", "rising"]
)
def test_scdm_is_left_out_where_the_projectability_does_not_fall(projectability: Any) -> None:
    energies = np.sort(np.linspace(-10.0, 30.0, 12) + spread(0.5), axis=1)
    values = projectability(energies) if callable(projectability) else np.full_like(energies, projectability)
    bands = projections(energies, values[..., None] * np.full(4, 0.25))
    found = choices(bands, shell("X", 1, 0) + shell("X", 2, 1))
    assert "SCDM" not in found
    assert "atomic orbitals" in found


def test_too_few_bands_are_refused() -> None:
    bands, orbitals = metal(n_free=0)
    few = projections(bands.energies_ev[:, :3], bands.squared[:, :3])
    with pytest.raises(EspressoError, match="3 bands are too few for 4 Wannier functions") as caught:
        list(wannier_choices(few, orbitals, 0.0, 1.0))
    assert "extra_bands" in caught.value.remedy


def test_as_many_bands_as_functions_need_no_disentanglement() -> None:
    bands, orbitals = metal(n_free=0)
    found = choices(bands, orbitals)["atomic orbitals"]
    assert found.n_wannier == bands.energies_ev.shape[1]
    assert found.parameters["dis_froz_max"] <= found.parameters["dis_win_max"]
