"""Where the gap of epw.x closes: Tc from gaps at a few temperatures."""

from collections.abc import Sequence

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
        transition. The reason for which there is none, else an empty string.

    Notes
    -----
    Close to Tc the square of a mean-field gap falls linearly to zero (Bardeen, Cooper and Schrieffer, Phys. Rev. 108,
    1175 (1957)). The line through the squares of the largest gaps at the two highest temperatures that have one is
    taken, if it ends before the lowest temperature that has none.
    """
    points = sorted((gap.temperature_k, gap.gap_max_mev) for gap in gaps if gap.gap_max_mev is not None)
    above = [gap.temperature_k for gap in gaps if gap.gap_max_mev is None]
    if not points:
        return None, "there is no gap at any of the temperatures"
    highest = points[-1][0]
    if not above or min(above) <= highest:
        return None, f"there is still a gap at {highest:.4g} K"
    between = f"it lies between {highest:.4g} and {min(above):.4g} K"
    if len(points) < 2:
        return None, f"{between}, and one gap tells no more"
    (colder, larger), (warmer, smaller) = points[-2:]
    if larger <= smaller:
        return None, f"{between}, and the gap does not fall towards it"
    tc_k = warmer + (warmer - colder) * smaller**2 / (larger**2 - smaller**2)
    return (tc_k, "") if tc_k < min(above) else (None, f"{between}, and the gap does not fall so fast")
