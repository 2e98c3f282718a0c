"""What goes along with a question, whatever door it comes by: the names are those of `Session.query`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from dpsql.session import Amount


class Terms(TypedDict):
    """Who asks, at what price, how right the answer is to be, and in whose SQL."""

    analyst: str | None
    epsilon: Amount
    delta: Amount
    error: Amount
    level: Amount
    quality: bool
    dialect: str
