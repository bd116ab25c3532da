"""Ingest and query through the registry, each against the bare driver in the same run.

    python benchmarks/database.py [--candidates 20000] [--summaries 200000]

A server of its own is started on a free port and a temporary folder. Ratios are medians over alternating repetitions.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pymatgen.core import Lattice, Structure
from rich.progress import track

from invdesflow.database.database import Database
from invdesflow.database.summary import STAGES, SummaryDocument
from invdesflow.generation.documents import CandidateDocument, Generator, Origin
from invdesflow.settings import Settings
from invdesflow.testing.local_server import free_port, write_store_file

ELEMENTS = ["Li", "B", "C", "N", "Mg", "Al", "Si", "P", "Ca", "Ti", "V", "Cu", "Ga", "Y", "Zr", "Nb", "Mo", "Pd", "Sn"]


@contextmanager
def fresh_database() -> Iterator[Database]:
    """Open an empty database on a server that ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), stores=write_store_file(Path(folder) / "stores", free_port()))
        with Database(settings=settings) as database:
            yield database
        Database.server_of(settings).stop()


def candidate(index: int, rng: random.Random) -> CandidateDocument:
    """Make a candidate of 4 to 8 atoms; only its size matters here."""
    symbols = rng.choices(ELEMENTS, k=rng.randint(4, 8))
    structure = Structure(Lattice.cubic(6 + rng.random()), symbols, [[rng.random() for _ in range(3)] for _ in symbols])
    elements = sorted(set(symbols))
    return CandidateDocument(
        candidate_id=f"cand-{index:016x}",
        structure=structure,
        reduced_formula=structure.composition.reduced_formula,
        anonymous_formula=structure.composition.anonymized_formula,
        chemical_system="-".join(elements),
        elements=elements,
        nelements=len(elements),
        nsites=len(structure),
        space_group_number=1,
        space_group_symbol="P1",
        volume_per_atom=structure.volume / len(structure),
        origins=[Origin(kind="import", generator=Generator(name="benchmark"))],
        status="accepted",
    )


def summary(index: int, rng: random.Random) -> SummaryDocument:
    """Make a summary with random values."""
    elements = sorted(rng.sample(ELEMENTS, 3))
    return SummaryDocument(
        candidate_id=f"cand-{index:016x}",
        reduced_formula="".join(elements),
        anonymous_formula="ABC",
        chemical_system="-".join(elements),
        elements=elements,
        nelements=3,
        nsites=rng.randint(2, 12),
        space_group_number=rng.randint(1, 230),
        space_group_symbol="P1",
        volume_per_atom=rng.uniform(8, 30),
        stage=rng.choice(STAGES),
        rejected=rng.random() < 0.5,
        origins=["substitution"],
        campaigns=["benchmark"],
        e_above_hull_ev_per_atom=rng.expovariate(5),
        tc_k=rng.expovariate(0.3),
        tc_std_k=1.0,
        sources_digest="benchmark",
    )


def seconds(action: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ingest(count: int, repetitions: int = 3) -> None:
    """Documents through the typed collection against ``insert_many`` of the same dictionaries."""
    documents = [candidate(index, random.Random(index)) for index in track(range(count), "making")]
    rows = [document.to_mongo() for document in documents]
    ratios, rates = [], []
    for _ in range(repetitions):
        with fresh_database() as database:
            # The same indexes on both collections: the bare driver has to keep them too.
            raw = database.raw["raw_candidates"]
            for name, index in database.raw["candidates"].index_information().items():
                if name != "_id_":
                    raw.create_index(index["key"], unique=index.get("unique", False))
            bare = seconds(lambda raw=raw: raw.insert_many([dict(row) for row in rows], ordered=False))
            ours = seconds(lambda database=database: database.collection(CandidateDocument).insert_new(documents))
        ratios.append(bare / ours)
        rates.append(count / ours)
    print(
        f"ingest of {count} candidates: {statistics.median(rates):.0f} documents/s, "
        f"{statistics.median(ratios):.2f} times the rate of insert_many (goal: at least 0.5)"
    )


def query(count: int, repetitions: int = 40) -> None:
    """``Database.candidates`` against the driver's ``find`` with the same filter, sort and limit."""
    with fresh_database() as database:
        rng = random.Random(0)
        rows = track((summary(index, rng) for index in range(count)), "storing", total=count)
        database.summary.insert_new(rows)
        ours, bare = [], []
        for _ in range(repetitions):
            element, tc_min = rng.choice(ELEMENTS), rng.uniform(5, 15)
            criteria = {"elements": element, "tc_k": {"$gte": tc_min}}
            bare.append(
                seconds(lambda c=criteria: list(database.raw["summary"].find(c).sort([("tc_k", -1)]).limit(50)))
            )
            ours.append(
                seconds(lambda e=element, t=tc_min: list(database.candidates(elements=[e], tc_min=t, limit=50)))
            )
    p95 = [sorted(times)[int(0.95 * len(times))] for times in (ours, bare)]
    print(
        f"query on {count} summaries: p95 {1000 * p95[0]:.1f} ms, bare find {1000 * p95[1]:.1f} ms, "
        f"ratio {p95[0] / p95[1]:.2f} (goal: below 3)"
    )


def help_page(repetitions: int = 7) -> None:
    """``invdesflow --help`` as a process of its own."""
    program = Path(sys.executable).parent / "invdesflow"
    times = [
        seconds(lambda: subprocess.run([program, "--help"], check=True, capture_output=True, env=os.environ))
        for _ in range(repetitions)
    ]
    bare = [
        seconds(lambda: subprocess.run([sys.executable, "-c", ""], check=True, capture_output=True))
        for _ in range(repetitions)
    ]
    print(
        f"invdesflow --help: median {statistics.median(times):.2f} s (goal: below 0.5 s); "
        f"an empty Python process {statistics.median(bare):.2f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--summaries", type=int, default=200_000)
    arguments = parser.parse_args()
    help_page()
    ingest(arguments.candidates)
    query(arguments.summaries)
