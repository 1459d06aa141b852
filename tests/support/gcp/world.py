"""What there is at Google: things by their paths, and work under way."""

import itertools
import threading


from apis import Refused, invalid, is_output
from compute import Compute
from registry import Registry
from vault import Secrets
from vertex import Vertex

# Names that stand in what is sent, by the words of their APIs' references.
LAST = {
    "bigquery.datasets": ("datasetReference", "datasetId"),
    "bigquery.tables": ("tableReference", "tableId"),
    "dataproc.projects.regions.clusters": ("clusterName",),
    "container.projects.locations.clusters": ("name",),
    "container.projects.locations.clusters.nodePools": ("name",),
    "cloudbuild.projects.locations.triggers": ("name",),
    "dns.responsePolicies": ("responsePolicyName",),
    "dns.responsePolicyRules": ("ruleName",),
    "logging.projects.sinks": ("name",),
    "logging.projects.metrics": ("name",),
    "logging.projects.exclusions": ("name",),
}
WHOLE = {
    "cloudscheduler.projects.locations.jobs",
    "cloudtasks.projects.locations.queues",
    "cloudfunctions.projects.locations.functions",
    "composer.projects.locations.environments",
}
# How many looks at work find it under way.
TAKES = 2


class World:
    """One project's things."""

    def __init__(self, project):
        self.project = project
        self.things, self.works, self.requests, self.policies = {}, {}, {}, {}
        self.count = itertools.count(1)
        self.lock = threading.RLock()
        # What the next work fails with, one entry each; none for what does not fail.
        self.failures = []
        self.compute, self.registry, self.secrets, self.vertex = Compute(self), Registry(self), Secrets(self), Vertex(self)

    def host_path(self, api, path):
        return f"{api.said['rootUrl'].split('//')[1].rstrip('/')}/{path}"

    # -- what is asked

    def carry_out(self, collection, method, values, path, query, body):
        with self.lock:
            name = method.name
            rooms = (self.compute, self.registry, self.secrets, self.vertex)
            own = next((own for room in rooms if (own := room.own(collection, method))), None)
            if own:
                return own(collection, method, path, query, body or {})
            if name in ("create", "insert"):
                return self.once(query, lambda: self.create(collection, method, values, path, query, body))
            if name == "get" and self.is_work(collection):
                return self.work(collection.api, path)
            if name == "get":
                return self.there(collection, path)["body"]
            if name == "list":
                return self.list(collection, method, path, query)
            if name in ("patch", "update"):
                return self.once(query, lambda: self.update(collection, method, path, query, body))
            if name == "delete":
                return self.delete(collection, method, path)
            if name in ("getIamPolicy", "setIamPolicy"):
                return self.policy(collection, name, path.rsplit(":", 1)[0], body or {})
            raise Refused(501, "UNIMPLEMENTED", f"this double of Google has no {method.id}")

    def once(self, query, do):
        """A request with an id that was carried out is not carried out again."""
        key = query.get("requestId")
        if key is None:
            return do()
        if key not in self.requests:
            self.requests[key] = do()
        return self.requests[key]

    def is_work(self, collection):
        return "peration" in collection.way[-1]

    def there(self, collection, path):
        key = self.host_path(collection.api, path)
        found = self.things.get(key)
        if found is None or not found["shown"]:
            self.goes_on(key)
            raise Refused(404, "NOT_FOUND", f"The resource '{path}' was not found", "notFound")
        if collection.way[-1] == "jobs":
            # It goes on by itself.
            found["body"]["scheduleTime"] = f"2026-11-27T00:{next(self.count) % 60:02}:00Z"
        return found

    def create(self, collection, method, values, path, query, body):
        api, body = collection.api, body or {}
        if method.request:
            api.check(method.request, body)
        for name, said in method.parameters.items():
            if said.get("required") and said["location"] == "query" and name not in query:
                raise invalid(f"Required parameter is missing: {name}")
        inside = self.inside(api, method.request, collection.schema)
        thing = dict(body.get(inside) or {}) if inside else dict(body)
        target = self.target(collection, method, path, query, body, thing)
        key = self.host_path(api, target)
        self.parents(collection, target)
        if key in self.things:
            self.goes_on(key)
            raise Refused(409, "ALREADY_EXISTS", f"The resource '{target}' already exists", "alreadyExists")
        self.fill(collection, thing, target)
        failure = self.compute.completes(collection, thing, target)
        self.things[key] = {"body": thing, "shown": False, "collection": ".".join(collection.way), "api": api.said["name"]}
        return self.answer(collection, method, key, thing, "create", failure)

    def inside(self, api, request, schema):
        if request == schema or request is None:
            return None
        return next((name for name, field in api.fields(request).items() if field.get("$ref") == schema), None)

    def target(self, collection, method, path, query, body, thing):
        """The path of a new thing: whoever names it."""
        kind = f"{collection.api.said['name']}.{'.'.join(collection.way)}"
        if len(method.template) == len(collection.shape):
            return path
        parent = path.split("/")[: len(collection.shape) - 1]
        said = [name for name in method.parameters if name.endswith("Id") and name not in ("requestId", "projectId", "clientOperationId")]
        if said:
            last = query.get(said[0])
            if last is None:
                raise invalid(f"{said[0]} is required")
        elif kind == "iam.projects.serviceAccounts":
            last = f"{body.get('accountId')}@{self.project}.iam.gserviceaccount.com"
        elif kind in LAST:
            found = thing
            for step in LAST[kind]:
                found = (found or {}).get(step)
            last = found
        elif kind in WHOLE:
            whole = thing.get("name") or ""
            version = collection.shape[: len(collection.shape) - len(whole.split("/"))]
            if "/".join(version + whole.split("/")[:-1]) != "/".join(parent):
                raise invalid(f"name must begin with {'/'.join(parent)}, and is {whole}")
            return "/".join(version) + "/" + whole
        elif any(name.endswith("Id") for name in body if name != "projectId") and self.inside(
            collection.api, method.request, collection.schema
        ):
            last = next(value for name, value in body.items() if name.endswith("Id"))
        elif collection.style == "" and not is_output(collection.api.fields(collection.schema).get("name", {"readOnly": True})):
            last = thing.get("name")
        else:
            last = str(7_000_000_000 + next(self.count))
        if not last:
            raise invalid("Invalid value for field 'name': ''. It must be given")
        return "/".join(parent + [last])

    def parents(self, collection, target):
        """What a thing is in is there, if its API makes such."""
        parts = target.split("/")
        for other in collection.api.collections:
            if other is collection or "create" not in other.methods and "insert" not in other.methods:
                continue
            shape = other.shape
            if 0 < len(shape) < len(parts) and len(collection.shape) - len(shape) in (1, 2):
                fits = all(a == b or (a.startswith("{") and b.startswith("{")) for a, b in zip(shape, collection.shape))
                above = "/".join(parts[: len(shape)])
                if fits and shape[-1].startswith("{") and self.host_path(collection.api, above) not in self.things:
                    raise Refused(404, "NOT_FOUND", f"The resource '{above}' was not found", "notFound")

    def fill(self, collection, thing, target):
        """What Google says of a new thing by itself."""
        fields, number = collection.api.fields(collection.schema), next(self.count)
        for name in [name for name in thing if is_output(fields.get(name, {}))]:
            del thing[name]
        service = collection.api.said.get("servicePath", "").strip("/")
        named = target[len(service) + 1 :] if service else target.split("/", 1)[1]
        if "registryUri" in fields:
            parts = named.split("/")
            thing["registryUri"] = f"{parts[3]}-docker.pkg.dev/{parts[1]}/{parts[5]}"
        if collection.api.said["name"] == "run" and collection.way[-1] == "services":
            thing["uri"] = f"https://{named.split('/')[5]}-1234567890.{named.split('/')[3]}.run.app"
        if collection.api.said["name"] == "file":
            # Where it is in the network, Google says beside what was said.
            thing["networks"] = [{**one, "ipAddresses": ["10.9.0.2"], "reservedIpRange": "10.9.0.0/29"} for one in thing["networks"]]
            thing["state"] = "READY"
        if collection.api.said["name"] == "cloudfunctions":
            parts = named.split("/")
            thing["url"] = f"https://{parts[3]}-{parts[1]}.cloudfunctions.net/{parts[5]}"
            service = f"{'/'.join(parts[:4])}/services/{parts[5]}"
            config = thing.setdefault("serviceConfig", {})
            config.update(service=service, uri=f"https://{parts[5]}-1234567890.{parts[3]}.run.app", revision=f"{parts[5]}-00001")
            thing["state"] = "ACTIVE"
        if collection.way[-1] == "jobs" and "httpTarget" in thing:
            thing["httpTarget"].setdefault("headers", {})["User-Agent"] = "Google-Cloud-Scheduler"
        if "name" in fields:
            # A trigger has a name of its own beside its path, and is read by either.
            plain = collection.style == "" or collection.way[-1] == "triggers" and collection.api.said["name"] == "cloudbuild"
            thing["name"] = target.split("/")[-1] if plain else named
        said = {
            "id": str(10_000 + number), "uid": f"uid-{number}", "uniqueId": str(20_000 + number),
            "selfLink": f"https://www.googleapis.com/{target}", "createTime": "2026-11-27T00:00:00Z",
            "creationTimestamp": "2026-11-27T00:00:00.000-00:00", "email": target.split("/")[-1],
            "projectId": self.project, "etag": f"e{number}", "fingerprint": f"f{number}",
        }
        for name, value in said.items():
            if name in fields and fields[name].get("type") == "string" and name not in thing:
                thing[name] = value
        kind = fields.get("kind", {}).get("default")
        if kind:
            thing["kind"] = kind

    def answer(self, collection, method, key, thing, what, failure=None):
        """A thing at once, or work that is asked after."""
        api = collection.api
        if method.response and "peration" in method.response and method.response != collection.schema:
            return self.begin(collection, method, key, what, failure)
        self.settle(key, what)
        return {} if what == "delete" else thing

    def settle(self, key, what):
        if "/functions/" in key and key.startswith("cloudfunctions."):
            # The service that runs it comes and goes with it.
            service = "run.googleapis.com/v2/" + key.split("/", 2)[2].replace("/functions/", "/services/")
            if what == "delete":
                self.things.pop(service, None)
            else:
                body = {"name": service.split("/", 2)[2]}
                self.things.setdefault(service, {"body": body, "shown": True, "collection": "services", "api": "run"})
        if what == "delete":
            self.things.pop(key, None)
        elif key in self.things:
            self.things[key]["shown"] = True

    # -- work

    def begin(self, collection, method, key, what, failure=None):
        api, number = collection.api, next(self.count)
        fields = api.fields(method.response)
        path = key.split("/", 1)[1]
        failure = failure or (self.failures.pop(0) if self.failures else None)
        if "done" in fields:
            parts = path.split("/")
            base = "/".join(parts[:5]) if "locations" in parts else "/".join(parts[:3])
            name = f"{base.split('/', 1)[1]}/operations/op-{number}"
            at = f"{base}/operations/op-{number}"
            body = {"name": name, "done": False}
        else:
            base = path.rsplit("/", 2)[0]
            at = f"{base}/operations/op-{number}"
            body = {"name": f"op-{number}", "status": "RUNNING", "operationType": what,
                    "selfLink": f"https://www.googleapis.com/{at}", "targetLink": f"https://www.googleapis.com/{path}"}
            if api.fields(method.response).get("kind", {}).get("default"):
                body["kind"] = api.fields(method.response)["kind"]["default"]
        self.works[self.host_path(api, at)] = {"body": body, "left": TAKES, "key": key, "what": what, "failure": failure}
        return dict(body)

    def work(self, api, path):
        found = self.works.get(self.host_path(api, path))
        if found is None:
            raise Refused(404, "NOT_FOUND", f"The operation '{path}' was not found", "notFound")
        self.advance(found)
        return dict(found["body"])

    def goes_on(self, key):
        """Work on a thing goes on also where nobody asks after it but looks for the thing."""
        for found in self.works.values():
            if found["key"] == key:
                self.advance(found)

    def advance(self, found):
        found["left"] -= 1
        body = found["body"]
        if found["left"] > 0 or body.get("done") or body.get("status") == "DONE":
            return
        failed = found["failure"]
        self.compute.settled(found["key"], found["what"], failed)
        if "then" in found:
            found["then"](failed)
        if failed:
            if found["what"] == "create":
                self.things.pop(found["key"], None)
        else:
            self.settle(found["key"], found["what"])
        if "done" in body:
            body["done"] = True
            if failed:
                body["error"] = {"code": 8, "message": failed, "details": [{"reason": failed}]}
            elif found["what"] != "delete":
                body["response"] = self.things[found["key"]]["body"]
        else:
            body["status"] = "DONE"
            if failed:
                body["error"] = {"errors": [{"code": failed, "message": failed}]}
                body["httpErrorStatusCode"] = 503

    # -- the rest

    def list(self, collection, method, path, query):
        prefix = self.host_path(collection.api, path) + "/"
        shown = [thing["body"] for key, thing in sorted(self.things.items())
                 if thing["shown"] and key.startswith(prefix) and "/" not in key[len(prefix):]]
        first = int(query.get("pageToken") or 0)
        size = min(int(query.get("pageSize") or query.get("maxResults") or 3), 3)
        fields = collection.api.fields(method.response)
        items = next((name for name, field in fields.items()
                      if field.get("type") == "array" and field.get("items", {}).get("$ref") == collection.schema), "items")
        answer = {items: shown[first : first + size]}
        if first + size < len(shown):
            answer["nextPageToken"] = str(first + size)
        return answer

    def update(self, collection, method, path, query, body):
        api, body = collection.api, body or {}
        if method.request:
            api.check(method.request, body)
        found = self.there(collection, path)
        inside = self.inside(api, method.request, collection.schema)
        sent = dict(body.get(inside) or {}) if inside else dict(body)
        there, fields = found["body"], api.fields(collection.schema)
        for state in ("etag", "fingerprint"):
            if sent.get(state) not in (None, "", there.get(state)):
                raise Refused(412, "FAILED_PRECONDITION", f"{state} is {there.get(state)}, and not {sent[state]}", "conditionNotMet")
        if api.said["name"] == "file" and set(query["updateMask"].split(",")) - {"description", "fileShares", "labels", "performanceConfig"}:
            raise invalid(f"update_mask has {query['updateMask']}")
        mask = query.get("updateMask") or (body.get("updateMask") if inside else None)
        if mask:
            for way in mask.split(","):
                self.assign(api, fields, there, sent, way.split("."), way)
        elif method.verb == "PATCH":
            self.merge(there, sent)
        else:
            kept = {name: value for name, value in there.items() if is_output(fields.get(name, {})) or name in ("name", "etag", "fingerprint")}
            there.clear()
            there.update({**sent, **kept})
        for state in ("etag", "fingerprint"):
            if state in there:
                there[state] = f"{state[0]}{next(self.count)}"
        return self.answer(collection, method, self.host_path(api, path), there, "update")

    def assign(self, api, fields, there, sent, steps, way):
        first, rest = steps[0], steps[1:]
        if first not in fields:
            raise invalid(f"Invalid field mask: {way}")
        if not rest:
            if first in sent:
                there[first] = sent[first]
            else:
                there.pop(first, None)
            return
        inner = fields[first]
        if "$ref" not in inner and "properties" not in inner:
            raise invalid(f"Invalid field mask: {way}: {first} has no fields")
        inner = api.fields(inner["$ref"]) if "$ref" in inner else inner["properties"]
        below = there.setdefault(first, {})
        self.assign(api, inner, below, sent.get(first) or {}, rest, way)
        if not below:
            del there[first]

    def policy(self, collection, name, path, body):
        """Who may use a thing, or a project. What is written is guarded by its etag."""
        if collection.way[-1] != "projects":
            self.there(collection, path)
        return self.own_policy(self.host_path(collection.api, path), name, body)

    def own_policy(self, key, name, body):
        there = self.policies.setdefault(key, {"version": 1, "etag": f"e{next(self.count)}"})
        if name == "setIamPolicy":
            sent = body["policy"]
            if sent.get("etag") not in (None, there["etag"]):
                raise Refused(409, "ABORTED", "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.")
            there = self.policies[key] = {**sent, "etag": f"e{next(self.count)}"}
        return there

    def merge(self, there, sent):
        for name, value in sent.items():
            if value is None:
                there.pop(name, None)
            elif isinstance(value, dict) and isinstance(there.get(name), dict):
                self.merge(there[name], value)
            else:
                there[name] = value

    def delete(self, collection, method, path):
        key = self.host_path(collection.api, path)
        self.there(collection, path)
        below = [other for other in self.things if other.startswith(key + "/")]
        if self.things[key]["body"].get("networks") and collection.way == ["responsePolicies"]:
            raise Refused(400, "FAILED_PRECONDITION", f"'{path}' is bound to a network")
        if collection.way == ["networks"]:
            link = self.things[key]["body"].get("selfLink")
            uses = [other for other, thing in self.things.items() if thing["body"].get("network") == link]
            if uses:
                raise Refused(400, "RESOURCE_IN_USE", f"The network resource '{path}' is already being used by '{uses[0]}'", "resourceInUseByAnotherResource")
        if collection.api.said["name"] in ("artifactregistry", "secretmanager"):
            # A repository takes all with it that is in it, and a secret all its values.
            for other in below:
                del self.things[other]
            below = []
        if below:
            raise Refused(400, "FAILED_PRECONDITION", f"'{path}' has {below[0]} in it")
        return self.answer(collection, method, key, None, "delete")
