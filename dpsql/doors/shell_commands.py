"""The shell's backslash commands: a function each, and one table that help, completion and the shell read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.answer import Answer, AnswerCost
from dpsql.dialects import DIALECTS
from dpsql.dictionary import line
from dpsql.doors.describe import described
from dpsql.doors.formats import NAMES
from dpsql.doors.statements import split
from dpsql.errors import ProgrammingError
from dpsql.explain import Explanation
from dpsql.noise.scheme import USUAL

if TYPE_CHECKING:
    from dpsql.doors.shell import Shell

SWITCH = ("on", "off")
_ON, _OFF = ("on", "1", "true"), ("off", "0", "false")
_AMOUNTS = {
    "epsilon": "write \\epsilon 0.5; \\epsilon default goes back to the policy's",
    "delta": "write \\delta 1e-9; \\delta default goes back to the policy's",
    "error": "write \\set error 100 for counts and sums within ±100; \\set error off goes back to an epsilon",
    "level": "write \\set level 0.99 for intervals of 99 %; \\set level default goes back to 95 %",
}


@dataclass(frozen=True, slots=True)
class Command:
    """What a command does, what it takes (`TABLE`, `SQL`, or the words of a choice), and its line of help."""

    run: Callable[[Shell, str], None]
    usage: str
    help: str
    takes: tuple[str, ...] = ()

    def takes_sql(self, argument: str) -> bool:
        """Whether a statement follows, which ends at a semicolon."""
        return "SQL" in self.takes and argument.strip(" ;") != ""


def parted(text: str) -> tuple[str, str]:
    """The name of a command, and what follows it, without a last semicolon."""
    name, argument, *_ = [*text.split(None, 1), "", ""]
    return name.removesuffix(";"), argument.strip().removesuffix(";").rstrip()


def whole_command(text: str) -> bool:
    """Whether a text is a command that ends with its line; those that take SQL end at a semicolon."""
    name, argument = parted(text)
    return name.startswith("\\") and not (name in COMMANDS and COMMANDS[name].takes_sql(argument))


def between(pending: str, line: str) -> bool:
    """Whether a line is a command between the lines of a statement, which waits: no part of a text or comment."""
    return line.startswith("\\") and bool(split(pending + ";")[0])


def describe(shell: Shell, argument: str) -> None:
    """The tables, or the columns of one, as the policy and the schema tell of them."""
    screen = shell.screen
    if not argument:
        print(described(shell.session.tables(), screen))
        return
    name = argument[1:-1].replace('""', '"') if argument.startswith('"') and argument.endswith('"') else argument
    table = shell.session.describe(name)
    print(screen.fold(f"{table.name}: {table.whose}" + (f" ({line(table.comment)})" if table.comment else "")))
    print(screen.grid(("column", "type", "what is known"), [
        (c.name, c.type, "; ".join(part for part in (c.facts, line(c.comment)) if part)) for c in table.columns
    ]))


def explain(shell: Shell, argument: str) -> None:
    """What would run, the noise and the cost, of a query or of the last one."""
    sql = argument or shell.sql
    if not sql:
        raise ProgrammingError("nothing to explain yet: \\explain SELECT ...;")
    shell.sql = sql
    shown = shell.session.explain(sql, **shell.asked())
    print(_coloured(shell, shown), end="\n\n")


def _coloured(shell: Shell, shown: Explanation) -> str:
    """An explanation, folded, its titles bold."""
    return "\n".join(
        shell.screen.paint("bold", text) if text in ("rewritten", "finish") else text
        for text in shell.screen.fold(str(shown)).splitlines()
    )


def draw(shell: Shell, argument: str) -> None:
    """Bars of a query, or of the last answer."""
    if argument:
        shell.answer(argument, drawn=True)
    else:
        shell.show(_last(shell), drawn=True)


def replay(shell: Shell, argument: str) -> None:
    """The last answer again; or whether the same question is answered from the ledger."""
    if argument:
        shell.fresh = not _switch(argument, "\\replay", not shell.fresh)
    else:
        shell.show(_last(shell))


def budget(shell: Shell, argument: str) -> None:
    """The policy's budget, and the analyst's own."""
    session = shell.session
    whose = [None] if session.policy.analysts is None or shell.analyst is None else [None, shell.analyst]
    rows = []
    for analyst in whose:
        b = session.balance(analyst)
        numbers = (b.epsilon_spent, b.epsilon_left, b.epsilon_limit, b.delta_spent, b.delta_left, b.delta_limit)
        rows.append((b.analyst or "the policy", *(f"{number:.6g}" for number in numbers)))
    print(shell.screen.grid(
        ("whose", "epsilon spent", "left", "of", "delta spent", "left", "of"), rows
    ))


def epsilon(shell: Shell, argument: str) -> None:
    """What a query costs in epsilon."""
    if argument:
        shell.epsilon = _amount(argument, "epsilon")
        if shell.epsilon is not None and shell.error is not None:
            shell.error = None
            shell.remark("error is dropped: a query costs this epsilon")
    else:
        print(f"epsilon {_shown(shell.epsilon)}")


def delta(shell: Shell, argument: str) -> None:
    """What a query costs in delta."""
    if argument:
        shell.delta = _amount(argument, "delta")
    else:
        print(f"delta {_shown(shell.delta)}")


def confirm(shell: Shell, argument: str) -> None:
    """Whether to ask before a charge."""
    shell.confirm = _switch(argument, "\\confirm", not shell.confirm)
    if not argument:
        print(f"confirm {_on(shell.confirm)}")


def timing(shell: Shell, argument: str) -> None:
    """Whether to say how long an answer took."""
    shell.timing = _switch(argument, "\\timing", not shell.timing)
    if not argument:
        print(f"timing {_on(shell.timing)}")


def format_(shell: Shell, argument: str) -> None:
    """How answers look."""
    if argument and argument not in NAMES:
        raise ProgrammingError(f"no format {argument}: write \\format {'|'.join(NAMES)}")
    shell.format = argument or shell.format
    if not argument:
        print(f"format {shell.format}")


def dialect(shell: Shell, argument: str) -> None:
    """Whose SQL is read."""
    if argument and argument.lower() not in DIALECTS:
        raise ProgrammingError(f"the dialect {argument} is not read: write \\dialect {'|'.join(DIALECTS)}")
    shell.dialect = argument.lower() or shell.dialect
    if not argument:
        print(f"dialect {shell.dialect}")


def output(shell: Shell, argument: str) -> None:
    """Answers into a file, which is written anew; without a file, back to the terminal."""
    file = Path(argument).expanduser().open("w", encoding="utf-8") if argument else None
    shell.close()
    shell.out = file


def settings(shell: Shell, argument: str) -> None:
    """All settings, or a change of one."""
    name, _, value = argument.partition(" ")
    value = value.strip()
    match name.lower():
        case "":
            for known, shown in _settings(shell):
                print(f"{known} {shown}")
        case "on_error_stop":
            shell.stop = _switch(value, "\\set ON_ERROR_STOP", True)
        case "fresh":
            shell.fresh = _switch(value, "\\set fresh", True)
        case "quality":
            shell.quality = _switch(value, "\\set quality", True)
        case "level" if value:
            shell.level = _amount(value, "level") or USUAL
        case "error" if value:
            _error(shell, value)
        case "epsilon" | "delta" | "confirm" | "timing" | "format" | "dialect" as known if value:
            COMMANDS["\\" + known].run(shell, value)
        case known if known in (each.lower() for each, _ in _settings(shell)):
            raise ProgrammingError(f"write \\set {name} VALUE")
        case _:
            raise ProgrammingError(f"no setting {name}; there are {', '.join(each for each, _ in _settings(shell))}")


def _error(shell: Shell, argument: str) -> None:
    """How far off counts and sums may be, which takes the place of an epsilon."""
    shell.error = _amount(argument, "error")
    if shell.error is not None and shell.epsilon is not None:
        shell.epsilon = None
        shell.remark("epsilon is dropped: a query costs what the error takes")


def _settings(shell: Shell) -> tuple[tuple[str, str], ...]:
    return (
        ("epsilon", _shown(shell.epsilon)), ("delta", _shown(shell.delta)),
        ("error", "off" if shell.error is None else f"{shell.error:g}"), ("level", f"{shell.level:g}"),
        ("quality", _on(shell.quality)), ("confirm", _on(shell.confirm)), ("timing", _on(shell.timing)),
        ("format", shell.format), ("dialect", shell.dialect), ("fresh", _on(shell.fresh)),
        ("ON_ERROR_STOP", _on(shell.stop)),
    )


def help_(shell: Shell, argument: str) -> None:
    """Every command with its line."""
    rows = [("SELECT ...;", "a private answer, with its cost")]
    rows += [(command.usage, command.help) for command in dict.fromkeys(COMMANDS.values())]
    rows += [("\\q", "leave (also Ctrl-D); Ctrl-C drops what is typed, or cancels what runs")]
    print(shell.screen.listed(rows))


def _last(shell: Shell) -> Answer:
    if shell.last is None:
        raise ProgrammingError("there is no answer yet: ask a query first")
    if not shell.last.cost.epsilon and not shell.last.replayed:
        return shell.last
    return replace(
        shell.last, cost=AnswerCost(0.0, 0.0), replayed=True, balance=shell.session.balance(shell.analyst))


def _switch(argument: str, name: str, toggled: bool) -> bool:
    if not argument:
        return toggled
    if argument.lower() not in _ON + _OFF:
        raise ProgrammingError(f"write {name} on or {name} off")
    return argument.lower() in _ON


def _amount(text: str, name: str) -> float | None:
    """An amount, or None where there is to be none of one's own."""
    if text.lower() in ("default", "off"):
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    least = number >= 0 if name == "delta" else number > 0
    if not (least and number < (1 if name == "level" else math.inf)):
        raise ProgrammingError(_AMOUNTS[name])
    return number


def _shown(amount: float | None) -> str:
    return "default" if amount is None else f"{amount:g}"


def _on(value: bool) -> str:
    return "on" if value else "off"


COMMANDS: dict[str, Command] = {
    "\\d": Command(describe, "\\d [TABLE]", "the tables; the columns of one, and what is known of them", ("TABLE",)),
    "\\explain": Command(
        explain, "\\explain [SELECT ...;]", "what would run, the noise, the cost; free, touches no data", ("SQL",)),
    "\\budget": Command(budget, "\\budget", "what is spent and what is left"),
    "\\epsilon": Command(epsilon, "\\epsilon [0.5]", "what the next queries may cost; `default`: as the policy says",
                         ("default",)),
    "\\delta": Command(delta, "\\delta [1e-9]", "likewise, for queries with private groups", ("default",)),
    "\\confirm": Command(confirm, "\\confirm [on|off]", "show noise and cost, and ask, before every charge", SWITCH),
    "\\replay": Command(
        replay, "\\replay [on|off]", "the last answer again, free; off: buy a new answer to a question asked before",
        SWITCH),
    "\\plot": Command(draw, "\\plot [SELECT ...;]", "an answer, or the last one, as bars; shaded: the interval",
                      ("SQL",)),
    "\\format": Command(format_, f"\\format [{'|'.join(NAMES)}]", "how answers look", NAMES),
    "\\dialect": Command(
        dialect, "\\dialect [NAME]", "whose SQL is read: duckdb, postgres, snowflake, bigquery, ...", DIALECTS),
    "\\o": Command(output, "\\o [FILE]", "answers go to FILE, which is written anew; alone: back to here"),
    "\\timing": Command(timing, "\\timing [on|off]", "how long each answer took", SWITCH),
    "\\set": Command(
        settings, "\\set [NAME VALUE]",
        "all settings; error 100: counts and sums within ±100, in place of an epsilon; level 0.99: intervals of 99 %; "
        "quality on: a tenth of the epsilon buys how much was cut, half of what a quantile costs its interval; "
        "ON_ERROR_STOP on: a pipe ends at the first error",
        tuple(f"{name} {value}" for name, values in (
            ("quality", SWITCH), ("level", ("0.99", "default")), ("error", ("100", "off")), ("fresh", SWITCH),
            ("ON_ERROR_STOP", SWITCH)) for value in values)),
    "\\help": Command(help_, "\\help", "this text"),
}
COMMANDS["\\?"] = COMMANDS["\\h"] = COMMANDS["\\help"]
