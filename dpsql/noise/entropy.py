"""Uniform random integers from the operating system's entropy: never seeded, never a generator in user space."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import accumulate
from os import urandom

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

WIDTHS = (8, 16, 32, 64)   # bits of a machine word


def below(bound: int, n: int) -> Words:
    """`n` independent integers, each exactly uniform on 0 .. bound-1.

    Words of the smallest width that wastes at most one in 16 are drawn; the largest multiple of `bound` below
    2**width is kept and the rest drawn again, so no remainder is favoured.
    ValueError when `bound` is not in 1 .. 2**63.
    """
    if not 1 <= bound <= 1 << 63:
        raise ValueError(f"cannot draw below {bound}: the bound must lie in 1 .. 2**63")
    if bound == 1:
        return np.zeros(n, dtype=np.uint64)
    width = next((width for width in WIDTHS if bound <= 1 << (width - 4)), 64)
    last = (1 << width) - 1 - (1 << width) % bound
    words = _words(width, n)
    while (rejected := np.flatnonzero(words > last)).size:
        words[rejected] = _words(width, rejected.size)
    return words % np.uint64(bound)


def bits(width: int, n: int) -> list[int]:
    """`n` independent integers, each uniform on 0 .. 2**width - 1, of any width."""
    size = (width + 7) // 8
    pool, spare = urandom(size * n), 8 * size - width
    return [int.from_bytes(pool[at : at + size], "big") >> spare for at in range(0, size * n, size)]


def uniform(bound: int) -> int:
    """One integer, exactly uniform on 0 .. bound-1, of any size. ValueError unless `bound` is positive."""
    return secrets.randbelow(bound)


def weighted(weights: Sequence[int]) -> int:
    """A place, drawn with probability exactly its weight over the sum. ValueError unless some weight is positive."""
    drawn = uniform(sum(weights))
    return next(place for place, upto in enumerate(accumulate(weights)) if drawn < upto)


def salt() -> str:
    """A secret of 128 bits, for the keyed hash of one query's group cap. Never logged, stored or shown."""
    return urandom(16).hex()


def _words(width: int, n: int) -> Words:
    return np.frombuffer(urandom(width // 8 * n), dtype=f"<u{width // 8}").astype(np.uint64)
