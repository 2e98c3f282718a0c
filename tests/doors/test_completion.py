"""The completion scripts, run by the shells they are for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dpsql.doors.cli import COMMANDS, main, parser
from dpsql.doors.completion import completion
from dpsql.doors.formats import NAMES
from dpsql.doors.options import ACTIONS


def bash(tmp_path: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    (tmp_path / "dpsql.bash").write_text(completion(parser(), "bash"))
    (tmp_path / "policy.toml").touch()
    given = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}"
    script = f"source dpsql.bash; {asked}; _dpsql; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    return set(done.stdout.split())


def test_bash(tmp_path: Path) -> None:
    assert bash(tmp_path, "dpsql", "") >= {command.name for command in COMMANDS}
    assert bash(tmp_path, "dpsql", "ch") == {"check"}
    assert bash(tmp_path, "dpsql", "query", "--for") == {"--format"}
    assert bash(tmp_path, "dpsql", "query", "SELECT 1", "--format", "") == set(NAMES)
    assert bash(tmp_path, "dpsql", "check", "-p", "pol") == {"policy.toml"}
    assert bash(tmp_path, "dpsql", "budget", "") >= set(ACTIONS)
    assert bash(tmp_path, "dpsql", "query", "--epsilon", "") == set()
    assert bash(tmp_path, "dpsql", "completion", "") >= {"bash", "zsh"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_scripts_are_syntax(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(completion(parser(), shell))
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_zsh_loads_it(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    (tmp_path / "_dpsql").write_text(completion(parser(), "zsh"))
    script = f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump; print $_comps[dpsql]"
    done = subprocess.run(["zsh", "-fc", script], capture_output=True, text=True)
    assert done.stdout.strip() == "_dpsql" and done.stderr == ""


def test_every_option_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    zsh = capsys.readouterr().out
    assert main(["completion", "bash"]) == 0
    for text in (zsh, capsys.readouterr().out):
        assert all(word in text for word in ("--database", "--set", "--head", "--json", "--param", "restore"))
