"""What answers tell of training items that they come near."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from luoxia.workspace.publish import Published


class NearCopy(BaseModel):
    """A training item that a creation comes near: whose it is, and how near. ``what`` of the creation it is, as in "poem 2"."""

    creation: str
    what: str
    data: str = Field(description="the data set")
    item: str = Field("", description="of the data set")
    source: str = ""
    licence: str = ""
    author: str = ""
    nearness: float = Field(
        description="of pictures the score by its bound, from which on it is a copy; of texts the bytes, of poems the "
        "characters or lines, in common"
    )
    passage: str = Field("", description="of a text, what is in common")


def near_of(left: Sequence[Published]) -> list[NearCopy]:
    """Those of all creations, as their records have them."""
    return [
        NearCopy(creation=each.creation.id, **one)
        for each in left
        for one in each.creation.memorisation.get("near", ())
    ]
