"""`dpsql demo`: an owner, an analyst, five questions, and what the answers cost. No files, no network."""

from __future__ import annotations

import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.answer import Answer
from dpsql.doors.hospital import POLICY, hospital
from dpsql.errors import BudgetError, QueryError
from dpsql.table import table

if TYPE_CHECKING:
    import duckdb

    from dpsql.session import Session

ANALYST = "ada"
WIDTH = 96


@dataclass(frozen=True, slots=True)
class Question:
    """What ada asks; `truth` is the query whose exact rows the owner may compare, when it is another one."""

    story: str
    sql: str
    remark: str
    truth: str | None = None


QUESTIONS = (
    Question(
        "How old are our patients?",
        "SELECT AVG(age) AS average_age FROM patients",
        "With 40,000 patients the noise is far below what anybody cares about. Yet the answer moves the odds of "
        "any guess about one patient, even that they are in the database at all, by a factor of e at most.",
    ),
    Question(
        "What do they come for? The policy says which diagnoses exist, so all of them are always listed.",
        """\
SELECT diagnosis, COUNT(*) AS visits
FROM visits
GROUP BY diagnosis
ORDER BY visits DESC""",
        "One patient may have many visits: at most 3 diagnoses and 12 visits of each are counted, "
        "and the noise hides all of them together. A few patients come more often than that; "
        "what they come beyond 12 is not counted.",
    ),
    Question(
        "What does each speciality cost us? The wards are nobody's secret: a public table, joined as usual.",
        """\
SELECT w.speciality, COUNT(*) AS visits, SUM(v.cost) AS total, AVG(v.cost) AS per_visit
FROM visits v JOIN wards w ON v.ward = w.ward
GROUP BY w.speciality
ORDER BY total DESC""",
        "AVG, SUM and COUNT of the same thing are bought once and share the noise.",
    ),
    Question(
        "What does a night cost, for those over 65? A ratio of two sums, over a join.",
        """\
SELECT SUM(v.cost) / SUM(v.nights) AS cost_per_night
FROM visits v JOIN patients p ON v.patient_id = p.patient_id
WHERE p.age >= 65""",
        "dpsql measures the two sums, and divides what it measured: that costs nothing more.",
    ),
    Question(
        "Which districts have the most cases of asthma? Nobody declared the districts: they are private.",
        """\
SELECT p.district, COUNT(DISTINCT p.patient_id) AS patients, COUNT(*) AS visits
FROM visits v JOIN patients p ON v.patient_id = p.patient_id
WHERE v.diagnosis = 'asthma'
GROUP BY p.district
HAVING COUNT(*) > 1000
ORDER BY visits DESC
LIMIT 5""",
        "A single patient lives in Gull Rock. A district is named only when enough people are in it, so "
        "Gull Rock never shows. HAVING, ORDER BY and LIMIT see the noisy numbers only.",
        """\
SELECT p.district, COUNT(DISTINCT p.patient_id) AS patients, COUNT(*) AS visits
FROM visits v JOIN patients p ON v.patient_id = p.patient_id
WHERE v.diagnosis = 'asthma'
GROUP BY p.district""",
    ),
)
REFUSED = "SELECT * FROM patients"
TOO_MUCH = "SELECT AVG(nights) AS nights FROM visits"


def demo() -> int:
    """Tells the story on standard output. Takes a few seconds."""
    import duckdb

    from dpsql.session import Session

    with tempfile.TemporaryDirectory(prefix="dpsql-demo-") as folder:
        database, policy = hospital(Path(folder))
        with duckdb.connect(str(database), read_only=True) as owner:
            truths = [exact(owner, question.truth or question.sql) for question in QUESTIONS]
            sizes = exact(owner, "SELECT (SELECT COUNT(*) FROM patients), (SELECT COUNT(*) FROM visits)")
        introduce(*sizes[0])
        with Session(database, policy, Path(folder) / "hospital.ledger") as session:
            for number, (question, truth) in enumerate(zip(QUESTIONS, truths, strict=True), 1):
                ask(session, number, question, truth)
            close(session)
    return 0


def exact(owner: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    """The true rows, which only the owner may see."""
    return owner.execute(sql).fetchall()


def introduce(patients: object, visits: object) -> None:
    """The data and the policy."""
    say(f"A hospital has {patients:,} patients and {visits:,} visits in a DuckDB file. Ada is to analyse them, "
        "and shall not learn about any single patient. The hospital writes down who is to be protected:")
    print(textwrap.indent(POLICY, "    "))
    say("Epsilon is the price of an answer: the less, the more noise. Ada may spend 5, once and for all. "
        "She asks ordinary SQL. Beside every number stands ± how far off it may be (95 %), and, in this "
        "demo only, the truth.")


def ask(session: Session, number: int, question: Question, truth: list[tuple[object, ...]]) -> None:
    """One question: the story, the query, the noisy answer beside the true one, the cost, a remark."""
    print(f"--- Question {number} " + "-" * (WIDTH - len(f"--- Question {number} ")) + "\n")
    say(question.story)
    print(textwrap.indent(question.sql, "    ") + "\n")
    answer = session.query(question.sql, analyst=ANALYST)
    print(textwrap.indent(beside(answer, truth) + "\n" + answer.bill(), "    ") + "\n")
    say(question.remark)


def beside(answer: Answer, truth: list[tuple[object, ...]]) -> str:
    """The answer as a table, every noisy column followed by the true values of the same groups."""
    groups = [i for i, noisy in enumerate(answer.noisy) if not noisy]
    true_rows = {tuple(row[i] for i in groups): row for row in truth}
    names: list[str] = []
    types: list[str] = []
    cells: list[list[object]] = [[] for _ in answer.rows]
    errors: list[list[tuple[object, object] | None]] = [[] for _ in answer.rows]
    for i, noisy in enumerate(answer.noisy):
        names += [answer.columns[i], "truly"] if noisy else [answer.columns[i]]
        types += [answer.types[i]] * (2 if noisy else 1)
        for r, row in enumerate(answer.rows):
            true_row = true_rows.get(tuple(row[g] for g in groups))
            value = None if true_row is None else true_row[i]
            cells[r] += [row[i], round(value, 3) if isinstance(value, float) else value] if noisy else [row[i]]
            errors[r] += [answer.intervals[r][i], None] if noisy else [None]
    return table(names, types, cells, errors)


def close(session: Session) -> None:
    """A refusal, a replay, and the end of the budget."""
    print("--- And then " + "-" * (WIDTH - len("--- And then ")) + "\n")
    say("Ada wants to see the rows themselves. That is refused before anything runs, and costs nothing:")
    try:
        print(session.query(REFUSED, analyst=ANALYST))
    except QueryError as error:
        print(textwrap.indent(f"error: {error}", "    ") + "\n")
    say("She asks the first question again. The same question gets the same answer, free:")
    replay = session.query(QUESTIONS[0].sql, analyst=ANALYST)
    print(textwrap.indent(f"{QUESTIONS[0].sql}\n\n{replay}", "    ") + "\n")
    say("But a new question costs again, and she has spent everything:")
    print(textwrap.indent(TOO_MUCH, "    ") + "\n")
    try:
        print(session.query(TOO_MUCH, analyst=ANALYST))
    except BudgetError as error:
        print(textwrap.indent(textwrap.fill(f"error: {error}", WIDTH - 4), "    ") + "\n")
    say("That is the promise: whatever she asks, in whatever order, from all answers together nobody can tell "
        "whether any one patient was in the data, up to the budget. The ledger outlives crashes and restarts; only "
        "the hospital can raise it (dpsql budget raise).")
    say("Next: dpsql init YOUR.duckdb writes a first policy for your own tables; dpsql explain shows what a "
        "query would run and cost.")


def say(text: str) -> None:
    """A paragraph."""
    print(textwrap.fill(text, WIDTH) + "\n")
