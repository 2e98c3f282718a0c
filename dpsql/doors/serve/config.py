"""The configuration of a server: one TOML file, whose words are those of the command line, which goes first."""

from __future__ import annotations

import dataclasses
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpsql.errors import OpenError

_PATHS = ("database", "policy", "ledger", "users", "tls_cert", "tls_key")


@dataclass(frozen=True, slots=True)
class Config:
    """What `dpsql serve` needs to know. OpenError when it cannot be.

    Times are in seconds. `connections` are taken in all, `user_connections` of one user; `user_queries` of one user run
    at a time. A client may take `login` to log in, and stay silent for `idle`; a message has at most `message` bytes.
    Queries get `deadline` and `memory` (bytes), and `pad` as `Session` says; at SIGTERM, those that run get `drain`.
    """

    database: Path
    policy: Path
    users: Path
    ledger: Path | None = None
    host: str = "127.0.0.1"
    port: int = 5432
    tls_cert: Path | None = None
    tls_key: Path | None = None
    connections: int = 200
    user_connections: int = 100
    user_queries: int = 3
    login: float = 10.0
    idle: float = 3600.0
    message: int = 1 << 20
    deadline: float = 60.0
    memory: int | None = None
    pad: float | None = None
    drain: float = 5.0

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise OpenError("tls_cert and tls_key belong together: give both, or neither")
        if self.tls_cert is None and not _loopback(self.host):
            raise OpenError(f"without TLS only this machine is served, and {self.host} is not loopback: give tls_cert "
                            "and tls_key (--tls-cert, --tls-key), or --host 127.0.0.1")
        if not 0 <= self.port <= 65535:
            raise OpenError(f"port is a number from 0 to 65535, not {self.port}")
        for name in ("connections", "user_connections", "user_queries", "login", "idle", "message", "drain"):
            if not getattr(self, name) > 0:
                raise OpenError(f"{name} is greater than 0, not {getattr(self, name)}")


def read_config(file: Path | None, given: Mapping[str, object]) -> Config:
    """The configuration: what is `given` (None: not), then what `file` says, then the defaults.

    Paths in the file start at its folder. OpenError for what is missing, unknown, or of the wrong kind.
    """
    found: dict[str, object] = {} if file is None else _read(file)
    found |= {name: value for name, value in given.items() if value is not None}
    for name in _PATHS:
        if isinstance(said := found.get(name), str):
            found[name] = Path(said).expanduser()
    for name in ("database", "policy", "users"):
        if name not in found:
            raise OpenError(f"no {name}: pass --{name}, or write {name} = ... into the server's TOML file (--config)")
    return Config(**found)  # type: ignore[arg-type]


def _read(file: Path) -> dict[str, object]:
    try:
        with open(file, "rb") as opened:
            said = tomllib.load(opened)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise OpenError(f"the server's file {file} cannot be read: {error}") from None
    kinds = {field.name: str(field.type) for field in dataclasses.fields(Config)}
    for name, value in said.items():
        if name not in kinds:
            raise OpenError(f"{file}: there is no {name}; there are {', '.join(kinds)}")
        fits = str if name in _PATHS or name == "host" else (int, float) if "float" in kinds[name] else int
        if not isinstance(value, fits) or isinstance(value, bool):
            raise OpenError(f"{file}: {name} is of the wrong kind")
        if name in _PATHS:
            said[name] = str(file.parent / Path(str(value)).expanduser())
    return said


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
