"""Secret Manager's values: a secret is told to add one, which has the next number, and whose content alone `access` shows."""

import base64

import google_crc32c

from apis import Refused, invalid


class Secrets:
    """The values of the secrets of one world."""

    def __init__(self, world):
        self.world = world
        self.values = {}

    def own(self, collection, method):
        """What carries out a call of these ways; none for those that all APIs have."""
        if collection.api.said["name"] != "secretmanager":
            return None
        if collection.way[-1] == "secrets":
            return {"addVersion": self.add}.get(method.name)
        if collection.way[-1] == "versions":
            return {"get": self.get, "access": self.access, "destroy": self.become("DESTROYED"), "disable": self.become("DISABLED")}.get(method.name)
        return None

    def add(self, collection, method, path, query, body):
        secret = path.rsplit(":", 1)[0]
        self.world.there(collection, secret)
        payload = body.get("payload", {})
        data = base64.b64decode(payload["data"])
        if int(payload.get("dataCrc32c", google_crc32c.value(data))) != google_crc32c.value(data):
            raise invalid("the checksum is of something else")
        key = self.world.host_path(collection.api, secret)
        number = 1 + max((int(one.rsplit("/", 1)[-1]) for one in self.values if one.startswith(f"{key}/versions/")), default=0)
        # By the project's number, and not by its name, as Google shows it.
        name = "/".join(["projects", "1234567890", *secret.split("/")[3:], "versions", str(number)])
        self.values[f"{key}/versions/{number}"] = payload["data"]
        shown = {"name": name, "state": "ENABLED", "etag": f"\"{number}\"", "replicationStatus": {"automatic": {}}}
        self.world.things[f"{key}/versions/{number}"] = {"body": shown, "shown": True, "collection": "projects.secrets.versions", "api": "secretmanager"}
        return shown

    def key(self, collection, path):
        key = self.world.host_path(collection.api, path)
        if key.endswith("/versions/latest"):
            all = [one for one in self.world.things if one.startswith(key.removesuffix("latest"))]
            key = max(all, key=lambda one: int(one.rsplit("/", 1)[-1]), default=key)
        if key not in self.world.things:
            raise Refused(404, "NOT_FOUND", f"Secret Version [{path}] not found.")
        return key

    def get(self, collection, method, path, query, body):
        return self.world.things[self.key(collection, path)]["body"]

    def access(self, collection, method, path, query, body):
        key = self.key(collection, path.rsplit(":", 1)[0])
        shown = self.world.things[key]["body"]
        if shown["state"] != "ENABLED":
            raise Refused(400, "FAILED_PRECONDITION", f"Secret Version [{shown['name']}] is in {shown['state']} state.")
        data = self.values[key]
        return {"name": shown["name"], "payload": {"data": data, "dataCrc32c": str(google_crc32c.value(base64.b64decode(data)))}}

    def become(self, state):
        def change(collection, method, path, query, body):
            key = self.key(collection, path.rsplit(":", 1)[0])
            shown = self.world.things[key]["body"]
            if shown["state"] == "DESTROYED":
                raise Refused(400, "FAILED_PRECONDITION", f"Secret Version [{shown['name']}] is in DESTROYED state.")
            shown["state"] = state
            return shown

        return change
