"""Putting the result of a calculation together: what it says, what it cost, its arrays."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.database import Database
from invdesflow.database.arrays import pack_arrays
from invdesflow.database.documents import utc_now
from invdesflow.eliashberg.critical_temperature import LOWEST_TEMPERATURE_K, critical_temperature
from invdesflow.eliashberg.formulas import allen_dynes_tc, mcmillan_tc
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.epw.coupling_jobs import spectrum_of
from invdesflow.epw.documents import (
    CriticalTemperature,
    ElectronPhononDocument,
    ElectronStructure,
    Method,
    PhononSummary,
    Status,
)
from invdesflow.epw.gap_closing import gap_closing_tc
from invdesflow.epw.inputs import ACOUSTIC_CM1
from invdesflow.epw.outputs import FineOutput, GapOutput
from invdesflow.epw.result_arrays import coupling_arrays, phonon_arrays
from invdesflow.errors import DatabaseError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.costs import costs_of, tasks_behind, total_core_hours
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.outputs import PhononOutput, PwOutput

__all__ = ["finished", "stopped"]

_QUESTION = {
    "elph_id",
    "candidate_id",
    "reduced_formula",
    "space_group_number",
    "structure",
    "pressure_gpa",
    "protocol",
    "changed_settings",
    "settings",
    "pseudopotentials",
    "cutoff_note",
    "task_ids",
    "created_at",
    "provenance",
}


def stopped(
    calculation: Calculation, status: Status, reason: str, static: PwOutput, phonons: PhononOutput | None = None
) -> str:
    """Store that a calculation ended before the coupling, with what it found as its result.

    Parameters
    ----------
    calculation
        With the identifier of the document.
    status, reason
        What was found.
    static
        The self-consistent run.
    phonons
        Phonons, if it came so far.

    Returns
    -------
    str
        Identifier of the document.
    """
    last = static.task_id if phonons is None else phonons.bands_task_id
    found = _electrons(calculation, static) | ({} if phonons is None else _phonons(calculation, static, phonons))
    arrays = {} if phonons is None else phonon_arrays(static, phonons, calculation.protocol)
    return _store(calculation, {"status": status, "reason": reason, **found}, arrays, [last, *static.checks])


def finished(
    calculation: Calculation,
    static: PwOutput,
    phonons: PhononOutput,
    *,
    fine: FineOutput,
    gaps: Sequence[GapOutput],
    path_task_id: str | None,
) -> str:
    """Store the result of a calculation that came to its end.

    Parameters
    ----------
    calculation
        With the identifier of the document.
    static, phonons, fine, gaps
        What its steps found.
    path_task_id
        The run that found the coupling along the path, if there was one.

    Returns
    -------
    str
        Identifier of the document.

    Raises
    ------
    SpectrumError
        If the Eliashberg equations have no answer.
    """
    last, protocol = fine.series[-1], calculation.protocol
    spectrum = spectrum_of(last.task_id)
    reason = " ".join(filter(None, (fine.reason, _left_out(phonons))))
    fields = {
        "status": "not_converged" if reason else "completed",
        "reason": reason,
        **_electrons(calculation, static),
        **_phonons(calculation, static, phonons),
        "wannier": fine.coarse.wannier.trials,
        "mesh_convergence": fine.series,
        "dos_per_ev": last.dos_per_ev,
        "lambda_": spectrum.lambda_,
        "omega_log_mev": spectrum.omega_log_mev,
        "omega_2_mev": spectrum.omega_2_mev,
        "critical_temperatures": [
            tc
            for mu_star in protocol.mu_stars
            for tc in _critical_temperatures(spectrum, mu_star, protocol.wscut_multiple)
        ]
        + ([_anisotropic(gaps, protocol.mu_stars[0])] if protocol.anisotropic else []),
        "gaps": gaps,
    }
    arrays = phonon_arrays(static, phonons, protocol) | coupling_arrays(fine, gaps, path_task_id, protocol)
    wannier = fine.coarse.wannier
    ends = [phonons.bands_task_id, phonons.dos_task_id, wannier.bands.task_id, wannier.projections_task_id]
    ends += [task for task in [path_task_id, *(trial.task_id for trial in wannier.trials)] if task is not None]
    ends += static.checks + [step.task_id for step in fine.series] + [gap.task_id for gap in gaps]
    return _store(calculation, fields, arrays, ends)


def _left_out(phonons: PhononOutput) -> str:
    """Say what the coupling lacks of soft phonons that are not imaginary enough to be called unstable."""
    lowest = phonons.min_frequency_away_cm1
    if lowest is None or lowest >= -ACOUSTIC_CM1:
        return ""
    return f"Phonons away from Gamma are imaginary down to {lowest:.1f} cm-1, and the coupling lacks them."


def _critical_temperatures(spectrum: Alpha2F, mu_star: float, cutoff: float) -> list[CriticalTemperature]:
    moments = spectrum.lambda_, spectrum.omega_log_mev
    found: dict[Method, float | None] = {
        "mcmillan": float(mcmillan_tc(*moments, mu_star)),
        "allen_dynes": float(allen_dynes_tc(*moments, spectrum.omega_2_mev, mu_star)),
        "migdal_eliashberg": critical_temperature(Pairing.allen_dynes(spectrum, mu_star, cutoff)),
        "migdal_eliashberg_epw": critical_temperature(Pairing(spectrum, mu_star, cutoff * spectrum.omega_max_mev)),
    }
    return [_critical_temperature(method, mu_star, tc) for method, tc in found.items()]


def _anisotropic(gaps: Sequence[GapOutput], mu_star: float) -> CriticalTemperature:
    tc_k, reason = gap_closing_tc(gaps)
    return CriticalTemperature(method="anisotropic_epw", mu_star=mu_star, tc_k=tc_k, reason=reason)


def _critical_temperature(method: Method, mu_star: float, tc_k: float | None) -> CriticalTemperature:
    reason = "" if tc_k is not None else f"no superconductivity down to {LOWEST_TEMPERATURE_K:g} K"
    return CriticalTemperature(method=method, mu_star=mu_star, tc_k=tc_k, reason=reason)


def _electrons(calculation: Calculation, static: PwOutput) -> dict[str, Any]:
    return {
        "relaxed_structure": static.structure,
        "electrons": ElectronStructure(
            k_mesh=Meshes.of(static.structure, calculation.protocol).k_scf,
            energy_ev=static.energy_ev,
            fermi_energy_ev=static.fermi_energy_ev,
            gap_ev=static.gap_ev,
            pressure_gpa=static.pressure_gpa,
        ),
    }


def _phonons(calculation: Calculation, static: PwOutput, phonons: PhononOutput) -> dict[str, Any]:
    return {
        "phonons": PhononSummary(
            q_mesh=Meshes.of(static.structure, calculation.protocol).q,
            irreducible_q_points=len(phonons.q_tasks),
            min_frequency_cm1=phonons.min_frequency_cm1,
            max_frequency_cm1=phonons.max_frequency_cm1,
            imaginary_modes=phonons.imaginary_modes,
        )
    }


def _store(
    calculation: Calculation, fields: dict[str, Any], arrays: dict[str, NDArray[np.generic]], ends: Iterable[str]
) -> str:
    elph_id = calculation.elph_id or "without a name"
    with Database() as database:
        collection = database.collection(ElectronPhononDocument)
        begun = collection.get(elph_id)
        if begun is None:
            raise DatabaseError(f"The document {elph_id} is gone.", "Repeat the command that began it.")
        behind = tasks_behind(database, ends)
        all_tasks = tasks_behind(database, begun.task_ids) | behind
        cost = costs_of(all_tasks.values(), used=frozenset(behind))
        blob = database.blobs.put(pack_arrays(arrays)) if arrays else None
        values = (
            begun.model_dump(include=_QUESTION)  # nothing of an earlier result
            | fields
            | {
                "arrays": blob,
                "cost": cost,
                "core_hours": total_core_hours(cost),
                "updated_at": utc_now(),
            }
        )
        collection.upsert([ElectronPhononDocument.model_validate(values)])
    return elph_id
