"""Inline the private views and macros of a SQL file into the views and macros that use them.

DuckDB's own parser reads the definitions, as JSON, and writes them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

DEFINITION: Final = re.compile(
    r"CREATE OR REPLACE (?P<kind>VIEW|MACRO) (?P<full_name>(?P<private>store\.)?(?P<name>\w+))"
    r"(\((?P<parameters>[^)]*)\))?\s+AS\s+(?P<of_rows>TABLE\s)?(?P<body>.*)",
    re.DOTALL,
)
# The table of the schema `store`, and its alias, in the database that the parameter `database` names.
NAMED: Final = """FROM query_table('"' || database || '".store."{}"') AS "{}\""""
# The private view whose column `passed` is true where the database has the files that the views name; else
# it fails.
OWN_FILES: Final = "own_files"
# A macro's form for the database in use. DuckDB binds a new macro up to the first use of a parameter: here
# before the private macro, which IMPORT DATABASE may create later.
IN_USE: Final = (
    "FROM (SELECT {parameters}) AS arguments, {guard} AS guard, {private}({parameters}) AS result"
    " SELECT result.*"
)
# A node of a parsed query, as `json_serialize_sql` shows it.
Node = dict[str, Any]
# Most values of a node are of other types: to test the type takes less time than to call a function.
NESTED: Final = (dict, list)
TRUE: Final[Node] = {"type": {"id": "BOOLEAN", "type_info": None}, "is_null": False, "value": True}
ALWAYS: Final[Node] = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "query_location": 0,
    "value": TRUE,
}


@dataclass(slots=True)
class Inliner:
    """What a file has defined so far: private views, and macros with their parameters.

    `guard` is a table of the database in use that no other database has.
    """

    connection: duckdb.DuckDBPyConnection
    guard: str
    views: dict[str, Node] = field(default_factory=dict)
    macros: dict[str, tuple[list[str], Node]] = field(default_factory=dict)
    table_macros: dict[str, tuple[list[str], Node]] = field(default_factory=dict)

    def inline(self, sql: str) -> Iterator[str]:
        """Yield a statement for each public view and each macro of a file; each reads tables only.

        Raises ValueError for a statement that defines neither.
        """
        for statement in self.connection.extract_statements(sql):
            definition = DEFINITION.search(statement.query)
            if definition is None:
                raise ValueError(f"neither a view nor a macro: {statement.query}")
            if definition["kind"] == "VIEW":
                yield from self._define_view(definition)
            elif definition["of_rows"]:
                yield from self._define_table_macro(definition)
            else:
                yield self._define_scalar_macro(definition)

    def _define_view(self, definition: re.Match[str]) -> Iterator[str]:
        node = self._parse(definition["body"])
        if definition["private"]:
            self.views[definition["name"]] = node
        else:
            yield f"CREATE OR REPLACE VIEW {definition['name']} AS {self._render(node)}"

    def _define_scalar_macro(self, definition: re.Match[str]) -> str:
        node = self._parse(f"SELECT {definition['body']}")
        parameters = definition["parameters"]
        names = parameters.split(", ") if parameters else []
        self.macros[definition["name"]] = (names, node["select_list"][0])
        expression = self._render(node).removeprefix("SELECT ")
        return f"CREATE OR REPLACE MACRO {definition['full_name']}({parameters}) AS {expression}"

    def _define_table_macro(self, definition: re.Match[str]) -> Iterator[str]:
        """Yield a public macro in two forms: the tables of the database in use, and those of a named one."""
        node = self._parse(definition["body"])
        if definition["private"]:
            self.table_macros[definition["name"]] = (definition["parameters"].split(", "), node)
            return
        guard = f'(FROM store."{self.guard}" SELECT count(*))'
        named = self._render(_rewrite(node, self._name_database))
        if OWN_FILES in self.views:
            own = self._render(_rewrite(self.views[OWN_FILES], self._name_database))
            named = f"FROM ({own}) AS own, ({named}) AS result SELECT result.* WHERE own.passed"
        name, parameters = definition["full_name"], definition["parameters"]
        private = f"store.{name}_in_use"
        yield f"CREATE OR REPLACE MACRO {private}({parameters}) AS TABLE ({self._render(node)})"
        in_use = IN_USE.format(parameters=parameters, guard=guard, private=private)
        forms = f"({parameters}) AS TABLE ({in_use}), ({parameters}, database) AS TABLE ({named})"
        yield f"CREATE OR REPLACE MACRO {name}{forms}"

    def _inline_use(self, node: Node) -> Node:
        """Return the definition of a private view or a macro in the place of its use."""
        if _is_stored(node) and node["table_name"] in self.views:
            subquery = {"node": self.views[node["table_name"]], "named_param_map": []}
            return {**node, "type": "SUBQUERY", "alias": _alias(node), "subquery": subquery}
        if node.get("class") == "FUNCTION" and node["function_name"] in self.macros:
            return {**_call(node, self.macros), "alias": node["alias"]}
        if node.get("type") == "TABLE_FUNCTION" and node["function"]["function_name"] in self.table_macros:
            subquery = {"node": _call(node["function"], self.table_macros), "named_param_map": []}
            return {**node, "type": "SUBQUERY", "subquery": subquery}
        if node.get("type") == "JOIN" and node["ref_type"] == "CROSS":
            # DuckDB writes a cross join as a comma, which binds less than the joins that follow it.
            return {**node, "ref_type": "REGULAR", "condition": ALWAYS}
        return node

    def _name_database(self, node: Node) -> Node:
        if not _is_stored(node):
            return node
        table: Node = self._parse(NAMED.format(node["table_name"], _alias(node)))["from_table"]
        return table

    def _parse(self, query: str) -> Node:
        ((text,),) = self.connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
        return _rewrite(json.loads(text)["statements"][0]["node"], self._inline_use)

    def _render(self, node: Node) -> str:
        text = json.dumps({"error": False, "statements": [{"node": node, "named_param_map": []}]})
        ((query,),) = self.connection.execute("SELECT json_deserialize_sql(?::JSON)", [text]).fetchall()
        return str(query)


def _is_stored(node: Node) -> bool:
    return node.get("type") == "BASE_TABLE" and node["schema_name"] == "store"


def _alias(node: Node) -> str:
    return str(node["alias"] or node["table_name"])


def _call(function: Node, macros: dict[str, tuple[list[str], Node]]) -> Node:
    """Return the body of a macro with the arguments of a call in the place of its parameters."""
    parameters, body = macros[function["function_name"]]
    arguments = dict(zip(parameters, function["children"], strict=True))
    return _rewrite(body, lambda part: _argument(part, arguments) or part)


def _argument(node: Node, arguments: dict[str, Node]) -> Node | None:
    """Return the argument of the macro's parameter that a node is, if it is one."""
    return arguments.get(node["column_names"][0]) if node.get("class") == "COLUMN_REF" else None


def _rewrite(node: Node, replace: Callable[[Node], Node]) -> Node:
    """Replace every node of a parsed query, the inner ones first."""
    return replace(
        {
            key: _rewrite_child(child, replace) if type(child) in NESTED else child
            for key, child in node.items()
        }
    )


def _rewrite_child(child: object, replace: Callable[[Node], Node]) -> object:
    if type(child) is dict:
        return _rewrite(child, replace)
    if type(child) is list and child:
        return [_rewrite_child(part, replace) for part in child]
    return child
