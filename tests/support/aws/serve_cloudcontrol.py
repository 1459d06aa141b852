"""AWS's Cloud Control API over the schemas that AWS publishes, as the package cfn-lint brings them, and what CloudFormation says of a type.

It is started with the port that moto serves at. It has an account for each number that the proxy names. What a schema refuses it refuses; work goes
on for a moment before it is done; lists come in pages. It serves on a free port of loopback, which it prints, until its standard input ends."""

import base64
import copy
import http.server
import json
import pathlib
import re
import sys
import threading
import time
import urllib.parse
import uuid

# What it is made of lies beside it, in a checkout that stays as it is.
sys.dont_write_bytecode = True

import beside
import cfnlint
import ecr
import jsonschema
import sagemaker
import types_of_aws as behaviour
from types_of_aws import Failure

MOTO = sys.argv[1]
SCHEMAS = pathlib.Path(cfnlint.__file__).parent / "data/schemas/resources"
# How often work is asked after before it is done, and how many things a page lists.
POLLS, PAGE = 1, 20
lock = threading.RLock()
accounts = {}
schemas = {}


class Refusal(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def published(name):
    if not schemas:
        for path in SCHEMAS.glob("*.json"):
            schema = json.loads(path.read_text())
            schemas[schema["typeName"]] = schema
    if name not in schemas:
        raise Refusal("TypeNotFoundException", f"The type '{name}' cannot be found.", 404)
    return schemas[name]


def steps(pointer):
    return [step for step in pointer.split("/") if step][1:]


def taken_out(model, path):
    """The model without what a path leads to."""
    if not path:
        return
    step, rest = path[0], path[1:]
    if step == "*":
        for item in model if isinstance(model, list) else model.values() if isinstance(model, dict) else []:
            taken_out(item, rest)
    elif isinstance(model, dict):
        if not rest:
            model.pop(step, None)
        elif step in model:
            taken_out(model[step], rest)
    elif isinstance(model, list):
        for item in model:
            taken_out(item, path)


def at(model, path):
    for step in path:
        if not isinstance(model, dict) or step not in model:
            return None
        model = model[step]
    return model


def without(model, schema, key):
    model = copy.deepcopy(model)
    for pointer in schema.get(key, []):
        taken_out(model, steps(pointer))
    return model


class Account:
    def __init__(self, number, region):
        self.number, self.region = number, region
        self.objects, self.requests, self.tokens, self.images = {}, {}, {}, {}
        # What work is to fail with, one after the other; `Nothing`: it succeeds, and nothing was done; `Fine`: it goes on as ever.
        self.told = []
        # The container images that there are elsewhere.
        self.others = []

    # What the API answers.

    def create_resource(self, asked):
        name, schema = self.usable(asked, "create")
        wanted = json.loads(asked["DesiredState"])
        return self.begin("CREATE", name, None, asked, lambda: self.created(name, schema, wanted))

    def update_resource(self, asked):
        name, schema = self.usable(asked, "update")
        key = self.existing(name, asked)
        patch = json.loads(asked["PatchDocument"])
        return self.begin("UPDATE", name, key, asked, lambda: self.updated(name, schema, key, patch))

    def delete_resource(self, asked):
        name, _ = self.usable(asked, "delete")
        key = asked["Identifier"]
        return self.begin("DELETE", name, key, asked, lambda: self.deleted(name, key))

    def get_resource(self, asked):
        name, schema = self.usable(asked, "read")
        key = self.existing(name, asked)
        shown = without(self.objects[name, key], schema, "writeOnlyProperties")
        return {"TypeName": name, "ResourceDescription": {"Identifier": key, "Properties": json.dumps(shown)}}

    def list_resources(self, asked):
        name, schema = self.usable(asked, "list")
        told = schema["handlers"]["list"].get("handlerSchema", {})
        needed = told.get("required", [])
        given = json.loads(asked.get("ResourceModel", "{}"))
        for choice, most in (("oneOf", 1), ("anyOf", 99)):
            branches = [branch for branch in told.get(choice, []) if all(field in given for field in branch["required"])]
            if choice in told and not 1 <= len(branches) <= most:
                raise Refusal("InvalidRequestException", f"Invalid ResourceModel in {name} list handler request input: {told[choice]}")
        if missing := [field for field in needed if field not in given]:
            raise Refusal("InvalidRequestException", f"Missing or invalid ResourceModel property in {name} list handler request input: {missing}")
        keys = sorted(key for kind, key in self.objects if kind == name)
        keys = [key for key in keys if all(self.objects[name, key].get(field) == value for field, value in given.items())]
        start = int(asked.get("NextToken") or 0)
        page = keys[start : start + min(PAGE, asked.get("MaxResults", PAGE))]
        said = [{"Identifier": key, "Properties": json.dumps(self.identifying(schema, key))} for key in page]
        answer = {"TypeName": name, "ResourceDescriptions": said}
        if start + len(page) < len(keys):
            answer["NextToken"] = str(start + len(page))
        return answer

    def get_resource_request_status(self, asked):
        request = self.requests.get(asked["RequestToken"])
        if request is None:
            raise Refusal("RequestTokenNotFoundException", "Request token not found")
        return {"ProgressEvent": self.event(request)}

    # How it comes to that.

    def usable(self, asked, handler):
        name = asked["TypeName"]
        schema = published(name)
        if handler not in schema.get("handlers", {}):
            raise Refusal("UnsupportedActionException", f"Resource type {name} does not support {handler.upper()} action")
        return name, schema

    def existing(self, name, asked):
        key = behaviour.called(name, asked["Identifier"])
        if (name, key) not in self.objects:
            raise Refusal("ResourceNotFoundException", f"Resource of type '{name}' with identifier '{key}' was not found.", 404)
        return key

    def begin(self, operation, name, key, asked, act):
        token = asked.get("ClientToken")
        digest = json.dumps({field: value for field, value in asked.items() if field != "ClientToken"}, sort_keys=True)
        if token and token in self.tokens:
            request, before = self.tokens[token]
            if before != digest:
                raise Refusal("ClientTokenConflictException", "The token was used with other parameters", 409)
            return {"ProgressEvent": self.event(request)}
        for other in self.requests.values():
            if key and (other["name"], other["key"]) == (name, key) and other["left"] > 0:
                raise Refusal("ConcurrentOperationException", "Another operation on this resource is in progress", 409)
        request = {"token": str(uuid.uuid4()), "operation": operation, "name": name, "key": key, "left": POLLS, "failure": None}
        try:
            code = self.told.pop(0) if self.told else None
            if code in (None, "Fine"):
                request["key"] = act() or key
            elif code != "Nothing":
                # It is taken, and fails later.
                request["failure"], request["left"] = Failure(code, "so it was told"), POLLS
        except Failure as failure:
            request["failure"], request["left"] = failure, 0
        self.requests[request["token"]] = request
        if token:
            self.tokens[token] = (request, digest)
        return {"ProgressEvent": self.event(request, False)}

    def event(self, request, counts=True):
        event = {
            "TypeName": request["name"],
            "RequestToken": request["token"],
            "Operation": request["operation"],
            "EventTime": time.time(),
        }
        if request["key"]:
            event["Identifier"] = request["key"]
        if (failure := request["failure"]) and request["left"] <= 0:
            return event | {"OperationStatus": "FAILED", "ErrorCode": failure.code, "StatusMessage": failure.message}
        is_over = request["left"] <= 0
        request["left"] -= 1 if counts else 0
        return event | ({"OperationStatus": "SUCCESS"} if is_over else {"OperationStatus": "IN_PROGRESS", "RetryAfter": time.time()})

    def created(self, name, schema, wanted):
        check(schema, wanted)
        if without(wanted, schema, "readOnlyProperties") != wanted:
            raise Failure("InvalidRequest", "Encountered unsupported property: it is read-only")
        sagemaker.check(self, name, wanted, MOTO)
        model = copy.deepcopy(wanted)
        behaviour.written(name, model)
        behaviour.named(name, model)
        sagemaker.named(self, name, model)
        behaviour.check(self, name, model)
        for pointer in schema["primaryIdentifier"] + schema.get("readOnlyProperties", []):
            self.fill(name, schema, model, steps(pointer))
        key = "|".join(str(at(model, steps(pointer))) for pointer in schema["primaryIdentifier"])
        if (name, key) in self.objects:
            raise Failure("AlreadyExists", f"Resource of type '{name}' with identifier '{key}' already exists.")
        self.objects[name, key] = model
        beside.made(self, name, model, MOTO)
        return key

    def fill(self, name, schema, model, path):
        """What AWS says of a new thing, where it says a text."""
        if "*" in path or at(model, path) is not None:
            return
        described = schema
        for step in path:
            described = resolved(schema, described.get("properties", {}).get(step, {}))
        if described.get("type") not in ("string", None):
            return
        if len(path) == 1 and (look := behaviour.looks(self, name, path[0], model)):
            model[path[0]] = look
            return
        service, unique = name.split("::")[1].lower(), uuid.uuid4().hex[:12]
        for step in path[:-1]:
            model = model.setdefault(step, {})
        is_arn = path[-1].endswith("Arn")
        start = {"GroupId": "sg"}.get(path[-1], path[-1].lower())
        model[path[-1]] = f"arn:aws:{service}:{self.region}:{self.number}:{unique}" if is_arn else f"{start}-{unique}"

    def updated(self, name, schema, key, patch):
        """What is never read is not there to be patched, and is lost where the patch does not say it again."""
        stored = self.objects[name, key]
        before = without(stored, schema, "writeOnlyProperties")
        after = copy.deepcopy(before)
        for step in patch:
            apply(after, step)
        for pointer in schema.get("createOnlyProperties", []) + schema.get("readOnlyProperties", []):
            if "*" not in pointer and at(after, steps(pointer)) != at(before, steps(pointer)):
                raise Failure("NotUpdatable", f"Invalid patch update: createOnlyProperties [{pointer}] cannot be updated")
        fixed = {steps(pointer)[0] for pointer in schema.get("createOnlyProperties", []) if len(steps(pointer)) == 1}
        whole = after | {name: value for name, value in stored.items() if name in fixed}
        check(schema, without(whole, schema, "readOnlyProperties"))
        behaviour.check(self, name, whole)
        sagemaker.check(self, name, whole, MOTO)
        self.objects[name, key] = whole

    def deleted(self, name, key):
        if (name, key) not in self.objects:
            raise Failure("NotFound", f"Resource of type '{name}' with identifier '{key}' was not found.")
        behaviour.check_delete(self, name, self.objects[name, key])
        sagemaker.check_delete(self, name, key)
        # What is never read is not known to a delete, which is told the identifier alone.
        if name == ecr.REPOSITORY and ecr.has_images(self, key):
            message = f"The repository with name '{key}' cannot be deleted because it still contains images"
            raise Failure("GeneralServiceException", message)
        beside.gone(self, name, self.objects.pop((name, key)), MOTO)

    def identifying(self, schema, key):
        return {steps(pointer)[-1]: value for pointer, value in zip(schema["primaryIdentifier"], key.split("|"))}


def resolved(schema, described):
    while "$ref" in described:
        target = schema
        for step in described["$ref"].split("/")[1:]:
            target = target[step]
        described = target
    return described


def check(schema, model):
    body = {key: schema[key] for key in ("properties", "definitions", "required", "additionalProperties", "oneOf", "anyOf", "allOf") if key in schema}
    hidden = {steps(pointer)[0] for pointer in schema.get("readOnlyProperties", []) if len(steps(pointer)) == 1}
    body["required"] = [name for name in body.get("required", []) if name not in hidden]
    try:
        jsonschema.Draft7Validator(body).validate(model)
    except jsonschema.ValidationError as error:
        raise Failure("InvalidRequest", f"Model validation failed (#/{'/'.join(map(str, error.absolute_path))}: {error.message})") from error
    except re.error:
        pass  # A pattern written for Java: the cloud could use it.


def apply(model, step):
    """One step of a JSON patch: RFC 6902's add, remove and replace."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    for part in way:
        model = model[int(part)] if isinstance(model, list) else model.get(part)
        if model is None:
            raise Failure("InvalidRequest", f"Invalid patch: nothing is at {step['path']}")
    if step["op"] == "remove":
        if last not in model:
            raise Failure("InvalidRequest", f"Invalid patch: nothing is at {step['path']}")
        del model[last]
    else:
        model[last] = step["value"]


def describe_type(fields):
    text = json.dumps(published(fields["TypeName"]))
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        '<DescribeTypeResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeTypeResult>'
        f"<TypeName>{fields['TypeName']}</TypeName><Type>RESOURCE</Type><Schema>{escaped}</Schema>"
        "</DescribeTypeResult></DescribeTypeResponse>"
    )


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if self.path.startswith("/v2/"):
            return self.of_registry()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/told":
            told = json.loads(body)
            key = (self.headers.get("x-moto-account-id"), told["region"])
            with lock:
                account = accounts.setdefault(key, Account(*key))
                account.told += told.get("fail", [])
                account.others += told.get("images", [])
            return self.answer(200, "{}", "application/json")
        target = self.headers.get("X-Amz-Target")
        if (target or "").startswith(ecr.TARGET):
            return self.of_ecr(target.split(".")[1], json.loads(body))
        try:
            with lock:
                if target is None:
                    fields = dict(urllib.parse.parse_qsl(body.decode()))
                    return self.answer(200, describe_type(fields), "text/xml")
                account = self.account()
                method = re.sub(r"(?<!^)(?=[A-Z])", "_", target.split(".")[1]).lower()
                answered = getattr(account, method)(json.loads(body))
            self.answer(200, json.dumps(answered), "application/x-amz-json-1.0")
        except Refusal as refusal:
            if target is None:
                text = f"<ErrorResponse><Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error></ErrorResponse>"
                return self.answer(refusal.status, text, "text/xml")
            text = json.dumps({"__type": refusal.code, "Message": refusal.message})
            self.answer(refusal.status, text, "application/x-amz-json-1.0")

    def of_ecr(self, operation, asked):
        try:
            with lock:
                answered = ecr.call(self.account(), operation, asked, self.headers["Host"])
            self.answer(200, json.dumps(answered), "application/x-amz-json-1.1")
        except ecr.Refused as refused:
            text = json.dumps({"__type": refused.code, "message": refused.message})
            self.answer(refused.status, text, "application/x-amz-json-1.1")

    def account(self):
        signed = re.search(r"Credential=[^/]*/[^/]*/([^/]*)/", self.headers.get("Authorization", ""))
        key = (self.headers.get("x-moto-account-id"), signed.group(1) if signed else "us-east-1")
        return accounts.setdefault(key, Account(*key))

    def of_registry(self):
        """What the registry answers to whoever says the token that ECR gave."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = re.fullmatch(r"Basic (.+)", self.headers.get("Authorization", ""))
        path, _, query = self.path.partition("?")
        try:
            said = re.fullmatch(r"AWS:(\d{12})/(.+)", base64.b64decode(given[1]).decode()) if given else None
            if said is None:
                raise ecr.Refused(401, "UNAUTHORIZED", "Not Authorized")
            with lock:
                account = accounts.setdefault(said.groups(), Account(*said.groups()))
                query = dict(urllib.parse.parse_qsl(query))
                status, headers, data = ecr.served(account, self.command, path, query, self.headers, body)
        except ecr.Refused as refused:
            status, headers = refused.status, {"Content-Type": "application/json"}
            data = json.dumps({"errors": [{"code": refused.code, "message": refused.message}]}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_PATCH = of_registry

    def answer(self, status, text, kind):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
