"""Which Wyckoff templates are drawn, before anything is denoised."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from pymatgen.core import Element

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.assignment import can_hold
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.prior import TemplatePrior
from invdesflow.generation.diffusion.templates import Template, compose

__all__ = ["TemplatePlan"]

_MOST_ATTEMPTS = 200


class TemplatePlan:
    """Draw templates that can meet the conditions.

    Parameters
    ----------
    prior
        Templates of the training set.
    conditions
        What is asked.
    composed_share
        Share of the templates that are composed afresh from the table of Wyckoff positions, so that prototypes may
        appear that were never seen; their space groups and numbers of atoms follow the training set. Where composing
        fails, a template of the training set is drawn instead, if one meets the conditions.

    Raises
    ------
    ConfigurationError
        If no template can meet the conditions.
    """

    def __init__(self, prior: TemplatePrior, conditions: Conditions, composed_share: float) -> None:
        self._prior = prior
        self._conditions = conditions
        self._amounts = {Element(symbol).Z: amount for symbol, amount in conditions.amounts.items()}
        self._composed_share = composed_share
        weights = prior.weights(conditions.tc_k)
        self._sizes = weights / weights.sum()
        fitting = np.array([self._fits(template) for template in prior.templates])
        self._weights = np.where(fitting, weights, 0.0)
        if self._weights.sum() == 0 and composed_share == 0:
            raise ConfigurationError(
                f"none of the {len(prior.templates)} templates of the model can hold {self._asked()}.",
                "Loosen the conditions, or let templates be composed (composed_share above 0).",
            )
        if self._weights.sum() > 0:
            self._weights = self._weights / self._weights.sum()
        else:
            self._composed_share = 1.0

    def draw(self, count: int, random: np.random.Generator) -> list[Template]:
        """Draw templates.

        Raises
        ------
        ConfigurationError
            If no known template meets the conditions, and no attempt to compose one does.
        """
        composed = random.random(count) < self._composed_share
        known = (
            random.choice(len(self._weights), size=count, p=self._weights) if self._weights.sum() > 0 else [0] * count
        )
        drawn = []
        for fresh, index in zip(composed, known, strict=True):
            template = self._compose(random) if fresh else None
            if template is None and self._weights.sum() == 0:
                raise ConfigurationError(
                    f"no Wyckoff positions were found in {_MOST_ATTEMPTS} attempts that can hold {self._asked()}.",
                    "Loosen the conditions.",
                )
            drawn.append(template or self._prior.templates[index])
        return drawn

    def _compose(self, random: np.random.Generator) -> Template | None:
        """Compose a template, None if no attempt meets the conditions."""
        for group, size, most_orbits in self._sizes_to_try(random):
            template = compose(group, size, random, most_orbits)
            if template is not None and self._fits(template):
                return template
        return None

    def _sizes_to_try(self, random: np.random.Generator) -> Iterator[tuple[int, int, int]]:
        """Yield space groups, numbers of atoms and largest numbers of orbits as they occur in the training set."""
        units = sum(self._amounts.values())
        for _ in range(_MOST_ATTEMPTS):
            template = self._prior.templates[int(random.choice(len(self._sizes), p=self._sizes))]
            cell = template.arrays()
            size = self._conditions.n_atoms or cell.n_atoms
            if units:
                size = self._conditions.n_atoms or units * max(1, round(cell.n_atoms / units))
            yield self._conditions.space_group or template.space_group, size, max(cell.n_orbits, len(self._amounts))

    def _fits(self, template: Template) -> bool:
        asked = self._conditions
        if asked.space_group is not None and template.space_group != asked.space_group:
            return False
        cell = template.arrays()
        if asked.n_atoms is not None and cell.n_atoms != asked.n_atoms:
            return False
        if len(asked.present) > cell.n_orbits:
            return False
        if not self._amounts:
            return True
        return _can_hold(tuple(sorted(map(int, cell.multiplicity))), tuple(self._amounts.items()))

    def _asked(self) -> str:
        asked = self._conditions.model_dump(exclude_defaults=True, exclude={"tc_k", "guidance"})
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asked.items()) or "any crystal"


@lru_cache(maxsize=65536)
def _can_hold(multiplicities: tuple[int, ...], amounts: tuple[tuple[int, int], ...]) -> bool:
    return can_hold(multiplicities, dict(amounts))
