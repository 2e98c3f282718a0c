"""Marks that a dialect leaves in the meta of a node, for what depends on types, which are known later."""

CUTS = "cuts"           # a number that is made whole here loses its fraction
READS = "reads"         # a text that is made whole here may have a fraction, which it loses
ROUNDS = "rounds"       # half of a DOUBLE that is made whole here goes away from zero, not to the even number
DIGITS = "digits"       # a DECIMAL here has all the digits of what it is cast from
JOINS = "joins"         # + joins texts here
STAYS = "stays"         # a DATE and an interval are a DATE here, or a moment cut to its day
EVEN = "even"           # half of a DOUBLE is rounded to the even number here
NUMERALS = "numerals"   # + and - of dates take them as numbers there
OF_DATE = "of date"     # the format for a DATE, which has no hours
TRUTHS = "truths"       # a CAST of conditions alone, which are numbers there
USUAL = "usual"         # the schema of a table is the one where its dialect looks first
GIVES = "gives"         # an aggregate gives "numeric" of BIGINT, or "whole" of whole numbers
