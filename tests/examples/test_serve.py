"""The files of examples/serve are ones that dpsql serve takes."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

from dpsql.doors.cli import parser
from dpsql.doors.serve.config import Config, read_config

FOLDER = Path(__file__).parents[2] / "examples" / "serve"


def test_the_configuration_names_every_limit() -> None:
    found = read_config(FOLDER / "server.toml", {})
    assert found.tls_cert == FOLDER / "server.pem" and found.host == "::"
    text = (FOLDER / "server.toml").read_text()
    assert [name for name in Config.__slots__ if not re.search(rf"^(# )?{name} = ", text, re.M)] == ["pad"]


def test_the_unit_and_the_container_call_dpsql_as_it_is() -> None:
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(FOLDER / "dpsql.service")
    command = shlex.split(unit["Service"]["ExecStart"])
    assert parser().parse_args(command[1:]).config == "/srv/dpsql/server.toml"
    assert "HUP" in unit["Service"]["ExecReload"]
    container = (FOLDER / "Containerfile").read_text()
    (words,) = re.findall(r"^CMD (.*)$", container, re.M)
    assert parser().parse_args(json.loads(words)).config == "/srv/dpsql/server.toml"
    (port,) = re.findall(r"^EXPOSE (\d+)$", container, re.M)
    assert int(port) == Config(FOLDER, FOLDER, FOLDER).port
