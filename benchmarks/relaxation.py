"""Relaxation of 64 mixed crystals: `relax_batch` against ASE's LBFGS one crystal at a time.

Both use the same weights and the same fmax, and one thread in each process (OMP_NUM_THREADS=1, which for crystals of
this size is also the faster choice for ASE). The reference is what the field does: the stock CHGNet calculator,
FrechetCellFilter, FixSymmetry, LBFGS, in one process. The crystals are primitive cells of 25 prototypes at the volumes
of pymatgen's DLSVolumePredictor, as a substitution leaves them; or those of a file.

    python benchmarks/relaxation.py
    python benchmarks/relaxation.py --crystals FILE.jsonl.gz --seed 1   # one {"lattice", "species", "frac"} a line
"""

import argparse
import gzip
import json
import os
import resource
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.potentials import find_potential
from invdesflow.relaxation.relaxation import RelaxationSettings

FMAX = 0.02
N_CRYSTALS = 64

# Prototype: space group, lattice (its shape), one site of each orbit, and compounds in the order of the sites.
CUBIC, HEXAGONAL, TETRAGONAL = Lattice.cubic, Lattice.hexagonal, Lattice.tetragonal
PROTOTYPES = {
    "rocksalt": (225, CUBIC(4.4), [[0, 0, 0], [0.5, 0.5, 0.5]], "Nb C|Ti N|Zr N|Hf C|Mo N"),
    "CsCl": (221, CUBIC(3.2), [[0, 0, 0], [0.5, 0.5, 0.5]], "Ni Al|Zr Zn|Ti Fe"),
    "zincblende": (216, CUBIC(5.4), [[0, 0, 0], [0.25, 0.25, 0.25]], "Ga As"),
    "wurtzite": (186, HEXAGONAL(3.2, 5.2), [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.38]], "Zn O|Al N|Ga N"),
    "fluorite": (225, CUBIC(5.4), [[0, 0, 0], [0.25, 0.25, 0.25]], "Zr H|Ti H|Co Si"),
    "MgB2": (191, HEXAGONAL(3.1, 3.4), [[0, 0, 0], [1 / 3, 2 / 3, 0.5]], "Mg B|Al B|Nb B|Zr B"),
    "rutile": (136, TETRAGONAL(4.6, 3.0), [[0, 0, 0], [0.3, 0.3, 0]], "Ti O|Ru O|Mg F"),
    "perovskite": (221, CUBIC(3.9), [[0.5, 0.5, 0.5], [0, 0, 0], [0, 0.5, 0]], "Mg C Ni|Ba Ti O|Zn N Mn"),
    "Cu3Au": (221, CUBIC(3.9), [[0, 0, 0], [0, 0.5, 0.5]], "La Sn|Ca Tl|Al Ni"),
    "A15": (223, CUBIC(5.2), [[0, 0, 0], [0.25, 0, 0.5]], "Sn Nb|Ga V|Al Nb|Si V"),
    "half-Heusler": (216, CUBIC(5.9), [[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]], "Ti Ni Sn|Zr Ni Sb|Li Cu S"),
    "Heusler": (225, CUBIC(6.2), [[0.5, 0.5, 0.5], [0.25, 0.25, 0.25], [0, 0, 0]], "Zr Ni Ga|Y Pd Sn|Al Cu Mn"),
    "Laves C15": (227, CUBIC(7.5), [[0, 0, 0], [0.625, 0.625, 0.625]], "Hf V|La Al"),
    "ThCr2Si2": (139, TETRAGONAL(4.0, 10.2), [[0, 0, 0], [0, 0.5, 0.25], [0, 0, 0.37]], "Y Pd Ge|La Ni P|Ca Pd Ge"),
    "NiAs": (194, HEXAGONAL(3.6, 5.0), [[0, 0, 0], [1 / 3, 2 / 3, 0.25]], "Ni As|Pt Bi"),
    "CaC6": (166, HEXAGONAL(4.3, 13.6), [[0, 0, 0], [1 / 3, 0, 1 / 6]], "Ca C|Yb C"),
    "LiFeAs": (129, TETRAGONAL(3.8, 6.3), [[0, 0.5, 0.65], [0, 0, 0], [0, 0.5, 0.23]], "Li Fe As|Na Fe As"),
    "A2XH6": (225, CUBIC(7.6), [[0.25, 0.25, 0.25], [0, 0, 0], [0.23, 0, 0]], "Mg Ir H|Li Au H"),
    "A3 hcp": (194, HEXAGONAL(3.0, 4.8), [[1 / 3, 2 / 3, 0.25]], "Ti|Re"),
    "CdI2": (164, HEXAGONAL(3.6, 6.0), [[0, 0, 0], [1 / 3, 2 / 3, 0.25]], "Ti Se|Ta S"),
    "MAX": (194, HEXAGONAL(3.0, 13.5), [[1 / 3, 2 / 3, 0.085], [1 / 3, 2 / 3, 0.75], [0, 0, 0]], "Ti Al C|Cr Al C"),
    "borocarbide": (139, TETRAGONAL(3.5, 10.5), [[0, 0, 0.5], [0, 0.5, 0.25], [0, 0, 0.14], [0, 0, 0]], "Y Ni B C"),
    "pyrite": (205, CUBIC(5.5), [[0, 0, 0], [0.385, 0.385, 0.385]], "Fe S|Ru Se"),
    "marcasite": (58, Lattice.orthorhombic(5.8, 6.5, 3.2), [[0, 0, 0], [0.19, 0.36, 0]], "Fe Sb|Os As"),
    "CrB": (63, Lattice.orthorhombic(2.97, 7.86, 2.93), [[0, 0.146, 0.25], [0, 0.44, 0.25]], "Cr B|Ta B"),
}


def prototype_crystals() -> dict[str, Structure]:
    """Build the crystals of the table, primitive, at predicted volumes."""
    predictor = DLSVolumePredictor()
    crystals = {}
    for prototype, (group, lattice, sites, compounds) in PROTOTYPES.items():
        for compound in compounds.split("|"):
            crystal = Structure.from_spacegroup(group, lattice, compound.split(), sites).get_primitive_structure()
            crystals[f"{prototype} {crystal.reduced_formula}"] = predictor.get_predicted_structure(crystal)
    return crystals


def file_crystals(path: Path, seed: int) -> dict[str, Structure]:
    """Draw crystals of 2 to 12 atoms from a file."""
    with gzip.open(path, "rt") as lines:
        rows = [row for row in map(json.loads, lines) if 2 <= len(row["species"]) <= 12]
    chosen = np.random.default_rng(seed).choice(len(rows), N_CRYSTALS, replace=False)
    crystals = [Structure(rows[i]["lattice"], rows[i]["species"], rows[i]["frac"]) for i in chosen]
    return {f"{i} {crystal.reduced_formula}": crystal for i, crystal in enumerate(crystals)}


@dataclass
class Run:
    """What one way of relaxing the crystals gave."""

    seconds: float
    cpu_seconds: float  # of all processes; what remains comparable when others use the machine
    evaluations: int
    energies: dict[str, float]  # eV per atom
    failures: dict[str, str]

    def line(self, name: str) -> str:
        """One line of the table."""
        return (
            f"{name:28s} {len(self.energies):4d} crystals {self.evaluations:6d} evaluations "
            f"{self.seconds:8.1f} s ({self.cpu_seconds:.1f} CPU s) "
            f"{len(self.energies) / self.seconds:7.2f} structures/s  {len(self.failures)} not converged"
        )


def cpu_time() -> float:
    """CPU time of this process and its ended children (s)."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def run_batch(crystals: dict[str, Structure], workers: int) -> Run:
    """Relax with this package, worker start-up included."""
    start, cpu = time.perf_counter(), cpu_time()
    results = dict(relax_batch(crystals, find_potential(), RelaxationSettings(fmax=FMAX), workers=workers))
    return Run(
        time.perf_counter() - start,
        cpu_time() - cpu,
        sum(result.n_force_evaluations for result in results.values()),
        {key: result.energy_ev / len(crystals[key]) for key, result in results.items() if result.energy_ev is not None},
        {key: result.reason for key, result in results.items() if not result.converged},
    )


def run_ase(crystals: dict[str, Structure]) -> Run:
    """Relax with ASE, one after the other, imports and loading included."""
    start, cpu = time.perf_counter(), cpu_time()
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from ase.optimize import LBFGS
    from chgnet.model.dynamics import CHGNetCalculator

    class CountingCalculator(CHGNetCalculator):
        calls = 0

        def calculate(self, *args: Any, **kwargs: Any) -> None:
            self.calls += 1
            super().calculate(*args, **kwargs)

    calculator = CountingCalculator(use_device="cpu")
    energies, failures = {}, {}
    for key, crystal in crystals.items():
        atoms = AseAtomsAdaptor.get_atoms(crystal)
        atoms.set_constraint(FixSymmetry(atoms, symprec=0.01))
        atoms.calc = calculator
        if not LBFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=FMAX, steps=300):
            failures[key] = "not converged after 300 steps"
        energies[key] = atoms.get_potential_energy() / len(atoms)
    return Run(time.perf_counter() - start, cpu_time() - cpu, calculator.calls, energies, failures)


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", type=Path, help="draw the crystals from this file instead")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    crystals = file_crystals(options.crystals, options.seed) if options.crystals else prototype_crystals()
    sizes = sorted(len(crystal) for crystal in crystals.values())
    print(f"{len(crystals)} crystals, {sizes[0]} to {sizes[-1]} atoms, {sum(sizes)} in all; fmax {FMAX} eV/A")
    ours = run_batch(crystals, options.workers)
    print(ours.line(f"relax_batch, {options.workers} workers"), flush=True)
    reference = run_ase(crystals)
    print(reference.line("ASE LBFGS, one by one"))
    print(f"ratio of structures/s: {reference.seconds / ours.seconds:.2f}")
    print(f"ratio of CPU time: {reference.cpu_seconds / ours.cpu_seconds:.2f}")
    print(f"ratio of evaluations: {reference.evaluations / ours.evaluations:.2f}")
    difference = {key: ours.energies[key] - reference.energies[key] for key in ours.energies}
    worst = max(difference, key=lambda key: abs(difference[key]))
    print(f"largest energy difference: {1000 * difference[worst]:+.3f} meV/atom ({worst})")
    for key, value in difference.items():
        if abs(value) > 1e-3:
            print(f"  {key}: {1000 * value:+.2f} meV/atom")
    for name, run in (("relax_batch", ours), ("ASE", reference)):
        for key, reason in run.failures.items():
            print(f"  {name}: {key}: {reason}")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    warnings.simplefilter("ignore")
    main()
