"""The job that puts guests into hosts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from jobflow import job
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.errors import CampaignError, EspressoError, IntercalationError, PotentialError, StructureError
from invdesflow.generation.gates import GateSettings
from invdesflow.intercalation.account import Account, IntercalateOutput
from invdesflow.intercalation.charge_voids import ChargeSettings, voids_by_charge
from invdesflow.intercalation.documents import Pair
from invdesflow.intercalation.fillings import FilledCrystal, OrderingSettings, SiteFilling, fill
from invdesflow.intercalation.guests import GuestSettings, GuestVerdict, judge_guests, require_room
from invdesflow.intercalation.hosts import Host, HostSettings, LostHost, find_hosts
from invdesflow.intercalation.refinement import EnergyRanking, RefineSettings
from invdesflow.intercalation.storing import CandidateStore, Stored
from invdesflow.intercalation.voids import Void, VoidSettings, find_voids
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track

__all__ = ["IntercalateMaker"]

_HOST, _ROOM, _ORDERINGS, _ENERGY = "host", "room", "orderings", "void energy"


class _Round(NamedTuple):
    """Where a round stores, notes and ranks."""

    store: CandidateStore
    account: Account
    ranking: EnergyRanking | None


@dataclass
class IntercalateMaker(SettingsMaker):
    """Put guest atoms into the voids of hosts.

    1. Take one host after the other, and find its voids.
    2. Judge every guest in the largest voids by size and electronegativity.
    3. Fill the voids in every symmetry-distinct order, and ask the gates about the crystals.
    4. Store hosts and crystals as candidates, the refused ones with gate and reason. Of elements that nobody named,
       those that do not fit are told in `invdesflow.intercalation.account.IntercalateOutput` only.

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
        Voids that guests are tried in, one after the other: the largest, the emptiest, or those of the lowest energy.
    charge
        Take the minima of the electron density for the voids, emptiest first, from pw.x; none finds them by geometry.
    refine
        Rank the voids by the energy of each guest in them; none leaves them in their order.
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
    charge: ChargeSettings | None = None
    refine: RefineSettings | None = None
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
            If the settings leave nothing to do.
        ConfigurationError
            If no host was asked for, the only one cannot be found, or a guest is no element.
        IntercalationError
            If no guest fits into any host; what was refused is stored before.
        StructureError
            If the only host is disordered or damaged.
        """
        none = not self.fillings and (self.guests == [] or not self.fractions)
        if none or self.n_voids < 1 or (self.most is not None and self.most < 1):
            raise CampaignError(
                "There is nothing to intercalate.", "Name guests and fractions, and set n_voids and most to 1 or more."
            )
        with Database() as database:
            store = CandidateStore(database, campaign, campaign_round, self.gates)
            account = Account()
            ranking = None if self.refine is None else EnergyRanking(self.refine, database)
            work = _Round(store, account, ranking)
            pairs = (pair for host in find_hosts(database, self.hosts) for pair in self._pairs(host, work))
            found = list(track(islice(pairs, self.most), "intercalating", total=self.most))
        if not found:
            raise account.nothing()
        return account.output(self.name, found, self.most)

    def _pairs(self, host: Host | LostHost, work: _Round) -> Iterator[Pair]:
        """Yield what can be made of one host, stored; note what cannot."""
        store, account, _ = work
        if isinstance(host, LostHost):
            account.fail(host.name, [], [], _HOST, host.error)
            return
        stored = account.host(store.host(host))
        if stored.rejections or stored.candidate_id in account.host_ids:
            return
        account.host_ids.append(stored.candidate_id)
        try:
            voids = self._voids(host.structure)
            require_room(host.structure, voids, self.fit)
        except (EspressoError, IntercalationError, StructureError) as error:
            account.fail(stored.candidate_id, [], [], _ROOM, error)
            return
        seen: set[str] = set()
        for wanted in self._fillings(host, voids, stored, work):
            guests = sorted({symbol for filling in wanted for symbol in filling.guests})
            sites = [filling.void.wyckoff for filling in wanted]
            try:
                for crystal in fill(host.structure, wanted, self.orderings):
                    guest = store.guest(stored.candidate_id, crystal)
                    account.guest(stored.candidate_id, guests, sites, guest)
                    if not guest.rejections and guest.candidate_id not in seen:
                        seen.add(guest.candidate_id)
                        yield _pair(stored.candidate_id, guest.candidate_id, crystal)
            except (IntercalationError, StructureError) as error:
                account.fail(stored.candidate_id, guests, sites, _ORDERINGS, error)

    def _voids(self, structure: Structure) -> list[Void]:
        if self.charge is None:
            return find_voids(structure, self.voids)
        found = voids_by_charge(structure, self.charge)
        return [void for void in found if void.radius >= self.voids.min_radius_a]

    def _fillings(self, host: Host, voids: Sequence[Void], stored: Stored, work: _Round) -> Iterator[list[SiteFilling]]:
        """Yield what is to be put where; note the guests that do not fit."""
        store, account, _ = work
        if self.fillings:
            yield from self._chosen_fillings(host, voids, stored, account)
            return
        looked_at = self.n_voids if self.refine is None else max(self.n_voids, self.refine.n_voids)
        judged = [
            (void, verdict)
            for void in voids[:looked_at]
            for verdict in judge_guests(host.structure, [void], self.guests, self.fit)
        ]
        for void, verdict in judged:
            if verdict.rejection is not None:
                crystal_id = None if self.guests is None else _refused(host, void, verdict, stored, store)
                sites = [verdict.site]
                account.refuse(stored.candidate_id, [verdict.guest], sites, verdict.rejection, candidate_id=crystal_id)
        fitting = [(void, verdict) for void, verdict in judged if verdict.fits]
        if self.guests is None:
            fitting.sort(key=lambda one: abs(one[1].fit - 1))
        for guest in dict.fromkeys(verdict.guest for _, verdict in fitting):
            own = [void for void, verdict in fitting if verdict.guest == guest]
            ranked, at_rest = self._ranked(host, own, guest, stored, work)
            for void, energy in ranked[: self.n_voids]:
                for fraction in self.fractions:
                    yield [SiteFilling.of(void, {guest: fraction}, energy, at_rest)]

    def _ranked(
        self, host: Host, voids: Sequence[Void], guest: str, stored: Stored, work: _Round
    ) -> tuple[list[tuple[Void, float | None]], bool]:
        """Return the voids that a guest fits into, with its energies there if they are ranked by them.

        The second is whether these energies are all converged.
        """
        if work.ranking is None or len(voids) == 1:
            return [(void, None) for void in voids], True
        try:
            best = work.ranking.best(host.structure, voids, guest)
        except (IntercalationError, PotentialError) as error:
            work.account.fail(stored.candidate_id, [guest], [void.wyckoff for void in voids], _ENERGY, error)
            return [], True
        return [(one.void, one.energy_ev) for one in best], all(one.converged for one in best)

    def _chosen_fillings(
        self, host: Host, voids: Sequence[Void], stored: Stored, account: Account
    ) -> Iterator[list[SiteFilling]]:
        """Yield the fillings that were asked for, if all their guests fit where they are to go."""
        by_site: dict[str, Void] = {}
        for void in voids:
            by_site.setdefault(void.wyckoff, void)
        for wanted in self.fillings:
            missing = sorted(set(wanted) - set(by_site))
            if missing:
                error = IntercalationError(
                    f"{host.name} has no void {', '.join(missing)}.", f"Its voids are {', '.join(by_site)}."
                )
                guests = sorted({symbol for shares in wanted.values() for symbol in shares})
                account.fail(stored.candidate_id, guests, list(wanted), _ROOM, error)
                continue
            fillings = [SiteFilling.of(by_site[site], guests) for site, guests in wanted.items()]
            judged = [
                verdict
                for filling in fillings
                for verdict in judge_guests(host.structure, [filling.void], list(filling.guests), self.fit)
            ]
            for verdict in judged:
                if verdict.rejection is not None:
                    account.refuse(stored.candidate_id, [verdict.guest], [verdict.site], verdict.rejection)
            if all(verdict.fits for verdict in judged):
                yield fillings


def _pair(host_id: str, guest_id: str, crystal: FilledCrystal) -> Pair:
    return Pair(host_id=host_id, guest_id=guest_id, guests=crystal.guests, sites=crystal.sites, filling=crystal.filling)


def _refused(host: Host, void: Void, verdict: GuestVerdict, stored: Stored, store: CandidateStore) -> str | None:
    """Store the crystal that a named guest would make; none where it cannot be described."""
    try:
        crystal = fill(host.structure, [SiteFilling.of(void, {verdict.guest: 1})])[0]
        return store.guest(stored.candidate_id, crystal, verdict.rejection).candidate_id
    except (IntercalationError, StructureError):
        return None
