"""How likely it is that a calculation of a candidate ends in a Tc."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from scipy.stats import norm

from invdesflow.errors import LearningError
from invdesflow.screening.documents import ScreeningDocument

__all__ = ["DynamicRecord", "PotentialVerdict", "stays_near_the_hull", "success_probability"]

PotentialVerdict = Literal["stable", "unstable", "failed"] | None
"""What the interatomic potential says of the phonons; none: it was not asked."""


class DynamicRecord:
    """How often crystals proved dynamically stable from first principles, by what the potential had said of them.

    The probability follows Laplace's rule of succession, (stable + 1) / (all + 2): one half where nothing is known yet,
    the observed share where much is.

    Parameters
    ----------
    outcomes
        Verdict of the potential, and whether the calculation from first principles found no imaginary mode.
    """

    def __init__(self, outcomes: Iterable[tuple[PotentialVerdict, bool]] = ()) -> None:
        self._all: Counter[PotentialVerdict] = Counter()
        self._stable: Counter[PotentialVerdict] = Counter()
        for verdict, stable in outcomes:
            self._all[verdict] += 1
            self._stable[verdict] += stable

    def probability(self, verdict: PotentialVerdict) -> float:
        """Return the probability that the next crystal with this verdict is dynamically stable."""
        return (self._stable[verdict] + 1) / (self._all[verdict] + 2)


def stays_near_the_hull(e_above_hull: float, std: float, limit: float) -> float:
    """Return the probability that the energy above the hull is at most a limit, if its error is normal.

    Parameters
    ----------
    e_above_hull
        Energy above the hull (eV/atom).
    std
        Its standard deviation (eV/atom).
    limit
        What still counts as stable enough to be made (eV/atom).

    Raises
    ------
    LearningError
        If the standard deviation is not positive.
    """
    if not std > 0:
        raise LearningError(f"The energy above the hull has the uncertainty {std}.", "Screen the candidate again.")
    return float(norm.cdf((limit - e_above_hull) / std))


def success_probability(
    screening: ScreeningDocument, verdict: PotentialVerdict, record: DynamicRecord, hull_limit: float
) -> float | None:
    """Return the probability that a candidate is a superconductor that can be made and calculated.

    It is the product of the classifier's probability, of the probability to be near the hull, and of the share of
    crystals with this verdict of the potential that proved dynamically stable. The factors are taken as independent.

    Parameters
    ----------
    screening
        What the models said of it. A candidate that was screened without energies, as one of a labelled set, has no
        second factor.
    verdict
        What the potential said of its phonons.
    record
        Experience so far.
    hull_limit
        Energy above the hull that still counts (eV/atom).

    Returns
    -------
    float or None
        None where the classifier or the formation-energy model gave no answer.
    """
    probability = screening.superconductor_probability
    if probability is None:
        return None
    if screening.relaxation_id is not None:
        energy, std = screening.e_above_hull_ev_per_atom, screening.predicted_formation_energy_std_ev_per_atom
        if energy is None or not std:
            return None
        probability *= stays_near_the_hull(energy, std, hull_limit) * record.probability(verdict)
    return probability
