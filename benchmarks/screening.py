"""Screening with all models: our batched pass against one structure at a time, and against one `alignn` call each.

    python benchmarks/screening.py [--candidates 512] [--single 48] [--calls 3] [--workers 2]

The crystals are substituted known superconductors. Side by side in one run: the batched pass that `ScreenMaker` makes,
in worker processes; a loop over single structures in one process with the same models and as many threads; and the
published procedure, one call of alignn's command line for each structure (`pretrained.py --pure_torch`, on a network of
its default size with random weights, because its own are downloaded; for one property, where screening asks for four
things). Loading counts in the first and in the last, as in use; the loop has its models loaded before.

Then the peak memory of processes that screen so many candidates and four times as many.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.substitution import Parent, SubstitutionSettings, propose
from invdesflow.screening.assessment import assess
from invdesflow.screening.kinds import SHIPPED_FILES
from invdesflow.superconductors.catalogue import load_catalogue


def crystals(count: int) -> list[Structure]:
    """Propose crystals by substitution; the gates sort out impossible ones."""
    parents = [Parent(known.superconductor_id, known.structure, pressure_gpa=0.0) for known in load_catalogue()]
    proposed = propose(parents, 0, SubstitutionSettings())
    return list(islice((one.structure for one in proposed if not check(one.structure, GateSettings())), count))


def alignn_calls(structures: list[Structure], folder: Path) -> float:
    """Return the seconds that one call of alignn's command line takes."""
    import torch
    from alignn.models.alignn_atomwise_pure import ALIGNNAtomWisePure, ALIGNNAtomWisePureConfig

    settings = {"name": "alignn_atomwise_pure", "calculate_gradient": False, "atom_input_features": 92}
    network = ALIGNNAtomWisePure(ALIGNNAtomWisePureConfig(**settings))
    torch.save(network.state_dict(), folder / "best_model.pt")
    (folder / "config.json").write_text(json.dumps({"model": settings, "cutoff": 8.0, "max_neighbors": 12}))
    start = time.perf_counter()
    for number, structure in enumerate(structures):
        path = folder / f"POSCAR-{number}.vasp"
        Poscar(structure).write_file(path)
        command = [sys.executable, "-m", "alignn.deprecated.pretrained", "--model_name", str(folder), "--pure_torch"]
        subprocess.run([*command, "--file_path", str(path)], cwd=folder, check=True, capture_output=True)
    return (time.perf_counter() - start) / len(structures)


def peak_memory(count: int, workers: int) -> float:
    """Return the largest resident memory (MiB) among a process that screens so many candidates and its workers."""
    command = [sys.executable, __file__, "--screen-only", str(count), "--workers", str(workers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def screen_only(count: int, workers: int) -> None:
    """Screen and print the peak memory."""
    structures = crystals(min(count, 256))
    many = [structures[number % len(structures)] for number in range(count)]
    for _ in assess(many, SHIPPED_FILES, workers=workers):
        pass
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(max(own, children) / 1024)


def main() -> None:
    """Print rates, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=512)
    parser.add_argument("--single", type=int, default=48)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--screen-only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.screen_only:
        screen_only(options.screen_only, options.workers)
        return
    structures = crystals(options.candidates)
    start = time.perf_counter()
    asked = sum(1 for _ in assess(structures, SHIPPED_FILES, workers=options.workers))
    batched = (time.perf_counter() - start) / asked
    list(assess(structures[:1], SHIPPED_FILES))
    chosen = structures[:: max(1, len(structures) // options.single)][: options.single]
    start = time.perf_counter()
    for structure in chosen:
        list(assess([structure], SHIPPED_FILES))
    single = (time.perf_counter() - start) / len(chosen)
    with tempfile.TemporaryDirectory() as folder:
        call = alignn_calls(structures[: options.calls], Path(folder))
    print(f"batched, {options.workers} processes: {1 / batched:8.2f} candidates/s ({asked} candidates)")
    print(f"one at a time:        {1 / single:8.2f} candidates/s; batched is {single / batched:.1f} times faster")
    print(f"alignn command line:  {1 / call:8.3f} candidates/s; batched is {call / batched:.0f} times faster")
    few, many = (peak_memory(count, options.workers) for count in (options.candidates, 4 * options.candidates))
    print(f"peak memory of a process: {few:.0f} MiB for {options.candidates}, {many:.0f} MiB for four times as many")


if __name__ == "__main__":
    main()
