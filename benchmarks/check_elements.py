"""Check the reference crystals of the elements: relax each and compare with the measured crystal.

Printed for each polymorph: space group as stated and after relaxation, shortest distance, measured and relaxed volume,
energy; and per element, which polymorph the potential prefers. With a file of known crystals ({"lattice", "species",
"frac", "ehull", "spacegroup"} a line, as in a dump of the Materials Project) the space group of the stable entry of
each element is printed beside. Exit code 1 if a space group differs from the stated one, a relaxation fails, or a
volume without explanation is off by more than 8 %.

    python benchmarks/check_elements.py [--known FILE.jsonl.gz]
"""

import argparse
import gzip
import json
import sys
import warnings
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.symmetry.groups import SpaceGroup

from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.elements import elemental_crystals
from invdesflow.relaxation.potentials import find_potential

LARGEST_VOLUME_ERROR = 0.08


def known_groups(path: Path | None) -> dict[str, int]:
    """Space group of the most stable known crystal of each element."""
    lowest: dict[str, tuple[float, int]] = {}
    if path is not None:
        with gzip.open(path, "rt") as lines:
            for row in map(json.loads, lines):
                if len(elements := set(row["species"])) == 1 and row["ehull"] is not None:
                    crystal = Structure(row["lattice"], row["species"], row["frac"])
                    entry = (row["ehull"], crystal.get_space_group_info(0.1)[1])
                    element = elements.pop()
                    lowest[element] = min(entry, lowest.get(element, entry))
    return {element: group for element, (_, group) in lowest.items()}


def main() -> int:
    """Relax, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=Path)
    known = known_groups(parser.parse_args().known)
    crystals = {crystal.name: crystal for crystal in elemental_crystals()}
    structures = {name: crystal.structure() for name, crystal in crystals.items()}
    results = dict(relax_batch(structures, find_potential()))
    energy = {name: (results[name].energy_ev or 0.0) / len(structures[name]) for name in crystals}
    problems = 0
    for name, crystal in crystals.items():
        result, structure = results[name], structures[name]
        stated = SpaceGroup(crystal.space_group).int_number
        distances = [neighbor.nn_distance for neighbors in structure.get_all_neighbors(6.0) for neighbor in neighbors]
        rivals = [other for other in crystals if crystals[other].element == crystal.element]
        notes = []
        if result.spacegroup_before != stated or result.spacegroup_after != stated:
            notes.append(f"space group {result.spacegroup_before} -> {result.spacegroup_after}, stated {stated}")
        if not result.converged:
            notes.append(result.reason)
        if abs(result.volume_change) > LARGEST_VOLUME_ERROR and not crystal.unbound:
            notes.append("volume")
        problems += bool(notes)
        preferred = "*" if len(rivals) > 1 and name == min(rivals, key=energy.__getitem__) else " "
        print(
            f"{name:24s}{preferred}{len(structure):3d} atoms  "
            f"{stated:3d} (known {known.get(crystal.element, '-')!s:>3})  d {min(distances):5.3f} A  "
            f"V {structure.volume / len(structure):7.2f} A3/atom {result.volume_change:+7.1%}  "
            f"E {energy[name]:8.4f} eV/atom  {result.n_force_evaluations:3d} evaluations  "
            f"{'; '.join(notes) or crystal.unbound}"
        )
    print(
        f"{len(crystals)} crystals of {len({c.element for c in crystals.values()})} elements, {problems} to be explained"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
