"""Finding the pseudopotentials of a crystal, and refusing those that would end in a wrong number."""

import hashlib
from pathlib import Path

import pytest
from upf_samples import upf_1, upf_2

from invdesflow.errors import EspressoError
from invdesflow.espresso.pseudopotential_families import known_families
from invdesflow.espresso.pseudopotentials import find_pseudopotentials, read_upf

DEBIAN = Path("/usr/share/espresso/pseudo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    family = tmp_path / "mine"
    family.mkdir()
    (family / "Al.upf").write_text(upf_2("Al"))
    (family / "si_pbe_v1.UPF").write_text(upf_1("Si"))
    (family / "B.one.upf").write_text(upf_2("B"))
    (family / "B.two.upf").write_text(upf_2("B"))
    (family / "Mg_lda.upf").write_text(upf_2("Mg", functional="PZ"))
    (family / "Cu.upf").write_text(upf_2("Cu", kind="USPP"))
    (family / "Zn.upf").write_text(upf_2("Zn", kind="PAW"))
    (family / "Pb.upf").write_text(upf_2("Pb", relativistic="full"))
    (family / "In.upf").write_text(upf_2("Tl"))
    (family / "Ga.upf").write_text(upf_2("Ga")[:600])
    zeros = "<PP_BETA.3>0.0 0.0</PP_BETA.3>\n<PP_PSWFC>"
    (family / "Bi.upf").write_text(upf_2("Bi").replace("<PP_PSWFC>", zeros))
    (family / "README.md").write_text("no pseudopotential")
    return family


def test_one_file_for_each_element(folder: Path) -> None:
    found = find_pseudopotentials(str(folder), ["Si", "Al", "Al"])
    assert list(found) == ["Al", "Si"]
    assert found["Al"].path == folder / "Al.upf"
    assert found["Al"].sha256 == hashlib.sha256((folder / "Al.upf").read_bytes()).hexdigest()
    assert found["Si"].z_valence == 4.0


def test_several_files_of_an_element_need_a_choice(folder: Path) -> None:
    with pytest.raises(EspressoError, match=r"2 pseudopotentials of B: B\.one\.upf, B\.two\.upf"):
        find_pseudopotentials(str(folder), ["B"])
    assert find_pseudopotentials(str(folder), ["B"], {"B": "B.two.upf"})["B"].path.name == "B.two.upf"


@pytest.mark.parametrize(
    ("elements", "files", "said"),
    [
        (["Eu"], {}, "has no pseudopotential of Eu"),
        (["Xx"], {}, "has no pseudopotential of Xx"),
        (["Cu"], {}, r"Cu\.upf is not norm-conserving \(USPP\), and EPW needs"),
        (["Zn"], {}, r"Zn\.upf is not norm-conserving \(PAW\)"),
        (["Pb"], {}, "made with spin-orbit coupling"),
        (["In"], {}, "is for Tl, not for In"),
        (["Ga"], {}, "is damaged"),
        (["Bi"], {}, r"Bi\.upf has lost a projector \(PP_BETA\.3 is zero throughout\)"),
        (["Al", "Mg"], {}, r"different functionals: Al\.upf PBE, Mg_lda\.upf LDA"),
        (["B"], {"B": "B.three.upf"}, r"has no file 'B\.three\.upf' for B"),
        (["B"], {"B": "../mine/B.one.upf"}, "has no file"),
        (["B"], {"B": ""}, "has no file"),
        (["B"], {"B": "Al.upf"}, "is for Al, not for B"),
    ],
)
def test_misuse_is_one_line(folder: Path, elements: list[str], files: dict[str, str], said: str) -> None:
    with pytest.raises(EspressoError, match=said) as caught:
        find_pseudopotentials(str(folder), elements, files)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["nothing", "/no/such/folder", ""])
def test_an_unknown_family_names_the_known_ones(family: str) -> None:
    with pytest.raises(EspressoError, match=r"There is no pseudopotential family .* Use pseudodojo-pbe-standard, "):
        find_pseudopotentials(family, ["Al"])


def test_a_family_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INVDESFLOW_PSEUDO_DIR", str(tmp_path))
    with pytest.raises(EspressoError, match="Run: invdesflow pseudos install pseudodojo-pbe-standard"):
        find_pseudopotentials("pseudodojo-pbe-standard", ["Al"])


def test_a_file_of_a_known_family_that_is_another_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INVDESFLOW_PSEUDO_DIR", str(tmp_path))
    family = tmp_path / "pseudodojo-pbe-standard"
    family.mkdir()
    (family / "Al.upf").write_text(upf_2("Al"))
    with pytest.raises(EspressoError, match="is not what was installed: its SHA-256 differs"):
        find_pseudopotentials("pseudodojo-pbe-standard", ["Al"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(EspressoError, match="cannot be read: No such file"):
        read_upf(tmp_path / "Al.upf")
    with pytest.raises(EspressoError, match="cannot be read: Is a directory"):
        read_upf(tmp_path)


def test_the_known_families_hold_the_same_elements_and_no_file_twice() -> None:
    families = known_families()
    assert set(families) == {
        f"pseudodojo-{xc}-{level}" for xc in ("pbe", "pbesol") for level in ("standard", "stringent")
    }
    assert {len(family.digests) for family in families.values()} == {72}
    assert len({frozenset(family.digests) for family in families.values()}) == 1
    for family in families.values():
        assert len(set(family.digests.values())) == 72
        assert all(len(digest) == 64 for digest in family.digests.values())
    assert not set(families["pseudodojo-pbe-standard"].digests.values()) & set(
        families["pseudodojo-pbesol-standard"].digests.values()
    )


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's quantum-espresso-data is not installed")
def test_the_files_of_debian() -> None:
    files = {"B": "B.pz-vbc.UPF", "H": "H.pz-vbc.UPF"}
    found = find_pseudopotentials(str(DEBIAN), ["Al", "B", "Mg"], files)
    assert {pseudo.functional for pseudo in found.values()} == {"LDA"}
    assert {symbol: pseudo.z_valence for symbol, pseudo in found.items()} == {"Al": 3, "B": 3, "Mg": 2}
    assert found["Al"].wavefunctions == (("3S", 0), ("3P", 1))
    with pytest.raises(EspressoError, match="imaginary phonons, and EPW crashes"):
        find_pseudopotentials(str(DEBIAN), ["H"], files)
    with pytest.raises(EspressoError, match="2 pseudopotentials of Cu"):
        find_pseudopotentials(str(DEBIAN), ["Cu"])


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's quantum-espresso-data is not installed")
def test_every_file_of_debian_can_be_read() -> None:
    read = {path.name: read_upf(path) for path in DEBIAN.iterdir() if path.suffix.lower() == ".upf"}
    assert len(read) > 60
    assert read["Si.rel-pbe-rrkj.UPF"].relativistic == "full"  # version 1
    assert read["Cu.pbe-kjpaw.UPF"].kind == "PAW"
    assert read["H.coulomb-ae.UPF"].wavefunctions == ()
