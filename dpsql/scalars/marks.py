"""Marks that a dialect leaves in the meta of a node, for what depends on types, which are known later."""

CUTS = "cuts"           # a number that is made whole here loses its fraction
ROUNDS = "rounds"       # half of a DOUBLE that is made whole here goes away from zero, not to the even number
DIGITS = "digits"       # a DECIMAL here has all the digits of what it is cast from
GIVES = "gives"         # an aggregate gives "numeric" of BIGINT, or "whole" of whole numbers
