"""Where a person types: prompt_toolkit's editor with completion and colours, else readline, else bare input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.doors.shell_commands import COMMANDS, between, whole_command
from dpsql.doors.shell_words import SINGLE, Words, tokens, words
from dpsql.doors.statements import blank, split
from dpsql.errors import Error
from dpsql.noise.scheme import USUAL

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from dpsql.doors.shell import Shell

PROMPT, CONTINUED = "dpsql> ", "   ... "
HISTORY_LINES = 1000
STYLE = {
    "keyword": "bold ansiblue", "function": "ansicyan", "known": "ansigreen", "text": "ansiyellow",
    "number": "ansimagenta", "command": "bold", "bottom-toolbar": "noreverse bg:ansibrightblack ansiwhite",
}


def converse(shell: Shell) -> None:
    """Prompts until the user leaves. Ctrl-C drops what is typed."""
    known = words(shell.session, {name: command.takes for name, command in COMMANDS.items()})
    full = sys.stdout.isatty() and find_spec("prompt_toolkit") is not None
    if not full and sys.stdout.isatty():
        print("(pip install 'dpsql[shell]' adds completion, colours and a toolbar)")
    read = editor(shell, known) if full else _readline(shell, known)
    shell.ask = _agree
    while True:
        try:
            typed = read()
        except KeyboardInterrupt:
            shell.pending = ""
            print()
            continue
        except EOFError:
            return
        for line in typed.split("\n"):
            if not shell.feed(line):
                return


def editor(shell: Shell, known: Words) -> Callable[[], str]:
    """Reads a whole statement, or a command, with prompt_toolkit. Raises KeyboardInterrupt and EOFError."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.history import FileHistory, InMemoryHistory
    from prompt_toolkit.lexers import Lexer
    from prompt_toolkit.styles import Style

    class Offered(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            for found in known.complete(document.text_before_cursor):
                yield Completion(found.text, -found.typed, display_meta=found.kind)

    class Coloured(Lexer):
        def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
            lines = coloured(document.text, known)
            return lambda number: lines[number] if number < len(lines) else []

    file = _history("history")
    session: PromptSession[str] = PromptSession(
        lambda: prompt(shell), multiline=True, prompt_continuation=CONTINUED, completer=Offered(),
        complete_while_typing=True, lexer=Coloured(), history=FileHistory(file) if file else InMemoryHistory(),
        auto_suggest=AutoSuggestFromHistory(), key_bindings=_keys(shell), style=Style.from_dict(STYLE),
        reserve_space_for_menu=6,
    )

    def read() -> str:
        bar = toolbar(shell)
        return session.prompt(bottom_toolbar=lambda: bar)

    return read


def prompt(shell: Shell) -> str:
    """What stands before a line: whether a statement waits for its end."""
    return PROMPT if blank(shell.pending) else CONTINUED


def _keys(shell: Shell) -> KeyBindings:
    """Enter ends a finished statement or a command, takes the completion that is chosen, else begins a new line."""
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is not None and state.current_completion is not None:
            buffer.complete_state = None
        elif complete(shell.pending + buffer.text):
            buffer.cursor_position = len(buffer.text)
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def complete(text: str) -> bool:
    """Whether Enter ends here: nothing, a command, or statements up to a last semicolon."""
    rest = split(text)[1]
    before, _, line = rest.rpartition("\n")
    return whole_command(text) or blank(rest) or whole_command(rest) or between(before, line)


def coloured(text: str, known: Words) -> list[StyleAndTextTuples]:
    """The lines of a text as (style, piece)."""
    names = {name.lower() for table, columns in known.tables.items() for name in (table, *columns)}
    functions = set(known.functions)
    lines: list[StyleAndTextTuples] = [[]]
    at = 0
    for kind, start, end in (*tokens(text), ("mark", len(text), len(text))):
        piece = text[start:end]
        style = kind if kind in ("text", "number") else ""
        if kind == "name":
            called = text[end:].lstrip().startswith("(")
            plain = piece.strip('"').lower()
            style = ("function" if called and plain in functions else "keyword" if piece.upper() in SINGLE
                     else "known" if plain in names else "")
        for style_, part in (("", text[at:start]), (style, piece)):
            for number, line in enumerate(part.split("\n")):
                if number:
                    lines.append([])
                if line:
                    lines[-1].append((f"class:{style_}" if style_ else "", line))
        at = end
    return lines


def toolbar(shell: Shell) -> str:
    """What is left, and the settings that are not as usual."""
    try:
        balance = shell.session.balance(shell.analyst)
        whose = balance.analyst or "the policy"
        parts = [f"{whose}: epsilon {balance.epsilon_left:.6g} of {balance.epsilon_limit:.6g} left"]
    except Error:
        parts = ["the ledger cannot be read"]
    parts += [f"{value:g} {name} a query" for name, value in (("epsilon", shell.epsilon), ("delta", shell.delta))
              if value is not None]
    if shell.error is not None:
        parts.append(f"within ±{shell.error:g}")
    if shell.level != USUAL:
        parts.append(f"{100 * shell.level:g} % intervals")
    parts += [name for name, on in (("quality", shell.quality), ("confirm", shell.confirm), ("timing", shell.timing),
                                    ("replay off", shell.fresh)) if on]
    if shell.dialect != "duckdb":
        parts.append(shell.dialect)
    if shell.format != "table":
        parts.append(shell.format)
    if shell.out is not None:
        parts.append(f"to {Path(shell.out.name).name}")
    return " " + " · ".join(parts)


def _agree(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def _readline(shell: Shell, known: Words) -> Callable[[], str]:
    """Reads a line with Python's own line editing, where there is any; Tab completes."""
    with suppress(ImportError):
        import atexit
        import readline

        def offer(word: str, state: int) -> str | None:
            before = shell.pending + readline.get_line_buffer()[: readline.get_endidx()]
            found = [c.text for c in known.complete(before) if len(c.text) >= len(word)]
            return found[state] if state < len(found) else None

        file = _history("history.readline")
        if file:
            with suppress(OSError):
                readline.read_history_file(file)
            readline.set_history_length(HISTORY_LINES)
            atexit.register(_write, readline.write_history_file, file)
        readline.set_completer(offer)
        readline.set_completer_delims(" \t\n,;()=<>+-*/.")
        readline.parse_and_bind("tab: complete")
    return lambda: input(prompt(shell))


def _write(write: Callable[[str], object], file: str) -> None:
    with suppress(OSError):
        write(file)


def _history(name: str) -> str | None:
    """A file for what was typed, which only the user may read; None where none can be made."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    file = home / "dpsql" / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        return None
    return str(file)
