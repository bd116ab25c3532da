"""The summary of one candidate, made from its documents; pure."""

from collections.abc import Sequence
from typing import TypeVar

from invdesflow.crystals.symmetry import space_group
from invdesflow.database.summary import Stage, SummaryDocument
from invdesflow.epw.choice import most_accurate
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.hull import Stability
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["build_summary"]

D = TypeVar("D", ScreeningDocument, PhononDocument)


def build_summary(
    candidate: CandidateDocument,
    relaxation: RelaxationDocument | None,
    screenings: Sequence[ScreeningDocument],
    stability: Stability | None,
    *,
    phonons: Sequence[PhononDocument],
    couplings: Sequence[ElectronPhononDocument],
    sources_digest: str,
) -> SummaryDocument:
    """Flatten what is known of a candidate.

    Parameters
    ----------
    candidate
        The candidate.
    relaxation
        The relaxation that speaks for it (`invdesflow.relaxation.choice.chosen_relaxation`), if any.
    screenings
        All its screenings; the latest of that relaxation counts.
    stability
        Formation energy and energy above the hull of that relaxation, against all entries of the database.
    phonons
        All its phonons; the latest of that relaxation count.
    couplings
        All its electron-phonon calculations; of those that ended, the most accurate counts, and of these the latest.
    sources_digest
        State of the sources.
    """
    screening, vibration = _latest(screenings, relaxation), _latest(phonons, relaxation)
    coupling = most_accurate(couplings)
    gate, reason = _rejection(candidate, relaxation, screening)
    crystal = _crystal_fields(candidate, relaxation)
    return SummaryDocument(
        **crystal,
        **_energy_fields(relaxation, stability),
        **_screening_fields(screening),
        **_coupling_fields(coupling),
        dynamical_stability=None if vibration is None else vibration.status,
        candidate_id=candidate.candidate_id,
        reduced_formula=candidate.reduced_formula,
        anonymous_formula=candidate.anonymous_formula,
        chemical_system=candidate.chemical_system,
        elements=candidate.elements,
        nelements=candidate.nelements,
        nsites=candidate.nsites,
        stage=_stage(relaxation, screening, coupling),
        rejected=gate is not None,
        rejection_gate=gate,
        rejection_reason=reason,
        origins=sorted({origin.kind for origin in candidate.origins}),
        campaigns=sorted({origin.campaign for origin in candidate.origins if origin.campaign}),
        new_composition=candidate.novelty.new_composition if candidate.novelty else None,
        new_structure=candidate.novelty.new_structure if candidate.novelty else None,
        provenance=candidate.provenance,
        sources_digest=sources_digest,
    )


def _latest(documents: Sequence[D], relaxation: RelaxationDocument | None) -> D | None:
    """Return the document about a relaxation that was written last: asked again, an old question is the latest."""
    of_relaxation = [
        document
        for document in documents
        if relaxation is not None and document.relaxation_id == relaxation.relaxation_id
    ]
    return max(of_relaxation, key=lambda found: (found.updated_at, found.identifier), default=None)


def _stage(
    relaxation: RelaxationDocument | None,
    screening: ScreeningDocument | None,
    coupling: ElectronPhononDocument | None,
) -> Stage:
    if coupling is not None:
        return "verified"
    if screening is not None:
        return "screened"
    return "relaxed" if relaxation is not None and relaxation.converged else "generated"


def _rejection(
    candidate: CandidateDocument, relaxation: RelaxationDocument | None, screening: ScreeningDocument | None
) -> tuple[str | None, str | None]:
    """Return gate and reason of the first rejection on the candidate's path."""
    if candidate.rejections:
        return candidate.rejections[0].gate, candidate.rejections[0].reason
    if relaxation is not None and not relaxation.converged:
        return "relaxation", relaxation.reason
    for result in screening.gates if screening is not None else []:
        if result.rejecting and not result.passed:
            return result.gate, result.reason
    return None, None


def _crystal_fields(candidate: CandidateDocument, relaxation: RelaxationDocument | None) -> dict[str, object]:
    if relaxation is None or not relaxation.converged:
        return {
            "space_group_number": candidate.space_group_number,
            "space_group_symbol": candidate.space_group_symbol,
            "volume_per_atom": candidate.volume_per_atom,
        }
    number, symbol = space_group(relaxation.final_structure)
    return {
        "space_group_number": number,
        "space_group_symbol": symbol,
        "volume_per_atom": relaxation.final_structure.volume / len(relaxation.final_structure),
    }


def _energy_fields(relaxation: RelaxationDocument | None, stability: Stability | None) -> dict[str, object]:
    if relaxation is None:
        return {}
    fields: dict[str, object] = {
        "potential": f"{relaxation.potential.kind} {relaxation.potential.model}",
        "relaxation_id": relaxation.relaxation_id,
        "relaxation_converged": relaxation.converged,
        "pressure_gpa": relaxation.settings.pressure_gpa,
    }
    if relaxation.converged:
        fields["energy_ev_per_atom"] = relaxation.energy_ev_per_atom
    if stability is not None:
        fields |= {
            "formation_energy_ev_per_atom": stability.formation_energy_ev_per_atom,
            "e_above_hull_ev_per_atom": stability.e_above_hull_ev_per_atom,
            "hull_complete": not stability.coverage.missing,
        }
    return fields


def _screening_fields(screening: ScreeningDocument | None) -> dict[str, object]:
    if screening is None:
        return {}
    model = screening.models.get("tc")
    return {
        "tc_k": screening.tc_k,
        "tc_mu_star": None if screening.tc_k is None else screening.mu_star,
        "tc_std_k": screening.tc_std_k,
        "tc_model": None if model is None else model.model_id,
        "in_domain": screening.in_domain,
        "superconductor_probability": screening.superconductor_probability,
        "predicted_formation_energy_ev_per_atom": screening.predicted_formation_energy_ev_per_atom,
        "core_hours": screening.core_hours,
    }


def _coupling_fields(coupling: ElectronPhononDocument | None) -> dict[str, object]:
    if coupling is None:
        return {}
    return {
        "elph_status": coupling.status,
        "elph_protocol": coupling.protocol_label,
        "elph_pressure_gpa": coupling.pressure_gpa,
        "elph_lambda": coupling.lambda_,
        "elph_omega_log_mev": coupling.omega_log_mev,
        "elph_tc_k": coupling.tc_k("migdal_eliashberg"),
        "elph_mu_star": coupling.smallest_mu_star("migdal_eliashberg"),
    }
