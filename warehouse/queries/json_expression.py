"""SQL expressions that DuckDB's JSON functions write exactly, and as JSON that every reader accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from duckdb.sqltypes import DuckDBPyType

SIGNED: Final = ("tinyint", "smallint", "integer", "bigint", "hugeint", "bignum")
INTEGERS: Final = frozenset({*SIGNED, "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"})
FINITE: Final = "CASE WHEN isfinite({0}) THEN {0} END"
LOCAL_TIME: Final = r"regexp_replace({0}::VARCHAR, '^(\S+) (\S+)$', '\1T\2')"
# The time zone of the session is UTC. Infinite times and those before Christ keep SQL's spelling.
TIME: Final = r"regexp_replace({0}::VARCHAR, '^(\S+) (\S+)\+00$', '\1T\2+00:00')"
# By type, the SQL of a value that is not nested; other types become text.
SCALARS: Final = {
    **dict.fromkeys((*INTEGERS, "boolean", "varchar"), "{0}"),
    **dict.fromkeys(("float", "double"), FINITE),
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), LOCAL_TIME),
    "timestamp with time zone": TIME,
}


def identifier(name: str) -> str:
    """Return the name of a column as SQL."""
    return '"' + name.replace('"', '""') + '"'


def as_text(value: str, kind: DuckDBPyType) -> str:
    """Return the SQL of the text of `value` in SQL's spelling, with all digits of numbers."""
    if kind.id == "float":
        return f"{value}::DOUBLE::VARCHAR"  # DuckDB writes 123456792 as 123456790.0
    if kind.id == "decimal":  # DuckDB writes the 0.5 of a DECIMAL(1,1) as .5
        return rf"regexp_replace({value}::VARCHAR, '^(-?)\.', '\10.')"
    return f"{value}::VARCHAR"


def json_object(columns: Mapping[str, DuckDBPyType]) -> str:
    """Return the SQL of the JSON object of a row with these columns."""
    return _object([(name, _value(identifier(name), kind)) for name, kind in columns.items()])


def _value(value: str, kind: DuckDBPyType, depth: int = 0) -> str:
    """Return the SQL of the JSON of `value`; `depth` counts the lists around it."""
    match kind.id:
        case "list" | "array":
            element = f"element{depth}"
            inner = _value(element, _children(kind)[0][1], depth + 1)
            return f"to_json(list_transform({value}, lambda {element}: {inner}))"
        case "map":
            return _map(value, kind, depth)
        case "struct":
            return f"CASE WHEN {value} IS NOT NULL THEN {_struct(value, kind, depth)} END"
        case scalar:
            return SCALARS[scalar].format(value) if scalar in SCALARS else as_text(value, kind)


def _map(value: str, kind: DuckDBPyType, depth: int) -> str:
    """Return the SQL of a JSON object whose keys are the keys of the map as text."""
    entry = f"entry{depth}"
    inner = _value(f"{entry}.value", _children(kind)[1][1], depth + 1)
    pair = f"struct_pack(key := {entry}.key::VARCHAR, value := {inner})"
    return f"to_json(map_from_entries(list_transform(map_entries({value}), lambda {entry}: {pair})))"


def _struct(value: str, kind: DuckDBPyType, depth: int) -> str:
    """Return the SQL of a JSON object; of a JSON array for a struct whose fields have no names."""
    fields = [
        (name, _value(f"struct_extract_at({value}, {position})", child, depth))
        for position, (name, child) in enumerate(_children(kind), 1)
    ]
    if all(name for name, _ in fields):
        return _object(fields)
    return f"json_array({', '.join(child for _, child in fields)})"


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """Return the types within a nested type, without the size of an array."""
    return [(name, child) for name, child in kind.children if isinstance(child, DuckDBPyType)]


def _object(fields: list[tuple[str, str]]) -> str:
    keys = ("'" + name.replace("'", "''") + "'" for name, _ in fields)
    return f"json_object({', '.join(f'{key}, {field[1]}' for key, field in zip(keys, fields, strict=True))})"
