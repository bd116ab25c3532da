"""How one candidate, or one known superconductor, is shown in the terminal."""

from typing import TYPE_CHECKING, Any

import typer

from invdesflow.cli.output import format_value, print_table

if TYPE_CHECKING:
    from invdesflow.campaigns.history import CandidateHistory
    from invdesflow.epw.documents import ElectronPhononDocument, Method
    from invdesflow.generation.documents import Origin
    from invdesflow.superconductors.documents import SuperconductorDocument

_TIME = "%Y-%m-%d %H:%M"
_COUPLING_TC: dict[str, "Method"] = {
    "allen_dynes": "allen_dynes",
    "eliashberg": "migdal_eliashberg",
    "anisotropic": "anisotropic_epw",
}
_COUPLING_COLUMNS = {
    "elph_id": "calculation",
    "protocol": "protocol",
    "pressure_gpa": "p (GPa)",
    "status": "status",
    "lambda_": "lambda",
    "omega_log_mev": "omega_log (meV)",
    "allen_dynes": "Tc Allen-Dynes (K)",
    "eliashberg": "Eliashberg",
    "anisotropic": "anisotropic",
}


def print_history(history: "CandidateHistory") -> None:
    """Print what is known of a candidate, oldest first."""
    candidate = history.candidate
    typer.echo(f"{candidate.candidate_id}  {candidate.reduced_formula}")
    typer.echo(f"{candidate.space_group_symbol} ({candidate.space_group_number}), {candidate.nsites} atoms a cell")
    if history.summary is not None:
        skip = {"schema_version", "provenance", "sources_digest", "created_at", "updated_at"}
        values = history.summary.model_dump(exclude=skip)
        rows = [{"field": name, "value": value} for name, value in values.items() if value is not None]
        print_table(rows, {"field": "summary", "value": ""})
    if history.couplings:
        print_table([_coupling(coupling) for coupling in history.couplings], _COUPLING_COLUMNS, title="Electron-phonon")
    events = sorted(_events(history), key=lambda event: event[0])
    print_table(
        [{"at": at, "what": what, "detail": detail} for at, what, detail in events],
        {"at": "when (UTC)", "what": "what", "detail": "detail"},
        title="History",
    )


def _events(history: "CandidateHistory") -> list[tuple[str, str, str]]:
    candidate = history.candidate
    created = candidate.created_at.strftime(_TIME)
    events = [(origin.at.strftime(_TIME), "proposed", _origin(origin)) for origin in candidate.origins]
    events += [(created, "rejected", f"{rejection.gate}: {rejection.reason}") for rejection in candidate.rejections]
    for relaxation in history.relaxations:
        outcome = "relaxed" if relaxation.converged else "not relaxed"
        detail = relaxation.reason or (
            f"{relaxation.energy_ev_per_atom:.4f} eV/atom in {relaxation.n_force_evaluations} force evaluations"
        )
        events.append((relaxation.updated_at.strftime(_TIME), outcome, f"{relaxation.potential.kind}: {detail}"))
    for screening in history.screenings:
        reasons = "; ".join(gate.reason for gate in screening.gates if gate.reason)
        tc = "Tc unknown" if screening.tc_k is None else f"Tc {screening.tc_k:.1f} +- {screening.tc_std_k:.1f} K"
        detail = f"{tc}; {'passed' if screening.passed else 'failed'}" + (f" ({reasons})" if reasons else "")
        events.append((screening.updated_at.strftime(_TIME), "screened", detail))
    for phonons in history.phonons:
        detail = phonons.status + (f" ({phonons.reason})" if phonons.reason else "")
        events.append((phonons.updated_at.strftime(_TIME), "phonons", f"{phonons.potential.kind}: {detail}"))
    for coupling in history.couplings:
        detail = coupling.status.replace("_", " ") + (f" ({coupling.reason})" if coupling.reason else "")
        events.append((coupling.updated_at.strftime(_TIME), "electron-phonon", f"{coupling.protocol}: {detail}"))
    return events


def _coupling(document: "ElectronPhononDocument") -> dict[str, Any]:
    values = document.model_dump(include=set(_COUPLING_COLUMNS))
    values["status"] = document.status.replace("_", " ")
    return values | {name: document.tc_k(method) for name, method in _COUPLING_TC.items()}


def _origin(origin: "Origin") -> str:
    parts = [] if origin.campaign is None else [f"campaign {origin.campaign}, round {origin.campaign_round}:"]
    parts.append(origin.kind)
    if origin.parents:
        parts.append(f"in {format_value(origin.parents)}")
    if origin.generator.digest is not None:
        parts.append(f"by {origin.generator.name} {origin.generator.digest[:12]}")
    if origin.index is not None:
        parts.append(f"as number {origin.index} of seed {origin.seed}")
    details = [f"{old} -> {new}" for old, new in origin.replacements.items()]
    details += [f"{name.replace('_', ' ')} {format_value(value)}" for name, value in origin.conditions.items()]
    return " ".join(parts) + (f" ({', '.join(details)})" if details else "")


def print_superconductor(document: "SuperconductorDocument") -> None:
    """Print a known superconductor, every value with its source."""
    typer.echo(f"{document.name} ({document.reduced_formula})  {document.superconductor_id}")
    typer.echo(
        f"{document.space_group_symbol} ({document.space_group_number}), {format_value(document.prototype)}, "
        f"{document.pressure_gpa:g} GPa; structure: {document.lattice_source}"
    )
    rows = [{"what": "experiment", **value.model_dump()} for value in document.experiment] + [
        {"what": f"theory: {value.method}", **value.model_dump()} for value in document.theory
    ]
    columns = {
        "what": "value",
        "tc_k": "Tc (K)",
        "pressure_gpa": "p (GPa)",
        "lambda_": "lambda",
        "omega_log_mev": "omega_log (meV)",
        "mu_star": "mu*",
        "source": "source",
        "note": "note",
    }
    print_table(rows, columns)
