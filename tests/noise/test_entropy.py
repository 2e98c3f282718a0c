"""Uniform integers: exact at the edges, uniform in bulk, and from the operating system only."""

from __future__ import annotations

import ast
import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from dpsql import noise
from dpsql.noise import entropy, laplace


def words(size: int, *values: int):
    """A stand-in for urandom that hands out these words of `size` bytes, then stops."""
    stream = iter(values)
    return lambda asked: b"".join(next(stream).to_bytes(size, "little") for _ in range(asked // size))


@pytest.mark.parametrize("bound", [2, 3, 7, 10, 17, 255, 256])
def test_below_is_uniform(bound, fits):
    assert fits(entropy.below(bound, 100_000).tolist(), lambda _: 1 / bound, range(bound))


@pytest.mark.parametrize("bound", [2**62 + 1, 2**63 - 1, 2**63, 3 * 2**61])
def test_below_is_uniform_for_large_bounds(bound, fits):
    drawn = entropy.below(bound, 50_000)
    assert int(drawn.max()) < bound
    assert fits(((drawn.astype(object) * 10) // bound).tolist(), lambda _: 0.1, range(10))


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_below_rejects_exactly_the_remainder(size, monkeypatch):
    top = 256**size
    bound = top // 16 - 1
    kept = top - top % bound
    assert entropy.below(bound, 0).tolist() == []
    monkeypatch.setattr(entropy, "urandom", words(size, top - 1, 5, kept, bound + 2, kept - 1))
    assert entropy.below(bound, 3).tolist() == [2, 5, bound - 1]
    monkeypatch.setattr(entropy, "urandom", words(size, top - 1))           # a power of two wastes nothing
    assert entropy.below(top // 16, 1).tolist() == [top // 16 - 1]


def test_below_uses_the_largest_bounds(monkeypatch):
    top = 2**64
    monkeypatch.setattr(entropy, "urandom", words(8, 2**63 + 2, top - 1, 2**62))
    assert entropy.below(2**63 - 1, 2).tolist() == [3, 2**62]               # top = 2 (2**63 - 1) + 2
    monkeypatch.setattr(entropy, "urandom", words(8, 2**63 + 7))
    assert entropy.below(2**63, 1).tolist() == [7]


def test_below_one_or_nothing():
    assert entropy.below(1, 3).tolist() == [0, 0, 0]
    assert entropy.below(5, 0).tolist() == []


@pytest.mark.parametrize("bound", [0, -1, 2**63 + 1])
def test_below_refuses(bound):
    with pytest.raises(ValueError, match="bound"):
        entropy.below(bound, 1)


@pytest.mark.parametrize("width", [1, 3, 8, 13])
def test_bits_are_uniform(width, fits):
    drawn = [value % 16 for value in entropy.bits(width, 50_000)]
    cells = min(16, 2**width)
    assert fits(drawn, lambda _: 1 / cells, range(cells))
    assert max(entropy.bits(width, 1000)) < 2**width


def test_same_bytes_same_noise_and_other_bytes_other_noise(monkeypatch):
    def stream(key: bytes):
        counter = itertools.count()
        return lambda size: hashlib.shake_256(key + next(counter).to_bytes(8, "big")).digest(size)

    def drawn(key: bytes):
        monkeypatch.setattr(entropy, "urandom", stream(key))
        return laplace.sample(laplace.admissible(10**30 + laplace.Fraction(1, 3)), 50)

    assert drawn(b"a") == drawn(b"a") != drawn(b"b")
    monkeypatch.undo()
    assert len({tuple(laplace.sample(laplace.Fraction(10**9), 50)) for _ in range(5)}) == 5


def test_no_other_source_of_randomness():
    """Nothing in the folder imports `random` or touches numpy's generators."""
    for path in Path(noise.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        taken = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not {"random", "numpy.random"} & (imported | taken) and "random" not in attributes, path
    assert entropy.below(10, 1).dtype == np.uint64
