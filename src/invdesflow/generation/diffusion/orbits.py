"""Crystals as Wyckoff orbits: one, and many in flat arrays; numpy alone, so that they can be learned from anywhere."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.templates import Template

__all__ = ["EncodedCrystals", "OrbitCrystal"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OrbitCrystal:
    """A crystal as its Wyckoff template and what the template leaves free; R orbits.

    Attributes
    ----------
    template
        Space group and occupied positions.
    elements
        Atomic number of every orbit.
    parameters
        Free parameters of every orbit in [0, 1), zero beyond its n_free; shape (R, 3).
    lattice
        Rows are the vectors of the standard conventional cell in Angstrom; shape (3, 3).
    alternatives
        For every orbit all choices of the parameters that give the same atoms, the one in `parameters` first; shapes
        (n_choices, 3). Empty where nobody looked for them.
    """

    template: Template
    elements: tuple[int, ...]
    parameters: FloatArray
    lattice: FloatArray
    alternatives: tuple[FloatArray, ...] = ()


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
