"""`invdesflow generator sample`: draw crystals without a database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.generator_options import Device, ModelOption, Seed, Steps, load_generator, read_conditions
from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.generation.diffusion.drawing import Drawing
    from invdesflow.generation.diffusion.proposals import DrawnCrystal

__all__ = ["add_commands"]

COLUMNS = {
    "formula": "formula",
    "space_group": "space group",
    "n_atoms": "atoms",
    "volume_per_atom": "volume (A3/atom)",
    "candidate_id": "candidate",
}


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(sample)


def sample(
    output: Annotated[Path | None, typer.Option(help="Folder for one file per crystal")] = None,
    n: Annotated[int, typer.Option("-n", "--number", help="Number of crystals")] = 10,
    elements: Annotated[str | None, typer.Option(help="Elements that are allowed: K,Ga,Cu,H")] = None,
    require: Annotated[str | None, typer.Option(help="Elements that every crystal has: K,H")] = None,
    exclude: Annotated[str | None, typer.Option(help="Elements that no crystal has")] = None,
    composition: Annotated[str | None, typer.Option(help="Exact composition: K2GaCuH6")] = None,
    n_atoms: Annotated[int | None, typer.Option(help="Atoms in the primitive cell")] = None,
    spacegroup: Annotated[int | None, typer.Option(help="Space group number")] = None,
    tc: Annotated[float | None, typer.Option(help="Tc (K) that the crystals should have")] = None,
    guidance: Annotated[float, typer.Option(help="How strongly Tc guides; 1 is the plain conditional model")] = 2.0,
    composed_share: Annotated[float, typer.Option(min=0, max=1, help="Share of new, composed prototypes")] = 0.0,
    steps: Steps = 50,
    model: ModelOption = None,
    file_format: Annotated[str, typer.Option("--format", help="cif, poscar or extxyz")] = "cif",
    raw: Annotated[bool, typer.Option(help="Write what the gates refuse, too")] = False,
    seed: Seed = 0,
    device: Device = "cpu",
    json: JsonFlag = False,
) -> None:
    """Draw crystals that pass the gates, without a database."""
    from invdesflow.generation.diffusion.drawing import Drawing
    from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
    from invdesflow.generation.gates import GateSettings
    from invdesflow.progress import track

    asked = read_conditions(
        elements=_symbols(elements),
        required_elements=_symbols(require) or (),
        excluded_elements=_symbols(exclude) or (),
        composition=composition,
        n_atoms=n_atoms,
        space_group=spacegroup,
        tc_k=tc,
        guidance=guidance,
    )
    _check_target(output, file_format)
    settings = SamplerSettings(steps=steps, composed_share=composed_share, device=device)
    drawing = Drawing(Sampler(load_generator(model), asked, settings), n, seed, None if raw else GateSettings())
    crystals = list(track(drawing, "drawing", total=n))
    rows = [_row(crystal) for crystal in crystals]
    say(drawing.summary())
    if output is not None:
        _write(crystals, drawing, output, file_format)
        say(f"{len(rows)} {file_format} files in {output}.")
    if json:
        print_json(rows)
    elif output is None:
        print_table(rows, COLUMNS)


def _symbols(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(symbol.strip() for symbol in text.split(","))


def _check_target(output: Path | None, file_format: str) -> None:
    """Refuse before hours of drawing what could not be written after them."""
    from invdesflow.crystals.writing import FORMATS
    from invdesflow.errors import ConfigurationError

    if file_format not in FORMATS:
        raise ConfigurationError(f"There is no format {file_format!r}.", f"Use one of {', '.join(FORMATS)}.")
    if output is None:
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(f"{output} exists and is not an empty folder.", "Give a new folder.")


def _row(crystal: "DrawnCrystal") -> dict[str, Any]:
    structure = crystal.structure
    return {
        "index": crystal.index,
        "formula": structure.composition.reduced_formula,
        "space_group": crystal.intended_space_group,
        "wyckoff": "".join(crystal.orbits.template.letters),
        "n_atoms": len(structure),
        "volume_per_atom": structure.volume / len(structure),
        "candidate_id": crystal.candidate_id,
    }


def _write(crystals: list["DrawnCrystal"], drawing: "Drawing", folder: Path, file_format: str) -> None:
    """Write one file per crystal, and what was refused with its reasons into ``rejections.jsonl``."""
    import json

    from invdesflow.crystals.writing import FORMATS, write_structure
    from invdesflow.errors import ConfigurationError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for crystal in crystals:
            formula = crystal.structure.composition.reduced_formula
            name = f"{crystal.index:06d}_{formula}_{crystal.intended_space_group}{FORMATS[file_format]}"
            write_structure(crystal.structure, folder / name, file_format)
        with (folder / "rejections.jsonl").open("w", encoding="utf-8") as file:
            for crystal, rejections in drawing.refused:
                entry = _row(crystal) | {"rejections": [rejection.model_dump() for rejection in rejections]}
                file.write(json.dumps(entry | {"structure": crystal.structure.as_dict()}, allow_nan=False) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from error
