"""The demo tells its whole story, and what it says of its data is true."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from dpsql.doors.demo import QUESTIONS, demo
from dpsql.doors.hospital import PATIENTS, POLICY, hospital


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> str:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert demo() == 0
    return out.getvalue()


def test_it_fits_a_terminal_and_has_no_colour(story: str) -> None:
    assert max(map(len, story.splitlines())) <= 100 and "\x1b" not in story


def test_it_shows_the_policy(story: str) -> None:
    assert all(line in story for line in POLICY.splitlines())


def test_five_questions_cost_one_each(story: str) -> None:
    assert len(QUESTIONS) == 5
    costs = re.findall(r"epsilon 1(?:, delta 1e-08)? spent · (\d) of 5 used, (\d) left \(ada\)", story)
    assert costs == [("1", "4"), ("2", "3"), ("3", "2"), ("4", "1"), ("5", "0")]


def test_noisy_answers_stand_beside_the_truth(story: str) -> None:
    average, error, truth = map(float, re.search(r"([\d.]+) ± ([\d.]+) +([\d.]+)", story).groups())  # type: ignore[union-attr]
    assert abs(average - truth) < 10 * error < 1.0           # e^-30: Laplace noise beyond ten times its 95 %
    flu = re.search(r"flu +(\d+) ± (\d+) +(\d+)", story)
    assert flu is not None and abs(int(flu[1]) - int(flu[3])) < 10 * int(flu[2]) + 225


def test_refusal_replay_and_the_end_of_the_budget(story: str) -> None:
    end = story[story.index("--- And then"):]
    assert re.search(r"error: .*\n +line 1: SELECT \* FROM patients\n +\^+", end)
    assert "replay, free · 5 of 5 used, 0 left (ada)" in end
    assert "error: the budget does not allow this" in end


def test_a_lonely_patient_is_never_named(story: str) -> None:
    assert not re.search(r"Gull Rock +\d", story)


def test_the_hospital_keeps_what_the_remarks_say(tmp_path: Path) -> None:
    database, _ = hospital(tmp_path)
    with duckdb.connect(str(database), read_only=True) as owner:
        def one(sql: str) -> tuple[object, ...]:
            found = owner.execute(sql).fetchone()
            assert found is not None
            return found

        assert one("SELECT COUNT(*), COUNT(DISTINCT patient_id) FROM patients") == (PATIENTS, PATIENTS)
        assert one("SELECT COUNT(*) FROM patients WHERE district = 'Gull Rock'") == (1,)
        assert one("SELECT COUNT(*) > 200000 FROM visits") == (True,)
        assert one("SELECT MAX(n) FROM (SELECT COUNT(DISTINCT diagnosis) AS n FROM visits GROUP BY patient_id)") == (3,)
        (beyond,) = one("SELECT SUM(GREATEST(n - 12, 0)) FROM (SELECT COUNT(*) AS n FROM visits "
                        "GROUP BY patient_id, diagnosis)")
        assert isinstance(beyond, int) and 0 < beyond < 300
