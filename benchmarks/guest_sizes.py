"""How guests of known crystals fit their voids: ``python benchmarks/guest_sizes.py``.

Takes the guest out of every crystal of the catalogue that is a host with a guest, and prints the rank that its site has
among the voids of what is left, and its distance to the host over the sum of the covalent radii. Then counts which
elements fit into the hosts of the family A2BH6.
"""

from invdesflow.intercalation.guests import judge_guests
from invdesflow.intercalation.hosts import prototype_hosts
from invdesflow.intercalation.voids import find_voids, void_at
from invdesflow.superconductors.catalogue import load_entries, make_document

GUEST_ROLES = {
    "elpasolite": "X",
    "perovskite": "A",
    "C32": "A",
    "C_c": "A",
    "CaC6": "A",
    "EuC6": "A",
    "D2_1": "A",
    "D2_f": "A",
    "CaH6": "A",
    "CeH9": "A",
    "LaH10": "A",
}
FAMILY = {"A": ["Li", "Na", "K", "Rb", "Cs", "Mg", "Ca"], "B": ["Cu", "Ag", "Au", "Pd", "Pt", "Ir", "Rh", "Ni"]}
"""Prototype -> role of its element that takes the voids of the others."""


def main() -> None:
    """Print one line for every crystal, the range, and what fits into the family A2BH6."""
    fits, first = [], 0
    for entry in load_entries():
        guest = entry.elements.get(GUEST_ROLES.get(entry.prototype, ""))
        if guest is None:
            continue
        crystal = make_document(entry).structure
        host = crystal.copy()
        host.remove_species([guest])
        void = void_at(host, next(site.frac_coords for site in crystal if site.specie.symbol == guest))
        ranks = [other.wyckoff for other in find_voids(host)]
        rank = ranks.index(void.wyckoff) + 1 if void.wyckoff in ranks else 0
        verdict = next(judge_guests(host, [void], [guest]))
        reason = verdict.rejection.reason if verdict.rejection else ""
        told = f"rank {rank}  radius {void.radius:.2f} A  fit {verdict.fit:.2f} {reason}"
        print(f"{entry.name:12s} {guest:2s} {void.wyckoff:4s} {told}")
        fits.append(verdict.fit)
        first += rank == 1
    print(f"{first} of {len(fits)} guests take the largest void; fits from {min(fits):.2f} to {max(fits):.2f}")
    largest, pairs = [], 0
    for host in prototype_hosts("A2BH6", FAMILY):
        void = find_voids(host.structure)[0]
        largest.append(void.wyckoff)
        pairs += sum(verdict.fits for verdict in judge_guests(host.structure, [void]))
    print(f"A2BH6: 4b is the largest void of {largest.count('4b')} of {len(largest)} hosts; {pairs} guests fit")


if __name__ == "__main__":
    main()
