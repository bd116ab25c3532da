"""What the head of the page of an electron-phonon calculation states."""

from collections.abc import Iterator

from markupsafe import Markup
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.espresso.costs import total_core_hours
from invdesflow.plotting.facts import duration
from invdesflow.plotting.mesh_convergence import mesh_text
from invdesflow.plotting.style import space_group_html

__all__ = ["STATUS_LABELS", "coupling_facts", "headline_tc"]

STATUS_LABELS = {
    "running": "running",
    "completed": "completed",
    "not_converged": "not converged",
    "dynamically_unstable": "dynamically unstable",
    "insulating": "insulating",
    "magnetic": "magnetic",
    "failed": "failed",
}


def headline_tc(document: ElectronPhononDocument) -> CriticalTemperature | None:
    """Choose the Tc that stands for all: of the most complete theory, at the smallest mu*; none where there is none."""
    for method in ("anisotropic_epw", "migdal_eliashberg"):
        found = [tc for tc in document.critical_temperatures if tc.method == method and tc.tc_k is not None]
        if found:
            return min(found, key=lambda tc: tc.mu_star)
    return None


def coupling_facts(document: ElectronPhononDocument) -> list[tuple[str, str | Markup]]:
    """Return name and value of what is known of a calculation besides its figures."""
    return [
        *_question(document),
        *_electrons(document),
        *_phonons(document),
        *_interpolation(document),
        *_effort(document),
    ]


def _question(document: ElectronPhononDocument) -> Iterator[tuple[str, str | Markup]]:
    number = document.space_group_number
    yield "Status", STATUS_LABELS[document.status]
    yield "Calculation", document.elph_id
    yield "Candidate", document.candidate_id or "none: a crystal from elsewhere"
    yield "Space group", space_group_html(sg_symbol_from_int_number(number), number)
    yield "Pressure", f"{document.pressure_gpa:g} GPa"
    yield "Protocol", document.protocol_label
    if document.changed_settings:
        yield "Changed settings", ", ".join(f"{name} = {value}" for name, value in document.changed_settings.items())
    if document.cutoff_note:
        yield "Cutoff", document.cutoff_note
    functionals = sorted({pseudo.functional for pseudo in document.pseudopotentials.values()})
    yield "Functional", ", ".join(functionals)


def _electrons(document: ElectronPhononDocument) -> Iterator[tuple[str, str]]:
    electrons = document.electrons
    if electrons is None:
        return
    yield "k-mesh, density", mesh_text(electrons.k_mesh)
    yield "Total energy", f"{electrons.energy_ev:.4f} eV/cell"
    if electrons.fermi_energy_ev is not None:
        yield "Fermi energy", f"{electrons.fermi_energy_ev:.3f} eV"
    if electrons.gap_ev:
        yield "Band gap", f"{electrons.gap_ev:.3f} eV"
    if electrons.pressure_gpa is not None:
        yield "Final pressure", f"{electrons.pressure_gpa:.2f} GPa"


def _phonons(document: ElectronPhononDocument) -> Iterator[tuple[str, str]]:
    phonons = document.phonons
    if phonons is None:
        return
    yield "q-mesh", f"{mesh_text(phonons.q_mesh)}, {phonons.irreducible_q_points} irreducible"
    lowest, highest = phonons.min_frequency_cm1, phonons.max_frequency_cm1
    yield "Phonons", f"{lowest:.1f} to {highest:.1f} cm⁻¹"
    if document.omega_2_mev is not None:
        yield "ω₂", f"{document.omega_2_mev:.2f} meV"


def _interpolation(document: ElectronPhononDocument) -> Iterator[tuple[str, str]]:
    if document.mesh_convergence:
        finest = document.mesh_convergence[-1]
        yield "Finest meshes", f"k {mesh_text(finest.k_mesh)}, q {mesh_text(finest.q_mesh)}"
    taken = [trial for trial in document.wannier or [] if not trial.problem]
    if taken and taken[-1].rms_mev is not None:
        yield "Wannier functions", f"{taken[-1].choice}; {taken[-1].rms_mev:.1f} meV rms from pw.x near the Fermi level"


def _effort(document: ElectronPhononDocument) -> Iterator[tuple[str, str]]:
    if document.cost:
        wall_time_s = sum(step.wall_time_s for step in document.cost)
        hours = total_core_hours(document.cost)
        yield "Cost", f"{hours:.3g} core-hours; {len(document.cost)} steps, in sum {duration(wall_time_s)}"
        vain = hours - sum(step.core_hours for step in document.cost if step.used)
        if vain > 0:
            yield "Of it in vain", f"{vain:.3g} core-hours of steps that failed, were stopped, or are not used"
        yield "Corrections", f"{sum(step.corrections for step in document.cost)} by error handlers"
    yield "State of", f"{document.updated_at:%Y-%m-%d %H:%M} UTC"
    versions = sorted(document.provenance.versions.items())
    yield "Versions", ", ".join(f"{package} {version}" for package, version in versions) or "not recorded"
