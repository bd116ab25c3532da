"""Documents made by hand: real crystals, energies chosen so that the hull can be worked out on paper."""

from pymatgen.core import Lattice, Structure

from invdesflow.generation.documents import CandidateDocument, Generator, NoveltyResult, Origin, candidate_document
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.potentials import Potential
from invdesflow.relaxation.relaxation import RelaxationResult, RelaxationSettings
from invdesflow.screening.documents import ModelReference, ScreeningDocument, screening_identifier
from invdesflow.screening.gates import Thresholds, tc_gate

POTENTIAL = Potential(kind="CHGNet", model="0.3.0", digest="0" * 64, elements=("Mg", "B", "Na"))
SETTINGS = RelaxationSettings()


def rock_salt(first: str, second: str, a: float = 4.5) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5] * 3])


def caesium_chloride(first: str, second: str, a: float = 2.9) -> Structure:
    return Structure(Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5] * 3])


def element(symbol: str, a: float = 3.0) -> Structure:
    return Structure(Lattice.cubic(a), [symbol], [[0, 0, 0]])


def candidate(structure: Structure, campaign: str = "by-hand") -> CandidateDocument:
    origin = Origin(
        kind="substitution", parents=["sc-1"], generator=Generator(name="test"), campaign=campaign, campaign_round=0
    )
    return candidate_document(structure, origin, [], NoveltyResult(new_composition=True, new_structure=True))


def relaxation(
    subject: Subject, structure: Structure, energy_ev_per_atom: float, *, converged: bool = True, **fields: object
) -> RelaxationDocument:
    energy = energy_ev_per_atom * len(structure)
    result = RelaxationResult(
        structure=structure,
        converged=converged,
        reason="" if converged else "not converged after 300 steps",
        energy_ev=energy,
        enthalpy_ev=energy,
        max_force=0.001,
        stress_gpa=[[0.0] * 3] * 3,
        n_steps=3,
        n_force_evaluations=4,
        volume_change=0.0,
        spacegroup_before=225,
        spacegroup_after=225,
        wall_time_s=1.0,
    )
    asked = {"potential": POTENTIAL, "settings": SETTINGS} | fields
    return RelaxationDocument.from_result(structure, result, subject, **asked)


def references() -> list[RelaxationDocument]:
    """Magnesium at -1.5 and boron at -6.5 eV/atom."""
    return [
        relaxation(Subject(kind="element", id="Mg A"), element("Mg"), -1.5),
        relaxation(Subject(kind="element", id="B A"), element("B", 2.0), -6.5),
    ]


def screening(found: RelaxationDocument, model: str, tc_k: float, mu_star: float = 0.1) -> ScreeningDocument:
    """Screen the crystal of a relaxation with a Tc model of this name."""
    models, thresholds = {"tc": ModelReference(model_id=model, digest=model)}, Thresholds()
    return ScreeningDocument(
        screening_id=screening_identifier(found.subject.id, found.relaxation_id, models, thresholds, mu_star),
        candidate_id=found.subject.id,
        relaxation_id=found.relaxation_id,
        reduced_formula=found.reduced_formula,
        models=models,
        thresholds=thresholds,
        gates=[tc_gate(tc_k, 0.0, 1.0)],
        passed=True,
        mu_star=mu_star,
        tc_k=tc_k,
        tc_std_k=1.0,
    )
