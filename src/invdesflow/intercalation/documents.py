"""What intercalation studies store."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Pair"]


class Pair(BaseModel):
    """A host and one crystal made of it by putting guest atoms into its voids."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    host_id: str = Field(description="candidate_id of the host")
    guest_id: str = Field(description="candidate_id of the crystal with guests")
    guests: dict[str, int] = Field(min_length=1, description="element -> guest atoms in the cell that was filled")
    sites: list[str] = Field(min_length=1, description="Wyckoff positions that guests took, such as 4b")
    filling: float = Field(gt=0, le=1, description="share of these positions that is taken")
