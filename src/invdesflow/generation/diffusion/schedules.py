"""How much noise there is at which time: time runs from 0 (the crystal) to 1 (noise only)."""

import math
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["COSINE_OFFSET", "SIGMA_MAX", "SIGMA_MIN", "posterior", "score_scale", "sigma", "signal", "wrapped_score"]

COSINE_OFFSET = 0.008
SIGMA_MIN = 0.005
SIGMA_MAX = 0.5
_IMAGES = 10


def signal(time: Tensor) -> Tensor:
    """Return the share of signal, alpha-bar, of the cosine schedule.

    The schedule of Nichol and Dhariwal (arXiv:2102.09672, eq. 17), kept above zero at time 1 so that a prediction of
    the noise can be turned into one of the signal.

    Parameters
    ----------
    time
        Time in [0, 1]; any shape.
    """
    angle = (time + COSINE_OFFSET) / (1 + COSINE_OFFSET) * (math.pi / 2)
    start = math.cos(COSINE_OFFSET / (1 + COSINE_OFFSET) * math.pi / 2) ** 2
    return (torch.cos(angle) ** 2 / start).clamp(1e-5, 1.0)


def sigma(time: Tensor) -> Tensor:
    """Return the width of the noise on fractional coordinates, geometric from `SIGMA_MIN` to `SIGMA_MAX`."""
    return SIGMA_MIN * (SIGMA_MAX / SIGMA_MIN) ** time


def posterior(clean: Tensor, noisy: Tensor, signal_now: Tensor, signal_next: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the less noisy state, given the clean one and the noisy one.

    Parameters
    ----------
    clean, noisy
        The signal and the state at the present time; same shape.
    signal_now, signal_next
        alpha-bar at the present and at the next, earlier time; broadcast to that shape.

    Returns
    -------
    mean, deviation
        Of q(x_next | x_now, x_clean) (Ho et al., arXiv:2006.11239, eq. 7, for a step of any length).
    """
    ratio = signal_now / signal_next
    spread = 1 - signal_now
    from_clean = signal_next.sqrt() * (1 - ratio) / spread
    from_noisy = ratio.sqrt() * (1 - signal_next) / spread
    return from_clean * clean + from_noisy * noisy, ((1 - signal_next) * (1 - ratio) / spread).clamp_min(0).sqrt()


def wrapped_score(displacement: Tensor, width: Tensor) -> Tensor:
    """Return the score of a wrapped normal distribution of period 1.

    Parameters
    ----------
    displacement
        Distance from the mean, any representative of it modulo 1.
    width
        Standard deviation of the normal distribution; broadcasts.

    Returns
    -------
    torch.Tensor
        d/dx log sum_n exp(-(x - n)^2 / (2 width^2)).
    """
    nearest = displacement - displacement.round()
    images = torch.arange(-_IMAGES, _IMAGES + 1, dtype=nearest.dtype, device=nearest.device)
    distances = nearest[..., None] - images
    weights = torch.softmax(-0.5 * (distances / width[..., None]) ** 2, dim=-1)
    return -(weights * distances).sum(-1) / width**2


def score_scale(time: Tensor) -> Tensor:
    """Return the root mean square of the score of the coordinates' noise at a time; any shape.

    It varies from 200 to 0.09 over the schedule; networks predict the score in units of it.
    """
    table = _score_scales().to(time)
    place = time * (len(table) - 1)
    below = place.floor().long().clamp(0, len(table) - 2)
    share = place - below
    return torch.exp((1 - share) * table[below] + share * table[below + 1])


@lru_cache(maxsize=1)
def _score_scales() -> Tensor:
    """Logarithms of the root mean square by quadrature, at equidistant times."""
    width = sigma(torch.linspace(0, 1, 201, dtype=torch.float64))[:, None]
    reach = (torch.arange(2001, dtype=torch.float64) / 2001 - 0.5) * (12 * width).clamp(max=1.0)
    density = torch.exp(-0.5 * ((reach[..., None] - torch.arange(-_IMAGES, _IMAGES + 1)) / width[..., None]) ** 2).sum(
        -1
    )
    mean_square = (density * wrapped_score(reach, width.expand_as(reach)) ** 2).sum(-1) / density.sum(-1)
    return 0.5 * mean_square.log()
