"""Whether two crystals were computed so alike that their results may be subtracted."""

from collections.abc import Mapping
from typing import Any

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import IntercalationError
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = [
    "require_equal_calculations",
    "require_equal_phonons",
    "require_equal_relaxations",
    "require_equal_screenings",
]

_REMEDY = "Compute both with the same settings."


def require_equal_relaxations(host: RelaxationDocument, guest: RelaxationDocument) -> None:
    """Refuse relaxations with other weights or settings, the pressure among them.

    Raises
    ------
    IntercalationError
        Naming what differs.
    """
    _refuse("relaxations", _with_potential(host), _with_potential(guest))


def require_equal_phonons(host: PhononDocument, guest: PhononDocument) -> None:
    """Refuse phonons with other weights or settings.

    Raises
    ------
    IntercalationError
        Naming what differs.
    """
    _refuse("phonons", _with_potential(host), _with_potential(guest))


def require_equal_screenings(host: ScreeningDocument, guest: ScreeningDocument) -> None:
    """Refuse predictions by other models or at another mu*.

    Raises
    ------
    IntercalationError
        Naming what differs.
    """
    _refuse("predictions", _models(host), _models(guest))


def require_equal_calculations(host: ElectronPhononDocument, guest: ElectronPhononDocument) -> None:
    """Refuse electron-phonon calculations at another pressure, with other settings or other pseudopotentials.

    Elements that only one of them has are their own affair, but for the functional.

    Raises
    ------
    IntercalationError
        Naming what differs.
    """
    shared = host.pseudopotentials.keys() & guest.pseudopotentials.keys()
    _refuse("electron-phonon calculations", _calculation(host, shared), _calculation(guest, shared))


def _refuse(what: str, host: Mapping[str, Any], guest: Mapping[str, Any]) -> None:
    different = [
        f"{name} ({host.get(name)} and {guest.get(name)})"
        for name in sorted(host.keys() | guest.keys())
        if host.get(name) != guest.get(name)
    ]
    if different:
        raise IntercalationError(f"The {what} are not comparable: they differ in {', '.join(different)}.", _REMEDY)


def _with_potential(document: RelaxationDocument | PhononDocument) -> dict[str, Any]:
    return {"potential": document.potential.digest[:12], **document.settings.model_dump()}


def _models(document: ScreeningDocument) -> dict[str, Any]:
    return {"mu_star": document.mu_star} | {kind: model.digest[:12] for kind, model in document.models.items()}


def _calculation(document: ElectronPhononDocument, shared: set[str]) -> dict[str, Any]:
    pseudopotentials = {
        f"pseudopotential of {element}": document.pseudopotentials[element].sha256[:12] for element in shared
    }
    functionals = sorted({pseudo.functional for pseudo in document.pseudopotentials.values()})
    return {
        "protocol": document.protocol_label,
        "pressure_gpa": document.pressure_gpa,
        "functional": "/".join(functionals),
        **document.settings,
        **pseudopotentials,
    }
