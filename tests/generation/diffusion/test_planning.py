"""Templates that can meet conditions, and conditions that nothing can meet."""

from collections import Counter

import numpy as np
import pytest

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.assignment import can_hold
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.planning import TemplatePlan
from invdesflow.generation.diffusion.prior import TemplatePrior
from invdesflow.generation.diffusion.templates import Template

PEROVSKITE, LAYERED = Template(221, ("a", "b", "c")), Template(139, ("a", "d", "e"))


@pytest.fixture
def prior(training_set) -> TemplatePrior:
    return training_set.prior()


def drawn(prior, conditions=None, composed_share=0.0, count=300, seed=0):
    plan = TemplatePlan(prior, conditions or Conditions(), composed_share)
    return plan.draw(count, np.random.default_rng(seed))


def test_without_conditions_templates_come_as_often_as_in_the_training_set(prior):
    found = Counter(drawn(prior, count=4000))
    for template, weight in zip(prior.templates, prior.weights(), strict=True):
        assert found[template] / 4000 == pytest.approx(weight, abs=0.04)


@pytest.mark.parametrize("composed_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    "conditions",
    [
        {"space_group": 136},
        {"n_atoms": 3},
        {"required_elements": ("Zr", "O", "N")},
        {"composition": "Zr2O4"},
        {"composition": "ZrO2", "space_group": 14},
        {"composition": "TiN", "n_atoms": 2, "space_group": 225},
    ],
)
def test_conditions_are_met(prior, conditions, composed_share):
    asked = Conditions(**conditions)
    amounts = dict(enumerate(asked.amounts.values(), start=1))
    for template in drawn(prior, asked, composed_share, count=40):
        cell = template.arrays()
        assert asked.space_group in (None, template.space_group)
        assert asked.n_atoms in (None, cell.n_atoms)
        assert cell.n_orbits >= len(asked.present)
        assert not amounts or can_hold(cell.multiplicity.tolist(), amounts)


@pytest.mark.parametrize(
    ("conditions", "named"),
    [
        ({"composition": "K2GaCuH6", "space_group": 225}, "composition K2GaCuH6, space group 225"),
        ({"n_atoms": 19}, "n atoms 19"),
        ({"space_group": 230}, "space group 230"),
        ({"required_elements": ("Zr", "O", "N", "C")}, "required elements"),
    ],
)
def test_conditions_that_no_known_template_meets_are_named(prior, conditions, named):
    with pytest.raises(ConfigurationError, match=named):
        TemplatePlan(prior, Conditions(**conditions), 0.0)


def test_conditions_that_no_template_at_all_meets_are_named(prior):
    """No positions of Ia-3d hold five atoms in the primitive cell."""
    with pytest.raises(ConfigurationError, match=r"n atoms 5, space group 230"):
        drawn(prior, Conditions(space_group=230, n_atoms=5), composed_share=1.0)


def test_composed_templates_are_new(prior):
    found = set(drawn(prior, Conditions(space_group=225), composed_share=1.0))
    assert len(found - set(prior.templates)) > 3


def test_what_cannot_be_composed_is_drawn_from_the_known():
    """Twenty atoms of P1 are twenty orbits, and nearly all numbers of orbits to try are small."""
    many = Template(1, ("a",) * 20)
    prior = TemplatePrior.count([many] + [PEROVSKITE] * 9999, np.full(10_000, np.nan))
    assert set(drawn(prior, Conditions(space_group=1, n_atoms=20), 0.5, count=20)) == {many}


def test_a_tc_chooses_among_templates():
    prior = TemplatePrior.count([PEROVSKITE] * 20 + [LAYERED] * 20, np.array([0.3] * 20 + [30.0] * 20))
    found = Counter(drawn(prior, Conditions(tc_k=30.0)))
    assert found[LAYERED] > 250
