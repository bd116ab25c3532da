"""Check the literature catalogue against computed sets, a compilation of Tc, and the default potential.

Every entry at ambient pressure is looked up by formula and space group in the sets that are given; its lattice agrees
if every parameter of the conventional cell is within 3 % of one crystal there. What no set confirms can be relaxed with
CHGNet at the pressure of the entry. CHGNet was trained on Materials Project crystals near ambient pressure: it is no
judge of superhydrides, of pressures of tens of GPa, of layers held together by van der Waals forces, and it is known
to overestimate the A2BH6 lattices by about 3 %.

    python benchmarks/check_superconductors.py --jarvis FILE --alexandria FILE --materials-project FILE --tc FILE
    python benchmarks/check_superconductors.py --relax-all
"""

import argparse
import csv
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pymatgen.core import Composition, Structure

from invdesflow.crystals.symmetry import conventional, space_group
from invdesflow.errors import StructureError
from invdesflow.progress import track
from invdesflow.superconductors.catalogue import Entry, load_entries, make_document
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers import (
    ReferenceCrystal,
    Refusal,
    read_alexandria,
    read_jarvis,
    read_materials_project,
)

LATTICE_TOLERANCE = 0.03
TC_RELATIVE = 0.25
TC_ABSOLUTE_K = 0.5
FMAX = 0.02
STEPS = 300

Index = dict[tuple[str, int], list[tuple[str, Structure]]]


@dataclass
class Verdict:
    """What was found for one entry."""

    entry: Entry
    document: SuperconductorDocument
    deviations: dict[str, float] = field(default_factory=dict)
    tc: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether one set or the potential has the lattice within the tolerance."""
        return any(deviation <= LATTICE_TOLERANCE for deviation in self.deviations.values())

    @property
    def status(self) -> str:
        """One word for the table."""
        if self.confirmed:
            return "agrees"
        return "deviates" if self.deviations else "unconfirmed"


def lattice_deviation(ours: Structure, theirs: Structure) -> float:
    """Return the largest relative difference of a, b, c of the conventional cells."""
    a, b = (np.array(conventional(crystal).lattice.abc) for crystal in (ours, theirs))
    return float(np.abs(b / a - 1).max())


def read_sets(arguments: argparse.Namespace, formulas: set[str]) -> Index:
    """Index the crystals of the given sets by formula and space group."""
    sources: list[tuple[str, Iterable[SuperconductorDocument | ReferenceCrystal | Refusal]]] = []
    if arguments.jarvis:
        sources.append(("JARVIS", read_jarvis(arguments.jarvis)))
    if arguments.alexandria:
        sources.append(("Alexandria", read_alexandria(arguments.alexandria)))
    if arguments.materials_project:
        sources.append(("Materials Project", read_materials_project(arguments.materials_project)))
    index: Index = defaultdict(list)
    for name, crystals in sources:
        for crystal in track(crystals, name):
            if isinstance(crystal, Refusal) or crystal.structure.composition.reduced_formula not in formulas:
                continue
            try:
                number, _ = space_group(crystal.structure)
            except StructureError:
                continue
            index[crystal.structure.composition.reduced_formula, number].append((name, crystal.structure))
    return index


def compare_lattice(verdict: Verdict, index: Index) -> None:
    """Keep the smallest deviation per set; the sets are at ambient pressure."""
    if verdict.document.pressure_gpa > 0:
        return
    key = (verdict.document.reduced_formula, verdict.document.space_group_number)
    for name, structure in index.get(key, []):
        deviation = lattice_deviation(verdict.document.structure, structure)
        verdict.deviations[name] = min(deviation, verdict.deviations.get(name, np.inf))


def read_tc(path: Path) -> dict[str, list[float]]:
    """Read a table name, Tc of measured values, by reduced formula."""
    known: dict[str, list[float]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                formula = Composition(row["name"]).reduced_formula
            except ValueError:
                continue
            known[formula].append(float(row["Tc"]))
    return known


def compare_tc(verdict: Verdict, known: dict[str, list[float]]) -> None:
    """Say whether a compilation has a value near the measured Tc.

    SuperCon's value is a mean over reports: samples that did not superconduct count as 0 (half of our value for Ta2B,
    RuB2, Ta2C, NbNi2Al, ZrW2), films and other phases count too (far above it for Be and Ga; in between for ZrRuP).
    """
    ours = [value.tc_k for value in verdict.document.experiment if value.pressure_gpa == 0]
    theirs = [value for value in known.get(verdict.document.reduced_formula, []) if value > 0]
    if not ours:
        return
    if not theirs:
        verdict.tc = "Tc not compiled"
        return
    near = any(abs(a - b) <= max(TC_ABSOLUTE_K, TC_RELATIVE * a) for a in ours for b in theirs)
    verdict.tc = f"Tc {ours[0]:g} " + ("agrees" if near else "DEVIATES") + f" ({', '.join(f'{b:.3g}' for b in theirs)})"


def relax(structure: Structure, pressure_gpa: float) -> Structure:
    """Relax a crystal with CHGNet, its space group fixed."""
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from ase.optimize import LBFGS
    from ase.units import GPa
    from chgnet.model.dynamics import CHGNetCalculator
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = AseAtomsAdaptor.get_atoms(structure)
    atoms.set_constraint(FixSymmetry(atoms))
    atoms.calc = CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore")
    LBFGS(FrechetCellFilter(atoms, scalar_pressure=pressure_gpa * GPa), logfile=None).run(fmax=FMAX, steps=STEPS)
    atoms.set_constraint()
    return AseAtomsAdaptor.get_structure(atoms)


def relax_all(verdicts: list[Verdict], everything: bool) -> None:
    """Relax what no set confirms, or everything."""
    for verdict in track([v for v in verdicts if everything or not v.confirmed], "CHGNet"):
        began = time.perf_counter()
        try:
            relaxed = relax(verdict.document.structure, verdict.document.pressure_gpa)
            same = space_group(relaxed)[0] == verdict.document.space_group_number
            deviation = lattice_deviation(verdict.document.structure, relaxed) if same else np.inf
        except (StructureError, RuntimeError, ValueError) as error:
            print(f"{verdict.entry.name}: CHGNet failed: {error}", flush=True)
            continue
        verdict.deviations["CHGNet"] = deviation
        print(
            f"{verdict.entry.name:14s} CHGNet {100 * deviation:5.1f} %  {time.perf_counter() - began:5.1f} s",
            flush=True,
        )


def lines(verdicts: list[Verdict]) -> Iterator[str]:
    """Print the table, and then what is left to explain."""
    for verdict in sorted(verdicts, key=lambda v: (v.status, v.entry.family, v.entry.name)):
        found = ", ".join(f"{name} {100 * value:.1f} %" for name, value in verdict.deviations.items())
        explained = verdict.entry.deviation or ""
        head = f"{verdict.status:12s} {verdict.entry.family:24s} {verdict.entry.name:14s}"
        yield f"{head} {found:60s} {verdict.tc} {explained}"
    for status in ("agrees", "deviates", "unconfirmed"):
        yield f"{status}: {sum(v.status == status for v in verdicts)} of {len(verdicts)}"
    silent = [v.entry.name for v in verdicts if v.status != "agrees" and not v.entry.deviation]
    yield f"not confirmed and not explained: {', '.join(silent) or 'none'}"


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jarvis", type=Path)
    parser.add_argument("--alexandria", type=Path)
    parser.add_argument("--materials-project", type=Path)
    parser.add_argument("--tc", type=Path, help="CSV of measured values with columns name, Tc (SuperCon)")
    parser.add_argument("--relax", action="store_true", help="relax with CHGNet what no set confirms")
    parser.add_argument("--relax-all", action="store_true", help="relax every entry with CHGNet")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    verdicts = [Verdict(entry, make_document(entry)) for entry in track(list(load_entries()), "catalogue")]
    index = read_sets(arguments, {verdict.document.reduced_formula for verdict in verdicts})
    known = read_tc(arguments.tc) if arguments.tc else {}
    for verdict in verdicts:
        compare_lattice(verdict, index)
        if known:
            compare_tc(verdict, known)
    if arguments.relax or arguments.relax_all:
        relax_all(verdicts, arguments.relax_all)
    print("\n".join(lines(verdicts)))


if __name__ == "__main__":
    main()
