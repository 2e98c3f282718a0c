"""Which keys are facts: those the engine enforces, and those declared and verified where nothing can change them."""

from __future__ import annotations

from dpsql.engines.base import Engine
from dpsql.errors import PolicyError
from dpsql.policy import Policy

Key = tuple[str, ...]

_verified: dict[object, bool] = {}   # per unchanged file, table and key


def verify_keys(engine: Engine, policy: Policy) -> dict[str, tuple[Key, ...]]:
    """Per table of the policy, the keys that hold: enforced by the engine, or declared and verified just now.

    A declared key that does not hold is a PolicyError naming table and columns (to go on without it would make plans
    depend on the data); one that cannot be verified, over a folder or a connection, is no fact. ExecutionError when the
    engine fails.
    """
    return {name: _keys_of(engine, policy, name) for name in policy.tables}


def _keys_of(engine: Engine, policy: Policy, name: str) -> tuple[Key, ...]:
    table = engine.schema.table(name)
    assert table is not None, "a policy is bound to the schema"
    keys = list(table.enforced_keys)
    for key in policy.tables[name].keys:
        if any(set(key) == set(enforced) for enforced in table.enforced_keys) or not engine.verifies_keys:
            continue
        mark = (engine.identity, table.path, key)
        if not (_verified.get(mark) or engine.key_holds(table, key)):
            raise PolicyError(f"tables.{name}.keys: ({', '.join(key)}) is no key of {name}: some rows agree on it. The "
                              "policy does not open; remove the key, or mend the data")
        _verified[mark] = True
        keys.append(key)
    return tuple(keys)
