"""Data sets as encoded crystals, and what is left out of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from invdesflow.errors import StructureError
from invdesflow.generation.diffusion.encoding import decode, encode
from invdesflow.generation.diffusion.orbits import EncodedCrystals, OrbitCrystal
from invdesflow.generation.diffusion.sources import LabelledCrystal
from invdesflow.generation.gates import GateSettings, check
from invdesflow.superconductors.importers import Refusal

__all__ = ["BENCHMARK_GATES", "TRAINING_GATES", "encode_many"]

TRAINING_GATES = GateSettings(min_contact_ratio=0.5, max_sites=20)
"""What is worth learning from. Short bonds that exist, as in N2 groups, are let in; a campaign's gates are stricter."""
BENCHMARK_GATES = GateSettings(
    min_contact_ratio=0.0,
    min_volume_ratio=1e-3,
    max_volume_ratio=1e3,
    max_sites=24,
    allow_radioactive=True,
    allow_noble_gases=True,
)
"""Everything that the benchmarks of the field hold, for results that can be compared."""
CHUNK = 64
"""Crystals that a process is handed at once."""


def encode_many(
    crystals: Iterable[LabelledCrystal | Refusal],
    *,
    gates: GateSettings = TRAINING_GATES,
    symprec: float = 0.01,
    most_given_sites: int | None = None,
    processes: int = 1,
) -> tuple[EncodedCrystals, Counter[str]]:
    """Encode the crystals of a data set and leave out what is not worth learning from.

    Parameters
    ----------
    crystals
        From `invdesflow.generation.diffusion.sources`.
    gates
        What the primitive cell of a crystal must pass.
    symprec
        Tolerance of spglib in Angstrom.
    most_given_sites
        Crystals given in a cell with more atoms are refused without a search for a smaller cell, which is what takes
        most of the time. For data sets that give primitive cells.
    processes
        Number of processes that work at the same time.

    Returns
    -------
    tuple
        The encoded crystals in the order of the source, and how many were refused by what: ``"source"`` (it could not
        be read), ``"given cell"``, ``"symmetry"`` (it could not be encoded), or the gate.
    """
    work = partial(_encode_one, gates=gates, symprec=symprec, most_given_sites=most_given_sites)
    if processes == 1:
        return _collect(map(work, crystals))
    with get_context("spawn").Pool(processes) as pool:
        return _collect(pool.imap(work, crystals, chunksize=CHUNK))


@dataclass(frozen=True, eq=False)
class _Encoded:
    crystal: OrbitCrystal
    tc_k: float
    formula: str
    source_id: str


def _encode_one(
    entry: LabelledCrystal | Refusal, gates: GateSettings, symprec: float, most_given_sites: int | None
) -> _Encoded | str:
    """Encode one crystal, or name what refuses it."""
    if isinstance(entry, Refusal):
        return "source"
    if most_given_sites is not None and len(entry.structure) > most_given_sites:
        return "given cell"
    try:
        crystal = encode(entry.structure, symprec)
    except StructureError:
        return "symmetry"
    rejections = check(decode(crystal), gates)
    if rejections:
        return rejections[0].gate
    tc_k = np.nan if entry.tc_k is None else entry.tc_k
    return _Encoded(crystal, tc_k, entry.structure.composition.reduced_formula, entry.source_id)


def _collect(results: Iterable[_Encoded | str]) -> tuple[EncodedCrystals, Counter[str]]:
    refusals: Counter[str] = Counter()
    taken: list[_Encoded] = []
    for result in results:
        if isinstance(result, str):
            refusals[result] += 1
        else:
            taken.append(result)
    encoded = EncodedCrystals.of(
        [one.crystal for one in taken],
        [one.tc_k for one in taken],
        [one.formula for one in taken],
        [one.source_id for one in taken],
    )
    return encoded, refusals
