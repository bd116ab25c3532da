"""What guests change in the electron-phonon coupling and in Tc."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.eliashberg.units import MEV_PER_UNIT
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import IntercalationError
from invdesflow.intercalation.coupling_windows import (
    AtomCoupling,
    CouplingWindow,
    dos_gaps,
    lambda_by_atom,
    lambda_by_window,
)
from invdesflow.intercalation.documents import Compared, CouplingChange, TcChange
from invdesflow.intercalation.equal_settings import require_equal_calculations
from invdesflow.intercalation.reasons import value_or_reason
from invdesflow.intercalation.site_mapping import host_cells

__all__ = ["bands_at_fermi", "comparable_calculations", "compare_coupling", "split_lambda"]

Arrays = Mapping[str, NDArray[Any]]


def compare_coupling(
    host: ElectronPhononDocument,
    guest: ElectronPhononDocument,
    arrays: tuple[Arrays, Arrays],
    guest_elements: Collection[str],
    boundaries_mev: Sequence[float] | None = None,
) -> CouplingChange:
    """Compare two electron-phonon calculations, at any status.

    Parameters
    ----------
    host, guest
        The calculations.
    arrays
        Arrays of both (`invdesflow.epw.result_arrays`); empty where one has none.
    guest_elements
        Elements that were put in.
    boundaries_mev
        Where to part the phonons; by default in the gaps of their density of states, in each crystal its own.

    Raises
    ------
    IntercalationError
        If they were not calculated with equal settings.
    """
    require_equal_calculations(host, guest)
    reason = "; ".join(
        f"{one.reduced_formula}: {one.reason or one.status}" for one in (host, guest) if _unfinished(one)
    )
    n_cells, uncounted = value_or_reason(lambda: _cells(host, guest, guest_elements))
    changes = _critical_temperatures(host, guest)
    windows, atoms, problem = _splits((host, guest), arrays, boundaries_mev)
    return CouplingChange(
        protocol=host.protocol_label,
        host_status=host.status,
        guest_status=guest.status,
        doubts=[f"{one.reduced_formula}: {one.reason}" for one in (host, guest) if one.status == "not_converged"],
        lambda_=Compared.of(host.lambda_, guest.lambda_, reason),
        omega_log_mev=Compared.of(host.omega_log_mev, guest.omega_log_mev, reason),
        dos_per_ev=_densities((host, guest), n_cells, reason or uncounted),
        bands_at_fermi=_bands(arrays, n_cells, reason or uncounted),
        tc=changes,
        tc_reason="" if changes else reason or "no method in common",
        host_windows=windows[0],
        guest_windows=windows[1],
        host_atoms=atoms[0],
        guest_atoms=atoms[1],
        split_reason=problem,
    )


def comparable_calculations(
    hosts: Sequence[ElectronPhononDocument], guests: Sequence[ElectronPhononDocument]
) -> tuple[ElectronPhononDocument, ElectronPhononDocument]:
    """Choose two calculations at equal settings: finished ones before others, then the latest.

    Raises
    ------
    IntercalationError
        If one crystal has none, or no two have equal settings; it says what differs in the latest ones.
    """
    if not hosts or not guests:
        who = "Only one of the two crystals" if hosts or guests else "Neither of the two crystals"
        raise IntercalationError(f"{who} has an electron-phonon calculation.", "Calculate both with the same settings.")
    pairs = sorted(
        ((host, guest) for host in hosts for guest in guests),
        key=lambda pair: (
            not any(_unfinished(one) for one in pair),
            min(one.updated_at for one in pair),
        ),
        reverse=True,
    )
    problems = []
    for host, guest in pairs:
        try:
            require_equal_calculations(host, guest)
        except IntercalationError as error:
            problems.append(error)
        else:
            return host, guest
    raise problems[0]


def bands_at_fermi(arrays: Arrays) -> int | None:
    """Count the bands that cross the Fermi level along the path; none where there are no bands."""
    if "bands_ev" not in arrays:
        return None
    bands = arrays["bands_ev"]
    return int(((bands.min(axis=0) < 0.0) & (bands.max(axis=0) > 0.0)).sum())


def split_lambda(
    document: ElectronPhononDocument, arrays: Arrays, boundaries_mev: Sequence[float] | None = None
) -> tuple[list[CouplingWindow], list[AtomCoupling]]:
    """Split the lambda of one calculation by windows and by atoms.

    Parameters
    ----------
    document, arrays
        The calculation.
    boundaries_mev
        As for `compare_coupling`.

    Raises
    ------
    IntercalationError
        If it has no alpha2F or no projected density of states, or they do not fit each other.
    SpectrumError
        If the alpha2F is none.
    """
    if document.relaxed_structure is None or not {"alpha2f", "phonon_dos_by_atom"} <= set(arrays):
        raise IntercalationError(f"{document.reduced_formula} has no alpha2F with the phonons of its atoms.")
    spectrum = Alpha2F(arrays["alpha2f_mev"], arrays["alpha2f"])
    energies = np.asarray(arrays["phonon_dos_cm1"]) * MEV_PER_UNIT["cm-1"]
    boundaries = dos_gaps(energies, arrays["phonon_dos"]) if boundaries_mev is None else boundaries_mev
    within = [value for value in boundaries if value < spectrum.energies_mev[-1]]
    symbols = [site.specie.symbol for site in document.relaxed_structure]
    return (
        lambda_by_window(spectrum, within),
        lambda_by_atom(spectrum, energies, arrays["phonon_dos_by_atom"], symbols),
    )


def _cells(host: ElectronPhononDocument, guest: ElectronPhononDocument, guest_elements: Collection[str]) -> int:
    """Count the calculated cells of the host in that with guests."""
    if host.relaxed_structure is None or guest.relaxed_structure is None:
        raise IntercalationError("not both cells were relaxed")
    return host_cells(host.relaxed_structure, guest.relaxed_structure, guest_elements)


def _densities(
    documents: tuple[ElectronPhononDocument, ElectronPhononDocument], n_cells: int | None, reason: str
) -> Compared:
    before, after = (one.dos_per_ev for one in documents)
    return Compared.of(before, None if after is None or n_cells is None else after / n_cells, reason)


def _bands(arrays: tuple[Arrays, Arrays], n_cells: int | None, reason: str) -> Compared:
    """Compare the bands at E_F; those of several cells are folded into one zone, and not comparable."""
    before, after = (bands_at_fermi(its) for its in arrays)
    if n_cells != 1:
        folded = f"the bands of {n_cells} cells of the host are folded into one zone"
        return Compared.of(before, None, reason if n_cells is None else folded)
    return Compared.of(before, after, reason or "no bands")


def _splits(
    documents: tuple[ElectronPhononDocument, ElectronPhononDocument],
    arrays: tuple[Arrays, Arrays],
    boundaries_mev: Sequence[float] | None,
) -> tuple[list[list[CouplingWindow]], list[list[AtomCoupling]], str]:
    parts, problem = value_or_reason(
        lambda: [split_lambda(one, its, boundaries_mev) for one, its in zip(documents, arrays, strict=True)]
    )
    if parts is None:
        return [[], []], [[], []], problem
    return [windows for windows, _ in parts], [atoms for _, atoms in parts], ""


def _critical_temperatures(host: ElectronPhononDocument, guest: ElectronPhononDocument) -> list[TcChange]:
    after = {(tc.method, tc.mu_star): tc for tc in guest.critical_temperatures}
    changes = []
    for before in host.critical_temperatures:
        same = after.get((before.method, before.mu_star))
        if same is not None:
            reason = "; ".join(filter(None, (before.reason, same.reason)))
            change = Compared.of(before.tc_k, same.tc_k, reason)
            changes.append(TcChange(method=before.method, mu_star=before.mu_star, tc_k=change))
    return changes


def _unfinished(document: ElectronPhononDocument) -> bool:
    return document.lambda_ is None
