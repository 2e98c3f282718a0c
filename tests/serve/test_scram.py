"""Passwords: RFC 7677's example, SASLprep, verifiers, and what an exchange refuses."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.doors.serve import scram
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.scram import Exchange, decoy, prepared, read_verifier, verifier


def test_the_example_of_rfc_7677(monkeypatch: pytest.MonkeyPatch) -> None:
    salt, nonce = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    known = scram._derived(b"pencil", salt, 4096)
    monkeypatch.setattr(scram, "fresh", lambda: nonce)
    exchange = Exchange(known)
    assert exchange.challenge(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert exchange.proof(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    ) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=8, max_size=20))
def test_a_verifier_is_read_as_it_was_written_and_hides_itself(password: str) -> None:
    made = scram._derived(prepared(password).encode(), b"salt of a user..", 1)
    assert read_verifier(str(made)) == made
    assert repr(made) == "<Verifier>"


def test_every_verifier_has_its_own_salt() -> None:
    assert verifier("password") != verifier("password")


@pytest.mark.parametrize("text", [
    "", "md5abc", "SCRAM-SHA-256$0:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
    "SCRAM-SHA-256$4096:AAAA$====:AAAA",
])
def test_what_is_no_verifier_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_verifier(text)


@pytest.mark.parametrize(("password", "same"), [
    ("I\u00adX", "IX"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b"), ("\u0007", "\u0007"),
    ("\u06271", "\u06271"),
])
def test_saslprep_by_the_examples_of_rfc_4013(password: str, same: str) -> None:
    assert prepared(password) == same


def test_a_decoy_is_the_same_for_the_same_name() -> None:
    assert decoy("ann", "s") == decoy("ann", "s")
    assert len({decoy("ann", "s").salt, decoy("bea", "s").salt, decoy("ann", "t").salt}) == 3


@pytest.mark.parametrize("first", [
    b"", b"\xff", b"n,,", b"p=tls-unique,,n=,r=abcdefgh", b"n,,n=,r=short", b"n,,n=,r=" + b"x" * 500,
    b"n,,m=1,n=,r=abcdefgh",
])
def test_a_first_message_that_is_malformed_is_refused(first: bytes) -> None:
    with pytest.raises(Failure):
        Exchange(decoy("ann", "s")).challenge(first)


@pytest.mark.parametrize("change", [
    (b"c=biws", b"c=eSws"), (b"c=biws", b"c=!"), (b",p=", b",p=AAAA,q="), (b"p=", b"p=A"), (b"r=", b"r=x"),
])
def test_a_last_message_that_does_not_fit_is_refused(change: tuple[bytes, bytes]) -> None:
    exchange = Exchange(decoy("ann", "s"))
    nonce = exchange.challenge(b"n,,n=,r=abcdefgh").split(b",")[0]
    last = b"c=biws," + nonce + b",p=" + base64.b64encode(bytes(32))
    assert exchange.proof(last) is None
    with pytest.raises(Failure):
        exchange.proof(last.replace(*change))
