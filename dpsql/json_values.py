"""Values of answers and plans in JSON, exactly."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal


def encode(value: object) -> object:
    """JSON's own types as they are; what JSON lacks as an object with one key, its type."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": str(value)}
        case Decimal():
            return {"decimal": str(value)}
        case datetime.datetime():
            return {"timestamp": value.isoformat()}
        case datetime.date():
            return {"date": value.isoformat()}
        case datetime.time():
            return {"time": value.isoformat()}
        case list():
            return [encode(item) for item in value]
        case dict():
            return {"map": [[encode(key), encode(item)] for key, item in value.items()]}
        case datetime.timedelta():
            return {"interval": [value.days, value.seconds, value.microseconds]}
        case _:
            return {"text": str(value)}     # of a type dpsql never releases; a paid answer must not fail here


def decode(value: object) -> object:
    """The value that `encode` wrote. ValueError for what it never writes."""
    match value:
        case {"float": str(text)}:
            return float(text)
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"timestamp": str(text)}:
            return datetime.datetime.fromisoformat(text)
        case {"date": str(text)}:
            return datetime.date.fromisoformat(text)
        case {"time": str(text)}:
            return datetime.time.fromisoformat(text)
        case {"interval": [int(days), int(seconds), int(microseconds)]}:
            return datetime.timedelta(days, seconds, microseconds)
        case list():
            return [decode(item) for item in value]
        case {"map": list(items)}:
            return {decode(key): decode(item) for key, item in items}
        case {"text": str(text)}:
            return text
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError("no value of an answer")
