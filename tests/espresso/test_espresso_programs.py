import shutil
import stat
from pathlib import Path

import pytest
from aluminium import needs_pw

from invdesflow.errors import ConfigurationError, EspressoError
from invdesflow.espresso.programs import (
    PROGRAMS,
    banner_version,
    command_line,
    find_program,
    program_version,
    ranks_of,
)
from invdesflow.settings import Settings


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder of programs that print a banner."""
    for program in PROGRAMS:
        script = tmp_path / program
        script.write_text("#!/bin/sh\necho '     Program NAME v.7.4.1 starts on today'\n")
        script.chmod(stat.S_IRWXU)
    return tmp_path


def test_missing_programs_are_named_with_package_and_setting(tmp_path):
    with pytest.raises(EspressoError, match=r"no executable ph\.x in .*espresso_bin.*quantum-espresso"):
        find_program("ph.x", Settings(espresso_bin=tmp_path))


def test_missing_programs_are_named_on_the_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EspressoError, match=r"no executable pw\.x on the PATH"):
        find_program("pw.x", Settings())


def test_the_prelude_decides_what_is_on_the_path(bin_folder):
    settings = Settings(espresso_prelude=f"export PATH={bin_folder}:$PATH")
    assert find_program("pw.x", settings) == bin_folder / "pw.x"
    assert program_version("pw.x", settings) == "7.4.1"


def test_a_prelude_that_fails_ends_in_no_program(bin_folder):
    with pytest.raises(EspressoError, match="espresso_prelude"):
        find_program("pw.x", Settings(espresso_prelude=f"false\nexport PATH={bin_folder}:$PATH"))


def test_one_rank_needs_no_launcher(bin_folder):
    settings = Settings(espresso_bin=bin_folder)
    assert command_line("pw.x", "pw.in", settings) == [str(bin_folder / "pw.x"), "-in", "pw.in"]
    assert command_line("epw.x", "epw.in", settings) == [str(bin_folder / "epw.x"), "-in", "epw.in"]


def test_ranks_and_pools_of_every_kind_of_program(bin_folder):
    settings = Settings(
        espresso_bin=bin_folder, espresso_ranks=8, espresso_pools=4, espresso_launcher="srun --mpi=pmix -n {ranks}"
    )
    launcher = ["srun", "--mpi=pmix", "-n", "8"]
    assert command_line("ph.x", "ph.in", settings) == [*launcher, str(bin_folder / "ph.x"), "-nk", "4", "-in", "ph.in"]
    assert command_line("epw.x", "a", settings) == [*launcher, str(bin_folder / "epw.x"), "-npool", "8", "-in", "a"]
    for serial in ("q2r.x", "matdyn.x"):
        assert command_line(serial, "a", settings) == [str(bin_folder / serial), "-in", "a"]
        assert ranks_of(serial, settings) == 1
    assert ranks_of("epw.x", settings) == 8


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"espresso_ranks": 2}, "espresso_launcher is empty"),
        ({"espresso_ranks": 2, "espresso_launcher": "mpirun"}, "does not say where the number of ranks goes"),
        ({"espresso_ranks": 4, "espresso_pools": 3, "espresso_launcher": "mpirun -np {ranks}"}, "cannot be shared"),
    ],
)
def test_what_does_not_fit_together_is_refused(bin_folder, wrong, words):
    with pytest.raises(ConfigurationError, match=words):
        command_line("pw.x", "pw.in", Settings(espresso_bin=bin_folder, **wrong))


def test_a_program_without_banner_has_no_version(bin_folder):
    (bin_folder / "pw.x").write_text("#!/bin/sh\necho 'libfoo.so.3: cannot open shared object file' >&2\nexit 127\n")
    with pytest.raises(EspressoError, match=r"does not tell its version: libfoo\.so\.3"):
        program_version("pw.x", Settings(espresso_bin=bin_folder))


def test_banners():
    assert banner_version("     Program EPW v.5.3.1 starts on 22Nov2026 at  7:53:11") == "5.3.1"
    assert banner_version("     Program PWSCF v.6.7MaX starts on 22Nov2026 at  7:53: 9") == "6.7"
    assert banner_version("nothing of the sort") is None


@needs_pw
@pytest.mark.parametrize("program", [name for name in PROGRAMS if shutil.which(name)])
def test_the_installed_programs_tell_their_versions(program):
    version = program_version(program)
    assert int(version.split(".")[0]) >= 5
    assert not Path("CRASH").exists()
