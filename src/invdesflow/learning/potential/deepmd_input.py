"""The input of a training by deepmd-kit: settings with names of the field, and the JSON that ``dp`` reads."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.learning.potential.deepmd_data import elements_of
from invdesflow.learning.potential.frames import Frame
from invdesflow.relaxation.neighbours import pairs_within

__all__ = ["DpaSettings", "training_input"]

_SPARE_NEIGHBOURS = 1.4  # a crystal to be relaxed may be denser than those of the training set


class DpaSettings(BaseModel):
    """Architecture and training of a DPA model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["dpa2", "dpa3"] = Field("dpa2", description="descriptor")
    cutoff: float = Field(6.0, gt=0, description="radius of the environment of an atom (A)")
    inner_cutoff: float = Field(4.0, gt=0, description="radius within which pairs and angles are told apart (A)")
    width: int = Field(48, ge=4, description="features of an atom")
    pair_width: int = Field(16, ge=4, description="features of a pair")
    layers: int = Field(3, ge=1, description="message-passing layers")
    fitting: tuple[int, ...] = Field((96, 96, 96), min_length=1, description="widths of the network of the energy")
    precision: Literal["float32", "float64"] = Field("float64", description="numbers of the network")

    steps: int = Field(2000, ge=1, description="training steps")
    batch_size: int = Field(2, ge=1, description="crystals in a step")
    start_learning_rate: float = Field(2e-3, gt=0)
    stop_learning_rate: float = Field(2e-5, gt=0)
    energy_weights: tuple[float, float] = Field((0.2, 20.0), description="of the loss, at the start and at the end")
    force_weights: tuple[float, float] = Field((100.0, 60.0))
    virial_weights: tuple[float, float] = Field((0.2, 10.0))
    seed: int = Field(1, ge=0)
    save_every: int = Field(100, ge=1, description="steps between checkpoints, from which a training continues")


def training_input(settings: DpaSettings, frames: Sequence[Frame], systems: Sequence[Path]) -> dict[str, Any]:
    """Write the input of ``dp --pt train``.

    Parameters
    ----------
    settings
        Architecture and training.
    frames
        What is trained on; it says how many neighbours there are, and which elements.
    systems
        The folders that hold it.
    """
    descriptor = {"dpa2": _dpa2, "dpa3": _dpa3}[settings.architecture](settings, frames)
    common = {"seed": settings.seed, "precision": settings.precision}
    return {
        "model": {
            "type_map": elements_of(frames),
            "descriptor": descriptor | common,
            "fitting_net": {"neuron": list(settings.fitting), "resnet_dt": True} | common,
        },
        "learning_rate": {
            "type": "exp",
            "start_lr": settings.start_learning_rate,
            "stop_lr": settings.stop_learning_rate,
            "decay_steps": max(1, settings.steps // 100),
        },
        "loss": {"type": "ener"} | _weights(settings),
        "training": {
            "training_data": {"systems": [str(path) for path in systems], "batch_size": settings.batch_size},
            "numb_steps": settings.steps,
            "seed": settings.seed,
            "disp_file": "lcurve.out",
            "disp_freq": max(1, min(settings.save_every, settings.steps // 100)),
            "save_freq": settings.save_every,
            "save_ckpt": "model.ckpt",
            "max_ckpt_keep": 2,
        },
    }


def _weights(settings: DpaSettings) -> dict[str, float]:
    named = {"e": settings.energy_weights, "f": settings.force_weights, "v": settings.virial_weights}
    weights = {f"start_pref_{name}": start for name, (start, _) in named.items()}
    return weights | {f"limit_pref_{name}": limit for name, (_, limit) in named.items()}


def _dpa2(settings: DpaSettings, frames: Sequence[Frame]) -> dict[str, Any]:
    outer, inner = (_most_neighbours(frames, radius) for radius in (settings.cutoff, settings.inner_cutoff))
    smooth = settings.inner_cutoff - 0.5
    return {
        "type": "dpa2",
        "repinit": {
            "tebd_dim": 8,
            "rcut": settings.cutoff,
            "rcut_smth": 0.5,
            "nsel": outer,
            "neuron": [settings.pair_width, 2 * settings.pair_width, 4 * settings.pair_width],
            "axis_neuron": 4,
            "three_body_sel": inner,
            "three_body_rcut": settings.inner_cutoff,
            "three_body_rcut_smth": smooth,
            "use_three_body": True,
        },
        "repformer": {
            "rcut": settings.inner_cutoff,
            "rcut_smth": smooth,
            "nsel": inner,
            "nlayers": settings.layers,
            "g1_dim": settings.width,
            "g2_dim": settings.pair_width,
            "attn2_hidden": settings.pair_width,
            "attn2_nhead": 4,
            "attn1_hidden": settings.width,
            "attn1_nhead": 4,
            "axis_neuron": 4,
            "update_h2": False,
            "update_g1_has_attn": False,
            "update_g2_has_g1g1": False,
            "update_style": "res_residual",
            "update_residual": 0.01,
            "update_residual_init": "norm",
            "attn2_has_gate": True,
            "use_sqrt_nnei": True,
            "g1_out_conv": True,
            "g1_out_mlp": True,
        },
    }


def _dpa3(settings: DpaSettings, frames: Sequence[Frame]) -> dict[str, Any]:
    angles = 0.7 * settings.cutoff
    return {
        "type": "dpa3",
        "activation_function": "custom_silu:10.0",
        "repflow": {
            "n_dim": settings.width,
            "e_dim": settings.pair_width,
            "a_dim": settings.pair_width,
            "nlayers": settings.layers,
            "e_rcut": settings.cutoff,
            "e_rcut_smth": settings.cutoff - 0.7,
            "e_sel": _most_neighbours(frames, settings.cutoff),
            "a_rcut": min(angles, settings.inner_cutoff),
            "a_rcut_smth": min(angles, settings.inner_cutoff) - 0.5,
            "a_sel": _most_neighbours(frames, min(angles, settings.inner_cutoff)),
            "axis_neuron": 4,
            "skip_stat": True,
            "a_compress_rate": 1,
            "a_compress_e_rate": 2,
            "a_compress_use_split": True,
            "update_angle": True,
            "update_style": "res_residual",
            "update_residual": 0.1,
            "update_residual_init": "const",
            "smooth_edge_update": True,
            "use_dynamic_sel": True,
            "sel_reduce_factor": 10.0,
        },
    }


def _most_neighbours(frames: Sequence[Frame], radius: float) -> int:
    """Return how many neighbours any atom has within a radius (Angstrom), with some to spare, in fours."""
    most = 1
    for frame in frames:
        first = pairs_within(frame.atoms, radius).first
        most = max(most, int(np.bincount(first).max(initial=0)))
    return 4 * ceil(_SPARE_NEIGHBOURS * most / 4)
