"""Interatomic potentials: which one, with which weights, for which elements, and its ASE calculator."""

import contextlib
import hashlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.errors import PotentialError

__all__ = [
    "Device",
    "Kind",
    "Potential",
    "calculator_specification",
    "find_potential",
    "is_default",
    "load_calculator",
    "weights_path",
]

Kind = Literal["CHGNet", "SevenNet", "DeePMD"]
Device = Literal["cpu", "cuda"]

_INSTALL: dict[Kind, tuple[str, str]] = {
    "CHGNet": ("chgnet", "Install it with `pip install chgnet`."),
    "SevenNet": ("sevenn", "Install it with `pip install 'invdesflow[sevennet]'`."),
    "DeePMD": ("deepmd", "Install deepmd-kit from its source distribution, as `make test` does."),
}
_DEFAULT_MODELS: dict[Kind, str] = {"CHGNet": "0.3.0", "SevenNet": "7net-0"}
_SHIPPED: dict[tuple[Kind, str], str] = {
    ("CHGNet", "0.3.0"): "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    ("CHGNet", "0.2.0"): "pretrained/0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar",
    ("CHGNet", "r2scan"): "pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
    ("SevenNet", "7net-0"): "pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    ("SevenNet", "7net-l3i5"): "pretrained_potentials/SevenNet_l3i5/checkpoint_l3i5.pth",
}
_DEEPMD_SUFFIXES = (".pth", ".pt")  # others may hold compiled libraries
_ARRAYS = {f"numpy{core}.multiarray.{name}" for core in (".core", "._core") for name in ("_reconstruct", "scalar")}
_ARRAYS |= {"numpy.dtype", "numpy.ndarray"}
# CHGNet embeds H to Pu but does not say what it was trained on; MPtrj lacks Po, At, Rn, Fr and Ra
# (Deng et al., Nature Machine Intelligence 5, 1031 (2023)).
_CHGNET_ELEMENTS = tuple(chemical_symbols[z] for z in range(1, 95) if not 84 <= z <= 88)


class Potential(BaseModel):
    """One set of weights of one kind of interatomic potential, as it stands in documents; made by `find_potential`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(description="program that evaluates it")
    model: str = Field(description="name of the weights, or the path of their file")
    digest: str = Field(description="SHA-256 of the weights file")
    elements: tuple[str, ...] = Field(description="elements that it knows")

    @property
    def energy_zero_ev(self) -> float | None:
        """Energy of an atom far from all others (eV), roughly; None where the model counts from a zero of its own."""
        # CHGNet and SevenNet-0 learned VASP's energies, which count from free atoms; a DeePMD model learned anybody's.
        return None if self.kind == "DeePMD" else 0.0

    def require(self, elements: Iterable[str]) -> None:
        """Refuse elements that the potential does not know.

        Raises
        ------
        PotentialError
            If there is one.
        """
        unknown = sorted(set(elements) - set(self.elements))
        if unknown:
            raise PotentialError(
                f"{self.kind} {self.model} does not know {', '.join(unknown)}.", "Use a potential trained with it."
            )


def find_potential(kind: Kind = "CHGNet", model: str | None = None) -> Potential:
    """Find the weights of a potential and describe them.

    Parameters
    ----------
    kind
        Program that evaluates it.
    model
        Name of weights that come with the program (CHGNet: ``0.3.0``, ``0.2.0``, ``r2scan``; SevenNet: ``7net-0``,
        ``7net-l3i5``), or the path of a weights file; by default CHGNet 0.3.0 and SevenNet-0. DeePMD needs a path.

    Raises
    ------
    PotentialError
        If the kind is unknown, its package or the file is missing, or the file cannot be read.
    """
    if kind not in _INSTALL:
        raise PotentialError(f"There is no potential of kind {kind!r}.", f"Choose one of {', '.join(_INSTALL)}.")
    model = model or _DEFAULT_MODELS.get(kind)
    if model is None:
        raise PotentialError(f"{kind} comes without weights.", "Give the path of a model file.")
    if Path(model).is_file():
        model = str(Path(model).resolve())
    path = _weights_file(kind, model)
    return Potential(kind=kind, model=model, digest=_digest(path), elements=_elements(kind, path))


def is_default(kind: Kind, model: str) -> bool:
    """Tell whether these are the weights that are taken where nobody names any."""
    return (kind, model) == ("CHGNet", _DEFAULT_MODELS["CHGNet"])


def calculator_specification(potential: Potential, device: Device = "cpu") -> tuple[dict[str, str], dict[str, str]]:
    """Name the ASE calculator of a potential in the terms of atomate2's force field makers.

    Parameters
    ----------
    potential
        What `find_potential` returned, on this machine or another.
    device
        Where it runs; DeePMD takes the variable DEVICE instead.

    Returns
    -------
    dict, dict
        ``force_field_name`` and ``calculator_kwargs`` of ``atomate2.forcefields.jobs.ForceFieldRelaxMaker``.

    Raises
    ------
    PotentialError
        If package or weights are missing, or the weights are not those of the digest.
    """
    path = weights_path(potential)
    if potential.kind == "CHGNet":
        chgnet = {"@module": "invdesflow.relaxation.chgnet", "@callable": "RelaxationCHGNetCalculator"}
        return chgnet, {"weights": str(path), "use_device": device}
    if potential.kind == "SevenNet":
        return {"@module": "sevenn.calculator", "@callable": "SevenNetCalculator"}, {
            "model": str(path),
            "device": device,
        }
    return {"@module": "deepmd.calculator", "@callable": "DP"}, {"model": str(path)}


def load_calculator(potential: Potential, device: Device = "cpu") -> Calculator:
    """Load a potential as an ASE calculator, through atomate2's force field utilities.

    Parameters
    ----------
    potential
        What `find_potential` returned, on this machine or another.
    device
        Where it runs; DeePMD takes the variable DEVICE instead.

    Raises
    ------
    PotentialError
        If package or weights are missing or cannot be read, the weights are not those of the digest, or there is no
        CUDA device.
    """
    import torch
    from atomate2.forcefields.utils import ase_calculator

    if device == "cuda" and not torch.cuda.is_available():
        raise PotentialError("This machine has no CUDA device that torch can use.", "Set the device to cpu.")
    name, arguments = calculator_specification(potential, device)
    with _loading(potential.kind, potential.model):
        return ase_calculator(name, **arguments)


def weights_path(potential: Potential) -> Path:
    """Return where the weights of a potential are on this machine.

    Raises
    ------
    PotentialError
        If they are missing, or are not those of the digest.
    """
    path = _weights_file(potential.kind, potential.model)
    if _digest(path) != potential.digest:
        raise PotentialError(
            f"The weights of {potential.kind} {potential.model} have changed since they were described.",
            "Use the same version of the file everywhere, or start afresh with the new one.",
        )
    return path


def _weights_file(kind: Kind, model: str) -> Path:
    package, remedy = _INSTALL[kind]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PotentialError(f"{kind} needs the package {package}, which is not installed.", remedy)
    if Path(model).is_file():
        _refuse_code(kind, Path(model))
        return Path(model)
    shipped = _SHIPPED.get((kind, model))
    if shipped is None:
        names = [name for of_kind, name in _SHIPPED if of_kind == kind]
        raise PotentialError(
            f"There is no {kind} model {model!r}.", f"Give the path of a model file{_or_one_of(names)}."
        )
    return Path(spec.submodule_search_locations[0]) / shipped


def _refuse_code(kind: Kind, path: Path) -> None:
    """Refuse a file that could run code of its own when the program loads it; `read_chgnet` does so itself."""
    if kind == "DeePMD" and path.suffix not in _DEEPMD_SUFFIXES:
        raise PotentialError(
            f"{path} is no model of deepmd-kit's PyTorch.", f"Give a file *{' or *'.join(_DEEPMD_SUFFIXES)}."
        )
    if kind == "SevenNet":
        from torch.serialization import get_unsafe_globals_in_checkpoint

        with _loading(kind, str(path)):
            foreign = set(get_unsafe_globals_in_checkpoint(path)) - _ARRAYS
        if foreign:  # SevenNet unpickles whatever is in it
            raise PotentialError(
                f"{path} asks for {sorted(foreign)[0]!r} when it is loaded.",
                "Give a checkpoint that holds numbers alone.",
            )


def _or_one_of(names: list[str]) -> str:
    return f", or one of {', '.join(names)}" if names else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _elements(kind: Kind, path: Path) -> tuple[str, ...]:
    if kind == "CHGNet":
        return _CHGNET_ELEMENTS
    with _loading(kind, str(path)):
        if kind == "SevenNet":
            from sevenn.util import load_checkpoint

            return tuple(chemical_symbols[z] for z in load_checkpoint(str(path)).config["_type_map"])
        from deepmd.infer import DeepPot

        return tuple(DeepPot(str(path)).get_type_map())


@contextlib.contextmanager
def _loading(kind: Kind, model: str) -> Iterator[None]:
    # The programs print banners, warn and log about accelerators; stdout belongs to results.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        except Exception as error:  # a damaged file can lead torch to raise anything
            first_line = str(error).partition("\n")[0]
            raise PotentialError(
                f"{kind} cannot load {model}: {type(error).__name__}: {first_line}",
                "Check that the file is whole and was made for the installed version.",
            ) from error
        finally:
            logging.disable(logging.NOTSET)
