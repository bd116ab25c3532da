"""Files that would hang or exhaust the program that reads them end alone, in one line."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from invdesflow.crystals import parser
from invdesflow.crystals.reading import MAX_BYTES, read_structure, structure_from_text
from invdesflow.errors import StructureError
from invdesflow.superconductors.importers import read_folder
from invdesflow.superconductors.importers.refusal import Refusal

CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
 _atom_site_label
 _atom_site_type_symbol
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
Nb1 Nb 0 0 0 1
"""
CPU_S = 5  # enough for an ordinary text where a slow machine loads a library first
HANG = """
import time, invdesflow.crystals.formats as formats
usual = formats._READERS["cif"]
def hostile(text):
    if "SPIN" in text:
        while True:
            pass
    if "SLEEP" in text:
        time.sleep(1000)
    if "PIECES" in text:
        import numpy
        pieces = []
        while True:
            pieces.append(numpy.empty(2**20, numpy.uint8))
    if "CRASH" in text:
        import ctypes
        ctypes.string_at(0)
    if "WRITE" in text:
        open({target!r}, "w").write("x" * 100000)
    if "SECRET" in text:
        import os
        raise ValueError(str([name for name in os.environ if name.startswith("INVDESFLOW")]))
    return usual(text)
formats._READERS["cif"] = hostile
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the words above in a CIF do to the process that reads it what a defect of a library would."""
    target = tmp_path / "written"
    limits = f"import invdesflow.crystals.parser as parser; parser.CPU_S, parser.MEMORY_GB = {CPU_S}, 1"
    command = "\n".join([limits, HANG.format(target=str(target)), parser._COMMAND])
    for name, value in {"_COMMAND": command, "CPU_S": CPU_S, "MEMORY_GB": 1, "_parser": None}.items():
        monkeypatch.setattr(parser, name, value)
    yield target
    if parser._parser is not None:
        parser._parser.end()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("SPIN", f"it takes more than {CPU_S} s"),
        ("SLEEP", "it takes more than 2 s"),
        ("PIECES", "it takes more than 1 GB of memory"),
        ("CRASH", "breaks the parser"),
        ("WRITE", "is not a readable cif file"),
    ],
)
def test_a_hostile_text_fails_alone(word: str, reason: str, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(structure_from_text(CIF, "cif")) == 1
    if word == "SLEEP":
        monkeypatch.setattr(parser, "TIME_LIMIT_S", 2.0)
    with pytest.raises(StructureError, match=reason) as raised:
        structure_from_text(CIF + f"# {word}\n", "cif", "stranger.cif")
    assert str(raised.value).startswith("stranger.cif")
    assert "\n" not in str(raised.value)
    assert not hostile.exists() or hostile.stat().st_size == 0


@pytest.mark.usefixtures("hostile")
def test_the_parser_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVDESFLOW_MONGODB_PASSWORD", "s3cret")
    with pytest.raises(StructureError, match=r"\[\]"):
        structure_from_text(CIF + "# SECRET\n", "cif")


@pytest.mark.usefixtures("hostile")
def test_a_folder_is_read_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "crystals"
    folder.mkdir()
    for number, word in enumerate(["", "CRASH", "", "SPIN", ""]):
        (folder / f"{number}.cif").write_text(CIF + f"# {word}\n")
    results = list(read_folder(folder))
    assert [isinstance(result, Refusal) for result in results] == [False, True, False, True, False]


def test_one_process_reads_many_and_ends_with_us() -> None:
    structure_from_text(CIF, "cif")
    process = parser._parser
    for _ in range(5):
        structure_from_text(CIF, "cif")
    assert parser._parser is process
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_read_in_a_fork, args=(queue,))
    child.start()
    assert queue.get(timeout=120) == 1
    pid = queue.get(timeout=120)
    child.join(60)
    assert pid != process._process.pid
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the parser outlives the process that it reads for"
        time.sleep(0.05)
    assert len(structure_from_text(CIF, "cif")) == 1


def _read_in_a_fork(queue: "multiprocessing.Queue[int]") -> None:
    queue.put(len(structure_from_text(CIF, "cif")))
    queue.put(parser._parser._process.pid)
    queue.close()
    queue.join_thread()
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_interrupt_is_not_answered_with_the_next_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    structure_from_text(CIF, "cif")

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parser._Parser, "_hear", interrupted)
        with pytest.raises(KeyboardInterrupt):
            structure_from_text(CIF, "cif")
    two = structure_from_text(CIF + "Nb2 Nb 0.5 0.5 0.5 1\n", "cif")
    assert len(two) == 2


@pytest.mark.parametrize("file_format", ["cif", "poscar", "extxyz"])
def test_a_long_text_is_not_parsed(file_format: str) -> None:
    with pytest.raises(StructureError, match="larger than 1 MB"):
        structure_from_text(" " * (MAX_BYTES + 1), file_format)


@pytest.mark.parametrize(
    "text",
    [
        CIF.replace("_cell_length_a 4", "_cell_length_a 1e300"),
        CIF.replace("_cell_length_a 4", "_cell_length_a 1e-300"),
        CIF + "".join(f"Nb{n} Nb {n / 5000} 0 0 1\n" for n in range(1, 4999)),
        CIF.replace("'P 1'", "'" + "P " * 20_000 + "'"),
        CIF.replace("data_x", "data_x\n" * 20_000),
        CIF.replace("loop_", "loop_\n" * 2000),
        CIF + "loop_\n_space_group_symop_operation_xyz\n" + "x,y,z\n" * 40_000,
        CIF + "loop_\n_space_group_symop_operation_xyz\n" + f"{'-' * 50_000}x,y,z\n",
        CIF + "loop_\n_space_group_symop_operation_xyz\n" + f"x,{'y+' * 50_000}y,z\n",
        CIF.replace("Nb1 Nb", f"{'N' * 500_000} Nb"),
        CIF.replace("Nb1 Nb 0", f"Nb1 Nb 0.{'3' * 500_000}"),
        CIF + "_chemical_formula_sum '" + "Nb1000000000000 " * 100 + "'\n",
        CIF + "_chemical_formula_sum '" + "(" * 50_000 + "'\n",
        CIF + "_x\n;" + "a\n" * 100_000,
    ],
    ids=range(14),
)
def test_monsters_end_in_time(text: str, tmp_path: Path) -> None:
    path = tmp_path / "monster.cif"
    path.write_text(text[:MAX_BYTES])
    with suppress(StructureError):
        assert len(read_structure(path)) >= 1
