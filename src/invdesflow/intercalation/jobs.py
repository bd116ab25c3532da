"""The job that puts guests into hosts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from jobflow import job
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database import Database
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import CampaignError, ConfigurationError, IntercalationError, InvDesFlowError, StructureError
from invdesflow.generation.documents import Rejection
from invdesflow.generation.gates import GateSettings
from invdesflow.intercalation.documents import Pair
from invdesflow.intercalation.fillings import OrderingSettings, SiteFilling, fill
from invdesflow.intercalation.guests import GuestSettings, GuestVerdict, judge_guests, require_room
from invdesflow.intercalation.hosts import Host, HostSettings, find_hosts
from invdesflow.intercalation.storing import CandidateStore, Stored
from invdesflow.intercalation.voids import Void, VoidSettings, find_voids
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track

__all__ = ["IntercalateMaker", "IntercalateOutput", "Refusal"]

_ROOM, _ORDERINGS = "room", "orderings"


class Refusal(BaseModel):
    """A host, or guests in a host, that came to nothing."""

    model_config = ConfigDict(extra="forbid")

    host_id: str = Field(description="candidate_id of the host")
    guests: list[str] = Field(description="elements; none where the host itself is refused")
    sites: list[str] = Field(description="Wyckoff positions that they were to take")
    rejection: Rejection
    candidate_id: str | None = Field(None, description="the rejected crystal, where there is one")


class IntercalateOutput(BaseModel):
    """What an intercalating job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    candidate_ids: list[str] = Field(description="hosts that have guests, then the crystals with guests")
    pairs: list[Pair]
    refusals: list[Refusal]


@dataclass
class IntercalateMaker(SettingsMaker):
    """Put guest atoms into the voids of hosts.

    1. Take one host after the other, and find its voids.
    2. Judge every guest in the largest voids by size and electronegativity.
    3. Fill the voids in every symmetry-distinct order, and ask the gates about the crystals.
    4. Store hosts and crystals as candidates, the refused ones with gate and reason. Of elements that nobody named,
       those that do not fit are told in `IntercalateOutput.refusals` only.

    Parameters
    ----------
    name
        Name of the job.
    hosts
        Crystals to put guests into.
    guests
        Elements, each tried alone; none tries all, those of the best fit first.
    fractions
        Shares of the voids that a guest fills.
    fillings
        In place of guests and fractions: Wyckoff position -> element -> share, for several guests at once.
    n_voids
        Largest voids that guests are tried in, one after the other.
    most
        Most crystals with guests in one round; none: no limit.
    voids, fit, orderings
        What counts as a void, what fits into it, and how far orderings are followed.
    gates
        Thresholds of the gates.
    """

    name: str = "intercalate"
    hosts: HostSettings = field(default_factory=HostSettings)
    guests: list[str] | None = None
    fractions: list[float] = field(default_factory=lambda: [1.0])
    fillings: list[dict[str, dict[str, float]]] = field(default_factory=list)
    n_voids: int = 1
    most: int | None = 100
    voids: VoidSettings = field(default_factory=VoidSettings)
    fit: GuestSettings = field(default_factory=GuestSettings)
    orderings: OrderingSettings = field(default_factory=OrderingSettings)
    gates: GateSettings = field(default_factory=GateSettings)

    @job
    def make(self, campaign: str, campaign_round: int) -> IntercalateOutput:
        """Make the pairs of one round.

        Raises
        ------
        CampaignError
            If a number in the settings makes no sense.
        ConfigurationError
            If a host cannot be found, or a guest is no element.
        IntercalationError
            If no guest fits into any host; what was refused is stored before.
        StructureError
            If a host is disordered or damaged.
        """
        if self.n_voids < 1 or not self.fractions or (self.most is not None and self.most < 1):
            raise CampaignError(
                "There is nothing to intercalate.", "Set n_voids and most to 1 or more, and give a fraction."
            )
        with Database() as database:
            store = CandidateStore(database, campaign, campaign_round, self.gates)
            account = _Account()
            hosts = find_hosts(database, self.hosts)
            pairs = (pair for host in hosts for pair in self._pairs(host, store, account))
            found = list(track(islice(pairs, self.most), "intercalating", total=self.most))
        if not found:
            raise account.nothing()
        return account.output(self.name, found, self.most)

    def _pairs(self, host: Host, store: CandidateStore, account: "_Account") -> Iterator[Pair]:
        """Yield what can be made of one host, stored; note what cannot."""
        stored = account.host(store.host(host))
        if stored.rejections or stored.candidate_id in account.host_ids:
            return
        account.host_ids.append(stored.candidate_id)
        voids = find_voids(host.structure, self.voids)
        try:
            require_room(host.structure, voids, self.fit)
        except IntercalationError as error:
            account.refuse(stored.candidate_id, [], [], _rejection(_ROOM, error), error)
            return
        for wanted in self._fillings(host, voids, stored, store, account):
            guests = sorted({symbol for filling in wanted for symbol in filling.guests})
            sites = [filling.void.wyckoff for filling in wanted]
            try:
                crystals = fill(host.structure, wanted, self.orderings)
            except IntercalationError as error:
                account.refuse(stored.candidate_id, guests, sites, _rejection(_ORDERINGS, error), error)
                continue
            for crystal in crystals:
                guest = store.guest(stored.candidate_id, crystal)
                account.guest(stored.candidate_id, guests, sites, guest)
                if not guest.rejections:
                    yield Pair(
                        host_id=stored.candidate_id,
                        guest_id=guest.candidate_id,
                        guests=crystal.guests,
                        sites=crystal.sites,
                        filling=crystal.filling,
                    )

    def _fillings(
        self, host: Host, voids: Sequence[Void], stored: Stored, store: CandidateStore, account: "_Account"
    ) -> Iterator[list[SiteFilling]]:
        """Yield what is to be put where; note the guests that do not fit."""
        if self.fillings:
            yield from self._chosen_fillings(host, voids, stored, account)
            return
        verdicts = list(judge_guests(host.structure, voids[: self.n_voids], self.guests, self.fit))
        by_site = {void.wyckoff: void for void in voids[: self.n_voids]}
        for verdict in verdicts:
            if verdict.rejection is not None:
                void = by_site[verdict.site]
                account.refuse(
                    stored.candidate_id,
                    [verdict.guest],
                    [verdict.site],
                    verdict.rejection,
                    candidate_id=None if self.guests is None else _refused(host, void, verdict, stored, store),
                )
        fitting = [verdict for verdict in verdicts if verdict.fits]
        if self.guests is None:
            fitting.sort(key=lambda verdict: abs(verdict.fit - 1))
        for verdict in fitting:
            for fraction in self.fractions:
                yield [SiteFilling.of(by_site[verdict.site], {verdict.guest: fraction})]

    def _chosen_fillings(
        self, host: Host, voids: Sequence[Void], stored: Stored, account: "_Account"
    ) -> Iterator[list[SiteFilling]]:
        """Yield the fillings that were asked for, if all their guests fit where they are to go."""
        by_site: dict[str, Void] = {}
        for void in voids:
            by_site.setdefault(void.wyckoff, void)
        for wanted in self.fillings:
            missing = sorted(set(wanted) - set(by_site))
            if missing:
                raise ConfigurationError(
                    f"{host.name} has no void {', '.join(missing)}.", f"Its voids are {', '.join(by_site)}."
                )
            fillings = [SiteFilling.of(by_site[site], guests) for site, guests in wanted.items()]
            judged = [
                verdict
                for filling in fillings
                for verdict in judge_guests(host.structure, [filling.void], list(filling.guests), self.fit)
            ]
            misfits = [verdict for verdict in judged if verdict.rejection is not None]
            for verdict in misfits:
                account.refuse(stored.candidate_id, [verdict.guest], [verdict.site], verdict.rejection)
            if not misfits:
                yield fillings


class _Account:
    """What a round did so far."""

    def __init__(self) -> None:
        self.host_ids: list[str] = []
        self._refusals: list[Refusal] = []
        self._errors: list[InvDesFlowError] = []
        self._watch = Stopwatch()
        self._made = 0
        self._reused = 0

    def host(self, stored: Stored) -> Stored:
        """Note a host."""
        for rejection in stored.rejections[:1]:
            self.refuse(stored.candidate_id, [], [], rejection, candidate_id=stored.candidate_id)
        return stored

    def guest(self, host_id: str, guests: list[str], sites: list[str], stored: Stored) -> None:
        """Note a crystal with guests."""
        self._made += 1
        self._reused += stored.reused
        for rejection in stored.rejections[:1]:
            self.refuse(host_id, guests, sites, rejection, candidate_id=stored.candidate_id)

    def refuse(
        self,
        host_id: str,
        guests: list[str],
        sites: list[str],
        rejection: Rejection | None,
        error: InvDesFlowError | None = None,
        *,
        candidate_id: str | None = None,
    ) -> None:
        """Note what came to nothing."""
        if rejection is None:
            return
        self._watch.reject([rejection.gate])
        self._errors += [error] if error else []
        self._refusals.append(
            Refusal(host_id=host_id, guests=guests, sites=sites, rejection=rejection, candidate_id=candidate_id)
        )

    def nothing(self) -> InvDesFlowError:
        """Return the error of a round without pairs."""
        if self._errors and len(self._refusals) == 1:
            return self._errors[0]
        reasons = list(dict.fromkeys(refusal.rejection.reason for refusal in self._refusals))
        told = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
        where = "the host" if len(self.host_ids) <= 1 else "any of the hosts"
        return IntercalationError(
            f"No guest fits into {where}: {told or 'there are no hosts'}.",
            "Choose other guests or hosts, or loosen fit, voids or gates.",
        )

    def output(self, stage: str, pairs: Sequence[Pair], most: int | None) -> IntercalateOutput:
        """Close the account."""
        hosts = dict.fromkeys(pair.host_id for pair in pairs)
        guests = dict.fromkeys(pair.guest_id for pair in pairs if pair.guest_id not in hosts)
        note = f"{len(pairs)} pairs of {len(hosts)} hosts"
        if len(pairs) == most:
            note += f"; stopped at most = {most}, there may be more"
        record = self._watch.record(
            stage,
            entered=len(pairs) + len(self._refusals),
            passed=len(pairs),
            reused=self._reused,
            note=note,
        )
        return IntercalateOutput(
            record=record, candidate_ids=[*hosts, *guests], pairs=list(pairs), refusals=self._refusals
        )


def _rejection(gate: str, error: InvDesFlowError) -> Rejection:
    return Rejection(gate=gate, reason=error.problem)


def _refused(host: Host, void: Void, verdict: GuestVerdict, stored: Stored, store: CandidateStore) -> str | None:
    """Store the crystal that a named guest would make; none where it cannot be described."""
    try:
        crystal = fill(host.structure, [SiteFilling.of(void, {verdict.guest: 1})])[0]
        return store.guest(stored.candidate_id, crystal, verdict.rejection).candidate_id
    except StructureError:
        return None
