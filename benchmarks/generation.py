"""Measure how fast candidates are proposed, checked and compared, against the same decisions made plainly.

Usage: python benchmarks/generation.py [--candidates 500] [--plain 100] [--profile]

The parents are the superconductors of the catalogue at up to 1 GPa. "Plain" makes the same decisions on the same
proposals with pymatgen's own tools and without memory: SpacegroupAnalyzer for the space group, the distance matrix for
contacts, StructureMatcher against all crystals of the formula. Both run in one process, after
each other; times are of the processor, on one thread.
"""

import argparse
import cProfile
import pstats
import time
from collections import Counter, defaultdict
from itertools import islice

from ase.data import covalent_radii
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from invdesflow.crystals.geometry import usual_volume
from invdesflow.generation.documents import Generator, Origin, candidate_document
from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.novelty import Crystal, CrystalIndex, assess, duplicate_rejection
from invdesflow.generation.substitution import Parent, Proposal, propose
from invdesflow.superconductors.catalogue import load_catalogue

SETTINGS = GateSettings()


def ours(proposals: list[Proposal], known: CrystalIndex, times: dict[str, float]) -> Counter[str]:
    """Check and compare, make documents; return the number of each outcome."""
    outcomes: Counter[str] = Counter()
    batch = CrystalIndex()
    for proposal in proposals:
        start = time.process_time()
        rejections = check(proposal.structure, SETTINGS, proposal.intended_space_group)
        checked = time.process_time()
        novelty = None
        if not rejections:
            crystal = Crystal(proposal.candidate_id, "candidates", proposal.structure)
            novelty = assess(crystal, known, batch)
            duplicate = duplicate_rejection(novelty)
            rejections = [duplicate] if duplicate else []
            if not duplicate:
                batch.add(crystal)
        compared = time.process_time()
        origin = Origin(kind="substitution", parents=[proposal.parent_id], generator=Generator(name="benchmark"))
        candidate_document(proposal.structure, origin, rejections, novelty).to_mongo()
        times["gates"] += checked - start
        times["novelty"] += compared - checked
        times["documents"] += time.process_time() - compared
        outcomes[rejections[0].gate if rejections else "accepted"] += 1
    return outcomes


def plain(proposals: list[Proposal], known: list[Structure]) -> Counter[str]:
    """Make the same decisions with pymatgen alone."""
    outcomes: Counter[str] = Counter()
    matcher, seen = StructureMatcher(), list(known)
    for proposal in proposals:
        structure = proposal.structure
        outcome = plain_gate(structure, proposal.intended_space_group)
        if outcome is None:
            formula = structure.composition.reduced_formula
            same = [other for other in seen if other.composition.reduced_formula == formula]
            number = SpacegroupAnalyzer(structure).get_space_group_number()
            same = [other for other in same if SpacegroupAnalyzer(other).get_space_group_number() == number]
            outcome = "duplicate" if any(matcher.fit(structure, other) for other in same) else "accepted"
            if outcome == "accepted":
                seen.append(structure)
        outcomes[outcome] += 1
    return outcomes


def plain_gate(structure: Structure, intended: int | None) -> str | None:
    """Return the first gate that refuses."""
    if len(structure) > (SETTINGS.max_sites or len(structure)):
        return "sites"
    if any(element.is_radioactive or element.is_noble_gas for element in structure.composition.elements):
        return "elements"
    radii = covalent_radii[list(structure.atomic_numbers)]
    pairs = [
        (neighbour.nn_distance, radii[i] + radii[neighbour.index])
        for i, found in enumerate(structure.get_all_neighbors(4.0))
        for neighbour in found
    ]
    if any(distance < SETTINGS.min_contact_ratio * radius for distance, radius in pairs):
        return "contact"
    ratio = structure.volume / sum(usual_volume(site.specie.symbol) for site in structure)
    if not SETTINGS.min_volume_ratio <= ratio <= SETTINGS.max_volume_ratio:
        return "volume"
    if intended is not None and SpacegroupAnalyzer(structure).get_space_group_number() != intended:
        return "space_group"
    return None


def main() -> None:
    """Run both ways, and print rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--plain", type=int, default=100, help="how many of them are also done plainly")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()

    documents = load_catalogue()
    parents = [Parent(d.superconductor_id, d.structure, pressure_gpa=d.pressure_gpa) for d in documents]
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    times: dict[str, float] = defaultdict(float)
    start = time.process_time()
    proposals = list(islice(propose(parents, seed=0), arguments.candidates))
    times["propose"] = time.process_time() - start
    known = CrystalIndex(Crystal(d.superconductor_id, "superconductors", d.structure) for d in documents)
    times["index of the known"] = time.process_time() - start - times["propose"]
    outcomes = ours(proposals, known, times)
    profile.disable()
    total = sum(times.values())
    print(f"{len(parents)} parents, {len(proposals)} proposals: {dict(outcomes)}")
    for name, seconds in times.items():
        print(f"  {name:20s} {seconds:7.3f} s   {1e3 * seconds / len(proposals):7.3f} ms per proposal")
    print(f"  {'together':20s} {total:7.3f} s   {len(proposals) / total:7.0f} proposals per second")

    some = proposals[: arguments.plain]
    ours_times: dict[str, float] = defaultdict(float)
    ours_outcomes = ours(some, known, ours_times)
    start = time.process_time()
    plain_outcomes = plain(some, [d.structure for d in documents])
    plain_time = time.process_time() - start
    ours_time = ours_times["gates"] + ours_times["novelty"]
    ratio = plain_time / ours_time
    print(f"gates and novelty of {len(some)}: {ours_time:.3f} s, plainly {plain_time:.3f} s, ratio {ratio:.1f}")
    print(f"  outcomes {dict(ours_outcomes)}, plainly {dict(plain_outcomes)}")
    if arguments.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(15)


if __name__ == "__main__":
    main()
