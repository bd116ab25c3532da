"""Check the reference crystals of the elements: relax each and compare with the measured crystal.

Printed for each polymorph: space group, shortest distance, measured volume and its change, energy, force evaluations,
and what differs or why it may; a star marks the polymorph that the potential prefers. Exit code 1 if, without a caveat
in elements.yaml, a space group differs from the stated one, a relaxation fails, or a volume is off by more than 8 %.

    python benchmarks/check_elements.py
"""

import sys
import warnings

from pymatgen.symmetry.groups import SpaceGroup

from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.elements import elemental_crystals
from invdesflow.relaxation.potentials import find_potential

LARGEST_VOLUME_ERROR = 0.08


def main() -> int:
    """Relax, compare, print."""
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
        if abs(result.volume_change) > LARGEST_VOLUME_ERROR:
            notes.append("volume")
        problems += bool(notes) and not crystal.caveat
        preferred = "*" if len(rivals) > 1 and name == min(rivals, key=energy.__getitem__) else " "
        print(
            f"{name:24s}{preferred}{len(structure):3d} atoms  "
            f"{stated:3d}  d {min(distances):5.3f} A  "
            f"V {structure.volume / len(structure):7.2f} A3/atom {result.volume_change:+7.1%}  "
            f"E {energy[name]:8.4f} eV/atom  {result.n_force_evaluations:3d} evaluations  "
            f"{'; '.join([*notes, crystal.caveat])}"
        )
    n_elements = len({crystal.element for crystal in crystals.values()})
    print(f"{len(crystals)} crystals of {n_elements} elements, {problems} to be explained")
    return 1 if problems else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
