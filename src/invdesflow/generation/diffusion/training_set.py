"""Encoded crystals as the network reads them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from invdesflow.errors import TrainingError
from invdesflow.generation.diffusion.batch import MAX_ATOMIC_NUMBER, Frames, State
from invdesflow.generation.diffusion.lattice import components_of
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.prior import TemplatePrior, label_of
from invdesflow.generation.diffusion.templates import Template

__all__ = ["LatticeStatistics", "TrainingSet"]


@dataclass(frozen=True)
class LatticeStatistics:
    """Mean and spread of the six lattice components, each where it is free; shape (6,)."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Crystals to learn from.

    Attributes
    ----------
    templates
        Space group and Wyckoff positions of every crystal.
    elements
        Atomic numbers of its orbits; shape (R,).
    choices
        For each of its orbits all choices of the free parameters that give the same atoms; shapes (n_choices, 3).
    lattice
        Lattice components with the share of one atom as the size; shape (n, 6).
    tc_k
        Tc or nan; shape (n,).
    formulas
        Reduced formulas.
    """

    templates: Sequence[Template]
    elements: Sequence[NDArray[np.int64]]
    choices: Sequence[tuple[NDArray[np.float64], ...]]
    lattice: NDArray[np.float64]
    tc_k: NDArray[np.float64]
    formulas: Sequence[str]

    @classmethod
    def of(cls, crystals: EncodedCrystals) -> Self:
        """Prepare encoded crystals.

        Raises
        ------
        TrainingError
            If there are none, or a number is not finite.
        """
        templates, elements, choices = [], [], []
        for crystal in crystals.crystals():
            templates.append(crystal.template)
            elements.append(np.asarray(crystal.elements, np.int64))
            choices.append(crystal.alternatives)
        if not templates:
            raise TrainingError("there are no crystals to learn from.", "Give files that hold crystals.")
        cells = np.asarray(crystals.lattice, np.float64)
        finite = np.isfinite(cells).all((1, 2)) & ~np.isinf(crystals.tc_k)
        finite &= np.array([all(np.isfinite(u).all() for u in own) for own in choices])
        if not finite.all():
            first = crystals.ids[int(np.argmin(finite))]
            raise TrainingError(
                f"{int((~finite).sum())} crystals hold numbers that are not finite (first: {first}).",
                "Remove them from the training data.",
            )
        lattice = components_of(cells)
        arrays = [template.arrays() for template in templates]
        atoms = np.array([own.n_atoms / abs(np.linalg.det(own.primitive)) for own in arrays])
        lattice[:, 5] -= np.log(atoms) / 3
        return cls(templates, elements, choices, lattice, np.asarray(crystals.tc_k, float), list(crystals.formulas))

    def __len__(self) -> int:
        return len(self.templates)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that is learned."""
        content = hashlib.sha256(repr([(one.space_group, one.letters) for one in self.templates]).encode())
        for array in (self.lattice, self.tc_k, *self.elements, *(choices for own in self.choices for choices in own)):
            content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()

    @cached_property
    def n_atoms(self) -> NDArray[np.int64]:
        """Atoms in the primitive cells; shape (n,)."""
        return np.array([template.arrays().n_atoms for template in self.templates])

    @cached_property
    def n_orbits(self) -> NDArray[np.int64]:
        """Orbits; shape (n,)."""
        return np.array([template.arrays().n_orbits for template in self.templates])

    @cached_property
    def known_elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur."""
        return tuple(sorted({int(number) for own in self.elements for number in own}))

    def prior(self) -> TemplatePrior:
        """Count the templates."""
        return TemplatePrior.count(self.templates, self.tc_k)

    def lattice_statistics(self) -> LatticeStatistics:
        """Return mean and spread of the lattice components where they are free."""
        frames = Frames.of(self.templates)
        free = frames.lattice_free.numpy()
        count = np.maximum(free.sum(0), 1)
        mean = (self.lattice * free).sum(0) / count
        spread = np.sqrt((((self.lattice - mean) * free) ** 2).sum(0) / count)
        # A component that nothing varies (no triclinic crystal in the set) has no scale of its own.
        return LatticeStatistics(mean, np.where(spread > 0, spread, 1.0))

    def subset(self, indices: NDArray[np.integer]) -> Self:
        """Return some of the crystals."""
        return type(self)(
            [self.templates[i] for i in indices],
            [self.elements[i] for i in indices],
            [self.choices[i] for i in indices],
            self.lattice[indices],
            self.tc_k[indices],
            [self.formulas[i] for i in indices],
        )

    def split(self, share: float) -> tuple[Self, Self]:
        """Split by formula into a part to learn from and one, about `share`, to validate on; the same in every run.

        A set of one composition, such as the carbons, is split by crystal.
        """
        one_composition = len(set(self.formulas)) == 1
        keys = [cell.tobytes().hex() for cell in self.lattice] if one_composition else self.formulas
        held = np.array([_place(key) < share for key in keys])
        return self.subset(np.flatnonzero(~held)), self.subset(np.flatnonzero(held))

    def batch(
        self,
        indices: NDArray[np.integer],
        statistics: LatticeStatistics,
        device: torch.device | str = "cpu",
        random: np.random.Generator | None = None,
    ) -> tuple[Frames, State, Tensor]:
        """Collate crystals.

        Parameters
        ----------
        indices
            Which crystals.
        statistics
            Units of the lattice components.
        device
            Where to put them.
        random
            Source of randomness to choose the representative of every orbit; the first choice without one.

        Returns
        -------
        frames, state, label
            Frames and clean state of the crystals, and log(1 + Tc/K) or nan; shape of the latter (B,).
        """
        frames = Frames.of([self.templates[i] for i in indices])
        numbers = np.zeros(frames.orbit_mask.shape, np.int64)
        parameters = np.zeros((*frames.orbit_mask.shape, 3), np.float32)
        for row, i in enumerate(indices):
            numbers[row, : len(self.elements[i])] = self.elements[i] - 1
            for orbit, choices in enumerate(self.choices[i]):
                chosen = 0 if random is None or len(choices) == 1 else random.integers(len(choices))
                parameters[row, orbit] = choices[chosen]
        types = functional.one_hot(torch.from_numpy(numbers), MAX_ATOMIC_NUMBER).float()
        scaled = torch.from_numpy((self.lattice[indices] - statistics.mean) / statistics.spread).float()
        state = State(
            types.to(device), (scaled * frames.lattice_free).to(device), torch.from_numpy(parameters).to(device)
        )
        return frames.to(device), state, torch.from_numpy(label_of(self.tc_k[indices])).float().to(device)


def _place(key: str) -> float:
    """Return a number in [0, 1) that belongs to the key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=6).digest(), "big") / 2**48
