"""Draw crystals: from noise to orbits, in batches of similar size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from itertools import count, pairwise
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Element
from torch import Tensor
from torch.nn import functional

from invdesflow.generation.diffusion.assignment import assign_composition, assign_required
from invdesflow.generation.diffusion.batch import MAX_ATOMIC_NUMBER, Frames, State, size_batches
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.lattice import lattice_of
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.network import Prediction
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.planning import TemplatePlan
from invdesflow.generation.diffusion.prior import label_of
from invdesflow.generation.diffusion.schedules import posterior, score_scale, sigma, signal
from invdesflow.generation.diffusion.templates import Template

__all__ = ["Sampler", "SamplerSettings"]

P = ParamSpec("P")
R = TypeVar("R")


class SamplerSettings(BaseModel):
    """How crystals are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    steps: int = Field(50, ge=2, description="steps from noise to crystal; one call of the network each")
    corrector_steps: int = Field(
        0, ge=0, description="steps of Langevin dynamics of the coordinates after each, one more call each"
    )
    corrector_rate: float = Field(
        0.1, gt=0, description="length of a corrector step in units of the square of the noise"
    )
    composed_share: float = Field(
        0.0, ge=0, le=1, description="share of templates composed from the table of Wyckoff positions"
    )
    chunk: int = Field(
        64,
        ge=1,
        description="crystals that are drawn together; the first comes when all are done",
    )
    most_pairs: int = Field(3000, ge=1, description="size of a batch: pairs of an orbit and an atom")
    device: str = Field("cpu", description="where to run the network, as torch names it")


def _one_thread(work: Callable[P, R]) -> Callable[P, R]:
    """Let torch work with one thread: for matrices as small as ours, more are many times slower."""

    @wraps(work)
    def alone(*arguments: P.args, **options: P.kwargs) -> R:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return work(*arguments, **options)
        finally:
            torch.set_num_threads(threads)

    return alone


@dataclass(frozen=True)
class _Task:
    """A batch on its way: frames, what is known of the types beforehand, and the label."""

    frames: Frames
    allowed: Tensor
    given: Tensor
    label: Tensor
    guidance: float


class Sampler:
    """Draw crystals from a model.

    Parameters
    ----------
    model
        Trained generator.
    conditions
        What is asked of the crystals.
    settings
        How they are drawn.

    Raises
    ------
    ConfigurationError
        If the conditions cannot be met.
    """

    def __init__(
        self, model: GeneratorModel, conditions: Conditions | None = None, settings: SamplerSettings | None = None
    ) -> None:
        self._model = model
        self._conditions = conditions or Conditions()
        self._settings = settings or SamplerSettings()
        self._network = model.network.to(self._settings.device)
        self._plan = TemplatePlan(model.prior, self._conditions, self._settings.composed_share)
        allowed = torch.zeros(MAX_ATOMIC_NUMBER, dtype=torch.bool)
        allowed[[number - 1 for number in self._conditions.allowed_numbers(model)]] = True
        self._allowed = allowed.to(self._settings.device)

    def draw(self, seed: int, first: int = 0) -> Iterator[OrbitCrystal | None]:
        """Yield crystals without end; None for one that did not stay finite.

        The n-th crystal depends on the model, the conditions, the settings and the seed alone; memory does not grow.

        Parameters
        ----------
        seed
            Seed of the sequence.
        first
            Where in the sequence to begin.
        """
        begun, skipped = divmod(first, self._settings.chunk)
        for chunk in count(begun):
            yield from self._chunk(np.random.default_rng([seed, chunk]))[skipped if chunk == begun else 0 :]

    def _chunk(self, random: np.random.Generator) -> list[OrbitCrystal | None]:
        templates = self._plan.draw(self._settings.chunk, random)
        drawn: list[OrbitCrystal | None] = [None] * len(templates)
        n_atoms = np.array([template.arrays().n_atoms for template in templates])
        n_orbits = np.array([template.arrays().n_orbits for template in templates])
        for indices in size_batches(n_atoms, n_orbits, self._settings.most_pairs, np.arange(len(templates))):
            crystals = self._batch([templates[i] for i in indices], random)
            for index, crystal in zip(indices, crystals, strict=True):
                drawn[index] = crystal
        return drawn

    @torch.no_grad()
    @_one_thread
    def _batch(self, templates: Sequence[Template], random: np.random.Generator) -> list[OrbitCrystal | None]:
        device = self._settings.device
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        frames = Frames.of(templates, device)
        label = torch.full((len(frames),), float("nan"))
        if self._conditions.tc_k is not None:
            label[:] = float(label_of(np.array(self._conditions.tc_k)))
        task = _Task(
            frames, self._allowed, torch.zeros_like(frames.atom_orbit), label.to(device), self._conditions.guidance
        )
        state = State(
            self._normal((*frames.orbit_mask.shape, MAX_ATOMIC_NUMBER), generator),
            self._normal((len(frames), 6), generator) * frames.lattice_free,
            torch.rand((*frames.orbit_mask.shape, 3), generator=generator).to(device) * frames.free,
        )
        task = replace(task, given=self._given(task, state, random))
        times = torch.linspace(1, 0, self._settings.steps + 1).tolist()
        for now, later in pairwise(times):
            state = self._step(task, state, now, later, generator)
            for _ in range(self._settings.corrector_steps if later > 0 else 0):
                state = self._correct(task, state, later, generator)
        return self._crystals(templates, task, state)

    def _given(self, task: _Task, state: State, random: np.random.Generator) -> Tensor:
        """Return the atomic numbers that the conditions give to orbits, 0 where they are left open; (B, R)."""
        given = np.zeros(tuple(task.frames.orbit_mask.shape), np.int64)
        asked = self._conditions
        if asked.present:
            predicted = self._predict(task, state, 1.0)
            log_probabilities = (
                functional.log_softmax(self._clean_logits(predicted, state, 1.0), dim=-1).cpu().double().numpy()
            )
            amounts = {Element(symbol).Z: amount for symbol, amount in asked.amounts.items()}
            required = [Element(symbol).Z for symbol in sorted(set(asked.required_elements))]
            for row, mask in enumerate(task.frames.orbit_mask.cpu().numpy()):
                preference = log_probabilities[row, mask]
                if amounts:
                    multiplicities = [int(m) for m in task.frames.multiplicity[row].tolist()][: len(preference)]
                    given[row, mask] = assign_composition(multiplicities, amounts, preference, random)
                else:
                    given[row, mask] = assign_required(required, preference, random)
        return torch.from_numpy(given).to(self._settings.device)

    def _predict(self, task: _Task, state: State, time: float) -> Prediction:
        """Ask the network, with classifier-free guidance where there is a label."""
        times = torch.full((len(task.frames),), time, device=task.label.device)
        labelled: Prediction = self._network(task.frames, state, times, task.label)
        if self._conditions.tc_k is None or task.guidance == 1:
            return labelled
        free = self._network(task.frames, state, times, torch.full_like(task.label, float("nan")))
        return Prediction(
            *(
                without + task.guidance * (having - without)
                for without, having in (
                    (free.types, labelled.types),
                    (free.lattice, labelled.lattice),
                    (free.parameters, labelled.parameters),
                )
            )
        )

    def _step(self, task: _Task, state: State, now: float, later: float, generator: torch.Generator) -> State:
        """Take one step of the reversed diffusion of types, lattice and coordinates."""
        predicted = self._predict(task, state, now)
        signal_now, signal_later = signal(torch.tensor(now)), signal(torch.tensor(later))
        types, spread = posterior(
            self._clean_types(task, predicted, state, now, generator), state.types, signal_now, signal_later
        )
        types = types + spread * self._normal(state.types.shape, generator)
        lattice, spread = posterior(self._clean_lattice(predicted, state, now), state.lattice, signal_now, signal_later)
        lattice = (lattice + spread * self._normal(state.lattice.shape, generator)) * task.frames.lattice_free
        width_now = float(sigma(torch.tensor(now)))
        width_later = float(sigma(torch.tensor(later))) if later > 0 else 0.0
        fall = width_now**2 - width_later**2
        parameters = state.parameters + fall * self._score(predicted, now)
        parameters = parameters + width_later / width_now * fall**0.5 * self._normal(parameters.shape, generator)
        return State(types, lattice, (parameters * task.frames.free) % 1.0)

    def _correct(self, task: _Task, state: State, time: float, generator: torch.Generator) -> State:
        """Take one step of Langevin dynamics of the coordinates."""
        length = self._settings.corrector_rate * float(sigma(torch.tensor(time))) ** 2
        drift = length * self._score(self._predict(task, state, time), time)
        parameters = state.parameters + drift + (2 * length) ** 0.5 * self._normal(drift.shape, generator)
        return replace(state, parameters=(parameters * task.frames.free) % 1.0)

    def _score(self, predicted: Prediction, time: float) -> Tensor:
        return predicted.parameters * float(score_scale(torch.tensor(time)))

    def _clean_logits(self, predicted: Prediction, state: State, time: float) -> Tensor:
        """Return logits of the clean elements, minus infinity where an element is not allowed."""
        logits = predicted.types
        if self._model.predict == "noise":
            kept = signal(torch.tensor(time))
            # How likely each one-hot vector is under the remaining Gaussian around the predicted clean vector.
            logits = (
                (state.types - (1 - kept).sqrt() * predicted.types) / kept.sqrt() * kept / (1 - kept).clamp_min(1e-4)
            )
        return logits.masked_fill(~self._allowed, -torch.inf)

    def _clean_types(
        self, task: _Task, predicted: Prediction, state: State, time: float, generator: torch.Generator
    ) -> Tensor:
        """Draw clean elements, one-hot: from what the network thinks possible, or the one that is given."""
        logits = self._clean_logits(predicted, state, time)
        gumbel = -torch.log(-torch.log(torch.rand(logits.shape, generator=generator).clamp(1e-12, 1 - 1e-7)))
        drawn = (logits + gumbel.to(logits)).argmax(-1)
        numbers = torch.where(task.given > 0, task.given - 1, drawn)
        return functional.one_hot(numbers, MAX_ATOMIC_NUMBER).to(state.types)

    def _clean_lattice(self, predicted: Prediction, state: State, time: float) -> Tensor:
        if self._model.predict == "clean":
            return predicted.lattice
        kept = signal(torch.tensor(time))
        return (state.lattice - (1 - kept).sqrt() * predicted.lattice) / kept.sqrt()

    def _crystals(self, templates: Sequence[Template], task: _Task, state: State) -> list[OrbitCrystal | None]:
        """Read off the crystals; at time 0 the types are one-hot vectors again."""
        components = self._network.lattice_components(task.frames, state.lattice)
        lattices = lattice_of(components.double()).cpu().numpy()
        numbers = (state.types.argmax(-1) + 1).cpu().numpy()
        parameters = state.parameters.double().cpu().numpy()
        return [
            _crystal(template, numbers[row], parameters[row], lattices[row]) for row, template in enumerate(templates)
        ]

    def _normal(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator).to(self._settings.device)


def _crystal(
    template: Template, numbers: NDArray[np.int64], parameters: NDArray[np.float64], lattice: NDArray[np.float64]
) -> OrbitCrystal | None:
    if not (np.isfinite(parameters).all() and np.isfinite(lattice).all()):
        return None
    count = len(template.letters)
    return OrbitCrystal(template, tuple(int(number) for number in numbers[:count]), parameters[:count], lattice)
