"""What commands print with `--json`: a dataclass for each result, whose fields are the public names.

Times are UTC in ISO 8601. Every other quantity says its unit in its name, or counts what the name says:
durations are in seconds, sizes in bytes, shares from 0 to 1. Amounts of money are texts with all digits.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def copy_fields(output: type, record: object, **others: object) -> dict[str, Any]:
    """Return a value for each field of the dataclass `output`: of `others`, else `record`'s of that name."""
    names = (field.name for field in dataclasses.fields(output))
    return {name: others[name] if name in others else getattr(record, name) for name in names}
