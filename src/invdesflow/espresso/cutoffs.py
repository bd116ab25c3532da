"""The cutoffs that the authors of pseudopotentials recommend, and whether that of a calculation reaches them."""

from collections.abc import Mapping
from dataclasses import dataclass

from invdesflow.errors import EspressoError
from invdesflow.espresso.protocols import CutoffHint, Protocol
from invdesflow.espresso.pseudopotential_families import known_cutoffs
from invdesflow.espresso.pseudopotentials import Pseudopotential

__all__ = ["RecommendedCutoff", "check_cutoff", "cutoff_note", "recommended_cutoff"]


@dataclass(frozen=True, slots=True)
class RecommendedCutoff:
    """Cutoffs of the wavefunctions (Ry): for a first look, for usual work, and beyond which nothing changes.

    The three hints of PseudoDojo (van Setten et al., Comput. Phys. Commun. 226, 39 (2018)).
    """

    low: float
    normal: float
    high: float

    def at(self, hint: CutoffHint) -> float:
        """Return the cutoff (Ry) of a hint; zero where none is asked for."""
        return 0.0 if hint == "none" else float(getattr(self, hint))


def recommended_cutoff(pseudopotential: Pseudopotential) -> RecommendedCutoff | None:
    """Return what is recommended for a pseudopotential, or none where nothing is known.

    A file is known by its SHA-256, wherever it lies; of any other the header is asked, where there is one number. The
    header's cutoff of the density is not: ONCVPSP writes the end of its radial mesh there.
    """
    known = known_cutoffs().get(pseudopotential.sha256)
    if known is not None:
        return RecommendedCutoff(*known)
    stated = pseudopotential.wfc_cutoff_ry
    return None if stated is None else RecommendedCutoff(stated, stated, stated)


def check_cutoff(protocol: Protocol, pseudopotentials: Mapping[str, Pseudopotential]) -> None:
    """Refuse a cutoff below the hint that the protocol names.

    With too few plane waves the stress is wrong and a relaxation ends, at the wanted pressure, in a wrong lattice.

    Raises
    ------
    EspressoError
        With the element that needs most.
    """
    needed = _recommended(pseudopotentials, protocol.cutoff_hint)
    hardest = max(needed, key=lambda element: needed[element], default=None)
    if hardest is None or protocol.ecutwfc_ry >= needed[hardest]:
        return
    least = needed[hardest]
    raise EspressoError(
        f"A cutoff of {protocol.ecutwfc_ry:g} Ry is too low for {hardest}: the authors of its pseudopotential give "
        f"{least:g} Ry ({protocol.cutoff_hint}).",
        f"Take --set ecutwfc_ry={least:g} --set ecutrho_ry={4 * least:g}, or allow it with --set cutoff_hint=none.",
    )


def cutoff_note(protocol: Protocol, pseudopotentials: Mapping[str, Pseudopotential]) -> str:
    """Say which elements want a higher cutoff for usual work, and for which nothing is recommended; else nothing."""
    usual = _recommended(pseudopotentials, "normal")
    low = [f"{element} {cutoff:g}" for element, cutoff in usual.items() if protocol.ecutwfc_ry < cutoff]
    unknown = sorted(pseudopotentials.keys() - usual.keys())
    notes = []
    if low:
        notes.append(f"{protocol.ecutwfc_ry:g} Ry are below the recommended cutoff (Ry): {', '.join(low)}.")
    if unknown:
        notes.append(f"No cutoff is recommended for the pseudopotential of {', '.join(unknown)}.")
    return " ".join(notes)


def _recommended(pseudopotentials: Mapping[str, Pseudopotential], hint: CutoffHint) -> dict[str, float]:
    found = {element: recommended_cutoff(pseudo) for element, pseudo in sorted(pseudopotentials.items())}
    return {element: cutoff.at(hint) for element, cutoff in found.items() if cutoff is not None}
