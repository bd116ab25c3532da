"""Storing hosts and crystals with guests as candidates; what a gate refuses is stored with its reason."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pymatgen.core import Structure

import invdesflow
from invdesflow.crystals.identity import candidate_id
from invdesflow.database import Database
from invdesflow.database.provenance import current_provenance
from invdesflow.generation.documents import CandidateDocument, Generator, Origin, Rejection, candidate_document
from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.known import KnownInDatabase
from invdesflow.generation.known_compounds import shipped_compounds
from invdesflow.generation.novelty import Crystal, assess
from invdesflow.generation.rounds import same_proposal
from invdesflow.intercalation.fillings import FilledCrystal
from invdesflow.intercalation.hosts import Host

__all__ = ["CandidateStore", "Stored"]


class Stored(NamedTuple):
    """A candidate, and why it is refused here."""

    candidate_id: str
    rejections: list[Rejection]
    reused: bool


class CandidateStore:
    """What one round of intercalation stores.

    A known crystal is no duplicate here: the host is known by intention, and the crystals with guests that were
    published are what the results are held against. What is known is in `novelty`.

    Parameters
    ----------
    database
        Where the candidates are.
    campaign, campaign_round
        The round.
    gates
        Thresholds of the gates.
    """

    def __init__(self, database: Database, campaign: str, campaign_round: int, gates: GateSettings) -> None:
        self._candidates = database.collection(CandidateDocument)
        self._round = {"campaign": campaign, "campaign_round": campaign_round}
        self._gates = gates
        self._known = KnownInDatabase(database)
        self._provenance = current_provenance(campaign, campaign_round)

    def host(self, host: Host) -> Stored:
        """Store a host."""
        origin = self._origin({"role": "host"}, host.parents, host.replacements)
        return self._store(host.structure, origin, self._refused(host.structure), host.candidate_id)

    def guest(self, host_id: str, crystal: FilledCrystal, rejection: Rejection | None = None) -> Stored:
        """Store a crystal with guests, refused for `rejection` if there is one."""
        conditions: dict[str, Any] = {
            "role": "guest",
            "guests": crystal.guests,
            "sites": crystal.sites,
            "filling": crystal.filling,
            "n_cells": crystal.n_cells,
        }
        if crystal.site_energies_ev:
            conditions["site_energies_ev"] = crystal.site_energies_ev
            conditions["site_energies_converged"] = crystal.energies_converged
        refused = [rejection] if rejection else self._refused(crystal.structure)
        return self._store(crystal.structure, self._origin(conditions, [host_id], {}), refused, None)

    def _refused(self, structure: Structure) -> list[Rejection]:
        """Ask every gate but that of the volume.

        A host that was made for guests is roomy without them, and how far it widens for them is a first guess:
        Na2CuH6 grows by 13 % when Li enters.
        """
        return [rejection for rejection in check(structure, self._gates) if rejection.gate != "volume"]

    def _origin(self, conditions: Mapping[str, Any], parents: Sequence[str], replacements: Mapping[str, str]) -> Origin:
        return Origin(
            kind="intercalation",
            parents=list(parents),
            replacements=dict(replacements),
            generator=Generator(name="invdesflow intercalation", version=invdesflow.__version__),
            conditions=dict(conditions),
            **self._round,
        )

    def _store(
        self, structure: Structure, origin: Origin, rejections: list[Rejection], identifier: str | None
    ) -> Stored:
        identifier = identifier or candidate_id(structure)
        known = self._candidates.get(identifier)
        if known is None:
            crystal = Crystal(identifier, "candidates", structure)
            novelty = None if rejections else assess(crystal, self._known, shipped_compounds())
            document = candidate_document(structure, origin, rejections, novelty, identifier)
            if not self._candidates.insert_new([document.model_copy(update={"provenance": self._provenance})]):
                return Stored(identifier, rejections, reused=False)
            known = self._candidates.get(identifier)  # another campaign was faster
        if known is not None and not any(same_proposal(origin, other) for other in known.origins):
            self._candidates.push_unique(identifier, "origins", origin.model_dump())
            return Stored(identifier, rejections, reused=False)
        return Stored(identifier, rejections, reused=True)
