"""Artifact Registry's images: the OCI distribution API, and what its own API shows of them."""

import hashlib
import itertools
import json
import re

from apis import Refused

API = "artifactregistry.googleapis.com/v1"


class Registry:
    """The images of one world, which its own API lists as packages, versions and tags."""

    def __init__(self, world):
        self.world = world
        self.blobs, self.uploads, self.manifests, self.count = {}, {}, {}, itertools.count(1)

    def serve(self, method, host, path, query, headers, body):
        """The status, the headers and the text of an answer."""
        location = host.removesuffix("-docker.pkg.dev")
        found = re.fullmatch(r"v2/([^/]+)/([^/]+)/(.+?)/(blobs/uploads|blobs|manifests)/?(.*)", path)
        if found is None:
            return 404, {}, b""
        project, repository, name, what, rest = found.groups()
        place = f"{API}/projects/{project}/locations/{location}/repositories/{repository}"
        if place not in self.world.things:
            return 404, {}, json.dumps({"errors": [{"code": "NAME_UNKNOWN", "message": f"Repository {repository} not found"}]}).encode()
        if what == "blobs/uploads":
            return self.upload(method, path, rest, query, headers, body)
        if what == "blobs":
            return (200, {}, b"") if rest in self.blobs else (404, {}, b"")
        if method == "PUT":
            return self.put(place, name, rest, headers, body)
        there = self.manifests.get((place, name, rest))
        return (404, {}, b"") if there is None else (200, {"Content-Type": there[0]}, there[1])

    def upload(self, method, path, number, query, headers, body):
        if method == "POST":
            number = str(next(self.count))
            self.uploads[number] = b""
            return 202, {"Location": f"/{path.rstrip('/')}/{number}"}, b""
        if number not in self.uploads:
            return 404, {}, json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "unknown"}]}).encode()
        if method == "GET":
            return 204, {"Location": f"/{path}", "Range": f"0-{max(len(self.uploads[number]) - 1, 0)}"}, b""
        if method == "PATCH":
            first = int(headers.get("Content-Range", "0-").split("-")[0])
            self.uploads[number] = self.uploads[number][:first] + body
            return 202, {"Location": f"/{path}", "Range": f"0-{len(self.uploads[number]) - 1}"}, b""
        content = self.uploads.pop(number) + body
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if digest != query["digest"]:
            return 400, {}, json.dumps({"errors": [{"code": "DIGEST_INVALID", "message": digest}]}).encode()
        self.blobs[digest] = content
        return 201, {"Docker-Content-Digest": digest}, b""

    def put(self, place, name, under, headers, body):
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        said = json.loads(body)
        parts = said.get("layers", []) + ([said["config"]] if "config" in said else [])
        missing = [part for part in parts if part["digest"] not in self.blobs]
        missing += [one for one in said.get("manifests", []) if (place, name, one["digest"]) not in self.manifests]
        if missing:
            return 404, {}, json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": missing[0]["digest"]}]}).encode()
        things, package = self.world.things, f"{place}/packages/{name}"
        path = place.split("/", 2)[2]
        tag = None if under.startswith("sha256:") else under
        other = things.get(f"{package}/tags/{tag}")
        if tag and other and not other["body"]["version"].endswith(digest):
            if things[place]["body"].get("dockerConfig", {}).get("immutableTags"):
                return 400, {}, json.dumps({"errors": [{"code": "TAG_INVALID", "message": "The tag is immutable"}]}).encode()
            self.untag(package, tag)
        self.manifests[place, name, digest] = (headers["Content-Type"], body)
        self.show(package, "packages", {"name": f"{path}/packages/{name}"})
        self.show(f"{package}/versions/{digest}", "versions", {"name": f"{path}/packages/{name}/versions/{digest}"})
        image = f"{place}/dockerImages/{name}@{digest}"
        size = len(body) + sum(part["size"] for part in parts)
        tags = things[image]["body"]["tags"] if image in things else []
        self.show(image, "dockerImages", {"name": f"{path}/dockerImages/{name}@{digest}", "imageSizeBytes": str(size), "tags": tags})
        if tag:
            things[image]["body"]["tags"] = sorted({*tags, tag})
            self.show(f"{package}/tags/{tag}", "tags", {"name": f"{path}/packages/{name}/tags/{tag}", "version": f"{path}/packages/{name}/versions/{digest}"})
        return 201, {"Docker-Content-Digest": digest}, b""

    def show(self, key, kind, body):
        self.world.things[key] = {"body": body, "shown": True, "collection": f"projects.locations.repositories.{kind}", "api": "artifactregistry"}

    def image_of(self, package, digest):
        place, name = package.split("/packages/")
        return f"{place}/dockerImages/{name}@{digest}"

    def untag(self, package, tag):
        found = self.world.things.pop(f"{package}/tags/{tag}")
        image = self.world.things.get(self.image_of(package, found["body"]["version"].rsplit("/", 1)[-1]))
        if image:
            image["body"]["tags"].remove(tag)

    # -- its own API

    def own(self, collection, method):
        """What carries out a call of these ways; none for those that all APIs have."""
        if collection.api.said["name"] != "artifactregistry" or method.name != "delete":
            return None
        return {"versions": self.delete_version, "tags": self.delete_tag}.get(collection.way[-1])

    def delete_version(self, collection, method, path, query, body):
        self.world.there(collection, path)
        package, digest = self.world.host_path(collection.api, path).split("/versions/")
        image = self.world.things[self.image_of(package, digest)]
        if image["body"]["tags"] and query.get("force") != "true":
            raise Refused(400, "FAILED_PRECONDITION", "the version has tags")
        place, name = package.split("/packages/")
        if any(digest in text.decode() for (where, what, other), (_, text) in self.manifests.items() if (where, what) == (place, name) and other != digest):
            raise Refused(400, "FAILED_PRECONDITION", "manifest is referenced by parent manifests")
        for tag in list(image["body"]["tags"]):
            self.untag(package, tag)
        del self.world.things[self.image_of(package, digest)], self.manifests[place, name, digest]
        answer = self.world.begin(collection, method, f"{package}/versions/{digest}", "delete")
        if not any(key.startswith(f"{package}/versions/") and key != f"{package}/versions/{digest}" for key in self.world.things):
            self.world.things.pop(package, None)
        return answer

    def delete_tag(self, collection, method, path, query, body):
        self.world.there(collection, path)
        package, tag = self.world.host_path(collection.api, path).split("/tags/")
        self.untag(package, tag)
        return {}
