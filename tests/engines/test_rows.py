"""Exact rows do not travel by accident."""

from __future__ import annotations

import copy
import pickle

import pytest

from dpsql.engines.base import Rows, qualified
from dpsql.schema import quote, text

SECRET = Rows(("n", "name"), [(424242, "Zoe")])


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{0!r}".format, "%s".__mod__, ascii])
def test_text_shows_names_only(show):
    shown = show((SECRET,)) if show == "%s".__mod__ else show(SECRET)
    assert shown == "<exact rows of n, name>"


@pytest.mark.parametrize("take", [iter, list, tuple, dict, pickle.dumps, copy.copy, copy.deepcopy, len, bytes])
def test_no_way_out_but_values(take):
    with pytest.raises(TypeError):
        take(SECRET)


def test_rows_do_not_compare_by_value():
    assert Rows(SECRET.columns, SECRET.values) != SECRET


def test_frozen():
    with pytest.raises(AttributeError):
        SECRET.values = []


def test_quoting():
    assert quote('a"b') == '"a""b"'
    assert qualified(("d", "s.x", "t")) == '"d"."s.x"."t"'
    assert text("o'dd") == "'o''dd'"
