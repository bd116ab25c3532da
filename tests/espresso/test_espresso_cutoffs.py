"""Whether the cutoff of a calculation reaches what the authors of its pseudopotentials recommend."""

from dataclasses import replace
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from upf_samples import upf_2

from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.flows import ElectronPhononMaker
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.cutoffs import check_cutoff, cutoff_note, recommended_cutoff
from invdesflow.espresso.protocols import load_protocol
from invdesflow.espresso.pseudopotential_families import known_cutoffs, known_families
from invdesflow.espresso.pseudopotentials import Pseudopotential, read_upf


@pytest.fixture
def made_up(tmp_path: Path) -> Pseudopotential:
    path = tmp_path / "Al.upf"
    path.write_text(upf_2("Al"))
    return read_upf(path)


def of_family(symbol: str, made_up: Pseudopotential, family: str = "pseudodojo-pbe-standard") -> Pseudopotential:
    return replace(made_up, element=symbol, sha256=known_families()[family].digests[f"{symbol}.upf"])


def test_the_hints_are_those_of_pseudodojo(made_up: Pseudopotential) -> None:
    """Hartree as on PseudoDojo's own page (website/nc-sr-04_pbe_standard.json in github.com/abinit/pseudo_dojo)."""
    published = {"Pd": (37, 41, 49), "Cu": (42, 46, 52), "H": (32, 36, 42), "Si": (14, 18, 24), "Zr": (29, 33, 49)}
    for family in ("pseudodojo-pbe-standard", "pseudodojo-pbesol-standard"):
        for symbol, (low, normal, high) in published.items():
            found = recommended_cutoff(of_family(symbol, made_up, family))
            assert found is not None
            assert (found.low, found.normal, found.high) == (2 * low, 2 * normal, 2 * high)


def test_every_hint_rises_and_no_file_is_without_one_but_those_that_pseudodojo_left_out() -> None:
    assert all(0 < low <= normal <= high for low, normal, high in known_cutoffs().values())
    left_out = {f"{symbol}.upf" for symbol in ("Ba", "Bi", "I", "Pb", "Po", "Rb", "Rn", "S", "Te", "Tl", "Xe")}
    for name, family in known_families().items():
        without = {file for file, digest in family.digests.items() if digest not in known_cutoffs()}
        assert without == (set() if "pbesol" in name else left_out)


def test_palladium_at_50_ry_is_refused(made_up: Pseudopotential) -> None:
    pair = {"H": of_family("H", made_up), "Pd": of_family("Pd", made_up)}
    too_low = load_protocol("moderate", {"ecutwfc_ry": 50, "ecutrho_ry": 200})
    with pytest.raises(EspressoError, match=r"50 Ry is too low for Pd: .* give 74 Ry \(low\)") as caught:
        check_cutoff(too_low, pair)
    assert "--set ecutwfc_ry=74 --set ecutrho_ry=296" in str(caught.value)
    check_cutoff(load_protocol("moderate", {"ecutwfc_ry": 74}), pair)
    with pytest.raises(EspressoError, match=r"81 Ry is too low for Pd: .* give 82 Ry \(normal\)"):
        check_cutoff(load_protocol("precise", {"ecutwfc_ry": 81}), pair)


def test_what_is_allowed_against_the_hint_is_said_in_the_document(made_up: Pseudopotential) -> None:
    pair = {"H": of_family("H", made_up), "Pd": of_family("Pd", made_up)}
    allowed = load_protocol("moderate", {"ecutwfc_ry": 50, "ecutrho_ry": 200, "cutoff_hint": "none"})
    check_cutoff(allowed, pair)
    assert allowed.changed() == {"ecutwfc_ry": 50, "ecutrho_ry": 200, "cutoff_hint": "none"}
    assert cutoff_note(allowed, pair) == "50 Ry are below the recommended cutoff (Ry): H 72, Pd 82."
    assert cutoff_note(load_protocol("precise"), pair) == ""


def test_the_header_speaks_for_other_files_and_its_silence_is_said(tmp_path: Path, made_up: Pseudopotential) -> None:
    assert recommended_cutoff(made_up) is None
    check_cutoff(load_protocol("fast"), {"Al": made_up})
    assert (
        cutoff_note(load_protocol("fast"), {"Al": made_up}) == "No cutoff is recommended for the pseudopotential of Al."
    )
    stated = tmp_path / "stated.upf"
    stated.write_text(
        upf_2("Al").replace('pseudo_type="NC"', 'pseudo_type="NC" wfc_cutoff="9.0E+01" rho_cutoff="12.5"')
    )
    with pytest.raises(EspressoError, match=r"80 Ry is too low for Al: .* give 90 Ry"):
        check_cutoff(load_protocol("moderate"), {"Al": read_upf(stated)})


def test_what_is_refused_before_the_first_step_is_a_failure_with_its_reason(database: Database, tmp_path: Path) -> None:
    (tmp_path / "Al.upf").write_text(upf_2("Al").replace('pseudo_type="NC"', 'pseudo_type="NC" wfc_cutoff="90"'))
    maker = ElectronPhononMaker(Calculation.of("moderate", str(tmp_path)))
    aluminium = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.04), ["Al"], [[0, 0, 0]])
    with pytest.raises(EspressoError, match="80 Ry is too low for Al"):
        ElectronPhononMaker.begin.original(maker, aluminium, None)
    [document] = database.collection(ElectronPhononDocument).find()
    assert (document.status, document.core_hours, document.cost) == ("failed", 0.0, [])
    assert "80 Ry is too low for Al" in document.reason
    assert document.cutoff_note == "80 Ry are below the recommended cutoff (Ry): Al 90."
