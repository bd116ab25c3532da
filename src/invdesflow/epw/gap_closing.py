"""Where the gap of epw.x closes: Tc from gaps at a few temperatures."""

from collections.abc import Sequence
from math import sqrt, tanh

from scipy.optimize import brentq

from invdesflow.epw.gap_jobs import COLDEST_K
from invdesflow.epw.outputs import GapOutput

__all__ = ["gap_closing_tc"]


def gap_closing_tc(gaps: Sequence[GapOutput]) -> tuple[float | None, str]:
    """Find the temperature at which the gap vanishes.

    Parameters
    ----------
    gaps
        What was found at each temperature.

    Returns
    -------
    tuple
        Tc in K; none if the gaps do not hold it on both sides, or do not fall towards it like those of a second-order
        transition. The reason for which there is none, else an empty string. Where epw.x did not converge, nothing is
        known.

    Notes
    -----
    Delta(T) = Delta(0) tanh(1.74 sqrt(Tc / T - 1)), the interpolation of Gross et al., Z. Phys. B 64, 175 (1986), is
    put through the largest gaps at the two highest temperatures that have one; its Tc is taken if it lies below the
    lowest temperature at which it has vanished.
    """
    if not gaps:
        return None, f"epw.x is not asked for temperatures below {COLDEST_K:g} K"
    points = sorted((gap.temperature_k, gap.gap_max_mev) for gap in gaps if gap.gap_max_mev is not None)
    unknown = sorted(gap.temperature_k for gap in gaps if gap.gap_max_mev is None and not gap.vanished)
    tc_k, reason = _closing(points, [gap.temperature_k for gap in gaps if gap.vanished])
    if tc_k is None and unknown:
        reason += f"; epw.x did not converge at {', '.join(f'{temperature:.4g}' for temperature in unknown)} K"
    return tc_k, reason


def _closing(points: Sequence[tuple[float, float]], above: Sequence[float]) -> tuple[float | None, str]:
    if not points:
        return None, "no gap was found at any of the temperatures"
    highest = points[-1][0]
    if not above or min(above) <= highest:
        return None, f"there is still a gap at {highest:.4g} K"
    between = f"it lies between {highest:.4g} and {min(above):.4g} K"
    if len(points) < 2:
        return None, f"{between}, and one gap tells no more"
    (colder, larger), (warmer, smaller) = points[-2:]
    if larger <= smaller:
        return None, f"{between}, and the gap does not fall towards it"

    def excess(tc_k: float) -> float:
        return smaller * _share_left(colder / tc_k) - larger * _share_left(warmer / tc_k)

    if excess(min(above)) > 0.0:
        return None, f"{between}, and the gap does not fall so fast"
    return float(brentq(excess, highest, min(above))), ""


def _share_left(reduced_temperature: float) -> float:
    """Return the gap at T / Tc in units of that at zero."""
    return tanh(1.74 * sqrt(max(0.0, 1.0 / reduced_temperature - 1.0)))
