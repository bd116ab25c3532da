"""Published results, to print beside our own."""

from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PublishedResult", "published_results"]


class PublishedResult(BaseModel):
    """What a publication reports of one method."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    method: str
    benchmark: str = Field(description="data set, or stability_dft: relaxation with density functional theory")
    source: str = Field(description="publication and table")
    verified: bool = Field(description="whether the numbers were compared with that source when they were entered")
    values: dict[str, float] = Field(description="quantity with its unit -> number")


def published_results(benchmark: str) -> list[PublishedResult]:
    """Return what is published for a benchmark."""
    text = files("invdesflow.generation.evaluation").joinpath("published.yaml").read_text(encoding="utf-8")
    found = [PublishedResult.model_validate(entry) for entry in yaml.safe_load(text)]
    return [result for result in found if result.benchmark == benchmark]
