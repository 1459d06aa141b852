"""Checks values against a JSON Schema of draft 2020-12, and the schema against its metaschema.

Reads {"schema": ..., "values": {name: value}}; prints {name: [the places of what is wrong, each a path such as "resources.a.kind"]}.
"""

import json
import sys

from jsonschema import Draft202012Validator


def places(error):
    """Where an error is; of an alternative, also where each way to be right fails."""
    yield ".".join(str(step) for step in error.absolute_path)
    for inner in error.context:
        yield from places(inner)


given = json.load(sys.stdin)
Draft202012Validator.check_schema(given["schema"])
validator = Draft202012Validator(given["schema"])
found = {
    name: sorted({place for error in validator.iter_errors(value) for place in places(error)})
    for name, value in given["values"].items()
}
json.dump(found, sys.stdout)
