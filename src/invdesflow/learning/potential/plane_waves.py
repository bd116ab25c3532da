"""What the stress of pw.x lacks at a cutoff, from labels of a few crystals at a higher one.

The energy of a crystal misses a nearly constant amount at a given cutoff, the stress of a given number of plane waves
does not see that this amount stays: it is off by what is called the Pulay stress (Francis & Payne, J. Phys.: Condens.
Matter 2, 4395 (1990)). The missing amount is that of the atoms' cores, so that each atom brings its share into any
crystal, and elements in cheap cells tell the shares of a family of large ones.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from invdesflow.errors import LearningError
from invdesflow.learning.potential.frames import Frame
from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["complete_virials", "missing_virials"]


def missing_virials(labels: Iterable[Frame], converged: Iterable[Frame]) -> dict[str, float]:
    """Find what each atom of an element adds to the virial of a crystal between two cutoffs.

    Parameters
    ----------
    labels
        Crystals at the lower cutoff; those that `converged` lacks are not looked at.
    converged
        The same crystals at the higher cutoff.

    Returns
    -------
    dict
        Element -> isotropic virial of an atom (eV), to be added to each diagonal element.

    Raises
    ------
    LearningError
        If no crystal has labels at both cutoffs, or those that have do not tell the elements apart.
    """
    higher = {frame.identifier: frame for frame in converged}
    pairs = [(frame, higher[frame.identifier]) for frame in labels if frame.identifier in higher]
    if not pairs:
        raise LearningError(
            "No crystal has labels at both cutoffs.", "Label the same crystals, with the same options, at two cutoffs."
        )
    elements = sorted({symbol for frame, _ in pairs for symbol in frame.symbols})
    counts = np.array([[frame.symbols.count(element) for element in elements] for frame, _ in pairs], dtype=float)
    if np.linalg.matrix_rank(counts) < len(elements):
        raise LearningError(
            f"These crystals do not tell {', '.join(elements)} apart.", "Label crystals of fewer elements, too."
        )
    differences = np.array([np.trace(high.virial_ev - low.virial_ev) / 3 for low, high in pairs])
    shares = np.linalg.lstsq(counts, differences)[0]
    return dict(zip(elements, shares.tolist(), strict=True))


def complete_virials(frames: Iterable[Frame], missing: Mapping[str, float], reference: str) -> list[Frame]:
    """Add to the virials of labels what they lack; their theory then says so.

    Parameters
    ----------
    frames
        Labels at the lower cutoff.
    missing
        Element -> what an atom adds (eV), as of `missing_virials`.
    reference
        Theory of the labels at the higher cutoff.

    Raises
    ------
    LearningError
        If it is not known what an element adds.
    """
    frames = list(frames)
    unknown = sorted({symbol for frame in frames for symbol in frame.symbols} - set(missing))
    if unknown:
        raise LearningError(
            f"It is not known what the stress of {', '.join(unknown)} lacks.", "Label a crystal with it at two cutoffs."
        )
    cutoff = reference.partition(",")[0]
    return [
        replace(
            frame,
            virial_ev=frame.virial_ev + _isotropic(Counter(frame.symbols), missing),
            theory=f"{frame.theory}, stress as of {cutoff}",
        )
        for frame in frames
    ]


def _isotropic(counts: Mapping[str, int], missing: Mapping[str, float]) -> FloatArray:
    return sum(number * missing[element] for element, number in counts.items()) * np.eye(3)
