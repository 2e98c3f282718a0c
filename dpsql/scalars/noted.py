"""What a parser may note on any node and few rules read: anywhere else it would change a meaning unseen."""

from __future__ import annotations

from sqlglot import exp

_ZONE = "a time zone is not an argument here"
_NOTED: dict[str, tuple[tuple[type[exp.Expr], ...], str, str]] = {      # who reads it, and what is said elsewhere
    "negate": ((exp.Like, exp.ILike, exp.Is), "this NOT is not read", "write NOT in front of the whole condition"),
    "zone": ((exp.AtTimeZone,), _ZONE, "write x AT TIME ZONE '...' for the moment"),
    "hours": ((), _ZONE, "add an INTERVAL"),
    "minutes": ((), _ZONE, "add an INTERVAL"),
    "collation": ((), "a collation is not read", "compare lower(x)"),
    "null_safe": ((), "a list's NULLs are no common values here", "write list_has_any"),
    "charset": ((), "a character set is not read", "leave it out: texts are of Unicode"),
}


def unread(node: exp.Expr) -> tuple[str, str] | None:
    """Why a node cannot be read as it stands, and what to write instead; None for most."""
    if _NOTED.keys().isdisjoint(node.args):
        return None
    for name, (readers, reason, hint) in _NOTED.items():
        if node.args.get(name) and not isinstance(node, readers):
            return reason, hint
    return None
