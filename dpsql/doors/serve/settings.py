"""The settings of one connection: those of PostgreSQL that clients look at, and `dpsql.*`, which price a query.

A setting is kept as text. What dpsql does one way only takes that one value; what has no meaning here takes any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from zoneinfo import ZoneInfo

from dpsql.dialects import DIALECTS
from dpsql.doors.serve.failure import Failure

VERSION = "15.0"            # the release of PostgreSQL whose catalog and protocol are spoken
LARGEST = 1_000_000         # epsilon beyond this is no price
WIDEST = 10**18             # an error beyond this is none
LONGEST = 1000              # characters of a value
MOST_UNKNOWN = 64           # settings of other programs (`myapp.user`) that a connection may keep

_DURATION = re.compile(r"(\d{1,9}) ?(ms|s|min|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_ON, _OFF = ("on", "true", "yes", "1", "t"), ("off", "false", "no", "0", "f")

Check = Callable[[str], str]


def _one_of(*words: str) -> Check:
    def check(value: str) -> str:
        found = next((word for word in words if word.lower() == value.strip().lower()), None)
        if found is None:
            raise ValueError("it is one of " + ", ".join(words) if len(words) > 1 else f"it is {words[0]}")
        return found
    return check


def _any(value: str) -> str:
    return value


def _switch(value: str) -> str:
    word = value.strip().lower()
    if word not in _ON + _OFF:
        raise ValueError("it is on or off")
    return "on" if word in _ON else "off"


def _encoding(value: str) -> str:
    plain = re.sub(r"[^A-Z0-9]", "", value.upper())          # some write it in quotes
    if plain not in ("UTF8", "UNICODE", "SQLASCII"):
        raise ValueError("it is UTF8")
    return "SQL_ASCII" if plain == "SQLASCII" else "UTF8"


def _date_style(value: str) -> str:
    parts = [part.strip().upper() for part in value.split(",")]
    if not set(parts) <= {"ISO", "MDY", "DMY", "YMD", "US", "EUROPEAN", "POSTGRES"} or "POSTGRES" in parts:
        raise ValueError("dates are written the ISO way: it is ISO, MDY")
    return "ISO, MDY"


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError("it is the name of a time zone, such as UTC") from None
    return value


def _duration(value: str) -> str:
    if _DURATION.fullmatch(value.strip()) is None:
        raise ValueError("it is a number of milliseconds, or one such as 5s or 1min")
    return value.strip()


def _amount(zero: bool = False, most: int = LARGEST, empty: str = "the policy's own") -> Check:
    def check(value: str) -> str:
        if value.strip().lower() in ("", "default"):
            return ""
        if len(value) > 60 or not re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?\s*", value):
            raise ValueError(f"it is a number such as 0.5, or empty for {empty}")
        number = Fraction(value.strip())
        if number > most or not (number or zero):
            raise ValueError(f"it is {'at least 0' if zero else 'greater than 0'}, and at most {most}")
        return value.strip()
    return check


def _level(value: str) -> str:
    if not re.fullmatch(r"\s*0?\.\d{1,9}\s*", value) or not Fraction(value.strip()):
        raise ValueError("it is a number between 0 and 1, with at most nine digits: 0.99 for 99 %")
    return value.strip()


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: how it is spelled, its value at first, what it takes, whether clients are told of changes."""

    name: str
    default: str
    check: Check | None = None      # None: it cannot be changed
    told: bool = False
    about: str = ""


_TABLE = (
    Setting("application_name", "", _any, True),
    Setting("block_size", "8192", None),
    Setting("bytea_output", "hex", _one_of("hex")),
    Setting("client_encoding", "UTF8", _encoding, True),
    Setting("client_min_messages", "notice", _any),
    Setting("DateStyle", "ISO, MDY", _date_style, True),
    Setting("default_table_access_method", "heap", _any),
    Setting("default_tablespace", "", _any),
    Setting("default_transaction_isolation", "read committed", _any),
    Setting("default_transaction_read_only", "on", _any, True),
    Setting("dpsql.budget", "", None, False, "what is spent and left; SHOW alone"),
    Setting("dpsql.delta", "", _amount(zero=True), False, "what a query may cost; empty: the policy's"),
    Setting("dpsql.dialect", "postgres", _one_of(*DIALECTS), False, "whose SQL queries are written in"),
    Setting("dpsql.epsilon", "", _amount(), False, "what a query may cost; empty: the policy's"),
    Setting("dpsql.error", "", _amount(most=WIDEST, empty="none"), False,
            "instead of dpsql.epsilon: counts and sums within it, at the least cost"),
    Setting("dpsql.fresh", "off", _switch, False, "on: buy a new answer even when one was bought before"),
    Setting("dpsql.health", "", None, False, "whether queries can be answered; SHOW alone"),
    Setting("dpsql.level", "0.95", _level, False, "how sure intervals are to hold, in EXPLAIN and warnings"),
    Setting("dpsql.quality", "off", _switch, False,
            "on: a tenth of epsilon buys how much was cut, as WARNINGs (and half of a quantile's an unseen interval)"),
    Setting("extra_float_digits", "1", _any),
    Setting("in_hot_standby", "off", None, True),
    Setting("integer_datetimes", "on", None, True),
    Setting("IntervalStyle", "postgres", _one_of("postgres"), True),
    Setting("is_superuser", "off", None, True),
    Setting("jit", "off", _any),
    Setting("lc_collate", "C", None),
    Setting("lc_ctype", "C", None),
    Setting("lc_messages", "C", _any),
    Setting("lc_monetary", "C", _any),
    Setting("lc_numeric", "C", _any),
    Setting("lc_time", "C", _any),
    Setting("lock_timeout", "0", _any),
    Setting("idle_in_transaction_session_timeout", "0", _any),
    Setting("max_identifier_length", "63", None),
    Setting("max_index_keys", "32", None),
    Setting("role", "none", _any),
    Setting("row_security", "on", _any),
    Setting("search_path", '"$user", public', _any),
    Setting("server_encoding", "UTF8", None, True),
    Setting("server_version", VERSION, None, True),
    Setting("server_version_num", f"{VERSION.split('.')[0]}0000", None),
    Setting("session_authorization", "", None, True),
    Setting("standard_conforming_strings", "on", _one_of("on"), True),
    Setting("statement_timeout", "0", _duration, False, "end a query then; milliseconds, or 5s, 1min; 0: never"),
    Setting("synchronize_seqscans", "on", _any),
    Setting("TimeZone", "UTC", _zone, True),
    Setting("transaction_isolation", "read committed", _any),
    Setting("transaction_read_only", "on", _any),
)
SETTINGS = {setting.name.lower(): setting for setting in _TABLE}


@dataclass(slots=True)
class Settings:
    """What one connection has set. `first` are the values it began with, which RESET brings back."""

    user: str
    changes: int = 0        # how often anything was changed
    first: dict[str, str] = field(default_factory=dict)
    _set: dict[str, str] = field(default_factory=dict)
    _before: dict[str, str] | None = None               # at BEGIN
    _local: dict[str, str | None] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The value of a setting. Failure 42704 for one nobody knows."""
        key = name.lower()
        if key == "session_authorization":
            return self.user
        if key in self._set:
            return self._set[key]
        known = SETTINGS.get(key)
        if key in self.first:
            return self.first[key]
        if known is None:
            raise _unknown(name)
        return known.default

    def change(self, name: str, value: str | None, local: bool = False) -> None:
        """Set a setting; None: as it was at first. `local`: until the transaction ends, and nothing outside one."""
        key = name.lower()
        self.changes += 1
        new = None if value is None else self.checked(name, value)
        if key not in SETTINGS and "." not in key:
            raise _unknown(name)
        if local and self._before is None:
            return
        if local:
            self._local.setdefault(key, self._set.get(key))
        else:
            self._local.pop(key, None)
        if new is None:
            self._set.pop(key, None)
        else:
            if key not in SETTINGS and len(self._set) >= MOST_UNKNOWN + len(SETTINGS):
                raise Failure("53400", f"a connection keeps at most {MOST_UNKNOWN} settings of other programs")
            self._set[key] = new

    def begin(self, startup: dict[str, str]) -> None:
        """What the client asked for when it connected."""
        for name, value in startup.items():
            self.first[name.lower()] = self.checked(name, value)

    def checked(self, name: str, value: str) -> str:
        """A value as it is kept. Failure 22023 for one that is not taken, 55P02 for a setting that cannot change."""
        known = SETTINGS.get(name.lower())
        if len(value) > LONGEST:
            raise Failure("22023", f"the value of {name} has more than {LONGEST} characters")
        if known is None:
            if re.fullmatch(r"dpsql\..*|[^.]*", name.lower()):
                raise _unknown(name)
            return value
        if known.check is None:
            raise Failure("55P02", f"{known.name} cannot be changed")
        try:
            return known.check(value)
        except ValueError as error:
            raise Failure("22023", f"{known.name} does not take this value: {error}") from None

    def told(self) -> dict[str, str]:
        """The settings that clients follow."""
        return {setting.name: self.get(setting.name) for setting in _TABLE if setting.told}

    def every(self) -> Iterator[tuple[str, str, str]]:
        """Name, value and a word about each setting."""
        for setting in _TABLE:
            if setting.name not in ("dpsql.budget", "dpsql.health"):
                yield setting.name, self.get(setting.name), setting.about

    def timeout(self) -> float | None:
        """The seconds a query may take, by statement_timeout; None without."""
        found = _DURATION.fullmatch(self.get("statement_timeout"))
        assert found is not None, "checked when it was set"
        return int(found[1]) * _SECONDS[found[2] or "ms"] or None

    def reset(self) -> None:
        """All as it was at first."""
        self.changes += 1
        self._set.clear()
        self._local.clear()

    def opened(self) -> None:
        """A transaction begins."""
        self._before, self._local = dict(self._set), {}

    def ended(self, kept: bool) -> None:
        """A transaction ends; what was set in it is kept or not, what was local never is."""
        if self._before is None:
            return
        self.changes += 1
        if not kept:
            self._set = self._before
        else:
            for key, value in self._local.items():
                if value is None:
                    self._set.pop(key, None)
                else:
                    self._set[key] = value
        self._before, self._local = None, {}


def _unknown(name: str) -> Failure:
    return Failure("42704", f'there is no setting "{name[:80]}"',
                   hint="SHOW ALL lists them; dpsql.epsilon prices a query")
