"""`dpsql shell` in a real terminal, over a real database: keys in, screen out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from dpsql.doors.hospital import hospital
from dpsql.session import Session

SLOW = ("SELECT COUNT(*) AS n FROM visits a" + "".join(
    f" JOIN visits {name} ON a.patient_id = {name}.patient_id" for name in "bcdefghij")) + ";"
MAIN = "from dpsql.doors.cli import main; sys.exit(main())"
PATIENT = 60        # seconds until a test gives up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospital")
    hospital(folder)
    return folder


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Callable[..., pexpect.spawn]]:
    """Opens a shell in a terminal of so many columns."""
    children = []

    def start(columns: int, program: str = MAIN) -> pexpect.spawn:
        environment = os.environ | {
            "DPSQL_DATABASE": str(folder / "hospital.duckdb"), "DPSQL_ANALYST": "ada", "TERM": "xterm",
            "DPSQL_LEDGER": str(tmp_path / "ledger"), "XDG_STATE_HOME": str(tmp_path), "PROMPT_TOOLKIT_NO_CPR": "1"}
        environment.pop("COLUMNS", None)
        child = pexpect.spawn(
            sys.executable, ["-c", f"import sys; sys.argv = ['dpsql', 'shell']; {program}"], env=environment,
            dimensions=(40, columns), encoding="utf-8", timeout=PATIENT, cwd=Path(__file__).parents[2])
        children.append(child)
        child.expect("lists the commands")
        return child

    yield start
    for child in children:
        child.close(force=True)


def leave(child: pexpect.spawn) -> None:
    """Ctrl-D, at a prompt: before it, the terminal itself would take the key."""
    child.expect("dpsql>")
    child.send("\x04")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("columns", [80, 160])
def test_a_conversation(columns: int, start: Callable[..., pexpect.spawn], folder: Path, tmp_path: Path) -> None:
    child = start(columns)
    child.send("SELECT COUNT(*) AS n FROM visi")
    child.expect("visits")      # the menu
    child.send("\t;\r")
    child.expect(r"\d+ ± 36")
    child.expect("1 of 5 used")
    child.send("SELECT patient_id FROM visits;\r")
    child.expect(r"\^+")
    child.send("\\d visits\r")
    child.expect("what is known")
    child.send(f"{SLOW}\r")
    child.expect("Ctrl-C cancels")
    child.sendintr()
    child.expect("what was charged stays charged")
    child.expect("2 of 5 used")
    child.send("\\replay\r")
    child.expect("replay, free")
    leave(child)
    with Session(folder / "hospital.duckdb", folder / "policy.toml", tmp_path / "ledger") as session:
        assert session.balance("ada").epsilon_spent == 2        # what was cancelled is charged


def test_without_the_extra(start: Callable[..., pexpect.spawn]) -> None:
    """Neither prompt_toolkit nor rich."""
    child = start(80, f"sys.modules.update(prompt_toolkit=None, rich=None); {MAIN}")
    child.expect("dpsql> ")
    child.send("SELECT COUNT(*) AS n FROM visi\t;\r")
    child.expect(r"\d+ ± 36")
    child.send(f"{SLOW}\r")
    child.expect("Ctrl-C cancels")
    child.sendintr()
    child.expect("what was charged stays charged")
    leave(child)
