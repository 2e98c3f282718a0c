"""How SQLAlchemy's expressions are written for dpsql: DuckDB's SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql import compiler
from sqlalchemy.sql.sqltypes import STRINGTYPE

# What DuckDB reserves beyond SQLAlchemy's own list; a test compares with duckdb_keywords().
RESERVED = frozenset({
    "describe", "fetch", "lambda", "lateral", "pivot", "pivot_longer", "pivot_wider", "qualify", "returning", "show",
    "summarize", "unpivot", "variadic", "window", "with",
})


class Preparer(compiler.IdentifierPreparer):
    """Quotes what DuckDB reserves."""

    reserved_words = compiler.RESERVED_WORDS | RESERVED


class TypeCompiler(compiler.GenericTypeCompiler):
    """Types of casts."""

    def visit_FLOAT(self, type_: Any, **kw: Any) -> str:
        """DuckDB's FLOAT has 32 bits."""
        return "DOUBLE"

    visit_REAL = visit_DOUBLE_PRECISION = visit_DOUBLE = visit_FLOAT

    def visit_DATETIME(self, type_: Any, **kw: Any) -> str:
        """There is one type for a date with a time."""
        return "TIMESTAMP"

    def visit_TEXT(self, type_: Any, **kw: Any) -> str:
        """Texts have no length."""
        return "VARCHAR"

    visit_VARCHAR = visit_CHAR = visit_NVARCHAR = visit_NCHAR = visit_CLOB = visit_TEXT

    def visit_NUMERIC(self, type_: Any, **kw: Any) -> str:
        """Without digits, the number of digits is unknown, so it is a DOUBLE."""
        return "DOUBLE" if type_.precision is None else f"DECIMAL({type_.precision}, {type_.scale or 0})"

    visit_DECIMAL = visit_NUMERIC


class Compiler(compiler.SQLCompiler):
    """Statements. What they ask is the parser's to judge: an INSERT is sent, and refused with a caret."""

    def visit_ilike_case_insensitive_operand(self, element: Any, **kw: Any) -> str:
        """As it is: ILIKE looks past letter case by itself."""
        return str(element.element._compiler_dispatch(self, **kw))

    def visit_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """DuckDB's own ILIKE."""
        return self._ilike(binary, "ILIKE", **kw)

    def visit_not_ilike_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """DuckDB's own ILIKE."""
        return self._ilike(binary, "NOT ILIKE", **kw)

    def _ilike(self, binary: Any, word: str, **kw: Any) -> str:
        escape = binary.modifiers.get("escape")
        after = "" if escape is None else f" ESCAPE {self.render_literal_value(escape, STRINGTYPE)}"
        left, right = (side._compiler_dispatch(self, **kw) for side in (binary.left, binary.right))
        return f"{left} {word} {right}{after}"
