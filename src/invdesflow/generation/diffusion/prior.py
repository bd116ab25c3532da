"""Which space groups, Wyckoff positions and numbers of atoms occur: learned by counting."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import ModelError
from invdesflow.generation.diffusion.templates import Template

__all__ = ["TemplatePrior", "label_of"]

_BIN_EDGES = np.arange(0.0, 5.01, 0.25)
_KERNEL_WIDTH = 0.35
_UNLABELLED_WEIGHT = 0.01
"""Weight of a crystal without a Tc where a Tc is asked for, so that no template becomes impossible."""


def label_of(tc_k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the label that a network reads for a Tc in kelvin, log(1 + Tc/K); nan stays nan."""
    labels: NDArray[np.float64] = np.log1p(tc_k)
    return labels


@dataclass(frozen=True, eq=False)
class TemplatePrior:
    """How often every template occurs in a training set, by Tc.

    A template is a space group with the Wyckoff positions that are occupied, so that p(number of atoms), p(space group)
    and p(Wyckoff positions) are its marginals and never disagree.

    Attributes
    ----------
    templates
        The T distinct templates.
    counts
        Crystals of the training set: without a Tc in column 0, then by label in bins of width 0.25; shape (T, 22).
    """

    templates: tuple[Template, ...]
    counts: NDArray[np.int64]

    @classmethod
    def count(cls, templates: Sequence[Template], tc_k: NDArray[np.float64]) -> Self:
        """Count the templates of a training set; `tc_k` has a Tc or nan for every crystal."""
        distinct = sorted(set(templates), key=lambda template: (template.space_group, template.letters))
        rows = {template: row for row, template in enumerate(distinct)}
        bins = np.where(np.isnan(tc_k), 0, np.digitize(label_of(tc_k), _BIN_EDGES))
        counts = np.zeros((len(distinct), len(_BIN_EDGES) + 1), np.int64)
        np.add.at(counts, (np.array([rows[template] for template in templates]), bins), 1)
        return cls(tuple(distinct), counts)

    def plus(self, other: Self) -> Self:
        """Return the counts of two training sets together."""
        both = {template: row.copy() for template, row in zip(self.templates, self.counts, strict=True)}
        for template, row in zip(other.templates, other.counts, strict=True):
            both[template] = both.get(template, 0) + row
        distinct = sorted(both, key=lambda template: (template.space_group, template.letters))
        return type(self)(tuple(distinct), np.array([both[template] for template in distinct]))

    def weights(self, tc_k: float | None = None) -> NDArray[np.float64]:
        """Return the relative frequency of every template, near a Tc if one is given; shape (T,)."""
        if tc_k is None:
            share: NDArray[np.float64] = self.counts.sum(1) / self.counts.sum()
            return share
        centres = _BIN_EDGES + (_BIN_EDGES[1] - _BIN_EDGES[0]) / 2
        exponents = ((centres - np.log1p(tc_k)) / _KERNEL_WIDTH) ** 2 / 2
        near = np.exp(exponents.min() - exponents)
        weights = self.counts[:, 1:] @ near + _UNLABELLED_WEIGHT * self.counts[:, 0]
        normalised: NDArray[np.float64] = weights / weights.sum()
        return normalised

    @cached_property
    def n_atoms(self) -> NDArray[np.int64]:
        """Atoms in the primitive cell of every template; shape (T,)."""
        return np.array([template.arrays().n_atoms for template in self.templates])

    @cached_property
    def space_groups(self) -> NDArray[np.int64]:
        """International numbers of the space groups; shape (T,)."""
        return np.array([template.space_group for template in self.templates])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays that a file of weights can hold."""
        letters = [template.letters for template in self.templates]
        return {
            "prior.space_group": self.space_groups.astype(np.uint8),
            "prior.n_letters": np.array([len(own) for own in letters], np.uint8),
            "prior.letters": np.frombuffer("".join("".join(own) for own in letters).encode(), np.uint8),
            "prior.counts": self.counts.astype(np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Undo `to_arrays`.

        Raises
        ------
        ModelError
            If the arrays do not fit together.
        """
        numbers, lengths = arrays["prior.space_group"], arrays["prior.n_letters"].astype(int)
        letters, counts = arrays["prior.letters"].tobytes().decode(errors="replace"), arrays["prior.counts"]
        if not len(numbers) == len(lengths) == len(counts) or lengths.sum() != len(letters):
            raise ModelError("the model's templates are damaged.", "Train it again with this version.")
        templates = tuple(
            Template(int(number), tuple(letters[end - length : end]))
            for number, length, end in zip(numbers, lengths, np.cumsum(lengths), strict=True)
        )
        return cls(templates, counts.astype(np.int64))
