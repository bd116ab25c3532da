"""Drawing crystals: ours against a straight 1,000-step sampler of the same network, and what many drawings cost.

    python benchmarks/generator.py [--model FILE.safetensors] [--crystals 32] [--atoms 10] [--seed 0]

The straight sampler takes 1,000 predictor steps with a corrector step after each but the last, as the published method
does: 1,999 calls of the network where ours takes 50. Both draw the same Wyckoff templates, in one process, on one
thread; rates are crystals per second of the processor. Validity is that of the published evaluations, that of our
gates, and whether spglib finds the intended space group at 0.01 A.

Then 100 crystals are drawn by one process and by two, start-up and loading included; and
the memory of a process that draws 200 and of one that draws 2,000 is measured (with few steps: only time depends on
them).
"""

import argparse
import time
import tracemalloc
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import psutil
from pymatgen.core import Structure

from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.encoding import decode
from invdesflow.generation.diffusion.model import DEFAULT_MODEL, GeneratorModel
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.evaluation.uniqueness import space_group_share
from invdesflow.generation.evaluation.validity import assess_validity

STRAIGHT = {"steps": 1000, "corrector_steps": 1}
MEMORY_STEPS = 3


def timed(sampler: Sampler, count: int, seed: int) -> tuple[list[OrbitCrystal | None], float]:
    """Draw crystals; return them and the processor's seconds."""
    start = time.process_time()
    drawn = list(islice(sampler.draw(seed), count))
    return drawn, time.process_time() - start


def line(name: str, drawn: list[OrbitCrystal | None], seconds: float) -> str:
    """Describe the crystals of one sampler."""
    finite = [crystal for crystal in drawn if crystal is not None]
    structures: list[Structure] = [decode(crystal) for crystal in finite]
    validity = assess_validity(structures)
    symmetric = space_group_share(structures, [crystal.template.space_group for crystal in finite])
    shares = (validity.structural, validity.gates, symmetric)
    counts = "".join(f"{share.count:>7d}/{share.total:<4d}" for share in shares)
    return f"{name:34s}{len(drawn) / seconds:9.3f}{len(finite):>8d}{counts}"


def compare(model: GeneratorModel, count: int, conditions: Conditions, seed: int) -> None:
    """Print rates and validity of both samplers."""
    ours = SamplerSettings(chunk=count)
    straight = ours.model_copy(update=STRAIGHT)
    timed(Sampler(model, conditions, ours.model_copy(update={"steps": 2})), count, seed)  # tables are read once
    print(f"{count} crystals of {conditions.n_atoms} atoms, one thread; the same templates for both")
    print(f"{'':34s}{'per s':>9s}{'finite':>8s}{'structural':>12s}{'gates':>12s}{'group':>12s}")
    rates = []
    for name, settings in ((f"ours, {ours.steps} steps", ours), ("straight, 1000 steps + corrector", straight)):
        drawn, seconds = timed(Sampler(model, conditions, settings), count, seed)
        print(line(name, drawn, seconds), flush=True)
        rates.append(count / seconds)
    print(f"ratio of the rates: {rates[0] / rates[1]:.1f}")


def draw_many(path: Path, count: int, seed: int) -> None:
    """Load the model and draw, as a process of its own would."""
    deque(islice(Sampler(GeneratorModel.load(path), settings=SamplerSettings(chunk=count)).draw(seed), count), maxlen=1)


def spread(path: Path, processes: int, count: int) -> float:
    """Draw `count` crystals in fresh processes and return the wall time, start-up included."""
    start = time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        share = count // processes
        deque(pool.map(draw_many, *zip(*[(path, share, seed) for seed in range(processes)], strict=True)))
    return time.perf_counter() - start


def memory(path: Path, count: int) -> tuple[float, float]:
    """Draw; return the largest resident memory between drawings and the peak of what Python allocated, in MiB."""
    sampler = Sampler(GeneratorModel.load(path), settings=SamplerSettings(steps=MEMORY_STEPS))
    deque(islice(sampler.draw(0), 1), maxlen=1)
    process = psutil.Process()
    tracemalloc.start()
    resident = max(process.memory_info().rss for _ in islice(sampler.draw(0), count))
    return resident / 2**20, tracemalloc.get_traced_memory()[1] / 2**20


def alone(work: Callable[[Path, int], tuple[float, float]], path: Path, count: int) -> tuple[float, float]:
    """Work in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, path, count).result()


def main() -> None:
    """Compare, then draw many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="the one that ships with the package")
    parser.add_argument("--crystals", type=int, default=32, help="how many both samplers draw")
    parser.add_argument("--atoms", type=int, default=10, help="in the primitive cell")
    parser.add_argument("--many", type=int, default=100, help="drawn with one and with two cores")
    parser.add_argument("--drawings", type=int, nargs="*", default=[200, 2000], help="whose memory is measured")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = GeneratorModel.load(options.model)
    print(f"{model.name}, {sum(p.numel() for p in model.network.parameters())} weights, SHA-256 {model.digest[:16]}")
    compare(model, options.crystals, Conditions(n_atoms=options.atoms), options.seed)
    print(f"\n{options.many} crystals of any size, wall time with start-up and loading")
    for processes in (1, 2):
        print(f"  {processes} at a time{spread(options.model, processes, options.many):10.1f} s", flush=True)
    for count in options.drawings:
        resident, peak = alone(memory, options.model, count)
        print(f"{count:6d} drawings: {resident:7.1f} MiB resident, {peak:6.2f} MiB of them Python objects and arrays")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
