"""SCRAM-SHA-256 (RFC 5802, RFC 7677): a password is proved without being sent, and a verifier is all that is stored."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from dataclasses import dataclass

from dpsql.doors.serve.failure import Failure
from dpsql.noise.entropy import salt as fresh

ITERATIONS = 10_000      # of PBKDF2, for new verifiers; RFC 7677 asks for 4096 at least
MECHANISM = "SCRAM-SHA-256"

_FORM = re.compile(r"SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
_FIRST = re.compile(
    r"(?P<header>(?P<flag>[ny]|p=[^,]*),(?:a=[^,]*)?,)(?P<bare>n=[^,]*,r=(?P<nonce>[!-+\--~]{8,200})(?:,.*)?)")
_LAST = re.compile(
    r"(?P<bare>c=(?P<channel>[A-Za-z0-9+/=]+),r=(?P<nonce>[!-+\--~]+)(?:,[^,]*)*?),p=(?P<proof>[A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Verifier:
    """What proves a password: of no use to log in with."""

    iterations: int
    salt: bytes
    stored: bytes
    server: bytes

    def __str__(self) -> str:
        salt, stored, server = (base64.b64encode(part).decode() for part in (self.salt, self.stored, self.server))
        return f"{MECHANISM}${self.iterations}:{salt}${stored}:{server}"

    def __repr__(self) -> str:
        return "<Verifier>"


def verifier(password: str) -> Verifier:
    """The verifier of a password, with a new salt; the form PostgreSQL stores."""
    salt = bytes.fromhex(fresh())
    return _derived(prepared(password).encode(), salt, ITERATIONS)


def read_verifier(text: str) -> Verifier:
    """The verifier that `str` wrote, or PostgreSQL. ValueError when it is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("no verifier of SCRAM-SHA-256")
    salt, stored, server = (base64.b64decode(part, validate=True) for part in found.groups()[1:])
    if len(stored) != 32 or len(server) != 32 or not salt or not 1 <= int(found[1]) <= 1_000_000:
        raise ValueError("no verifier of SCRAM-SHA-256")
    return Verifier(int(found[1]), salt, stored, server)


def decoy(name: str, secret: str) -> Verifier:
    """A verifier that no password fits, the same for the same name: who asks cannot tell whether a user exists."""
    parts = [hmac.digest(secret.encode(), f"{part} {name}".encode(), "sha256") for part in ("salt", "stored", "server")]
    return Verifier(ITERATIONS, parts[0][:16], parts[1], parts[2])


def _derived(password: bytes, salt: bytes, iterations: int) -> Verifier:
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return Verifier(
        iterations, salt, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256"))


class Exchange:
    """The server's side of one login: `challenge` answers the client's first message, `proof` its last."""

    def __init__(self, known: Verifier) -> None:
        self._known, self._nonce = known, ""
        self._bare = self._header = self._challenge = ""

    def challenge(self, first: bytes) -> bytes:
        """What the client must prove. Failure 08P01 for a malformed message."""
        found = _FIRST.fullmatch(_text(first))
        if found is None or found["flag"].startswith("p="):
            raise _broken()
        self._header, self._bare = found["header"], found["bare"]
        self._nonce = found["nonce"] + fresh()
        salt = base64.b64encode(self._known.salt).decode()
        self._challenge = f"r={self._nonce},s={salt},i={self._known.iterations}"
        return self._challenge.encode()

    def proof(self, last: bytes) -> bytes | None:
        """The server's own proof; None when the password is wrong. Failure 08P01 for a malformed message."""
        found = _LAST.fullmatch(_text(last))
        if found is None or not hmac.compare_digest(found["nonce"].encode(), self._nonce.encode()):
            raise _broken()
        channel, proof = _bytes(found["channel"]), _bytes(found["proof"])
        if channel != self._header.encode() or len(proof) != 32:
            raise _broken()
        said = f"{self._bare},{self._challenge},{found['bare']}".encode()
        signature = hmac.digest(self._known.stored, said, "sha256")
        client = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client).digest(), self._known.stored):
            return None
        return b"v=" + base64.b64encode(hmac.digest(self._known.server, said, "sha256"))


def prepared(password: str) -> str:
    """SASLprep (RFC 4013); a password that it forbids is taken as it is, as PostgreSQL's clients do."""
    if password.isascii():
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(sign) else sign for sign in password if not stringprep.in_table_b1(sign))
    found = unicodedata.normalize("NFKC", mapped)
    forbidden = (
        stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
        stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9, stringprep.in_table_a1)
    if not found or any(test(sign) for sign in found for test in forbidden):
        return password
    right = [stringprep.in_table_d1(sign) for sign in found]
    mixed = any(right) and (any(map(stringprep.in_table_d2, found)) or not (right[0] and right[-1]))
    return password if mixed else found


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _broken() from None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _broken() from None


def _broken() -> Failure:
    return Failure("08P01", "the login's message is malformed", fatal=True)
