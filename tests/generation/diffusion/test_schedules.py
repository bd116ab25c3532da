"""Noise schedules, against quadrature, finite differences and simulation."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from invdesflow.generation.diffusion.schedules import posterior, score_scale, sigma, signal, wrapped_score


@pytest.mark.parametrize("width", [0.005, 0.05, 0.2, 0.5])
def test_score_is_the_derivative_of_the_wrapped_density(width):
    x = np.linspace(-0.5, 0.5, 21) + 0.007
    images = np.arange(-30, 31)

    def log_density(x):
        return np.log(norm.pdf(x[:, None] - images, scale=width).sum(1))

    numerical = (log_density(x + 1e-6) - log_density(x - 1e-6)) / 2e-6
    near = np.abs(x) < 30 * width  # farther out the density underflows
    ours = wrapped_score(torch.from_numpy(x), torch.full((21,), width, dtype=torch.float64)).numpy()
    assert ours[near] == pytest.approx(numerical[near], rel=1e-4, abs=1e-4)
    shifted = wrapped_score(torch.from_numpy(x + 3), torch.full((21,), width, dtype=torch.float64)).numpy()
    assert shifted == pytest.approx(ours, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("time", [0.0, 0.3, 0.7, 0.9, 1.0])
def test_score_scale_is_the_spread_of_the_score(time):
    width = sigma(torch.tensor(time, dtype=torch.float64))
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * width
    measured = wrapped_score(noise, width.expand_as(noise)).square().mean().sqrt()
    assert float(score_scale(torch.tensor(time, dtype=torch.float64))) == pytest.approx(float(measured), rel=0.02)


def test_schedules_run_from_the_crystal_to_noise():
    assert float(signal(torch.tensor(0.0))) == pytest.approx(1.0)
    assert float(signal(torch.tensor(1.0))) < 1e-4
    assert float(sigma(torch.tensor(0.0))) == pytest.approx(0.005)
    assert float(sigma(torch.tensor(1.0))) == pytest.approx(0.5)


def test_posterior_steps_compose_to_the_forward_process():
    """Noise a number to the present, step back: the marginal at the earlier time must come out."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.full((400_000,), 1.7)
    now, later = signal(torch.tensor(0.8)), signal(torch.tensor(0.5))
    noisy = now.sqrt() * clean + (1 - now).sqrt() * torch.randn(clean.shape, generator=generator)
    mean, deviation = posterior(clean, noisy, now, later)
    back = mean + deviation * torch.randn(clean.shape, generator=generator)
    assert float(back.mean()) == pytest.approx(float(later.sqrt() * 1.7), abs=0.005)
    assert float(back.var()) == pytest.approx(float(1 - later), rel=0.01)


def test_last_step_gives_the_clean_state():
    clean, noisy = torch.tensor([0.3]), torch.tensor([2.0])
    mean, deviation = posterior(clean, noisy, signal(torch.tensor(0.02)), torch.tensor(1.0))
    assert mean.tolist() == pytest.approx([0.3])
    assert float(deviation) == 0
