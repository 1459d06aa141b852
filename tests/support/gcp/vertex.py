"""Vertex AI's own ways: models are uploaded, and endpoints told to deploy them. What it shows names a project by its number."""

from apis import Refused, invalid

NUMBER = "1234567890"
# What of a model can be changed once it is there.
CHANGES = ("displayName", "description", "labels", "versionDescription", "etag", "name")
SCALES = ("minReplicaCount", "maxReplicaCount", "autoscalingMetricSpecs", "requiredReplicaCount")


def place(host, path):
    """The API's own host, for that of one location; what asks elsewhere finds nothing."""
    if not host.endswith("aiplatform.googleapis.com"):
        return host
    location = host.removesuffix("aiplatform.googleapis.com").rstrip("-")
    parts = path.split("/")
    if "locations" in parts and parts[parts.index("locations") + 1] != location:
        raise Refused(404, "NOT_FOUND", f"The requested URL /{path} was not found on this server.")
    return "aiplatform.googleapis.com"


class Vertex:
    """The models and endpoints of one world."""

    def __init__(self, world):
        self.world = world

    def own(self, collection, method):
        """What carries out a call of these ways; none for those that all APIs have."""
        if collection.api.said["name"] != "aiplatform":
            return None
        return {
            ("models", "upload"): self.upload,
            ("models", "patch"): self.patch,
            ("models", "listVersions"): self.versions,
            ("models", "delete"): self.delete,
            ("endpoints", "deployModel"): self.deploy,
            ("endpoints", "undeployModel"): self.undeploy,
            ("endpoints", "mutateDeployedModel"): self.scale,
            ("endpoints", "get"): self.get,
            ("endpoints", "getIamPolicy"): self.policy,
            ("endpoints", "setIamPolicy"): self.policy,
            ("endpoints", "delete"): self.delete,
            ("operations", "list"): self.operations,
        }.get((collection.way[-1], method.name))

    def upload(self, collection, method, path, query, body):
        there = (body.get("model") or {})
        if body.get("parentModel"):
            return self.add(collection, method, body)
        if not there.get("displayName") or not there.get("containerSpec", {}).get("imageUri"):
            raise invalid("a model has a display name and an image")
        for probe in ("startupProbe", "livenessProbe", "healthProbe"):
            said = there["containerSpec"].get(probe)
            if said and said.get("timeoutSeconds", 1) < said.get("periodSeconds", 10):
                raise invalid(f"{probe}: timeoutSeconds must be greater or equal to periodSeconds")
        return self.world.create(collection, method, [], path.removesuffix(":upload"), query, body)

    def add(self, collection, method, body):
        """Another version of a model, which is then the one that is shown."""
        key = self.world.host_path(collection.api, "v1/" + body["parentModel"])
        there = self.world.things[key]["body"]
        there["containerSpec"], there["versionId"] = body["model"]["containerSpec"], str(int(there.get("versionId", "1")) + 1)
        return self.world.begin(collection, method, key, "update")

    def versions(self, collection, method, path, query, body):
        there = self.world.there(collection, path.rsplit(":", 1)[0])["body"]
        number = int(there.get("versionId", "1"))
        return {"models": [{**there, "name": f"{there['name']}@{one}"} for one in range(1, number + 1)]}

    def patch(self, collection, method, path, query, body):
        for name in (query.get("updateMask") or "").split(","):
            if name.split(".")[0] not in CHANGES:
                raise invalid(f"Invalid field mask: {name} can't be changed")
        return self.world.update(collection, method, path, query, body)

    def used(self, path):
        """The endpoint that serves a model; or the model that an endpoint serves."""
        last = path.rsplit("/", 1)[-1]
        for key, thing in self.world.things.items():
            for deployed in thing["body"].get("deployedModels", []) if "/endpoints/" in key else []:
                if "/endpoints/" in path and key.endswith(f"/endpoints/{last}") or deployed["model"].split("@")[0].endswith(f"/models/{last}"):
                    return deployed["id"]
        return None

    def delete(self, collection, method, path, query, body):
        used = self.used(path)
        if used:
            raise Refused(400, "FAILED_PRECONDITION", f"'{path}' is in use: deployed model {used}")
        return self.world.delete(collection, method, path)

    def get(self, collection, method, path, query, body):
        """What goes on in it goes on also where nobody asks after that."""
        self.world.goes_on(self.world.host_path(collection.api, path))
        there = self.world.there(collection, path)["body"]
        return {name: value for name, value in there.items() if not name.startswith("_")}

    def operations(self, collection, method, path, query, body):
        prefix = self.world.host_path(collection.api, path) + "/"
        return {"operations": [dict(found["body"]) for key, found in self.world.works.items() if key.startswith(prefix)]}

    def policy(self, collection, method, path, query, body):
        """Who may call an endpoint, which an earlier version alone tells."""
        if collection.api.said["version"] != "v1beta1":
            raise Refused(404, "NOT_FOUND", "it has no policies")
        key = self.world.host_path(collection.api, path.rsplit(":", 1)[0])
        if key.replace("/v1beta1/", "/v1/") not in self.world.things:
            raise Refused(404, "NOT_FOUND", f"The resource '{path}' was not found")
        return self.world.own_policy(key, method.name, body or {})

    def endpoint(self, collection, path):
        path = path.rsplit(":", 1)[0]
        return self.world.there(collection, path)["body"], self.world.host_path(collection.api, path)

    def later(self, collection, method, key, do):
        """Work at whose end something is done to the endpoint."""
        answer = self.world.begin(collection, method, key, "update")
        list(self.world.works.values())[-1]["then"] = do
        return answer

    def deploy(self, collection, method, path, query, body):
        there, key = self.endpoint(collection, path)
        collection.api.check(method.request, body)
        one = dict(body["deployedModel"])
        if not one.get("id", "").isdigit() or len(one["id"]) > 10:
            raise invalid("DeployedModel.id has up to ten digits")
        known = there.setdefault("_deploying", []) + [one["id"] for one in there.get("deployedModels", [])]
        if one["id"] in known:
            raise Refused(409, "ALREADY_EXISTS", f"DeployedModel {one['id']} already exists in the endpoint")
        model = f"{collection.api.said['rootUrl'].split('//')[1]}v1/{one['model']}"
        if model not in self.world.things:
            raise Refused(404, "NOT_FOUND", f"The Model {one['model']} was not found")
        machine = one["dedicatedResources"]["machineSpec"]
        if machine["machineType"].startswith(("g2-", "a2-", "a3-")) and not machine.get("acceleratorType"):
            raise invalid("acceleratorType is required")
        parts = one["model"].split("/")
        one["model"] = "/".join([parts[0], NUMBER, *parts[2:]]) + "@1"
        one["createTime"] = "2026-11-27T00:00:00Z"
        there["_deploying"].append(one["id"])
        split = {one["id"] if name == "0" else name: share for name, share in (body.get("trafficSplit") or {}).items()}

        def done(failed):
            there["_deploying"].remove(one["id"])
            if not failed:
                there.setdefault("deployedModels", []).append(one)
                if split:
                    there["trafficSplit"] = split

        return self.later(collection, method, key, done)

    def undeploy(self, collection, method, path, query, body):
        there, key = self.endpoint(collection, path)
        collection.api.check(method.request, body)
        number, all = body["deployedModelId"], there.get("deployedModels", [])
        if number not in [one["id"] for one in all]:
            raise Refused(404, "NOT_FOUND", f"DeployedModel {number} was not found")
        if body.get("trafficSplit"):
            there["trafficSplit"] = dict(body["trafficSplit"])
        if len(all) > 1 and there.get("trafficSplit", {}).get(number):
            raise Refused(400, "FAILED_PRECONDITION", f"DeployedModel {number} has traffic")

        def done(failed):
            if not failed:
                there["deployedModels"] = [one for one in there["deployedModels"] if one["id"] != number]
                there.get("trafficSplit", {}).pop(number, None)

        return self.later(collection, method, key, done)

    def scale(self, collection, method, path, query, body):
        there, key = self.endpoint(collection, path)
        collection.api.check(method.request, body)
        sent = body["deployedModel"]
        one = next(one for one in there["deployedModels"] if one["id"] == sent["id"])
        for way in body["updateMask"].split(","):
            first, _, last = way.partition(".")
            if first != "dedicatedResources" or last not in SCALES:
                raise invalid(f"{way} can't be mutated")
            one[first].pop(last, None)
            if last in sent.get(first, {}):
                one[first][last] = sent[first][last]
        return self.later(collection, method, key, lambda failed: None)
