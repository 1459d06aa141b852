"""Google's APIs, as their discovery documents have them: which call a request is, and what may be said in it.

It shares nothing with Trueup's provider: it is read from the same documents by another way, and Google's own client is served first.
"""

import functools
import glob
import json
import os
import re

import googleapiclient

DOCUMENTS = os.path.join(os.path.dirname(googleapiclient.__file__), "discovery_cache", "documents")


class Refused(Exception):
    """What a request is answered that can't be carried out."""

    def __init__(self, status, code, message, reason=None):
        super().__init__(message)
        self.status, self.code, self.message, self.reason = status, code, message, reason

    def body(self):
        error = {"code": self.status, "message": self.message, "status": self.code}
        error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason or self.code}]
        if self.reason:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.reason}]
        return {"error": error}


def invalid(message):
    return Refused(400, "INVALID_ARGUMENT", message)


@functools.lru_cache(maxsize=None)
def document(api, version):
    path = os.path.join(DOCUMENTS, f"{api}.{version}.json")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


@functools.lru_cache(maxsize=None)
def versions(host):
    """The documents of the APIs at a host."""
    found = []
    api = host.split(".")[0]
    for path in sorted(glob.glob(os.path.join(DOCUMENTS, f"{api}.*.json"))):
        name, version = os.path.basename(path)[: -len(".json")].split(".", 1)
        found.append(Api(document(name, version)))
    return found


class Method:
    """A call of an API."""

    def __init__(self, api, way, name, said):
        self.api, self.way, self.name, self.said = api, way, name, said
        self.id, self.verb = said["id"], said["httpMethod"]
        self.request = said.get("request", {}).get("$ref")
        self.response = said.get("response", {}).get("$ref")
        self.parameters = said.get("parameters", {})
        template = api.said.get("servicePath", "") + said.get("flatPath", said["path"])
        self.template = [part for part in template.split("/") if part]
        # A name may have a digest in it; any other colon begins a verb.
        pattern = "/".join(re.sub(r"\\\{[^}]*\\\}", "((?:[^/:]|(?<=sha256):)+)", re.escape(part)) for part in self.template)
        self.pattern = re.compile(f"^{pattern}$")


class Collection:
    """Things that can be made and read."""

    def __init__(self, api, way, methods):
        self.api, self.way = api, way
        self.methods = {name: Method(api, way, name, said) for name, said in methods.items()}
        get = self.methods.get("get")
        self.schema = get.response if get else None
        self.shape = get.template if get else []
        self.style = "+" if get and "{+" in get.said["path"] else ""


class Api:
    """One version of an API."""

    def __init__(self, said):
        self.said = said
        self.collections = list(self.walk(said.get("resources", {}), []))

    def walk(self, resources, way):
        for name, said in resources.items():
            yield Collection(self, way + [name], said.get("methods", {}))
            yield from self.walk(said.get("resources", {}), way + [name])

    def find(self, verb, path):
        """The collection and method of a request, and what stands for the names in its path."""
        for collection in self.collections:
            for method in collection.methods.values():
                found = method.pattern.match(path) if method.verb == verb else None
                if found:
                    return collection, method, list(found.groups())
        return None

    def fields(self, schema):
        return self.said["schemas"].get(schema, {}).get("properties", {})

    def check(self, schema, value, at=""):
        """Refuses what is no value of a schema, as Google does: by the name that it does not know."""
        said = self.said["schemas"][schema] if isinstance(schema, str) else schema
        if "$ref" in said:
            said = self.said["schemas"][said["$ref"]]
        kind = said.get("type", "any")
        if value is None or kind == "any":
            return
        if kind == "object":
            if not isinstance(value, dict):
                raise invalid(f"Invalid value at '{at}' (type.{said.get('id', 'object')}), {json.dumps(value)}")
            fields, more = said.get("properties"), said.get("additionalProperties")
            for name, inner in value.items():
                if fields and name in fields:
                    self.check(fields[name], inner, f"{at}.{name}" if at else name)
                elif more is not None:
                    self.check(more, inner, f"{at}[{name}]")
                elif fields is not None:
                    where = f' at \'{at}\'' if at else ""
                    raise invalid(f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')
        elif kind == "array":
            if not isinstance(value, list):
                raise invalid(f"Invalid value at '{at}', {json.dumps(value)}")
            for place, item in enumerate(value):
                self.check(said["items"], item, f"{at}[{place}]")
        else:
            self.scalar(said, kind, value, at)

    def scalar(self, said, kind, value, at):
        wrong = invalid(f"Invalid value at '{at}' ({said.get('format', kind)}), {json.dumps(value)}")
        if kind == "boolean" and not isinstance(value, bool):
            raise wrong
        if kind in ("integer", "number") and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise wrong
        if kind == "string":
            if said.get("format") in ("int64", "uint64"):
                if not re.fullmatch(r"-?\d+", str(value)):
                    raise wrong
            elif not isinstance(value, str):
                raise wrong
            elif "enum" in said and value not in said["enum"]:
                raise wrong
            elif said.get("format") == "google-duration" and not re.fullmatch(r"-?\d+(\.\d+)?s", value):
                raise wrong


def is_output(field):
    """Whether a field is Google's alone to say."""
    return field.get("readOnly", False) or re.match(r"^\[?output[ -]only", field.get("description", ""), re.I) is not None
