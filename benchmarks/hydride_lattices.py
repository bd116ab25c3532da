"""Lattice constants of the A2BH6 and A2XBH6 crystals of the catalogue after relaxation, against the published ones.

    python benchmarks/hydride_lattices.py                       # prints the table
    python benchmarks/hydride_lattices.py --write FILE          # and writes the summary that studies warn with
    python benchmarks/hydride_lattices.py --espresso FAMILY --crystal K2CuH6 --protocol moderate
                                                                # compares some of them with Quantum ESPRESSO instead

The shipped summary is src/invdesflow/intercalation/potential_errors.yaml; it is never edited by hand.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from pymatgen.core import Structure

from invdesflow.cli.pairs import settings_of
from invdesflow.crystals.symmetry import conventional, space_group
from invdesflow.errors import EspressoError, PotentialError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.espresso.pw_jobs import PwRelaxMaker
from invdesflow.intercalation.potential_errors import Family, LatticeErrors
from invdesflow.relaxation.potentials import Kind, Potential, find_potential, load_calculator
from invdesflow.relaxation.relaxation import RelaxationSettings, relax
from invdesflow.superconductors.catalogue import load_catalogue

POTENTIALS: dict[Kind, list[str]] = {"CHGNet": ["0.3.0"], "SevenNet": ["7net-0"]}
PROTOTYPES = ("K2PtCl6", "elpasolite")
ELEMENT = "H"


def crystals(prototype: str) -> dict[str, Structure]:
    """Return the hydrides of a structure type at their published lattice constants, all at ambient pressure."""
    return {
        document.name: document.structure
        for document in load_catalogue()
        if document.prototype == prototype and ELEMENT in document.elements and document.pressure_gpa == 0
    }


def lattice_constant(structure: Structure) -> float:
    """Return a of the conventional cell (Angstrom)."""
    return float(conventional(structure).lattice.a)


def measure(potential: Potential, prototype: str) -> LatticeErrors:
    """Relax the crystals of a structure type and print what comes of each."""
    calculator, settings = load_calculator(potential), RelaxationSettings()
    structures = crystals(prototype)
    errors, failed = {}, {}
    for name, structure in structures.items():
        published = lattice_constant(structure)
        result = relax(structure, calculator, settings)
        if not result.converged:
            failed[name] = result.reason
            print(f"  {name:12} {published:8.3f} {'-':>8} {'':>8}  {result.reason}", flush=True)
            continue
        relaxed = lattice_constant(result.structure)
        errors[name] = 100 * (relaxed / published - 1)
        print(f"  {name:12} {published:8.3f} {relaxed:8.3f} {errors[name]:+7.1f} %", flush=True)
    worst = max(errors, key=lambda name: abs(errors[name]))
    first = next(iter(structures.values()))
    return LatticeErrors(
        family=Family(
            prototype=prototype,
            anonymous_formula=first.composition.anonymized_formula,
            space_group_number=space_group(first)[0],
            element=ELEMENT,
        ),
        potential=label(potential),
        digest=potential.digest,
        count=len(errors),
        failed=failed,
        mean_percent=round(sum(map(abs, errors.values())) / len(errors), 2),
        worst_percent=round(errors[worst], 2),
        worst_crystal=worst,
        command=shlex.join(["python", "benchmarks/hydride_lattices.py", *sys.argv[1:]]),
    )


def measure_espresso(names: Sequence[str], calculation: Calculation) -> None:
    """Relax crystals with pw.x from their published lattices, and with every potential that is installed; compare.

    The runs of pw.x go into the folders of the settings; what is there is not run again.
    """
    known = {name: structure for prototype in PROTOTYPES for name, structure in crystals(prototype).items()}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"The catalogue has no {', '.join(unknown)}; it has {', '.join(known)}.")
    potentials = list(installed_potentials())
    print(f"pw.x, {calculation.protocol.name}, {calculation.protocol.ecutwfc_ry:g} Ry; lattice constants in A")
    print("| crystal | published | pw.x | " + " | ".join(map(label, potentials)) + " |", flush=True)
    errors: dict[str, dict[str, float]] = {label(potential): {} for potential in potentials}
    for name in names:
        published = lattice_constant(known[name])
        try:
            relaxed = PwRelaxMaker.make.original(PwRelaxMaker(calculation), primitive_for_espresso(known[name]))
        except EspressoError as error:
            print(f"| {name} | {published:.3f} | {error} |", flush=True)
            continue
        expected = lattice_constant(relaxed.structure)
        cells = [compared(published, expected)]
        for potential in potentials:
            result = relax(known[name], load_calculator(potential), RelaxationSettings())
            if not result.converged:
                cells.append(result.reason)
                continue
            found = lattice_constant(result.structure)
            errors[label(potential)][name] = 100 * (found / expected - 1)
            cells.append(compared(expected, found))
        print(f"| {name} | {published:.3f} | " + " | ".join(cells) + " |", flush=True)
    for name, found_errors in errors.items():
        if found_errors:
            worst = max(found_errors, key=lambda crystal: abs(found_errors[crystal]))
            mean = sum(map(abs, found_errors.values())) / len(found_errors)
            print(f"{name} against pw.x: mean {mean:.1f} %, worst {found_errors[worst]:+.1f} % ({worst})")


def label(potential: Potential) -> str:
    """Name a potential as the tables do."""
    return f"{potential.kind} {potential.model}"


def compared(expected: float, found: float) -> str:
    """Write a lattice constant with its deviation from another."""
    return f"{found:.3f} ({100 * (found / expected - 1):+.1f} %)"


def installed_potentials() -> Iterator[Potential]:
    """Find the potentials that are installed; say which are not."""
    for kind, models in POTENTIALS.items():
        for model in models:
            try:
                yield find_potential(kind, model)
            except PotentialError as error:
                print(f"{kind} {model}: {error.problem}")


def measurements() -> Iterator[LatticeErrors]:
    """Measure every potential that is installed on every structure type."""
    for potential in installed_potentials():
        for prototype in PROTOTYPES:
            print(f"{label(potential)}, {prototype}: a published, a relaxed (A), error", flush=True)
            found = measure(potential, prototype)
            print(
                f"  {found.count} crystals: mean {found.mean_percent:.1f} %, worst {found.worst_percent:+.1f} % "
                f"({found.worst_crystal})",
                flush=True,
            )
            yield found


def main() -> None:
    """Measure, print, and write the summary."""
    parser = argparse.ArgumentParser(description="Lattice constants of A2BH6 and A2XBH6 crystals after relaxation.")
    parser.add_argument("--write", type=Path, help="YAML file for the summary")
    parser.add_argument("--espresso", metavar="FAMILY", help="pseudopotentials: a family or a folder of UPF files")
    parser.add_argument("--crystal", action="append", default=[], help="of the catalogue, for --espresso; repeatable")
    parser.add_argument("--protocol", default="moderate", help="of --espresso")
    parser.add_argument("--set", action="append", default=[], help="SETTING=VALUE of the protocol; repeatable")
    arguments = parser.parse_args()
    if arguments.espresso:
        overrides = settings_of(arguments.set)
        measure_espresso(arguments.crystal, Calculation.of(arguments.protocol, arguments.espresso, overrides=overrides))
        return
    found = list(measurements())
    if arguments.write:
        head = "# Written by benchmarks/hydride_lattices.py; run it again instead of editing.\n"
        content = yaml.safe_dump(
            [entry.model_dump() for entry in found], sort_keys=False, allow_unicode=True, width=110
        )
        arguments.write.write_text(head + content)


if __name__ == "__main__":
    main()
