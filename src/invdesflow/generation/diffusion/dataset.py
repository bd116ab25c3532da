"""Many encoded crystals in flat arrays, and what is left out of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import ConfigurationError, StructureError
from invdesflow.generation.diffusion.encoding import OrbitCrystal, decode, encode
from invdesflow.generation.diffusion.sources import LabelledCrystal
from invdesflow.generation.diffusion.templates import Template
from invdesflow.generation.gates import GateSettings, check
from invdesflow.superconductors.importers import Refusal

__all__ = ["TRAINING_GATES", "EncodedCrystals", "encode_many"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

TRAINING_GATES = GateSettings(min_contact_ratio=0.5, max_sites=20)
"""What is worth learning from. Short bonds that exist, as in N2 groups, are let in; a campaign's gates are stricter."""
CHUNK = 64
"""Crystals that a process is handed at once."""


@dataclass(frozen=True, eq=False)
class EncodedCrystals:
    """C crystals with R orbits altogether, one orbit after the other.

    Attributes
    ----------
    space_group
        International numbers; shape (C,).
    letters
        Wyckoff letters of every crystal, one character per orbit; shape (C,), strings.
    lattice
        Rows are the vectors of the standard conventional cells in Angstrom; shape (C, 3, 3).
    tc_k
        Critical temperature in K at mu* = 0.10, nan where it is not known; shape (C,).
    formulas
        Reduced formulas; shape (C,), strings.
    ids
        Data set and name in it; shape (C,), strings.
    elements
        Atomic numbers of the orbits; shape (R,).
    parameters
        Free parameters of the orbits; shape (R, 3).
    n_choices
        Choices of the parameters that give the same atoms, for every orbit; shape (R,).
    choices
        These choices, orbit after orbit; shape (sum of n_choices, 3).
    """

    space_group: IntArray
    letters: NDArray[np.str_]
    lattice: FloatArray
    tc_k: FloatArray
    formulas: NDArray[np.str_]
    ids: NDArray[np.str_]
    elements: IntArray
    parameters: FloatArray
    n_choices: IntArray
    choices: FloatArray

    @classmethod
    def of(
        cls,
        crystals: Sequence[OrbitCrystal],
        tc_k: Sequence[float],
        formulas: Sequence[str],
        ids: Sequence[str],
    ) -> Self:
        """Lay out crystals one after the other; `tc_k` is nan where it is not known."""
        choices = [choices for crystal in crystals for choices in crystal.alternatives]
        return cls(
            space_group=np.array([crystal.template.space_group for crystal in crystals], dtype=np.int64),
            letters=np.array(["".join(crystal.template.letters) for crystal in crystals], dtype=np.str_),
            lattice=np.array([crystal.lattice for crystal in crystals], dtype=float).reshape(-1, 3, 3),
            tc_k=np.array(tc_k, dtype=float),
            formulas=np.array(formulas, dtype=np.str_),
            ids=np.array(ids, dtype=np.str_),
            elements=np.array([number for crystal in crystals for number in crystal.elements], dtype=np.int64),
            parameters=np.concatenate([np.zeros((0, 3)), *(crystal.parameters for crystal in crystals)]),
            n_choices=np.array([len(own) for own in choices], dtype=np.int64),
            choices=np.concatenate([np.zeros((0, 3)), *choices]),
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Put sets of crystals behind each other; at least one."""
        return cls(**{name.name: np.concatenate([getattr(part, name.name) for part in parts]) for name in fields(cls)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ConfigurationError
            If the file is missing, damaged or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ConfigurationError(f"{path} holds no encoded crystals: {error}.", "Encode the data again.") from error

    def save(self, path: Path) -> None:
        """Write the arrays to an ``.npz`` file without pickled objects."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def __len__(self) -> int:
        return len(self.space_group)

    def crystal(self, index: int) -> OrbitCrystal:
        """Return one crystal."""
        orbits = slice(self._first_orbit[index], self._first_orbit[index + 1])
        ends = self._first_choice[orbits.start : orbits.stop + 1]
        return OrbitCrystal(
            template=Template(int(self.space_group[index]), tuple(self.letters[index])),
            elements=tuple(self.elements[orbits].tolist()),
            parameters=self.parameters[orbits],
            lattice=self.lattice[index],
            alternatives=tuple(self.choices[start:end] for start, end in pairwise(ends)),
        )

    def crystals(self) -> Iterator[OrbitCrystal]:
        """Yield all crystals."""
        return map(self.crystal, range(len(self)))

    def subset(self, indices: Iterable[int]) -> Self:
        """Return some of the crystals, in the order of the indices."""
        chosen = np.array(list(indices), dtype=np.int64)
        return type(self).of(
            [self.crystal(int(index)) for index in chosen],
            self.tc_k[chosen].tolist(),
            self.formulas[chosen].tolist(),
            self.ids[chosen].tolist(),
        )

    @cached_property
    def _first_orbit(self) -> IntArray:
        return np.concatenate([[0], np.cumsum(np.char.str_len(self.letters))]).astype(np.int64)

    @cached_property
    def _first_choice(self) -> IntArray:
        return np.concatenate([[0], np.cumsum(self.n_choices)]).astype(np.int64)


def encode_many(
    crystals: Iterable[LabelledCrystal | Refusal],
    *,
    gates: GateSettings = TRAINING_GATES,
    symprec: float = 0.01,
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
    processes
        Number of processes that work at the same time.

    Returns
    -------
    tuple
        The encoded crystals in the order of the source, and how many were refused by what: ``"source"`` (it could not
        be read), ``"symmetry"`` (it could not be encoded), or the gate.
    """
    work = partial(_encode_one, gates=gates, symprec=symprec)
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


def _encode_one(entry: LabelledCrystal | Refusal, gates: GateSettings, symprec: float) -> _Encoded | str:
    """Encode one crystal, or name what refuses it."""
    if isinstance(entry, Refusal):
        return "source"
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
