"""copied: a tree again. Its own `copy` gives the same, but copies what every node notes piece by piece: most of the
work where the parser noted places."""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

Tree = TypeVar("Tree", bound=exp.Expr)


def copied(tree: Tree) -> Tree:
    """A tree equal to this one, of nodes of its own; the values that they note are shared, for none ever changes."""
    root = tree.__class__()
    waiting: list[tuple[exp.Expr, exp.Expr]] = [(tree, root)]
    while waiting:
        old, new = waiting.pop()
        new.comments, new._type = old.comments, old._type
        if old._meta:
            new._meta = dict(old._meta)
        for key, value in old.args.items():
            if isinstance(value, exp.Expr):
                child = value.__class__()
                new.set(key, child)
                waiting.append((value, child))
            elif isinstance(value, list):
                children = [each.__class__() if isinstance(each, exp.Expr) else each for each in value]
                new.set(key, children)
                waiting += [pair for pair in zip(value, children, strict=True) if isinstance(pair[0], exp.Expr)]
            else:
                new.args[key] = value
    return root
