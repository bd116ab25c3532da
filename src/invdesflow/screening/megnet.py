"""MEGNet: a graph network with a state for every atom, every bond and the crystal (Chen et al. 2019).

After Chen, Ye, Zuo, Zheng and Ong, Chem. Mater. 31, 3564 (2019). A block updates bonds from their ends, atoms from
their bonds and the crystal from both; atoms and bonds are read out with set2set (Vinyals, Bengio and Kudlur,
arXiv:1511.06391). Every sum over atoms or bonds is a mean, so a supercell gives what its cell gives.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invdesflow.screening.crystal_graph import GraphBatch

__all__ = ["Megnet", "MegnetShape", "Set2Set"]

_ATOMIC_NUMBERS = 95
_LAST_CENTRE = 8.0
"""Of the Gaussians that bond lengths are expanded in, Angstrom."""


@dataclass(frozen=True)
class MegnetShape:
    """Size of the network.

    Parameters
    ----------
    site_inputs
        Numbers that are given for each site beside its atomic number.
    state_inputs
        Numbers that are given for each crystal.
    blocks
        MEGNet blocks; with none, the sites are read out as they came in, and no bond is seen.
    width, hidden
        Length of the states of atoms, bonds and crystals, and of the hidden layers.
    head, dropout
        Length of the hidden layers that only crystals pass through, and the share of what is known that the training
        leaves out.
    gaussians
        In which the bond lengths are expanded.
    readout_steps
        Of set2set.
    """

    site_inputs: int
    state_inputs: int
    blocks: int = 3
    width: int = 32
    hidden: int = 64
    head: int = 256
    dropout: float = 0.3
    gaussians: int = 32
    readout_steps: int = 3


class Megnet(nn.Module):
    """Graph network that gives two numbers for each crystal.

    Parameters
    ----------
    shape
        Its size.
    """

    def __init__(self, shape: MegnetShape) -> None:
        super().__init__()
        width, hidden = shape.width, shape.hidden
        self.elements = nn.Embedding(_ATOMIC_NUMBERS, width)
        self.sites = nn.Linear(shape.site_inputs, width)
        self.leave_out = nn.Dropout(shape.dropout)
        self.state = nn.Sequential(
            nn.Dropout(shape.dropout / 3.0),
            nn.Linear(shape.state_inputs, shape.head),
            nn.SiLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.head, width),
        )
        self.blocks = nn.ModuleList(MegnetBlock(width, hidden) for _ in range(shape.blocks))
        self.read_sites = Set2Set(width, shape.readout_steps)
        read = 3 * width
        if shape.blocks:
            self.bonds = nn.Linear(shape.gaussians, width)
            self.read_bonds = Set2Set(width, shape.readout_steps)
            read += 2 * width
        self.output = nn.Sequential(
            nn.Linear(read, shape.head), nn.SiLU(), nn.Dropout(shape.dropout), nn.Linear(shape.head, 2)
        )
        self.register_buffer("centres", torch.linspace(0.0, _LAST_CENTRE, shape.gaussians), persistent=False)

    def forward(self, graph: GraphBatch, sites: Tensor, state: Tensor) -> Tensor:
        """Read crystals.

        Parameters
        ----------
        graph
            The crystals.
        sites
            Given for each site, shape (sites, site inputs).
        state
            Given for each crystal, shape (crystals, state inputs).

        Returns
        -------
        Tensor
            Shape (crystals, 2).
        """
        atoms = self.leave_out(self.elements(graph.numbers) + self.sites(sites))
        crystals = self.state(state)
        if not self.blocks:
            return self._output(self.read_sites(atoms, graph.crystal, len(graph)), crystals)
        bonds = self.bonds(self._expand(graph.distance))
        for block in self.blocks:
            atoms, bonds, crystals = block(graph, atoms, bonds, crystals)
        of_bonds = self.read_bonds(bonds, graph.crystal[graph.centre], len(graph))
        return self._output(self.read_sites(atoms, graph.crystal, len(graph)), of_bonds, crystals)

    def _output(self, *parts: Tensor) -> Tensor:
        read: Tensor = self.output(self.leave_out(torch.cat(parts, dim=1)))
        return read

    def _expand(self, distance: Tensor) -> Tensor:
        centres: Tensor = self.get_buffer("centres")
        spacing = _LAST_CENTRE / (len(centres) - 1)
        return torch.exp(-0.5 * ((distance[:, None] - centres) / spacing) ** 2)


class MegnetBlock(nn.Module):
    """One round of updates, each added to what was there.

    Parameters
    ----------
    width, hidden
        Length of the states and of the hidden layers.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.before = nn.ModuleList(_dense(width, hidden, width) for _ in range(3))
        self.bond_update = Joint((width,) * 4, hidden, width)
        self.atom_update = Joint((width,) * 3, hidden, width)
        self.crystal_update = Joint((width,) * 3, hidden, width)

    def forward(
        self, graph: GraphBatch, atoms: Tensor, bonds: Tensor, crystals: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update atoms (sites, width), bonds (edges, width) and crystals (crystals, width)."""
        v, e, u = (dense(x) for dense, x in zip(self.before, (atoms, bonds, crystals), strict=True))
        home = graph.crystal[graph.centre]
        e = self.bond_update((v, graph.centre), (v, graph.neighbour), (e, None), (u, home))
        around = mean_over(e, graph.centre, len(v))
        v = self.atom_update((v, None), (around, None), (u, graph.crystal))
        u = self.crystal_update(
            (u, None), (mean_over(v, graph.crystal, len(graph)), None), (mean_over(e, home, len(graph)), None)
        )
        return atoms + v, bonds + e, crystals + u


class Joint(nn.Module):
    """Dense layers on several inputs side by side, the first of which is applied before the inputs are repeated.

    An input that many rows share, such as the atom at which many bonds begin, is multiplied once.

    Parameters
    ----------
    inputs
        Length of each input.
    hidden, outputs
        Length of the hidden layers and of the output.
    """

    def __init__(self, inputs: tuple[int, ...], hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(length, hidden, bias=number == 0) for number, length in enumerate(inputs))
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, outputs))

    def forward(self, *inputs: tuple[Tensor, Tensor | None]) -> Tensor:
        """Apply to inputs, each with its row for every row of the output; None where they are the same."""
        total = torch.zeros(())
        for layer, (values, rows) in zip(self.first, inputs, strict=True):
            projected = layer(values)
            total = total + (projected if rows is None else projected[rows])
        output: Tensor = self.rest(total)
        return output


class Set2Set(nn.Module):
    """Read a set with attention, whatever its order and however often all of it is repeated.

    Parameters
    ----------
    width
        Length of the members.
    steps
        How often it is read.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.width, self.steps = width, steps
        self.memory = nn.LSTMCell(2 * width, width)

    def forward(self, members: Tensor, home: Tensor, sets: int) -> Tensor:
        """Read sets.

        Parameters
        ----------
        members
            Shape (members, width).
        home
            To which set a member belongs, shape (members,).
        sets
            How many there are.

        Returns
        -------
        Tensor
            Shape (sets, 2 width).
        """
        query, cell = members.new_zeros(2, sets, self.width)
        read = members.new_zeros(sets, 2 * self.width)
        for _ in range(self.steps):
            query, cell = self.memory(read, (query, cell))
            score = (members * query[home]).sum(dim=1)
            highest = score.new_full((sets,), -torch.inf).scatter_reduce(0, home, score.detach(), "amax")
            weight = torch.exp(score - highest[home])
            weight = weight / weight.new_zeros(sets).index_add(0, home, weight)[home]
            attended = members.new_zeros(sets, self.width).index_add(0, home, members * weight[:, None])
            read = torch.cat([query, attended], dim=1)
        return read


def mean_over(values: Tensor, home: Tensor, groups: int) -> Tensor:
    """Average the rows of each group, shape (groups, width)."""
    total = values.new_zeros(groups, values.shape[1]).index_add(0, home, values)
    return total / torch.bincount(home, minlength=groups)[:, None]


def _dense(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))
