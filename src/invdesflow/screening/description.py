"""What the interatomic potential knows of a crystal at rest: its energy, magnetic moments and learned features.

CHGNet was trained on 1.58 million DFT structures, far more than there are electron-phonon calculations, and its last
layers describe the surroundings of each atom (Deng et al., Nature Machine Intelligence 5, 1031 (2023)). The screening
models read them beside the crystal itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from maggma.utils import grouper
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.relaxation.chgnet import read_chgnet
from invdesflow.relaxation.potentials import Device, Potential, find_potential, weights_path

__all__ = ["FEATURES", "CrystalDescription", "Descriptor"]

FEATURES = 64
"""Length of the feature vector of a site."""
_BATCH = 32


@dataclass(frozen=True)
class CrystalDescription:
    """What CHGNet says of one crystal.

    Attributes
    ----------
    energy_ev_per_atom
        Total energy with the corrections of the Materials Project, eV/atom.
    magnetic_moments
        Size of the moment of each site, Bohr magnetons, shape (sites,).
    atoms
        Features of each site, shape (sites, `FEATURES`).
    """

    energy_ev_per_atom: float
    magnetic_moments: NDArray[np.float32]
    atoms: NDArray[np.float32]


class Descriptor:
    """Describes crystals with CHGNet 0.3.0, the weights that the screening models were trained with.

    Parameters
    ----------
    device
        Where it runs.

    Raises
    ------
    PotentialError
        If package or weights are missing.
    """

    def __init__(self, device: Device = "cpu") -> None:
        self.potential: Potential = find_potential("CHGNet", "0.3.0")
        self._model: Any = read_chgnet(weights_path(self.potential)).to(device)

    def describe(self, structures: Sequence[Structure]) -> list[CrystalDescription | str]:
        """Describe crystals, many in one pass.

        Parameters
        ----------
        structures
            Ordered crystals.

        Returns
        -------
        list
            One description for each structure in order, or the reason why there is none.
        """
        graphs = [self._graph(structure) for structure in structures]
        known = [graph for graph in graphs if not isinstance(graph, str)]
        described = (one for batch in grouper(known, _BATCH) for one in self._describe(batch))
        return [graph if isinstance(graph, str) else next(described) for graph in graphs]

    def _graph(self, structure: Structure) -> Any:
        """Return the graph of a crystal, or the reason why there is none."""
        if not structure.is_ordered:
            return "the structure is disordered"
        unknown = sorted({element.symbol for element in structure.elements} - set(self.potential.elements))
        if unknown:
            return f"{self.potential.kind} does not know {', '.join(unknown)}"
        try:
            return self._model.graph_converter(structure)
        except ValueError as error:
            return f"{self.potential.kind} cannot read the structure: {str(error).splitlines()[0]}"

    @torch.no_grad()
    def _describe(self, graphs: Sequence[Any]) -> Iterable[CrystalDescription]:
        found = self._model(list(graphs), task="em", return_atom_feas=True)
        for energy, moments, atoms in zip(found["e"], found["m"], found["atom_fea"], strict=True):
            yield CrystalDescription(float(energy), moments.cpu().numpy(), atoms.cpu().numpy())
