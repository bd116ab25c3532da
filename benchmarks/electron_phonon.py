"""What the flow adds to the programs that it runs, and what a second q-point at a time saves, in one run.

    python benchmarks/electron_phonon.py [--material Al|MgB2] [--repetitions 1] [--only flow|phonons]

The flow runs first, one step at a time, in a database and a folder of its own. Then a shell script runs the same
programs on the same inputs, one after the other, and then the phonons are run again with one and with two q-points at a
time. What the machine itself gains by two programs at once is the gain of two bare runs of ph.x, because two cores may
be one core with two threads. Needs Quantum ESPRESSO and the pseudopotentials of Debian's quantum-espresso-data.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from jobflow import Flow
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.parallel import run_parallel
from invdesflow.campaigns.subjects import Subject
from invdesflow.campaigns.verifying import verify
from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.ph_jobs import PhononMaker
from invdesflow.espresso.pw_jobs import PwStaticMaker
from invdesflow.settings import get_settings
from invdesflow.testing.local_server import free_port, write_store_file

FAMILY = "/usr/share/espresso/pseudo"
FILES = {"Al": "Al.pz-vbc.UPF", "Mg": "Mg.pz-n-vbc.UPF", "B": "B.pz-vbc.UPF"}
SETTINGS = {
    "Al": {"fine_q_spacings": [0.6, 0.47]},
    "MgB2": {
        "ecutwfc_ry": 30,
        "ecutrho_ry": 120,
        "k_spacing": 0.35,
        "q_spacing": 0.9,
        "fine_q_spacings": [0.6, 0.45],
        "path_spacing": 0.2,
    },
}


def main() -> None:
    """Run and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--material", choices=sorted(SETTINGS), default="Al")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--only", choices=["flow", "phonons"], help="leave the other comparison out")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    name = options.material
    if options.only != "phonons":
        rows = [measure_flow(name) for _ in range(options.repetitions)]
        flow_ratio, limit = (median(row[index] for row in rows) for index in range(2))
        print(f"{name}: the flow takes {flow_ratio:.3f} times the shell script (goal: at most 1.10)")
        print(f"{name}: two bare ph.x at once are {limit:.2f} times as fast as one after the other")
    if options.only != "flow":
        pair_ratio = median(measure_phonons(name) for _ in range(options.repetitions))
        print(f"{name}: two q-points at a time are {pair_ratio:.2f} times as fast as one (goal: at least 1.7)")


def settings_of(material: str) -> Calculation:
    """Return the settings of a material."""
    return Calculation.of("smoke", FAMILY, files=FILES, overrides=SETTINGS[material])


def measure_flow(material: str) -> tuple[float, float]:
    """Return how much longer the flow takes than the script, and what the machine gains by two programs at once."""
    with tempfile.TemporaryDirectory() as folder, own_place(Path(folder)) as database:
        begun = time.monotonic()
        document = verify(database, Subject(crystal(material), None), settings_of(material), workers=1)
        flow_s = time.monotonic() - begun
        script = Path(folder) / "bare.sh"
        script.write_text(bare_script(database, document, Path(folder) / "bare"))
        begun = time.monotonic()
        subprocess.run(["bash", "-e", str(script)], check=True)
        shell_s = time.monotonic() - begun
        limit = gain_of_two_at_once(Path(folder) / "bare" / "q2")
    print(f"{material}: flow {flow_s:.1f} s, shell {shell_s:.1f} s")
    return flow_s / shell_s, limit


def measure_phonons(material: str) -> float:
    """Return how much faster the phonons are with two q-points at a time."""
    with tempfile.TemporaryDirectory() as folder, own_place(Path(folder)) as database:
        one_s, two_s = (phonons(database, settings_of(material), material, workers) for workers in (1, 2))
    print(f"{material}: phonons {one_s:.1f} s by one, {two_s:.1f} s by two")
    return one_s / two_s


def gain_of_two_at_once(place: Path) -> float:
    """Return how much faster two runs of ph.x of the shell script end at once than one after the other."""
    copies = [shutil.copytree(place, place.with_name(f"{place.name}-{name}"), symlinks=True) for name in "ab"]
    run = "ph.x -in ph.x.in > ph.x.out 2>&1"
    begun = time.monotonic()
    for copy in copies:
        subprocess.run(["bash", "-c", run], cwd=copy, check=True)
    one_after_the_other_s = time.monotonic() - begun
    begun = time.monotonic()
    at_once = [subprocess.Popen(["bash", "-c", run], cwd=copy) for copy in copies]
    if any(program.wait() for program in at_once):
        raise SystemExit("ph.x failed.")
    return one_after_the_other_s / (time.monotonic() - begun)


def crystal(material: str) -> Structure:
    """Return the crystal."""
    if material == "Al":
        return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.968), ["Al"], [[0, 0, 0]])
    lattice = Lattice.hexagonal(3.086, 3.524)
    return Structure(lattice, ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])


@contextmanager
def own_place(folder: Path) -> Iterator[Database]:
    """Open a database, and keep run folders, where nothing else is."""
    stores = write_store_file(folder / "stores", free_port())
    os.environ |= {"INVDESFLOW_DATA_DIR": str(folder / "data"), "INVDESFLOW_STORES": str(stores)}
    get_settings.cache_clear()
    with Database() as database:
        try:
            yield database
        finally:
            database.local_server().stop()


def phonons(database: Database, calculation: Calculation, material: str, workers: int) -> float:
    """Return the seconds of the phonons alone, in fresh folders; the density is there already."""
    place = get_settings().data_dir / f"phonons-{workers}"
    os.environ["INVDESFLOW_ESPRESSO_DIR"] = str(place)
    get_settings.cache_clear()
    structure = crystal(material).get_primitive_structure()
    run_parallel(Flow([PwStaticMaker(calculation).make(structure)]), database.path.resolve(), 1)
    static = PwStaticMaker(calculation).make(structure)  # is found, and not run again
    flow = PhononMaker(calculation).make(static.output)
    begun = time.monotonic()
    failed = run_parallel(Flow([static, flow]), database.path.resolve(), workers)
    seconds = time.monotonic() - begun
    del os.environ["INVDESFLOW_ESPRESSO_DIR"]
    if failed:
        raise failed[0].error
    return seconds


def bare_script(database: Database, document: ElectronPhononDocument, folder: Path) -> str:
    """Write the commands of a calculation as one would type them, with the inputs that the flow wrote."""
    tasks = {task.task_id: task for task in database.collection(EspressoTaskDocument).find({})}
    lines = [f"mkdir -p {folder}", f"cd {folder}"]
    for step in document.cost:
        if not step.used:
            continue
        task = tasks[step.task_id]
        place, before = layout(task, document.phonons.irreducible_q_points if document.phonons else 0)
        lines += [f"mkdir -p {place} && cd {place} && ln -sfn {task.folder}/pseudo pseudo", *before]
        lines += [f"cat > {task.program}.in <<'END'", task.final_input.rstrip(), "END"]
        options = "-npool 1 " if task.program == "epw.x" else ""
        expected = " || true" if task.status == "failed" else ""  # epw.x above Tc
        lines += [f"{task.program} {options}-in {task.program}.in > {task.program}.out 2>&1{expected}", "cd .."]
    return "\n".join(lines) + "\n"


def layout(task: EspressoTaskDocument, q_points: int) -> tuple[str, list[str]]:
    """Return the folder of a task and what has to be done in it first."""
    numbers = range(1, 1 + q_points)
    take_states = "mkdir -p out && cp -r ../nscf/out/crystal.save out/"
    number = task.step.removeprefix("phonons at q-point ").split(" ")[0]
    rules: list[tuple[str, str, list[str]]] = [
        ("phonons at q-point", f"q{number}", ["cp -r ../scf/out ."]),
        ("q-points", "list", ["cp -r ../scf/out ."]),
        ("force constants", "forces", ["cp ../list/dyn0 .", *(f"cp ../q{n}/dyn{n} ." for n in numbers)]),
        ("phonon ", "forces", []),
        ("nscf", "nscf", ["mkdir -p out && cp -r ../scf/out/crystal.save out/"]),
        ("bands", "bands", ["mkdir -p out && cp -r ../scf/out/crystal.save out/"]),
        ("projections", "nscf", []),
        ("Wannier functions", "epw", ["rm -rf out crystal.*", take_states]),
        ("EPW coarse", "epw", ["mkdir -p save/crystal.phsave", *(line for n in numbers for line in collect(n))]),
        ("EPW on", "epw", ["rm -rf restart.fmt selecq.fmt out/crystal.ephmat"]),
        ("Eliashberg", "epw", []),
    ]
    found = [(place, lines) for beginning, place, lines in rules if task.step.startswith(beginning)]
    return found[0] if found else (task.step, [])


def collect(number: int) -> list[str]:
    """Return the commands that collect one q-point for EPW."""
    folder = f"../q{number}/out/_ph0"
    change = f"{folder}/crystal.dvscf1" if number == 1 else f"{folder}/crystal.q_{number}/crystal.dvscf1"
    return [
        f"cp {folder}/crystal.phsave/patterns.{number}.xml save/crystal.phsave/",
        f"cp ../q{number}/dyn{number} save/crystal.dyn_q{number}",
        f"cp {change} save/crystal.dvscf_q{number}",
    ]


if __name__ == "__main__":
    main()
