"""Formation energy of a crystal: CHGNet's energy, an elemental correction, and a MEGNet for what they leave over."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from maggma.utils import grouper
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.errors import StructureError
from invdesflow.model_files import arrays_under
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.formation_energy_inputs import EnergyInputs, Sight, see
from invdesflow.screening.megnet import Megnet, MegnetShape
from invdesflow.screening.predictions import FormationEnergyPrediction
from invdesflow.screening.shipped_model import ShippedModel

__all__ = ["KIND", "VERSION", "FormationEnergy", "ask"]

KIND = "formation-energy"
VERSION = 1
FloatArray = NDArray[np.float64]
WEIGHTS = Path(__file__).parent / "weights" / "formation_energy.safetensors"
_BATCH = 128


class FormationEnergy(ShippedModel):
    """The mean of several MEGNets, each trained without one fifth of the formulas.

    A network gives what is missing between the formation energy and CHGNet's energy with the elemental correction, and
    how far off it expects to be. The half width of the interval is the mean of the latter, stretched until it covered
    68.27 % of the crystals that a network had not seen (split conformal prediction).
    """

    kind, format_version, weights = KIND, VERSION, WEIGHTS

    def _rebuild(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        self._elements = {int(z) for z in card["elements"]}
        self._stretch = float(card["calibration"]["stretch_68"])
        self.widening_95 = float(card["calibration"]["stretch_95"]) / self._stretch
        self.bonds = int(card["recipe"]["blocks"]) > 0
        self.members = [_member(arrays, card, number) for number in range(int(card["members"]))]

    def predict(
        self, structures: Sequence[Structure], descriptions: Sequence[CrystalDescription | str]
    ) -> list[FormationEnergyPrediction]:
        """Predict formation energies.

        Parameters
        ----------
        structures
            Crystals.
        descriptions
            What CHGNet says of each, or why it says nothing.

        Returns
        -------
        list of FormationEnergyPrediction
            One for each structure in order; one that cannot be predicted has a reason.
        """
        pairs = zip(structures, descriptions, strict=True)
        return [one for piece in grouper(pairs, _BATCH) for one in self._piece(piece)]

    def _piece(
        self, pairs: Sequence[tuple[Structure, CrystalDescription | str]]
    ) -> Iterator[FormationEnergyPrediction]:
        seen = [self._look(structure, description) for structure, description in pairs]
        known = [sight for sight in seen if not isinstance(sight, str)]
        energies, widths = self.energies(known) if known else (np.empty(0), np.empty(0))
        numbers = zip(energies.tolist(), widths.tolist(), strict=True)
        for sight in seen:
            if isinstance(sight, str):
                yield FormationEnergyPrediction(None, None, sight)
            else:
                yield FormationEnergyPrediction(*next(numbers))

    def _look(self, structure: Structure, description: CrystalDescription | str) -> Sight | str:
        """Return what the networks see of a crystal, or the reason why they see nothing."""
        if isinstance(description, str):
            return description
        unseen = sorted({element.symbol for element in structure.elements if element.Z not in self._elements})
        if unseen:
            return f"the model has not seen {', '.join(unseen)}"
        try:
            return see(structure, description, self.bonds)
        except StructureError as error:
            return str(error)

    def energies(self, sights: Sequence[Sight]) -> tuple[FloatArray, FloatArray]:
        """Return formation energies and half widths of their 68 % intervals, eV/atom, each of shape (crystals,)."""
        energy, width = np.array([ask(network, inputs, sights) for network, inputs in self.members]).mean(axis=0)
        return energy, self._stretch * width

    def corrected(self, sights: Sequence[Sight]) -> FloatArray:
        """Return CHGNet's energies with the elemental correction alone, eV/atom, shape (crystals,)."""
        return np.array([np.mean([inputs.start(sight) for _, inputs in self.members]) for sight in sights])

    def knows(self, sight: Sight) -> bool:
        """Tell whether the networks have seen all elements of a crystal."""
        return self._elements.issuperset(sight.graph.numbers.tolist())


@torch.no_grad()
def ask(network: Megnet, inputs: EnergyInputs, sights: Sequence[Sight]) -> FloatArray:
    """Return the formation energies and the errors that a network expects, eV/atom, shape (2, crystals)."""
    unit, answers = float(inputs.unit[0]), []
    for piece in grouper(sights, _BATCH):
        batch = inputs.batch(piece)
        answer = network(batch.graph, batch.sites, batch.state).double().numpy()
        answers.append([batch.start.numpy() + unit * answer[:, 0], unit * np.exp(answer[:, 1])])
    return np.concatenate(answers, axis=1)


def _member(arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any], number: int) -> tuple[Megnet, EnergyInputs]:
    """Rebuild one network with its inputs."""
    inputs = EnergyInputs.from_arrays(arrays_under(arrays, f"{number}.inputs."))
    recipe = card["recipe"]
    shape = MegnetShape(
        inputs.site_inputs, inputs.state_inputs, *(int(recipe[name]) for name in ("blocks", "width", "hidden"))
    )
    network = Megnet(shape)
    state = arrays_under(arrays, f"{number}.network.")
    network.load_state_dict({name: torch.from_numpy(state[name]).float() for name in network.state_dict()})
    return network.eval(), inputs
