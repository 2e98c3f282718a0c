"""What makes bash and zsh complete `dpsql`: written from the parser, so that the two never differ."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

PATHS = frozenset({"PATH", "FILE", "DATABASE"})     # metavars behind which a file's name stands


@dataclass(frozen=True, slots=True)
class _Option:
    """One option or argument: its spellings (none for an argument), what may follow, and its help."""

    names: tuple[str, ...]
    choices: tuple[str, ...]
    path: bool
    value: bool
    help: str


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for `shell`, bash or zsh."""
    commands = dict(_commands(parser))
    return _bash(commands) if shell == "bash" else _zsh(commands)


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, tuple[str, list[_Option]]]]:
    """Every command with its help and its options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield name, (told.get(name, ""), [_option(found) for found in command._actions])


def _option(action: argparse.Action) -> _Option:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest
    return _Option(
        tuple(action.option_strings), tuple(map(str, action.choices or ())), metavar in PATHS,
        action.nargs != 0, (action.help or "").partition(";")[0],
    )


_BASH = """\
# bash completion for dpsql
_dpsql() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}}
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$current"))
        return
    fi
    case $command:$before in
{after}
    esac
    case $command in
{words}
    esac
    if [[ $current != -* && ${{#COMPREPLY[@]}} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _dpsql dpsql
"""


def _bash(commands: dict[str, tuple[str, list[_Option]]]) -> str:
    after, words = [], []
    for name, (_, options) in commands.items():
        for option in options:
            if option.names and option.value:
                pattern = "|".join(f"{name}:{spelled}" for spelled in option.names)
                offer = f'compgen -W "{" ".join(option.choices)}"' if option.choices else "compgen -f"
                given = f'COMPREPLY=($({offer} -- "$current")); ' if option.choices or option.path else ""
                after.append(f"        {pattern}) {given}return ;;")
        offered = [word for option in options for word in (option.names or option.choices)]
        words.append(f'        {name}) COMPREPLY=($(compgen -W "{" ".join(offered)}" -- "$current")) ;;')
    return _BASH.format(commands=" ".join(commands), after="\n".join(after), words="\n".join(words))


_ZSH = """\
#compdef dpsql
_dpsql() {{
    local -a commands
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
if [[ $funcstack[1] == _dpsql ]]; then _dpsql "$@"; else compdef _dpsql dpsql; fi
"""


def _zsh(commands: dict[str, tuple[str, list[_Option]]]) -> str:
    described = [f"        {_single(f'{name}:{help_}')}" for name, (help_, _) in commands.items()]
    cases = []
    for name, (_, options) in commands.items():
        specs = [spec for option in options for spec in _specs(option)]
        cases.append("        {}) _arguments -s {} ;;".format(name, " ".join(map(_single, specs))))
    return _ZSH.format(commands="\n".join(described), cases="\n".join(cases))


def _specs(option: _Option) -> Iterator[str]:
    """`_arguments` of zsh: -o[help]:what:how, for every spelling; :what:how for an argument."""
    how = f"({' '.join(option.choices)})" if option.choices else "_files" if option.path else " "
    told = option.help.replace("[", "(").replace("]", ")").replace(":", " ")
    for spelled in option.names:
        yield f"*{spelled}[{told}]" + (f":value:{how}" if option.value else "")
    if not option.names:
        yield f"::{told}:{how}"


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
