"""The identity of a model: the part of its manifest that does not depend on the networks."""

from pydantic import BaseModel, ConfigDict, Field


class Identity(BaseModel):
    """The keys of an identity file, such as `identities/melos-piano.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """Name of the model and of its folder."""
    licence: str = Field(min_length=1)
    """SPDX identifier of the weights' licence."""
    attribution: str = Field(min_length=1)
    """Credits, in one sentence."""
    training_data: str = Field(min_length=1)
    """Description of the training data."""
    pianos: dict[str, str] = Field(min_length=1)
    """Display name of each piano, by its name in training."""
