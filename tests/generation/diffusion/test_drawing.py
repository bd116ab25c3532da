"""Drawing until enough crystals pass."""

from itertools import islice, repeat

import pytest

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.drawing import MOST_DRAWINGS_PER_CRYSTAL, Drawing
from invdesflow.generation.diffusion.encoding import encode


class Fixed:
    """A sampler that draws what it is given and notes how far it was asked."""

    def __init__(self, crystals):
        self.crystals = crystals
        self.asked = 0

    def draw(self, seed):
        for crystal in self.crystals:
            self.asked += 1
            yield crystal


def test_a_sampler_that_never_stays_finite_comes_to_an_end():
    sampler = Fixed(repeat(None))
    with pytest.raises(ConfigurationError, match="Only 0 of 2"):
        list(Drawing(sampler, 2, 0, None))
    assert sampler.asked == 2 * MOST_DRAWINGS_PER_CRYSTAL


def test_what_is_not_taken_is_counted_and_no_more_is_drawn_than_needed(crystals):
    first, second = (encode(crystal) for crystal in islice(crystals, 2))
    sampler = Fixed([first, None, first, second, second])
    drawing = Drawing(sampler, 2, 0, None)
    assert [crystal.index for crystal in drawing] == [0, 3]
    assert (drawing.repeated, drawing.unusable, sampler.asked) == (1, 1, 4)
