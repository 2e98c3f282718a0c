"""The stable form of a plan: what it would run, release and cost, for programs that cannot hold a `Plan`.

A form can be read, stored and compared, never run: what runs is planned and proved by the process that runs it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsql.json_values import decode, encode

if TYPE_CHECKING:
    from dpsql.budget.events import Event
    from dpsql.plan import Plan

FORMAT = "dpsql.plan/1"
EventForm = Mapping[str, str | int]     # "mechanism", and its amounts: fractions as text, such as "1/10"


@dataclass(frozen=True, slots=True)
class StatementForm:
    """One question: the released table's `name` and `columns` (name, SQL type), and the SQL over private rows.

    `events` are what it spends; `groups` lists its public groups (None: private ones, chosen by noise).
    """

    name: str
    sql: str
    columns: tuple[tuple[str, str], ...]
    events: tuple[EventForm, ...]
    groups: tuple[tuple[object, ...], ...] | None


@dataclass(frozen=True, slots=True)
class PlanForm:
    """A plan: its statements, the SQL between stages (`feeds`) and of the `finish`, its cost and its warnings.

    `key` is what replays share (empty for public tables); `epsilon` and `delta` are exact.
    """

    key: str
    statements: tuple[StatementForm, ...]
    feeds: tuple[str, ...]
    finish: str
    epsilon: Fraction
    delta: Fraction
    warnings: tuple[str, ...]

    def to_json(self) -> str:
        """Text from which `from_json` makes an equal form.

        An object: "format" (FORMAT), "key", "statements" (objects of "name", "sql", "columns" as [name, type],
        "events", "groups"), "feeds", "finish", "cost" ([epsilon, delta], fractions as text) and "warnings". Values of
        groups are written as `Answer.to_json` says.
        """
        return json.dumps({
            "format": FORMAT,
            "key": self.key,
            "statements": [{
                "name": each.name, "sql": each.sql, "columns": each.columns,
                "events": [dict(event) for event in each.events],
                "groups": None if each.groups is None else [list(map(encode, group)) for group in each.groups],
            } for each in self.statements],
            "feeds": self.feeds,
            "finish": self.finish,
            "cost": [str(self.epsilon), str(self.delta)],
            "warnings": self.warnings,
        }, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> PlanForm:
        """The form that `to_json` wrote. ValueError, KeyError or TypeError when `text` is no such thing."""
        data = json.loads(text)
        if not isinstance(data, dict) or data["format"] != FORMAT:
            raise ValueError(f"not of the format {FORMAT}")
        epsilon, delta = map(Fraction, data["cost"])
        return PlanForm(
            data["key"],
            tuple(StatementForm(
                each["name"], each["sql"], tuple((name, type_) for name, type_ in each["columns"]),
                tuple(each["events"]),
                None if each["groups"] is None else tuple(tuple(map(decode, group)) for group in each["groups"]),
            ) for each in data["statements"]),
            tuple(data["feeds"]), data["finish"], epsilon, delta, tuple(data["warnings"]),
        )


def plan_form(plan: Plan) -> PlanForm:
    """The form of a plan. Pure."""
    return PlanForm(
        plan.key,
        tuple(StatementForm(
            each.question.ask.name, each.sql, each.columns, tuple(map(_event, each.spent())), each.domain,
        ) for each in plan.statements),
        plan.feeds, plan.finish, plan.cost.epsilon, plan.cost.delta, plan.warnings,
    )


def _event(event: Event) -> EventForm:
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}
