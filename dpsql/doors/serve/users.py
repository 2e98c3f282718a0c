"""The users of a server: a file of one line each, name and SCRAM verifier, that only its owner may read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dpsql.budget.lock_posix import exclusive, sync_directory
from dpsql.doors.serve.scram import Verifier, read_verifier, verifier
from dpsql.errors import OpenError

SHORTEST = 8        # characters of a new password
LONGEST = 1000
HEAD = "# dpsql users: NAME VERIFIER; made by `dpsql user`\n"

_NAME = re.compile(r"[^\s\"'\\#\x00-\x1f\x7f][^\s\"'\\\x00-\x1f\x7f]{0,62}")


def read_users(path: Path) -> dict[str, Verifier]:
    """The users of a file. OpenError when it is missing, damaged, or may be read by others than its owner."""
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise OpenError(f"the users' file {path} cannot be read ({why}); `dpsql user add NAME "
                        f"--users {path}` makes one") from None
    if mode & 0o077:
        raise OpenError(f"others may read the users' file {path}: chmod 600 {path}")
    found: dict[str, Verifier] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, secret = line.split()
            found[name] = read_verifier(secret)
        except ValueError:
            raise OpenError(f"line {number} of the users' file {path} is no NAME and verifier") from None
    return found


def require_place(path: Path, name: str) -> None:
    """OpenError when `add_user` could not write there, or would not take the name: before a password is asked for."""
    if not _NAME.fullmatch(name):
        raise OpenError("a user's name is 1 to 63 characters without white space, quotes, backslashes or a # in front")
    _lock(path)


def add_user(path: Path, name: str, password: str) -> bool:
    """Add a user, or give one a new password; returns whether the user is new. OpenError says what is wrong."""
    require_place(path, name)
    if not SHORTEST <= len(password) <= LONGEST or "\0" in password:
        raise OpenError(f"a password has {SHORTEST} to {LONGEST} characters")
    made = verifier(password)
    with exclusive(_lock(path)):
        known = read_users(path) if path.exists() else {}
        new = name not in known
        _write(path, known | {name: made})
    return new


def remove_user(path: Path, name: str) -> None:
    """Remove a user. OpenError when there is none of that name."""
    with exclusive(_lock(path)):
        known = read_users(path)
        if name not in known:
            raise OpenError(f"the users' file {path} names no {name}")
        del known[name]
        _write(path, known)


def _lock(path: Path) -> Path:
    if not path.parent.is_dir():
        raise OpenError(f"there is no folder {path.parent}")
    return path.with_name(path.name + ".lock")


def _write(path: Path, users: dict[str, Verifier]) -> None:
    """The whole file at once: a server that reads it sees the old one or the new one."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(HEAD + "".join(f"{name} {secret}\n" for name, secret in sorted(users.items())))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
