"""Electron-phonon calculations of several candidates, side by side, as a part of a campaign's round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobflow import Flow, Job, OnMissing, job
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.flows import ElectronPhononMaker
from invdesflow.errors import CampaignError
from invdesflow.espresso.calculation import Calculation
from invdesflow.intercalation.study_jobs import refresh_studies_of
from invdesflow.makers import SettingsMaker
from invdesflow.relaxation.choice import relaxation_of

__all__ = ["VerifyMaker", "not_relaxed", "relaxed_structure", "relaxed_structures"]


@dataclass
class VerifyMaker(SettingsMaker):
    """Calculate the electron-phonon coupling of candidates, all with the same settings.

    Parameters
    ----------
    name
        Name of the stage.
    protocol
        How accurate: precise, paper, moderate, fast or smoke.
    overrides
        Settings of the protocol to change.
    family
        Family of pseudopotentials, or a folder with UPF files.
    files
        Element -> file, where that folder has several of one element.
    pressure_gpa
        Pressure (GPa).

    Raises
    ------
    ConfigurationError
        If the protocol or a setting is unknown.
    """

    name: str = "verify"
    protocol: str = "moderate"
    overrides: dict[str, Any] = field(default_factory=dict)
    family: str = "pseudodojo-pbe-standard"
    files: dict[str, str] = field(default_factory=dict)
    pressure_gpa: float = 0.0

    def __post_init__(self) -> None:
        self.calculation()

    def calculation(self) -> Calculation:
        """Return what every step shares.

        Raises
        ------
        ConfigurationError
            If the protocol or a setting is unknown.
        """
        return Calculation.of(
            self.protocol,
            self.family,
            files=self.files,
            pressure_gpa=self.pressure_gpa,
            overrides=self.overrides,
        )

    def verification(self, structures: Mapping[str, Structure]) -> tuple[list[Flow], Job]:
        """Return one flow for each crystal, and the job that accounts for them all when they have ended or failed.

        Parameters
        ----------
        structures
            candidate_id -> relaxed crystal.
        """
        maker = ElectronPhononMaker(self.calculation())
        flows = [maker.make(structure, candidate) for candidate, structure in structures.items()]
        for flow, candidate in zip(flows, structures, strict=True):
            flow.update_metadata({"candidate_id": candidate})
        account = self.account(list(structures), [flow.output for flow in flows])
        account.config.on_missing_references = OnMissing.NONE  # a failed candidate must not keep the round open
        return flows, account

    @job(name="account")
    def account(self, candidate_ids: Sequence[str], elph_ids: Sequence[str | None]) -> StageRecord:
        """Count what came of the candidates; compare again the studies that they are in."""
        watch = Stopwatch()
        completed = [elph_id for elph_id in elph_ids if elph_id is not None]
        with Database() as database:
            found = list(database.collection(ElectronPhononDocument).find({"elph_id": {"$in": completed}}))
            refresh_studies_of(database, candidate_ids)
        for document in found:
            if document.status != "completed":
                watch.reject([document.status])
        for _ in range(len(candidate_ids) - len(found)):
            watch.reject(["failed"])
        passed = sum(document.status == "completed" for document in found)
        return watch.record(self.name, entered=len(candidate_ids), passed=passed, note=self.protocol)


def relaxed_structures(
    database: Database, candidate_ids: Sequence[str], pressure_gpa: float = 0.0
) -> dict[str, Structure]:
    """Return the relaxed crystals of candidates, at this pressure (GPa) or the nearest to it.

    Raises
    ------
    CampaignError
        If one has no converged relaxation.
    """
    return {candidate: relaxed_structure(database, candidate, pressure_gpa) for candidate in candidate_ids}


def relaxed_structure(database: Database, candidate_id: str, pressure_gpa: float = 0.0) -> Structure:
    """Return the relaxed crystal of a candidate, at this pressure (GPa) or the nearest to it.

    Raises
    ------
    CampaignError
        If it has no converged relaxation.
    """
    relaxation = relaxation_of(database, candidate_id, pressure_gpa)
    if relaxation is None:
        raise not_relaxed(candidate_id)
    return relaxation.final_structure


def not_relaxed(candidate_id: str) -> CampaignError:
    """Return the error about a candidate that cannot be calculated because its crystal is only proposed."""
    return CampaignError(
        f"The candidate {candidate_id} has no converged relaxation.", "Look at it with invdesflow show."
    )
