"""A model's identity: the part of its contract that does not follow from the networks."""

from pydantic import BaseModel, ConfigDict, Field


class Identity(BaseModel):
    """The keys of an identity file, such as `identities/melos-piano.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """Name of the model and of its folder."""
    licence: str = Field(min_length=1)
    """SPDX identifier of the licence of the weights."""
    attribution: str = Field(min_length=1)
    """Whom to credit, in a sentence."""
    training_data: str = Field(min_length=1)
    """What it was trained on."""
    pianos: dict[str, str] = Field(min_length=1)
    """What each piano of the training is called on stage."""
