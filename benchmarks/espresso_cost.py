"""How long pw.x and ph.x take: the measured runs from which the cost model (docs/models/cost.md) is fitted.

Small crystals at several cutoffs; of each phonon calculation one irreducible representation at one wave vector. CPU
time on one core, from the programs' own clocks. Rows are appended as they are measured, and what is there is not run
again unless --again asks for it: other programs on a machine lengthen a run, and the fastest of several is the truest.

    python benchmarks/espresso_cost.py runs PSEUDOPOTENTIALS runs.csv --scratch FOLDER
    python benchmarks/espresso_cost.py table PSEUDOPOTENTIALS pseudopotentials.csv

PSEUDOPOTENTIALS holds one norm-conserving UPF file for each element, its name beginning with the symbol and an
underscore. The table says how many electrons and projectors each of them has.
"""

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pymatgen.core import Element, Lattice, Structure

from invdesflow.crystals.symmetry import primitive

CUBIC = Lattice.cubic
# Space group, conventional lattice, one site of each orbit.
CRYSTALS = {
    "Al": (225, CUBIC(4.05), {"Al": [[0, 0, 0]]}),
    "Nb": (229, CUBIC(3.30), {"Nb": [[0, 0, 0]]}),
    "MgB2": (191, Lattice.hexagonal(3.08, 3.52), {"Mg": [[0, 0, 0]], "B": [[1 / 3, 2 / 3, 0.5]]}),
    "NbC": (225, CUBIC(4.47), {"Nb": [[0, 0, 0]], "C": [[0.5, 0.5, 0.5]]}),
    "NbN": (225, CUBIC(4.39), {"Nb": [[0, 0, 0]], "N": [[0.5, 0.5, 0.5]]}),
    "TiN": (225, CUBIC(4.24), {"Ti": [[0, 0, 0]], "N": [[0.5, 0.5, 0.5]]}),
    "PdH": (225, CUBIC(4.09), {"Pd": [[0, 0, 0]], "H": [[0.5, 0.5, 0.5]]}),
    "H3S": (229, CUBIC(2.984), {"S": [[0, 0, 0]], "H": [[0, 0, 0.5]]}),
    "MgCNi3": (221, CUBIC(3.81), {"Mg": [[0, 0, 0]], "C": [[0.5, 0.5, 0.5]], "Ni": [[0, 0.5, 0.5]]}),
    "Mg2IrH6": (225, CUBIC(6.70), {"Mg": [[0.25, 0.25, 0.25]], "Ir": [[0, 0, 0]], "H": [[0.25, 0, 0]]}),
    "CaC6": (166, Lattice.hexagonal(4.333, 13.572), {"Ca": [[0, 0, 0]], "C": [[1 / 3, 0, 1 / 6]]}),
}
# Crystal, cutoff (Ry), k-point mesh, phonons: (number of the wave vector in the mesh 2 2 2, representation).
Case = tuple[str, int, tuple[int, int, int], list[tuple[int, int]]]
GAMMA, OTHER, TRIPLE = (1, 1), (2, 1), (1, 2)
RUNS: list[Case] = [
    ("Al", 20, (8, 8, 8), [GAMMA, OTHER]),
    ("NbC", 40, (3, 3, 3), [GAMMA, OTHER]),
    ("MgB2", 40, (4, 4, 3), [GAMMA, OTHER]),
    ("PdH", 50, (3, 3, 3), [GAMMA, OTHER]),
    ("Mg2IrH6", 40, (2, 2, 2), [GAMMA, TRIPLE]),
    ("TiN", 60, (3, 3, 3), [GAMMA, OTHER]),
    ("H3S", 50, (4, 4, 4), [GAMMA, OTHER]),
    ("MgCNi3", 40, (2, 2, 2), [GAMMA]),
    ("Nb", 40, (4, 4, 4), [GAMMA, OTHER]),
    ("NbC", 80, (3, 3, 3), [GAMMA]),
    ("CaC6", 40, (2, 2, 2), [GAMMA]),
    ("Mg2IrH6", 60, (2, 2, 2), [GAMMA, OTHER]),
    ("Al", 40, (6, 6, 6), [GAMMA, OTHER]),
    ("NbN", 60, (3, 3, 3), [GAMMA, OTHER]),
    ("MgB2", 70, (3, 3, 3), [GAMMA]),
    ("PdH", 80, (2, 2, 2), [GAMMA, OTHER]),
    ("TiN", 80, (2, 2, 2), [GAMMA]),
    ("MgCNi3", 60, (2, 2, 2), [OTHER]),
    ("CaC6", 60, (2, 2, 2), [OTHER]),
    ("H3S", 80, (3, 3, 3), [GAMMA]),
    ("Nb", 70, (3, 3, 3), [GAMMA]),
]


@dataclass(frozen=True)
class Row:
    """One part of one run; see `invdesflow.screening.training.cost.MeasuredRun`."""

    formula: str
    cutoff_ry: int
    part: str
    wave_vector: int
    k_points: int
    bands: int
    plane_waves: float
    projectors: int
    modes: int
    iterations: int
    converged: bool
    cpu_s: float


COLUMNS = [field.name for field in fields(Row)]


def pseudopotential(folder: Path, symbol: str) -> Path:
    """Find the file of an element."""
    return next(path for path in sorted(folder.glob("*.[uU][pP][fF]")) if re.split(r"[_.-]", path.name)[0] == symbol)


def electrons_and_projectors(path: Path) -> tuple[int, int]:
    """Read the number of valence electrons and of projectors, all orientations counted, from a UPF file."""
    text = path.read_text(encoding="utf-8")
    electrons = re.search(r'z_valence="\s*([\d.Ee+-]+)', text)
    if electrons is None:
        raise SystemExit(f"error: {path} has no z_valence")
    moments = re.findall(r'<PP_BETA\.\d+[^>]*?angular_momentum="\s*(\d+)', text)
    return round(float(electrons.group(1))), sum(2 * int(moment) + 1 for moment in moments)


def write_table(folder: Path, output: Path) -> None:
    """Write electrons and projectors of every element of a folder."""
    found = {Element(re.split(r"[_.-]", path.name)[0]): path for path in folder.glob("*.[uU][pP][fF]")}
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["atomic_number", "electrons", "projectors"])
        for element, path in sorted(found.items(), key=lambda item: item[0].Z):
            writer.writerow([element.Z, *electrons_and_projectors(path)])


def crystal(name: str) -> Structure:
    """Build the primitive cell of a crystal."""
    group, lattice, sites = CRYSTALS[name]
    species = [symbol for symbol, places in sites.items() for _ in places]
    places = [place for orbit in sites.values() for place in orbit]
    return primitive(Structure.from_spacegroup(group, lattice, species, places))


def pw_input(structure: Structure, cutoff: int, mesh: Sequence[int], folder: Path) -> str:
    """Write the input of the ground state."""
    symbols = sorted({site.specie.symbol for site in structure})
    lines = [
        "&control prefix='x', outdir='./out/'",
        f"pseudo_dir='{folder.resolve()}' /",
        f"&system ibrav=0, nat={len(structure)}, ntyp={len(symbols)}, ecutwfc={cutoff}",
        "occupations='smearing', smearing='mp', degauss=0.02 /",
        "&electrons conv_thr=1d-12, electron_maxstep=100 /",
        "ATOMIC_SPECIES",
        *(f"{symbol} {Element(symbol).atomic_mass:.4f} {pseudopotential(folder, symbol).name}" for symbol in symbols),
        "CELL_PARAMETERS angstrom",
        *(" ".join(f"{x:.12f}" for x in vector) for vector in structure.lattice.matrix),
        "ATOMIC_POSITIONS crystal",
        *(f"{site.specie.symbol} " + " ".join(f"{x:.12f}" for x in site.frac_coords) for site in structure),
        f"K_POINTS automatic\n{mesh[0]} {mesh[1]} {mesh[2]} 0 0 0",
    ]
    return "\n".join(lines) + "\n"


def ph_input(wave_vector: int, representation: int) -> str:
    """Write the input of one irreducible representation at one wave vector."""
    return (
        "one representation\n&inputph prefix='x', outdir='./out/', fildyn='x.dyn', tr2_ph=1d-14, ldisp=.true.\n"
        f"nq1=2, nq2=2, nq3=2, start_q={wave_vector}, last_q={wave_vector}\n"
        f"start_irr={representation}, last_irr={representation} /\n"
    )


def run(program: str, text: str, folder: Path) -> str:
    """Run a program of Quantum ESPRESSO on one core and return what it prints."""
    (folder / "input").write_text(text)
    command = [shutil.which(program) or program, "-in", "input"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    (folder / f"{program}.out").write_text(done.stdout)
    return done.stdout


def number(pattern: str, text: str) -> float:
    """Return the number after a pattern, where it stands last."""
    return float(re.findall(pattern + r"\s*([\d.]+)", text)[-1])


def clock(name: str, text: str) -> float:
    """Return the CPU seconds of one of the programs' clocks; 0 where it did not run."""
    found = re.findall(rf"^\s*{name}\s*:\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:([\d.]+)s)?\s*CPU", text, re.MULTILINE)
    return sum(float(part or 0) * unit for part, unit in zip(found[-1], (3600, 60, 1), strict=True)) if found else 0.0


def measure(case: Case, folder: Path, scratch: Path) -> Iterator[Row]:
    """Run the ground state and some phonons of a crystal."""
    name, cutoff, mesh, phonons = case
    structure = crystal(name)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    text = run("pw.x", pw_input(structure, cutoff, mesh, folder), scratch)
    waves = [int(n) for n in re.findall(r"\(\s*(\d+) PWs\)", text)]
    per_element = {
        site.specie.symbol: electrons_and_projectors(pseudopotential(folder, site.specie.symbol))[1]
        for site in structure
    }
    size = (
        int(number("number of Kohn-Sham states=", text)),
        sum(waves) / len(waves),
        sum(per_element[site.specie.symbol] for site in structure),
    )
    k_points = int(number("number of k points=", text))
    steps = int(number("convergence has been achieved in", text))
    yield Row(name, cutoff, "scf", 0, k_points, *size, 1, steps, True, clock("electrons", text))
    for wave_vector, representation in phonons:
        text = run("ph.x", ph_input(wave_vector, representation), scratch)
        if "phqscf" not in text:  # it stopped before, as CRASH in the scratch folder says
            print(f"no response: {name}, wave vector {wave_vector}", file=sys.stderr)
            continue
        pairs = int(number("number of k points=", text)) // (1 if wave_vector == 1 else 2)
        modes = int(number(rf"Representation\s+{representation}\s", text))
        steps = len(re.findall(r"iter #\s*\d+ total cpu time", text))
        bands, response = clock("electrons", text), clock("phqscf", text)
        if wave_vector > 1:  # at Gamma those of the ground state serve
            yield Row(name, cutoff, "bands", wave_vector, 2 * pairs, *size, 1, 1, True, bands)
        rest = clock("PHONON", text) - bands - response
        yield Row(name, cutoff, "setup", wave_vector, pairs, *size, 3 * len(structure), 1, True, rest)
        converged = "Convergence has been achieved" in text
        yield Row(name, cutoff, "response", wave_vector, pairs, *size, modes, steps, converged, response)


def main() -> None:
    """Measure, or write the table of pseudopotentials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["runs", "table"])
    parser.add_argument("pseudopotentials", type=Path)
    parser.add_argument("output", type=Path, help="CSV file")
    parser.add_argument("--scratch", type=Path, default=Path("espresso_scratch"), help="emptied for every run")
    parser.add_argument("--again", nargs="+", default=[], metavar="FORMULA", help="measure these once more")
    options = parser.parse_args()
    if options.what == "table":
        write_table(options.pseudopotentials, options.output)
        return
    done = set()
    if options.output.exists():
        with options.output.open(encoding="utf-8") as file:
            done = {(row["formula"], int(row["cutoff_ry"])) for row in csv.DictReader(file)}
    else:
        options.output.write_text(",".join(COLUMNS) + "\n")
    for case in RUNS:
        if case[0] not in options.again if options.again else case[:2] in done:
            continue
        rows = list(measure(case, options.pseudopotentials, options.scratch))
        with options.output.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(astuple(row) for row in rows)
        for row in rows:
            print(row, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
