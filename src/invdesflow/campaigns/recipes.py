"""Recipes: ``flows/*.yaml`` name a campaign maker from an allow-list and give its parameters."""

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any, cast

from jobflow import Maker
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from invdesflow.campaigns.flows import CAMPAIGN_MAKERS, CampaignMaker
from invdesflow.campaigns.launching.resources import Launching
from invdesflow.campaigns.rounds import open_round
from invdesflow.database import Database
from invdesflow.database.campaign import RoundRecord
from invdesflow.errors import ConfigurationError
from invdesflow.settings import one_line
from invdesflow.yaml_files import read_yaml

__all__ = ["Recipe", "checked_maker", "parameters_model", "read_recipe", "recipe_schema"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A campaign, the maker that runs it, and what its jobs ask of a cluster's queue.

    Raises
    ------
    ConfigurationError
        If the campaign's name cannot be used.
    """

    campaign: str
    maker: CampaignMaker
    launching: Launching = dataclasses.field(default_factory=Launching)

    def __post_init__(self) -> None:
        # The name becomes a part of paths in the data folder.
        if not isinstance(self.campaign, str) or not _NAME.fullmatch(self.campaign):
            raise ConfigurationError(
                f"The campaign name {self.campaign!r} cannot be used.",
                "Use up to 64 letters, digits, dots, dashes and underscores.",
            )

    def open_round(self, database: Database) -> RoundRecord:
        """Return the unfinished round of this campaign, or begin its next one (`invdesflow.campaigns.rounds`)."""
        return open_round(database, self.campaign, type(self.maker).__name__, self.parameters())

    def parameters(self) -> dict[str, Any]:
        """Return every parameter of the maker, defaults included."""
        return _parameters_of(self.maker)


def read_recipe(path: Path) -> Recipe:
    """Read and validate a recipe.

    Raises
    ------
    ConfigurationError
        If the file is missing or not YAML, the maker is not on the allow-list, or a parameter is unknown or wrong.
    """
    data = read_yaml(path, "The recipe", "Compare it with flows/discovery.yaml.")
    unknown = sorted(set(data) - {"campaign", "maker", "parameters", "launching"})
    if unknown or not {"campaign", "maker"} <= set(data):
        raise ConfigurationError(
            f"The recipe {path} needs the keys campaign and maker and takes parameters and launching"
            + (f"; it has {', '.join(map(str, unknown))}." if unknown else "."),
            "Compare it with flows/discovery.yaml.",
        )
    source = f"The recipe {path}"
    try:
        launching = Launching.model_validate(data.get("launching") or {})
    except ValidationError as error:
        raise ConfigurationError(
            f"{source} is wrong: launching.{one_line(error)}.", "Compare it with flows/verification.yaml."
        ) from error
    return Recipe(data["campaign"], checked_maker(data["maker"], data.get("parameters") or {}, source), launching)


def checked_maker(name: str, parameters: dict[str, Any], source: str = "The campaign") -> CampaignMaker:
    """Make a campaign maker of plain data.

    Parameters
    ----------
    name
        Class name of the maker.
    parameters
        Its parameters.
    source
        What they come from, for the message of an error.

    Raises
    ------
    ConfigurationError
        If the maker is not on the allow-list, or a parameter is unknown or wrong.
    """
    maker = CAMPAIGN_MAKERS.get(name)
    if maker is None:
        raise ConfigurationError(
            f"{source} names the maker {name!r}, which is not a campaign maker.",
            f"Use one of {', '.join(CAMPAIGN_MAKERS)}.",
        )
    try:
        return cast(CampaignMaker, _make(maker, parameters_model(maker).model_validate(parameters)))
    except ValidationError as error:
        raise ConfigurationError(
            f"{source} is wrong: {one_line(error)}.", f"Parameters are described in flows/schemas/{name}.json."
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{source} is wrong: {error}.") from error


def recipe_schema(maker: type[Maker]) -> dict[str, Any]:
    """Return the JSON schema of a maker's parameters."""
    return parameters_model(maker).model_json_schema()


def parameters_model(maker: type[Maker]) -> type[BaseModel]:
    """Make the pydantic model of a maker's fields.

    jobflow's makers are MSONable, and pydantic would decode those with MontyDecoder, which imports what a dictionary
    names; a recipe must not be able to do that. Fields that are makers themselves become nested models.
    """
    hints = typing.get_type_hints(maker)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(maker):
        if field.name == "name":
            continue
        kind = hints[field.name]
        nested = _maker_in(kind)
        if nested is not None:
            model = parameters_model(nested)
            default = None if field.default is None else model()
            fields[field.name] = (model | None if kind == nested | None else model, default)
        else:
            fields[field.name] = (kind, _default(field))
    return create_model(maker.__name__, __config__=ConfigDict(extra="forbid"), __doc__=_first_line(maker), **fields)


def _maker_in(kind: Any) -> type[Maker] | None:
    """Return the maker that a field holds, or may hold if it is not switched off with none."""
    for part in typing.get_args(kind) or (kind,):
        if isinstance(part, type) and issubclass(part, Maker):
            return part
    return None


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return ... if field.default is dataclasses.MISSING else field.default


def _first_line(maker: type[Maker]) -> str:
    return (maker.__doc__ or "").strip().splitlines()[0]


def _make(maker: type[Maker], parameters: BaseModel) -> Maker:
    hints = typing.get_type_hints(maker)
    values = {}
    for name in type(parameters).model_fields:
        value, nested = getattr(parameters, name), _maker_in(hints[name])
        values[name] = value if nested is None or value is None else _make(nested, value)
    return maker(**values)


def _parameters_of(maker: Maker) -> dict[str, Any]:
    values = {field.name: getattr(maker, field.name) for field in dataclasses.fields(maker) if field.name != "name"}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> object:
    if isinstance(value, Maker):
        return _parameters_of(value)
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
