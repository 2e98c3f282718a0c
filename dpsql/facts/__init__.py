"""What is proved of a relation, each rule a theorem with its own file: ownership, keys, stability, public values."""

from dpsql.facts.base import NOTHING, Facts, Pending

__all__ = ["NOTHING", "Facts", "Pending"]
