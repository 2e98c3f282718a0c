"""read: text to statements. What clients say besides queries is read here, by its first word."""

from __future__ import annotations

from collections.abc import Callable

from dpsql.doors.serve.commands import (
    Close,
    Command,
    Copy,
    CopyForm,
    Declare,
    Done,
    Explain,
    Fetch,
    Query,
    Set,
    Show,
    Transaction,
)
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.memory import remembered
from dpsql.doors.serve.words import PARAMETER, Words, after, begin
from dpsql.doors.statements import blank
from dpsql.limits import check_text

MOST_PARAMETERS = 1000
KEPT = 2048         # texts whose reading is remembered

_MODES = ("ISOLATION", "LEVEL", "SERIALIZABLE", "REPEATABLE", "READ", "COMMITTED", "UNCOMMITTED", "ONLY", "WRITE",
          "NOT", "DEFERRABLE", ",")


@remembered(KEPT)
def read(text: str) -> tuple[Command, ...]:
    """The statements of a text, in order; blank ones left out. Failure 42601 or QueryError for what cannot be read."""
    check_text(text)
    return tuple(_command(sql, at) for at, sql in _pieces(text) if not blank(sql))


def _pieces(text: str) -> list[tuple[int, str]]:
    """(offset, text) of what stands between semicolons outside quotes and comments."""
    found: list[tuple[int, str]] = []
    start = at = 0
    while at < len(text):
        if text[at] == ";":
            found.append((start, text[start:at]))
            start = at = at + 1
        else:
            at = after(text, at)
    return [*found, (start, text[start:])]


def _command(sql: str, offset: int) -> Command:
    words = Words(sql, offset)
    for verb, reader in _READERS.items():
        if words.take(*verb.split()):
            return reader(words)
    return _query(sql, offset)


def _query(sql: str, offset: int) -> Query:
    """A query, its parameters ($1) written as ?, padded so that every place stays."""
    pieces: list[str] = []
    holes: list[int] = []
    at = last = 0
    while at < len(sql):
        found = PARAMETER.match(sql, at)
        if found and not (at and (sql[at - 1].isalnum() or sql[at - 1] in "_$")):
            pieces += [sql[last:at], "?".ljust(len(found[0]))]
            holes.append(int(found[1]))
            last = at = found.end()
        else:
            at = after(sql, at)
    if holes and not 1 <= min(holes) <= max(holes) <= MOST_PARAMETERS:
        raise Failure("42P02", f"parameters are numbered from $1 to ${MOST_PARAMETERS}")
    lead = begin(sql)
    return Query("".join([*pieces, sql[last:]])[lead:].rstrip(), offset + lead, tuple(holes))


def _rest(words: Words) -> Query:
    if words.over:
        raise words.wrong("a query is missing here")
    return _query(words.sql[words.at :], words.offset + words.at)


def _explain(words: Words) -> Command:
    if words.take("ANALYZE") or words.take("ANALYSE"):
        raise words.wrong("EXPLAIN ANALYZE would run the query, and tell exact numbers", "leave ANALYZE out")
    words.take("VERBOSE")
    if words.sql.startswith("(", words.at):
        inner, start = words.brackets()
        options = Words(inner, words.offset + start)
        while not options.over:
            if options.any("ANALYZE", "ANALYSE"):
                raise options.wrong("EXPLAIN ANALYZE would run the query, and tell exact numbers", "leave ANALYZE out")
            if options.any("COSTS", "VERBOSE", "SETTINGS", "FORMAT") is None:
                return Explain(_query(words.sql[start - 1 :], words.offset + start - 1))       # a query in brackets
            if options.any("TEXT", "ON", "OFF", "TRUE", "FALSE", ",") is None and not options.over:
                raise options.wrong("this option of EXPLAIN is not understood")
            options.take(",")
    return Explain(_rest(words))


def _copy(words: Words) -> Command:
    if words.sql.startswith("(", words.at):
        inner, start = words.brackets()
        asked = _query(inner, words.offset + start)
    else:
        start = words.at
        words.name()
        if words.sql.startswith("(", words.at):
            raise words.wrong("columns of a table are not copied", "write COPY (SELECT ...) TO STDOUT")
        table = words.sql[start : words.at].rstrip()
        asked = Query(f"SELECT * FROM {table}", max(0, words.offset + start - len("SELECT * FROM ")))
    if not words.take("TO", "STDOUT"):
        raise words.wrong("only COPY ... TO STDOUT is answered; dpsql changes no data and writes no files")
    words.take("WITH")
    return Copy(asked, _copy_form(words))


def _copy_form(words: Words) -> CopyForm:
    """The options of COPY, in brackets or in the old form without."""
    if words.sql.startswith("(", words.at):
        inner, start = words.brackets()
        words.end()
        words = Words(inner, words.offset + start)
    chosen: dict[str, str] = {}
    while not words.over:
        option = words.any("FORMAT", "CSV", "HEADER", "DELIMITER", "NULL", "QUOTE", "ESCAPE", "ENCODING", ",")
        if option in ("FORMAT", "CSV"):
            chosen["format"] = "csv" if option == "CSV" else words.value().lower()
        elif option == "HEADER":
            chosen["header"] = "on" if words.over or words.take(",") else words.value().lower()
        elif option in ("DELIMITER", "NULL", "QUOTE", "ESCAPE", "ENCODING"):
            words.take("AS")
            chosen[option.lower()] = words.value()
        elif option is None:
            raise words.wrong("this option of COPY is not understood")
    return _form(words, chosen)


def _form(words: Words, chosen: dict[str, str]) -> CopyForm:
    kind = chosen.get("format", "text")
    if kind not in ("text", "csv"):
        raise words.wrong("COPY writes the formats text and csv")
    if chosen.get("encoding", "utf8").lower().replace("-", "") != "utf8":
        raise words.wrong("COPY writes UTF8 only")
    csv = kind == "csv"
    quote = chosen.get("quote", '"')
    form = CopyForm(
        csv, chosen.get("header", "off") in ("on", "true", "1", "match"), chosen.get("delimiter", "," if csv else "\t"),
        chosen.get("null", "" if csv else "\\N"), quote, chosen.get("escape", quote))
    if not all(len(sign) == 1 and sign not in "\r\n" for sign in (form.delimiter, form.quote, form.escape)):
        raise words.wrong("DELIMITER, QUOTE and ESCAPE are one character each")
    return form


def _declare(words: Words) -> Command:
    name, binary = words.name(), False
    while option := words.any("BINARY", "INSENSITIVE", "ASENSITIVE", "SCROLL", "NO"):
        binary = binary or option == "BINARY"
    if not words.take("CURSOR"):
        raise words.wrong("CURSOR is missing here")
    hold = words.take("WITH", "HOLD")
    if not hold:
        words.take("WITHOUT", "HOLD")
    if not words.take("FOR"):
        raise words.wrong("FOR is missing here")
    return Declare(name, _rest(words), binary, hold)


def _fetch(words: Words, moves: bool = False) -> Command:
    mode, count, back = "relative", 1, False
    found: int | None = count
    direction = words.any("NEXT", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "FORWARD", "BACKWARD", "ALL")
    match direction:
        case "FIRST" | "LAST":
            mode, found = "absolute", 1 if direction == "FIRST" else -1
        case "ABSOLUTE" | "RELATIVE":
            mode, found = "absolute" if direction == "ABSOLUTE" else "step", words.integer()
            if found is None:
                raise words.wrong("a number is missing here")
        case "ALL":
            found = None
        case "FORWARD" | "BACKWARD" | None:
            number = words.integer()
            found = None if number is None and words.take("ALL") else 1 if number is None else number
            back = direction == "BACKWARD"
        case "PRIOR":
            back = True
    if found is not None and found < 0 and mode == "relative":
        back, found = not back, -found
    words.any("FROM", "IN")
    name = words.name()
    words.end()
    return Fetch(name, mode, found, back, moves)


def _move(words: Words) -> Command:
    return _fetch(words, moves=True)


def _close(words: Words) -> Command:
    name = None if words.take("ALL") else words.name()
    words.end()
    return Close(name)


def _transaction(verb: str) -> Callable[[Words], Command]:
    def reader(words: Words) -> Command:
        words.any("WORK", "TRANSACTION")
        if verb == "ROLLBACK" and words.take("TO"):
            words.take("SAVEPOINT")
            name = words.name()
            words.end()
            return Transaction("ROLLBACK TO", name)
        if verb == "BEGIN":
            while words.any(*_MODES):
                pass
        chain = words.take("AND", "CHAIN")
        if not chain:
            words.take("AND", "NO", "CHAIN")
        words.end()
        return Transaction(verb, chain=chain)
    return reader


def _savepoint(verb: str) -> Callable[[Words], Command]:
    def reader(words: Words) -> Command:
        if verb == "RELEASE":
            words.take("SAVEPOINT")
        name = words.name()
        words.end()
        return Transaction(verb, name)
    return reader


def _set(words: Words) -> Command:
    local = words.take("LOCAL")
    if (not local and words.take("SESSION", "CHARACTERISTICS")) or words.take("TRANSACTION"):
        return Done("SET")
    words.take("SESSION")
    if words.take("TIME", "ZONE"):
        name = "timezone"
    elif words.take("NAMES"):
        name = "client_encoding"
    else:
        name = words.name().lower()
        if not (words.take("TO") or words.take("=")):
            raise words.wrong("= is missing here")
    if words.take("DEFAULT"):
        words.end()
        return Set(name, None, local)
    parts = [words.value()]
    while words.take(","):
        parts.append(words.value())
    words.end()
    return Set(name, ", ".join(parts), local)


def _show(words: Words) -> Command:
    if words.take("TRANSACTION", "ISOLATION", "LEVEL"):
        name = "transaction_isolation"
    elif words.take("TIME", "ZONE"):
        name = "timezone"
    else:
        name = words.name().lower()
    words.end()
    return Show(name)


def _reset(words: Words) -> Command:
    name = "timezone" if words.take("TIME", "ZONE") else words.name().lower()
    words.end()
    return Done("RESET", "settings") if name == "all" else Set(name, None)


def _discard(words: Words) -> Command:
    what = words.any("ALL", "PLANS", "SEQUENCES", "TEMPORARY", "TEMP")
    if what is None:
        raise words.wrong("ALL is missing here")
    words.end()
    return Done(f"DISCARD {'TEMP' if what == 'TEMPORARY' else what}", "all" if what == "ALL" else None)


def _deallocate(words: Words) -> Command:
    words.take("PREPARE")
    every = words.take("ALL")
    name = "*" if every else "=" + words.name()
    words.end()
    return Done("DEALLOCATE ALL" if every else "DEALLOCATE", name)


def _unlisten(words: Words) -> Command:
    return Done("UNLISTEN")


def _unprepared(words: Words) -> Command:
    raise _unanswered(words, "prepare statements through the driver: it keeps what they take and give")


def _silent(words: Words) -> Command:
    raise _unanswered(words, "dpsql sends no notifications")


def _unanswered(words: Words, hint: str) -> Failure:
    return Failure("0A000", "this statement is not answered here", position=words.offset + begin(words.sql) + 1,
                   hint=hint)


_READERS: dict[str, Callable[[Words], Command]] = {
    "EXPLAIN": _explain, "COPY": _copy, "DECLARE": _declare, "FETCH": _fetch, "MOVE": _move, "CLOSE": _close,
    "BEGIN": _transaction("BEGIN"), "START TRANSACTION": _transaction("BEGIN"), "COMMIT": _transaction("COMMIT"),
    "END": _transaction("COMMIT"), "ROLLBACK": _transaction("ROLLBACK"), "ABORT": _transaction("ROLLBACK"),
    "SAVEPOINT": _savepoint("SAVEPOINT"), "RELEASE": _savepoint("RELEASE"), "SET": _set, "SHOW": _show,
    "RESET": _reset, "DISCARD": _discard, "DEALLOCATE": _deallocate, "UNLISTEN": _unlisten, "LISTEN": _silent,
    "NOTIFY": _silent, "PREPARE": _unprepared, "EXECUTE": _unprepared,
}
