"""The refusal of one scalar expression; `lower` turns it into a QueryError with a caret."""

from __future__ import annotations

from sqlglot import exp

from dpsql.errors import Error


class ScalarError(Error):
    """An expression is not admitted. `node` is the analyst's piece at fault (None until `build` knows it)."""

    def __init__(self, reason: str, node: exp.Expr | None = None, hint: str | None = None) -> None:
        self.reason, self.node, self.hint = reason, node, hint
        super().__init__(reason)
