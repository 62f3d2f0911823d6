#!/usr/bin/env python3
"""Random texts of the grammars that JSON schemas become, validated by another implementation.

    check_schema_texts.py TEST_GRAMMAR      needs the package jsonschema; prints a line a schema

TEST_GRAMMAR is the built tests/test_grammar.c: `test_grammar sample SCHEMA SEED COUNT` prints texts, each ended by
the byte 1E. Every text must be JSON and valid; formats are asserted. It also prints what the schema refused."""
import datetime
import json
import subprocess
import sys

import jsonschema

SCHEMAS = [
    True, {}, {"type": "string"}, {"type": "number"}, {"type": "integer"}, {"type": ["null", "boolean"]},
    {"type": "string", "minLength": 2, "maxLength": 5}, {"type": "string", "minLength": 3},
    {"type": "integer", "minimum": 7, "maximum": 2345}, {"type": "integer", "minimum": -17, "maximum": 105},
    {"type": "integer", "maximum": -3}, {"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 11},
    {"type": "integer", "minimum": 999999999, "maximum": 1000000001},
    {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1.5, "maximum": 3.5},
    {"type": "number", "minimum": 0, "maximum": 1}, {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 2},
    {"type": "number", "minimum": -3.5, "maximum": -1}, {"type": "number", "minimum": -1, "maximum": 100},
    {"type": "number", "exclusiveMinimum": 5}, {"type": "number", "maximum": -7},
    {"enum": ["a", 1, None, {"x": [1, 2, {"y": "\"\\\n"}]}, []]}, {"const": {"a": 1, "b": [True, "ä"]}},
    {"enum": [1, "x", 2.5], "type": "integer"},
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2, "maxItems": 4},
    {"type": "array", "items": {"type": "boolean"}}, {"type": "array", "items": False}, {"type": "array",
     "minItems": 3},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string", "maxLength": 2}]},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": {"type": "null"},
     "minItems": 1,
     "maxItems": 5},
    {"type": "array", "prefixItems": [{"type": "null"}], "minItems": 3},
    {"type": "array", "prefixItems": [{"type": "null"}, False], "items": {"type": "null"}},
    {"type": "array", "maxItems": 0},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}, "c": {"type": "null"}}},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}, "c": {"type": "null"}},
     "required": ["b"], "additionalProperties": False},
    {"type": "object", "properties": {"ab": {"type": "integer"}, "abc": {"type": "boolean"}, "": {"type": "null"},
                                      "ä\"\\": {"const": 1}}, "additionalProperties": {"type": "string",
     "maxLength": 3}},
    {"type": "object", "additionalProperties": {"type": "boolean"}, "minProperties": 0, "maxProperties": 3},
    {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n", "m"],
     "additionalProperties": {"type": "null"}},
    {"type": "object", "properties": {"x": False, "y": {"type": "null"}}},
    {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 3}]},
    {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "v": {"type": "integer"}},
     "required": ["kind"]},
               {"type": "object", "properties": {"kind": {"const": "b"}, "w": {"type": "boolean"}},
     "required": ["kind"]}]},
    {"oneOf": [{"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]},
               {"type": "object", "properties": {"b": {"type": "null"}}, "required": ["b"]}]},
    {"oneOf": [{"const": "x", "title": "X"}, {"enum": ["y", "z", 3]}, {"type": "null"}]},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
     "anyOf": [{"properties": {"b": {"type": "null"}}, "required": ["b"]}, {"required": ["c"],
     "properties": {"c": True}}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
               {"properties": {"a": {"maximum": 5, "minimum": 2}, "b": {"type": "string", "maxLength": 1}}}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False},
               {"properties": {"b": {"type": "null"}}}]},
    {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
        "v": {"type": "integer", "minimum": 0, "maximum": 3}, "next": {"anyOf": [{"$ref": "#/$defs/node"},
     {"type": "null"}]}},
        "required": ["v", "next"]}}},
    {"type": "array", "items": {"$ref": "#"}, "maxItems": 2},
    {"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "boolean"}}, "description": "x"},
    {"$ref": "#/$defs/i", "minimum": 3, "$defs": {"i": {"type": "integer", "minimum": 1, "maximum": 6}}},
    {"type": "string", "pattern": "^[a-c]{2,3}$"}, {"type": "string", "pattern": "ab+c?"},
    {"type": "string", "pattern": "^(foo|ba[rz])-\\d{2}(\\.\\w+)*$"}, {"type": "string", "pattern": "^\\S+\\s\\D$"},
    {"type": "string", "pattern": "^[^a-y\"]*$"}, {"type": "string", "pattern": "^(?:a|b)*?c\\\\\"\\/\\.$"},
    {"type": "string", "pattern": "^a|b$"}, {"type": "string", "pattern": "^\\u00e4[\\x41-\\x43\\]\\-]+.$"},
    {"type": "string", "pattern": ""}, {"type": "string", "pattern": "^a\\\\$"}, {"type": "string", "pattern": "\\$"},
    {"type": "string", "format": "date"}, {"type": "string", "format": "time"}, {"type": "string",
     "format": "date-time"},
    {"type": "string", "format": "uuid"}, {"type": "string", "format": "ipv4"}, {"type": "string", "format": "email"},
    {"properties": {"a": {"items": {"minimum": 3, "maximum": 4}}}, "required": ["a"]},
    {"type": ["object", "string"], "properties": {"a": {"type": "null"}}, "maxLength": 2},
]


# What the package calls `time` is that of draft 3: without an offset.
FORMATS = jsonschema.FormatChecker(formats=[f for f in jsonschema.FormatChecker.checkers if f != "time"])


@FORMATS.checks("time", raises=ValueError)
def is_time(text):
    return not isinstance(text, str) or datetime.time.fromisoformat(text).tzinfo is not None


def main():
    program, failures, total = sys.argv[1], 0, 0
    for number, schema in enumerate(SCHEMAS):
        text = json.dumps(schema)
        done = subprocess.run([program, "sample", text, str(number + 1), "60"], capture_output=True, timeout=300)
        if done.returncode:
            print("refused", text, done.stderr.decode().strip())
            failures += 1
            continue
        texts = done.stdout.split(b"\x1e")[:-1]
        validator = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
        for t in texts:
            total += 1
            try:
                validator.validate(json.loads(t.decode("utf-8")))
            except Exception as why:  # whatever is wrong with the text is the finding
                print("WRONG", text, t, str(why).split("\n")[0])
                failures += 1
                break
        if not texts:
            print("no text came to an end:", text)
            failures += 1
    print(f"{len(SCHEMAS)} schemas, {total} texts, {failures} failures")
    return 1 if failures else 0


sys.exit(main())
