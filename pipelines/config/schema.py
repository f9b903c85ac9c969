"""The JSON Schema of floorline.toml, from the models of the configuration: for editors."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pipelines.config.settings import Settings
from pipelines.config.values import write_value

TITLE: Final = "The configuration of Floorline, floorline.toml"


def configuration_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration as TOML has it."""
    schema = Settings.model_json_schema(schema_generator=_Generator)
    properties, definitions = schema["properties"], schema["$defs"]
    del properties["base"]  # always the folder of the file
    sources = properties["sources"]["additionalProperties"]
    properties["sources"]["additionalProperties"] = {"anyOf": sources["oneOf"]}  # `kind` may be left out
    for table, model in (("baskets", "BasketSettings"), ("watches", "WatchSettings")):
        entry = definitions[model]
        named = {**entry, "required": [name for name in entry["required"] if name != "name"]}
        definitions[f"Named{model}"] = named
        by_name = {"type": "object", "additionalProperties": {"$ref": f"#/$defs/Named{model}"}}
        properties[table] = {"anyOf": [properties[table], by_name]}
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": TITLE}


class _Generator(GenerateJsonSchema):
    """Describes what the validators accept: a list or its only entry, and values as a user writes them."""

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        array = super().tuple_schema(schema)
        if "items" not in array or "$ref" in array["items"]:
            return array
        return {"anyOf": [array, array["items"]]}

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - the type of the base class
        if isinstance(dft, BaseModel):
            return {name: self.encode_default(value) for name, value in dft}
        return write_value(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - the names are enough
        return False
