import re
from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.projections import (
    AtomicState,
    read_atomic_states,
    read_projections,
)
from invdesflow.espresso.parsers.pw_xml import read_pw_xml

DATA = Path(__file__).parents[1] / "data"
AL = DATA / "projwfc/al/outputs"
XML = "out/crystal.save/atomic_proj.xml"


def test_states_are_those_of_pw() -> None:
    projections = read_projections(AL / XML)
    bands = read_pw_xml(DATA / "pw/al_scf/outputs/out/crystal.save/data-file-schema.xml")
    np.testing.assert_allclose(projections.energies_ev, bands.eigenvalues_ev, atol=1e-6)
    np.testing.assert_allclose(projections.weights, bands.weights, atol=1e-9)
    assert projections.fermi_energy_ev == pytest.approx(bands.fermi_energy_ev, abs=1e-6)
    assert projections.overlaps.shape == (72, 6, 4)


def test_projectability_is_the_printed_one() -> None:
    projections = read_projections(AL / XML)
    printed = re.findall(r"\|psi\|\^2 =\s*(\S+)", (AL / "projwfc.out").read_text())
    np.testing.assert_allclose(projections.projectability.ravel(), np.array(printed, dtype=float), atol=6e-4)
    assert projections.projectability[0, 0] > 0.99
    assert projections.projectability.max() <= 1


def test_orbitals_are_named_in_their_order() -> None:
    assert read_atomic_states(AL / "projwfc.out") == [
        AtomicState(0, "Al", 1, 0, 1),
        AtomicState(0, "Al", 2, 1, 1),
        AtomicState(0, "Al", 2, 1, 2),
        AtomicState(0, "Al", 2, 1, 3),
    ]


def test_orbitals_of_spinors_have_no_m(tmp_path: Path) -> None:
    path = tmp_path / "projwfc.out"
    path.write_text("  natomwfc =  1\n     state #   1: atom   2 (Pt ), wfc  1 (l=2 j=1.5 m_j=-1.5)\n")
    assert read_atomic_states(path) == [AtomicState(1, "Pt", 1, 2, None)]


def test_lowest_band_at_gamma_is_s() -> None:
    states, squared = read_atomic_states(AL / "projwfc.out"), read_projections(AL / XML).squared
    assert squared[0, 0].sum() == pytest.approx(squared[0, 0, [state.l == 0 for state in states]].sum(), abs=1e-6)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = (AL / XML).read_text()
    path = tmp_path / "atomic_proj.xml"
    for content in ("", "<PROJECTIONS/>", whole[: len(whole) // 2]):
        path.write_text(content)
        with pytest.raises(EspressoError, match=r"atomic_proj\.xml cannot be read as projections of projwfc\.x"):
            read_projections(path)
    with pytest.raises(EspressoError, match="it has no complete list of atomic states"):
        read_atomic_states(AL / "crystal.pdos_tot")
