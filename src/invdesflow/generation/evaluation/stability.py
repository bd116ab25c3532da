"""What relaxation says of generated crystals: how far they moved, which are stable, and which are also new."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median

from pydantic import Field
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.generation.evaluation.uniqueness import Newness

__all__ = ["STABLE_EV_PER_ATOM", "Relaxed", "StabilityMetrics", "assess_stability_metrics", "rmsd_to_relaxed"]

STABLE_EV_PER_ATOM = 0.1
"""Energy above the hull up to which a crystal is called stable, as published for S.U.N."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A generated crystal and what its relaxation gave.

    Attributes
    ----------
    generated
        Crystal as it was generated.
    relaxed
        Crystal at the end of a converged relaxation; None where it did not converge.
    e_above_hull_ev_per_atom
        Energy above the hull after relaxation (eV/atom); None where the hull is not known.
    """

    generated: Structure
    relaxed: Structure | None
    e_above_hull_ev_per_atom: float | None


class StabilityMetrics(Metrics):
    """Stability of generated crystals; all shares are of all generated crystals, converged or not."""

    relaxed: Share = Field(description="relaxations that converged")
    hull_known: Share = Field(description="relaxed crystals whose energy above the hull is known")
    stable: Share = Field(description="within the threshold of the hull")
    stable_unique_novel: Share = Field(description="S.U.N.: stable, unique in the set, not the same as a known crystal")
    threshold_ev_per_atom: float = Field(description="energy above the hull up to which a crystal is called stable")
    matched: Share = Field(description="relaxed crystals that can still be superposed on the generated one")
    mean_rmsd_angstrom: float | None = Field(description="over the matched ones; None where there are none")
    median_rmsd_angstrom: float | None
    mean_e_above_hull_ev_per_atom: float | None = Field(description="where it is known")
    median_e_above_hull_ev_per_atom: float | None


def assess_stability_metrics(
    crystals: Iterable[Relaxed], new: Sequence[Newness | None], threshold_ev_per_atom: float = STABLE_EV_PER_ATOM
) -> StabilityMetrics:
    """Summarise the relaxation of generated crystals.

    Parameters
    ----------
    crystals
        Every generated crystal; a progress bar around them shows how far we are.
    new
        What `invdesflow.generation.evaluation.uniqueness.newness` says of each of them, in the same order; ask it about
        the relaxed crystals where there are any, as MatterGen does.
    threshold_ev_per_atom
        Energy above the hull up to which a crystal is called stable (eV/atom).

    Raises
    ------
    ValueError
        If there are not as many answers about novelty as crystals.

    Notes
    -----
    Zeni et al., Nature 639, 624 (2025) (MatterGen).
    """
    asked = list(crystals)
    energies = [crystal.e_above_hull_ev_per_atom for crystal in asked]
    stable = [energy is not None and energy <= threshold_ev_per_atom for energy in energies]
    converged = [(crystal.generated, crystal.relaxed) for crystal in asked if crystal.relaxed is not None]
    distances = [rmsd_to_relaxed(*pair) for pair in converged]
    rmsd = [distance for distance in distances if distance is not None]
    known = [energy for energy in energies if energy is not None]
    return StabilityMetrics(
        relaxed=Share(count=len(converged), total=len(asked)),
        hull_known=Share(count=len(known), total=len(asked)),
        stable=Share.of(stable),
        stable_unique_novel=Share.of(
            below and one is not None and one.unique and one.new_structure
            for below, one in zip(stable, new, strict=True)
        ),
        threshold_ev_per_atom=threshold_ev_per_atom,
        matched=Share(count=len(rmsd), total=len(converged)),
        mean_rmsd_angstrom=fmean(rmsd) if rmsd else None,
        median_rmsd_angstrom=median(rmsd) if rmsd else None,
        mean_e_above_hull_ev_per_atom=fmean(known) if known else None,
        median_e_above_hull_ev_per_atom=median(known) if known else None,
    )


def rmsd_to_relaxed(generated: Structure, relaxed: Structure) -> float | None:
    """Return how far the atoms moved in a relaxation, in Angstrom (root mean square).

    Parameters
    ----------
    generated, relaxed
        The crystal before and after; cell and order of the atoms may differ.

    Returns
    -------
    float or None
        None where the two cannot be superposed any more.

    Notes
    -----
    pymatgen's StructureMatcher with MatterGen's tolerances (lengths and sites 0.5, angles 10 degrees, volumes not
    scaled); its distance is divided by the cube root of the mean volume per atom, which is undone here. MatterGen puts
    a constant for crystals that cannot be superposed; here they are counted apart.
    """
    distances = _matcher().get_rms_dist(generated, relaxed)
    if distances is None:
        return None
    volume = (generated.volume / len(generated) + relaxed.volume / len(relaxed)) / 2
    return float(distances[0] * volume ** (1 / 3))


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(ltol=0.5, stol=0.5, angle_tol=10, primitive_cell=True, scale=False, attempt_supercell=True)
