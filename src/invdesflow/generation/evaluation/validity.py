"""Validity of generated crystals: as the field publishes it, and by our own gates."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from pydantic import Field
from pymatgen.core import Structure

from invdesflow.errors import ConfigurationError
from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.generation.gates import GateSettings, check

__all__ = ["Validity", "assess_validity", "compositionally_valid", "structurally_valid"]

MIN_DISTANCE = 0.5
"""Distance of two atoms in Angstrom below which a crystal is invalid."""
MIN_VOLUME = 0.1
"""Volume of the cell in cubic Angstrom below which a crystal is invalid."""


class Validity(Metrics):
    """How many generated crystals are valid."""

    structural: Share = Field(description="no two atoms closer than 0.5 A, cell of at least 0.1 A^3")
    compositional: Share = Field(description="SMACT: some oxidation states are neutral and fit the electronegativities")
    both: Share
    gates: Share = Field(description="pass the gates of the generation room")
    rejections: dict[str, int] = Field(description="gate -> crystals that it refuses")


def structurally_valid(structure: Structure) -> bool:
    """Tell whether atoms and cell are apart as the benchmarks ask for it.

    Parameters
    ----------
    structure
        Ordered crystal.

    Notes
    -----
    Xie et al., ICLR 2022 (CDVAE), after Court et al. (2020). Different atoms of the cell are compared, at their
    closest images; an atom and its own images are not, as published.
    """
    if not (np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()):
        return False
    if not structure.volume >= MIN_VOLUME:
        return False
    pairs = np.triu_indices(len(structure), k=1)
    return bool((structure.distance_matrix[pairs] >= MIN_DISTANCE).all())


def compositionally_valid(formula: str) -> bool:
    """Tell whether a composition is one that simple rules of valence allow.

    A composition is valid if it has one element, or only metals, or if for some choice of one oxidation state per
    element the charges add up to zero and every cation is less electronegative than every anion.

    Parameters
    ----------
    formula
        Chemical formula.

    Raises
    ------
    ConfigurationError
        If SMACT is not installed.

    Notes
    -----
    Davies et al., Chem 1, 617 (2016), as Xie et al., ICLR 2022 (CDVAE) apply it, with SMACT's oxidation states of 2014.
    The published numbers were made with SMACT 2.2.1, whose tables differ in two elements: the electronegativity of Zr
    and the lowest oxidation state of Ir; and elements without an electronegativity count as invalid today.
    """
    return _smact_valid(formula)


@lru_cache(maxsize=100_000)
def _smact_valid(formula: str) -> bool:
    try:
        from smact.screening import smact_validity
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "SMACT is not installed.", "Install it with: pip install invdesflow[evaluation]."
        ) from error
    return bool(smact_validity(formula, oxidation_states_set="smact14"))


def assess_validity(structures: Iterable[Structure], settings: GateSettings | None = None) -> Validity:
    """Count the valid crystals.

    Parameters
    ----------
    structures
        Generated crystals.
    settings
        Thresholds of the gates; the defaults where none are given.

    Raises
    ------
    ConfigurationError
        If SMACT is not installed.
    """
    settings = settings or GateSettings()
    structural, compositional, passed = [], [], []
    refused: Counter[str] = Counter()
    for structure in structures:
        structural.append(structurally_valid(structure))
        compositional.append(compositionally_valid(structure.composition.reduced_formula))
        gates = {rejection.gate for rejection in check(structure, settings)}
        passed.append(not gates)
        refused.update(gates)
    return Validity(
        structural=Share.of(structural),
        compositional=Share.of(compositional),
        both=Share.of(first and second for first, second in zip(structural, compositional, strict=True)),
        gates=Share.of(passed),
        rejections=dict(sorted(refused.items())),
    )
