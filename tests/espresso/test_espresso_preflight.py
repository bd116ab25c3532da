"""What is refused before the first expensive step, and the space on the disk against files that were measured."""

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import DummySpecies, Lattice, Structure
from upf_samples import upf_2

from invdesflow.errors import EspressoError, StructureError
from invdesflow.espresso import preflight
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.disk_space import DiskEstimate, check_disk, estimate_disk
from invdesflow.espresso.meshes import Meshes, primitive_for_espresso
from invdesflow.espresso.preflight import (
    check_before_running,
    check_crystal,
    check_meshes,
    check_moments,
    check_programs,
)
from invdesflow.espresso.protocols import load_protocol
from invdesflow.espresso.pseudopotentials import find_pseudopotentials

DEBIAN = Path("/usr/share/espresso/pseudo")
AL = primitive_for_espresso(Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.97), ["Al"], [[0, 0, 0]]))
MGB2 = primitive_for_espresso(
    Structure.from_spacegroup("P6/mmm", Lattice.hexagonal(3.086, 3.523), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]])
)
SODIUM_CHLORIDE = [[0, 0, 0], [0.5, 0.5, 0.5]]


@pytest.mark.parametrize(
    "crystal",
    [
        AL,
        MGB2,
        Structure.from_spacegroup("Im-3m", Lattice.cubic(2.984), ["S", "H"], [[0, 0, 0], [0, 0, 0.5]]),  # 200 GPa
        Structure(Lattice.cubic(4.12), ["Cs", "Cl"], SODIUM_CHLORIDE),
        Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.31), ["Ar"], [[0, 0, 0]]),
        Structure(Lattice.hexagonal(3.75, 6.12), ["H"] * 4, [[1 / 3, 2 / 3, z] for z in (0.19, 0.31, 0.69, 0.81)]),
    ],
)
def test_real_crystals_pass(crystal: Structure) -> None:
    check_crystal(crystal, 20)


@pytest.mark.parametrize(
    ("crystal", "said"),
    [
        (Structure(Lattice.cubic(4), [{"Al": 0.5, "B": 0.5}], [[0, 0, 0]]), "has partially occupied sites"),
        (Structure(Lattice.cubic(4), [{"Al": 0.5}], [[0, 0, 0]]), "has partially occupied sites"),
        (Structure(Lattice.cubic(4), [DummySpecies("X")], [[0, 0, 0]]), "a site that is no element"),
        (Structure(Lattice.cubic(4), ["Al", "B"], [[0, 0, 0], [0, 0, 0.1]]), r"two atoms \((Al-B|B-Al)\) at 0\.40 A"),
        (Structure(Lattice.cubic(15), ["Al"], [[0, 0, 0]]), r"an isolated atom \(Al\)"),
        (AL * (3, 3, 3), "has 27 atoms, more than the 20 of the protocol"),
        (Structure(Lattice([[4, 0, 0], [0, 4, 0], [0, 0, 1e-4]]), ["Al"], [[0, 0, 0]]), "degenerate"),
    ],
)
def test_odd_crystals_are_refused_in_one_line(crystal: Structure, said: str) -> None:
    with pytest.raises(StructureError, match=said) as caught:
        check_crystal(crystal, 20)
    assert "\n" not in str(caught.value)


def test_magnets_are_refused_by_their_moments() -> None:
    check_moments(MGB2, [0.02, -0.1, 0.0])
    with pytest.raises(StructureError, match=r"MgB2 is expected to be magnetic: 2\.2 Bohr magnetons on B"):
        check_moments(MGB2, [0.0, -2.2, 0.1])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"k_spacing": 0.01}, r"\d+ k-points of the density or more, and 40000 fit\. Change k_spacing"),
        ({"wannier_k_multiple": 20}, "k-points of the Wannier functions.*Change wannier_k_multiple"),
        ({"fine_q_spacings": [0.005]}, "fine k-points.*Change fine_q_spacings"),
        ({"k_spacing": 0.03}, r"points k and k \+ q, and 40000 fit"),
    ],
)
def test_meshes_that_do_not_fit(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(EspressoError, match=said):
        check_meshes(MGB2, Meshes.of(MGB2, load_protocol("smoke", overrides)))


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EspressoError, match=r"no executable pw\.x"):
        check_programs(("pw.x",))


def test_a_disk_without_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10e9, 8e9, 2e9))
    check_disk(DiskEstimate(1e9, 0.2e9, 0.2e9, 0.2e9, 0.2e9), tmp_path / "not" / "made")
    with pytest.raises(EspressoError, match=r"needs about 2\.2 GB, and 2\.0 GB are free .*INVDESFLOW_ESPRESSO_DIR"):
        check_disk(DiskEstimate(1e9, 0.6e9, 0.2e9, 0.2e9, 0.2e9), tmp_path / "not" / "made")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's quantum-espresso-data is not installed")
def test_the_estimate_agrees_with_the_files_of_a_real_run() -> None:
    pseudopotentials = find_pseudopotentials(str(DEBIAN), ["Al"])
    estimate = estimate_disk(AL, load_protocol("smoke"), pseudopotentials, at_once=1)
    # Bytes of crystal.wfc1 of pw.x (scf, then nscf with 10 bands), and of epmatwp, with the same settings.
    assert estimate.density == pytest.approx(781_056, rel=0.15)
    assert estimate.wannier == pytest.approx(3_905_280, rel=0.15)
    assert estimate.vertices == pytest.approx(9_213_696, rel=0.5)
    # ph.x leaves crystal.wfc1 at k and k + q of the largest of the four q-points; it deletes the changes at the end.
    assert 11_064_960 * 0.85 < estimate.phonons < 11_064_960 * 4
    assert np.isclose(estimate.total, sum(getattr(estimate, part) for part in DiskEstimate.__slots__))


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's quantum-espresso-data is not installed")
def test_the_estimate_of_magnesium_diboride() -> None:
    pseudopotentials = find_pseudopotentials(str(DEBIAN), ["Mg", "B"], {"B": "B.pz-vbc.UPF"})
    protocol = load_protocol("smoke", {"ecutwfc_ry": 30, "ecutrho_ry": 120})
    assert estimate_disk(MGB2, protocol, pseudopotentials, at_once=1).total == pytest.approx(200e6, rel=0.5)


def _family(folder: Path, **kinds: str) -> str:
    for element, kind in kinds.items():
        (folder / f"{element}.upf").write_text(upf_2(element, kind=kind))
    return str(folder)


def test_everything_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(preflight, "find_program", asked.append)
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "runs"))
    check_before_running(AL, Calculation.of("smoke", _family(tmp_path, Al="NC")))
    assert asked == ["pw.x", "ph.x", "q2r.x", "matdyn.x", "projwfc.x", "epw.x"]
    with pytest.raises(StructureError, match="is expected to be magnetic"):
        check_before_running(AL, Calculation.of("smoke", _family(tmp_path, Al="NC")), [2.0])
    with pytest.raises(EspressoError, match="EPW needs norm-conserving"):
        check_before_running(AL, Calculation.of("smoke", _family(tmp_path, Al="USPP")))
    with pytest.raises(EspressoError, match="has no pseudopotential of B"):
        check_before_running(MGB2, Calculation.of("smoke", _family(tmp_path, Mg="NC")))


def test_pseudopotentials_without_orbitals_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = upf_2("Al")
    bare = text[: text.index("<PP_CHI.1")] + text[text.index("</PP_PSWFC>") :]
    (tmp_path / "Al.upf").write_text(bare.replace('number_of_wfc="2"', 'number_of_wfc="0"'))
    with pytest.raises(EspressoError, match="There are no atomic orbitals"):
        check_before_running(AL, Calculation.of("smoke", str(tmp_path)))
