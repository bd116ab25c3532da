"""The denoiser: a periodic graph network over the representatives of Wyckoff orbits.

In the manner of CSPNet (Jiao et al., DiffCSP, arXiv:2309.04475, section 4.2): every node is connected with every atom
of the cell, edges carry fractional differences in a Fourier basis, the lattice enters through L L^T, so that the answer
does not depend on the orientation of the crystal, on the origin of a polar axis, on the numbering of atoms or on the
choice of periodic images. What differs: only one representative of every orbit receives messages, because the others
are its copies; the nearest periodic images also enter as distances and, for the coordinates, as directions in space,
which are equivariant by construction.
"""

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from invdesflow.generation.diffusion.batch import MAX_ATOMIC_NUMBER, Frames, State
from invdesflow.generation.diffusion.lattice import lattice_of

__all__ = ["Denoiser", "NetworkSettings", "Prediction"]

_SPACE_GROUPS = 230
_TIME_FREQUENCY, _LABEL_FREQUENCY = 1000.0, 5.0
"""Highest angular frequencies: noise changes within hundredths of its time, Tc within factors."""
_SAME_PLACE = 1e-3
"""Closer than this (in Angstrom) an atom is the representative itself."""
_IMAGES = torch.tensor(list(product((-1.0, 0.0, 1.0), repeat=3)))


@dataclass(frozen=True)
class NetworkSettings:
    """Size of the network.

    Parameters
    ----------
    width
        Length of the node vectors.
    layers
        Number of message-passing layers.
    frequencies
        Waves per direction in the Fourier basis of fractional differences.
    radial
        Gaussians in the basis of distances.
    cutoff
        Where the last of them sits, in Angstrom.
    time_waves
        Waves in the embedding of time and label.
    """

    width: int = 256
    layers: int = 4
    frequencies: int = 8
    radial: int = 12
    cutoff: float = 6.0
    time_waves: int = 32


@dataclass(frozen=True)
class Prediction:
    """What the network says of a noisy crystal.

    Attributes
    ----------
    types
        For every orbit the logits of the clean element, or the noise on its one-hot vector; shape
        (B, R, MAX_ATOMIC_NUMBER).
    lattice
        The clean lattice components, or the noise on them; shape (B, 6).
    parameters
        Score of the free parameters in units of `schedules.score_scale`; shape (B, R, 3).
    """

    types: Tensor
    lattice: Tensor
    parameters: Tensor


@dataclass(frozen=True)
class _Geometry:
    """Edges from every representative to every atom.

    Shapes: features (B, R, N, E), of which the radial part is (B, R, N, K); directions (B, R, N, K, 3); conventional
    lattice (B, 3, 3); length, the cube root of the volume per atom, (B,).
    """

    features: Tensor
    radial: Tensor
    directions: Tensor
    lattice: Tensor
    length: Tensor


class Denoiser(nn.Module):
    """Predict the clean crystal, or the noise, and the score of the coordinates.

    Parameters
    ----------
    settings
        Size of the network.
    lattice_mean, lattice_spread
        Statistics of the training set's lattice components; shape (6,). The last component is that of one atom's share
        of the volume, so that the number of atoms in the cell does not have to be learned.
    """

    def __init__(self, settings: NetworkSettings, lattice_mean: Tensor, lattice_spread: Tensor) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.lattice_mean: Tensor
        self.lattice_spread: Tensor
        self.register_buffer("lattice_mean", lattice_mean.float())
        self.register_buffer("lattice_spread", lattice_spread.float())
        site = 9 + 3 + 3
        whole = 6 + 6 + 2 + 2 * settings.time_waves
        self.embed_type = nn.Linear(MAX_ATOMIC_NUMBER, width)
        self.embed_site = nn.Linear(site, width)
        self.embed_whole = nn.Sequential(nn.Linear(whole, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_space_group = nn.Embedding(_SPACE_GROUPS + 1, width)
        self.embed_label = nn.Sequential(nn.Linear(2 * settings.time_waves, width), nn.SiLU(), nn.Linear(width, width))
        self.no_label = nn.Parameter(torch.zeros(width))
        edge = 6 * settings.frequencies + settings.radial
        self.layers = nn.ModuleList(_Layer(width, edge, settings.radial) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.type_head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, MAX_ATOMIC_NUMBER))
        self.lattice_head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 6))
        self.wave_head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 3))
        self.push_receiver = nn.Linear(width, width)
        self.push_sender = nn.Linear(width, width, bias=False)
        self.push_head = nn.Linear(width, settings.radial)
        for head in (self.type_head[-1], self.lattice_head[-1], self.wave_head[-1], self.push_head):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def lattice_components(self, frames: Frames, lattice: Tensor) -> Tensor:
        """Return the lattice components k of the conventional cell from those of a `State`; (B, 6) to (B, 6)."""
        free = lattice * self.lattice_spread + self.lattice_mean
        components = torch.where(frames.lattice_free, free, frames.lattice_fixed)
        size = torch.log(frames.atoms_per_conventional_cell) / 3
        return torch.cat([components[:, :5], components[:, 5:] + size[:, None]], dim=1)

    def forward(self, frames: Frames, state: State, time: Tensor, label: Tensor) -> Prediction:
        """Denoise.

        Parameters
        ----------
        frames
            Space groups and Wyckoff positions.
        state
            The noisy crystals.
        time
            How noisy they are, in [0, 1]; shape (B,).
        label
            Logarithm of 1 + Tc/K, nan where no label is given; shape (B,).
        """
        geometry = self._geometry(frames, state)
        nodes = self._embed(frames, state, geometry, time, label)
        for layer in self.layers:
            nodes = layer(nodes, frames, geometry.features, geometry.radial)
        nodes = self.norm(nodes)
        weights = frames.multiplicity / frames.multiplicity.sum(1, keepdim=True)
        whole = torch.einsum("br,brh->bh", weights, nodes)
        return Prediction(self.type_head(nodes), self.lattice_head(whole), self._score(frames, nodes, geometry))

    @torch.no_grad()
    def _geometry(self, frames: Frames, state: State) -> _Geometry:
        """Differences to the periodic images of every atom, in full precision and without gradients."""
        with torch.autocast(state.lattice.device.type, enabled=False):
            return self._edges(frames, state)

    def _edges(self, frames: Frames, state: State) -> _Geometry:
        lattice = lattice_of(self.lattice_components(frames, state.lattice))
        representatives = frames.representatives(state.parameters)
        to_primitive = torch.linalg.inv(frames.primitive)
        difference = frames.atoms(representatives)[:, None] - representatives[:, :, None]
        difference = torch.einsum("brnx,bxy->brny", difference, to_primitive)
        difference = difference - difference.round()
        waves = 2 * math.pi * torch.arange(1, self.settings.frequencies + 1).to(difference) * difference[..., None]
        fourier = torch.cat([waves.sin().flatten(-2), waves.cos().flatten(-2)], dim=-1)
        cell = frames.primitive @ lattice
        images = difference[..., None, :] + _IMAGES.to(difference)
        vectors = torch.einsum("brnix,bxy->brniy", images, cell)
        distances = vectors.norm(dim=-1)
        distances = torch.where(distances > _SAME_PLACE, distances, torch.inf)
        centres = torch.linspace(0.5, self.settings.cutoff, self.settings.radial).to(difference)
        scaled = distances[..., None] / (centres[1] - centres[0]) - centres / (centres[1] - centres[0])
        gaussians = scaled.square_().neg_().exp_() * _window(images)[..., None]
        directions = torch.einsum("brnik,brnix->brnkx", gaussians, vectors / distances[..., None])
        radial = gaussians.sum(-2)
        volume = torch.linalg.det(cell).abs() / frames.atom_mask.sum(1)
        return _Geometry(torch.cat([fourier, radial], dim=-1), radial, directions, lattice, volume.pow(1 / 3))

    def _embed(self, frames: Frames, state: State, geometry: _Geometry, time: Tensor, label: Tensor) -> Tensor:
        cell = frames.primitive @ geometry.lattice / geometry.length[:, None, None]
        gram = (cell @ cell.transpose(1, 2))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        n_atoms = frames.atom_mask.sum(1).to(geometry.length)
        sizes = torch.stack([geometry.length - 2.5, n_atoms / 10], dim=1)
        whole = torch.cat(
            [state.lattice * frames.lattice_free, gram.clamp(-20, 20), sizes, self._waves(time, _TIME_FREQUENCY)], dim=1
        )
        embedded = self.embed_whole(whole) + self.embed_space_group(frames.space_group)
        known = ~label.isnan()
        labelled = self.embed_label(self._waves(torch.where(known, label, 0.0), _LABEL_FREQUENCY))
        embedded = embedded + torch.where(known[:, None], labelled, self.no_label)
        share = frames.multiplicity / n_atoms[:, None]
        extent = torch.stack([share, frames.multiplicity.clamp_min(1).log(), frames.free.sum(-1).to(share)], dim=-1)
        site = torch.cat([frames.basis.flatten(2), frames.offset, extent], dim=-1)
        nodes: Tensor = self.embed_type(state.types) + self.embed_site(site) + embedded[:, None]
        return nodes

    def _score(self, frames: Frames, nodes: Tensor, geometry: _Geometry) -> Tensor:
        """Project what pushes the representatives on their free directions."""
        sent = _of_atoms(self.push_sender(nodes), frames)
        pairs = functional.silu(self.push_receiver(nodes)[:, :, None] + sent[:, None])
        strength = self.push_head(pairs) * frames.atom_mask[:, None, :, None]
        push = torch.einsum("brnk,brnkx->brx", strength, geometry.directions)
        along = torch.einsum("brxp,bxy->brpy", frames.basis, geometry.lattice / geometry.length[:, None, None])
        in_space = torch.einsum("brpy,bry->brp", along, push)
        in_cell = torch.einsum("brxp,brx->brp", frames.basis, self.wave_head(nodes))
        score: Tensor = (in_space + in_cell) * frames.free
        return score

    def _waves(self, value: Tensor, highest: float) -> Tensor:
        """Return sines and cosines of a number of order one at geometrically spaced frequencies; (B,) to (B, 2 W)."""
        scales = torch.logspace(
            -1, math.log10(highest), self.settings.time_waves, device=value.device, dtype=value.dtype
        )
        angles = value[:, None] * scales
        return torch.cat([angles.sin(), angles.cos()], dim=1)


def _window(images: Tensor) -> Tensor:
    """Return weights that fall smoothly from 1 to 0 where an image is 1 to 1.5 cells away along an axis.

    Which images are the nearest ones changes abruptly where a difference is half a cell, as it often is in crystals;
    with these weights nothing else does. Shape (..., 3) to (...).
    """
    beyond = (images.abs() - 1).clamp(0, 0.5)
    return torch.cos(math.pi * beyond).square().prod(-1)


class _Layer(nn.Module):
    """One round of messages from all atoms of the cell to the representatives, as a residual.

    The last linear map of a message is applied after the mean over the atoms, with which it commutes: the work per edge
    is that of the edge features alone.
    """

    def __init__(self, width: int, edge: int, radial: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.receiver = nn.Linear(width, width)
        self.sender = nn.Linear(width, width, bias=False)
        self.edge = nn.Linear(edge, width, bias=False)
        self.gate = nn.Linear(radial, width)
        self.message = nn.Linear(width, width)
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, nodes: Tensor, frames: Frames, features: Tensor, radial: Tensor) -> Tensor:
        normed = self.norm(nodes)
        sent = _of_atoms(self.sender(normed), frames)
        hidden = functional.silu(self.receiver(normed)[:, :, None] + sent[:, None] + self.edge(features))
        hidden = hidden * self.gate(radial)
        weights = (frames.atom_mask / frames.atom_mask.sum(1, keepdim=True)).to(hidden)
        gathered = self.message(torch.einsum("bn,brnh->brh", weights, hidden))
        updated: Tensor = nodes + self.update(torch.cat([normed, gathered], dim=-1))
        return updated


def _of_atoms(nodes: Tensor, frames: Frames) -> Tensor:
    """Give every atom the vector of its orbit; (B, R, H) to (B, N, H)."""
    return torch.gather(nodes, 1, frames.atom_orbit[..., None].expand(-1, -1, nodes.shape[-1]))
