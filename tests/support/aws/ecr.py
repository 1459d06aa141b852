"""ECR beside the fake of Cloud Control: its own API, as far as it is of images, and the registry behind it, by the OCI distribution specification.

A repository is there when Cloud Control made it. What the specification refuses it refuses: a blob that is not what its digest says, a chunk that
does not follow the last, a manifest of what is not there, a tag that may not move."""

import base64
import hashlib
import json
import re
import uuid

REPOSITORY = "AWS::ECR::Repository"
TARGET = "AmazonEC2ContainerRegistry_V20150921"


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Repository:
    def __init__(self):
        self.manifests, self.tags, self.blobs, self.uploads = {}, {}, {}, {}


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def repository(account, name):
    if (REPOSITORY, name) not in account.objects:
        raise Refused(404, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist")
    return account.images.setdefault(name, Repository())


def has_images(account, name):
    return name in account.images and bool(account.images[name].manifests)


# ECR's own API.


def get_authorization_token(account, asked, host):
    token = base64.b64encode(f"AWS:{account.number}/{account.region}".encode()).decode()
    return {"authorizationData": [{"authorizationToken": token, "expiresAt": 4102444800, "proxyEndpoint": f"http://{host}"}]}


def said(repo, digest):
    tags = sorted(tag for tag, of in repo.tags.items() if of == digest)
    media, data = repo.manifests[digest]
    document = json.loads(data)
    size = sum(part["size"] for part in document.get("layers", [])) + document.get("config", {}).get("size", 0)
    return {"imageDigest": digest, "imageManifestMediaType": media, "imageSizeInBytes": size + len(data)} | ({"imageTags": tags} if tags else {})


def describe_images(account, asked, host):
    repo = repository(account, asked["repositoryName"])
    wanted = asked.get("imageIds")
    digests = sorted(repo.manifests) if wanted is None else [found(repo, one) for one in wanted]
    if None in digests:
        raise Refused(400, "ImageNotFoundException", "The image does not exist within the repository")
    return {"imageDetails": [said(repo, digest) for digest in digests]}


def list_images(account, asked, host):
    repo = repository(account, asked["repositoryName"])
    ids = [{"imageDigest": digest, "imageTag": tag} for tag, digest in sorted(repo.tags.items())]
    ids += [{"imageDigest": digest} for digest in sorted(repo.manifests) if digest not in repo.tags.values()]
    start = int(asked.get("nextToken") or 0)
    page = ids[start : start + 2]
    return {"imageIds": page} | ({"nextToken": str(start + 2)} if start + 2 < len(ids) else {})


def batch_get_image(account, asked, host):
    repo = repository(account, asked["repositoryName"])
    images, failures = [], []
    for one in asked["imageIds"]:
        digest = found(repo, one)
        if digest is None:
            failures.append({"imageId": one, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"})
        else:
            media, data = repo.manifests[digest]
            images.append({"imageId": {"imageDigest": digest}, "imageManifest": data.decode(), "imageManifestMediaType": media})
    return {"images": images, "failures": failures}


def found(repo, one):
    digest = one.get("imageDigest") or repo.tags.get(one.get("imageTag"))
    return digest if digest in repo.manifests else None


def referred(repo, digest):
    """Whether an index that is there has a manifest in it: such can't go before the index does."""
    return any(digest in [part["digest"] for part in json.loads(data).get("manifests", [])] for _, data in repo.manifests.values())


def batch_delete_image(account, asked, host):
    """With a tag alone a tag goes, and the image with its last one; with a digest the image."""
    repo = repository(account, asked["repositoryName"])
    gone, failures = [], []
    for one in asked["imageIds"]:
        digest = found(repo, one)
        if digest is None:
            failures.append({"imageId": one, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"})
            continue
        if "imageDigest" not in one:
            del repo.tags[one["imageTag"]]
        if "imageDigest" in one or digest not in repo.tags.values():
            if referred(repo, digest):
                failures.append({"imageId": one, "failureCode": "ImageReferencedByManifestList", "failureReason": "Requested image referenced by manifest list"})
                continue
            del repo.manifests[digest]
            repo.tags = {tag: of for tag, of in repo.tags.items() if of != digest}
        gone.append({"imageDigest": digest} | one)
    return {"imageIds": gone, "failures": failures}


def call(account, operation, asked, host):
    method = globals().get(re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
    if method is None:
        raise Refused(400, "InvalidAction", f"this fake has no {operation}")
    try:
        return method(account, asked, host)
    except Refused as refused:
        if refused.code == "NAME_UNKNOWN":
            raise Refused(400, "RepositoryNotFoundException", refused.message) from refused
        raise


# The registry.


def served(account, method, path, query, headers, body):
    """A status, headers and a body."""
    if path == "/v2/":
        return 200, {}, b"{}"
    if match := re.fullmatch(r"/v2/(.+)/blobs/uploads/([^/]*)", path):
        return upload(repository(account, match[1]), account, match[1], method, match[2], query, headers, body)
    if match := re.fullmatch(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})", path):
        return blob(repository(account, match[1]), method, match[2])
    if match := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path):
        return manifest(account, match[1], method, match[2], headers, body)
    raise Refused(404, "UNSUPPORTED", "there is nothing here")


def blob(repo, method, digest):
    if digest not in repo.blobs:
        raise Refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
    data = repo.blobs[digest]
    return 200, {"Docker-Content-Digest": digest, "Content-Length": str(len(data))}, b"" if method == "HEAD" else data


def upload(repo, account, name, method, key, query, headers, body):
    if method == "POST":
        other = account.images.get(query.get("from"))
        if other and query.get("mount") in other.blobs:
            digest = query["mount"]
            repo.blobs[digest] = other.blobs[digest]
            return 201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}, b""
        key = str(uuid.uuid4())
        repo.uploads[key] = b""
        return 202, {"Location": f"/v2/{name}/blobs/uploads/{key}?state=begun", "Range": "0-0"}, b""
    if key not in repo.uploads:
        raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    there = repo.uploads[key]
    so_far = {"Location": f"/v2/{name}/blobs/uploads/{key}?state={len(there)}", "Range": f"0-{max(len(there) - 1, 0)}"}
    if method == "GET":
        return 204, so_far, b""
    if method == "PATCH":
        begin = int((headers.get("Content-Range") or "0").split("-")[0])
        if begin != len(there):
            return 416, so_far, b""
        repo.uploads[key] = there + body
        end = len(repo.uploads[key])
        return 202, {"Location": f"/v2/{name}/blobs/uploads/{key}?state={end}", "Range": f"0-{end - 1}"}, b""
    if method == "PUT":
        data = there + body
        digest = query["digest"]
        if digest_of(data) != digest:
            raise Refused(400, "DIGEST_INVALID", f"provided digest did not match uploaded content: {digest_of(data)}")
        del repo.uploads[key]
        repo.blobs[digest] = data
        return 201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}, b""
    raise Refused(405, "UNSUPPORTED", "no such method")


def manifest(account, name, method, reference, headers, body):
    repo = repository(account, name)
    if method == "PUT":
        return put_manifest(account, repo, name, reference, headers, body)
    digest = repo.tags.get(reference, reference)
    if digest not in repo.manifests:
        raise Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
    media, data = repo.manifests[digest]
    return 200, {"Docker-Content-Digest": digest, "Content-Type": media, "Content-Length": str(len(data))}, b"" if method == "HEAD" else data


def put_manifest(account, repo, name, reference, headers, body):
    document = json.loads(body)
    digest, media = digest_of(body), headers.get("Content-Type")
    if document.get("mediaType") not in (None, media):
        raise Refused(400, "MANIFEST_INVALID", "it is not of the media type that is said")
    parts = document.get("layers", []) + ([document["config"]] if "config" in document else [])
    missing = [part["digest"] for part in parts if part["digest"] not in repo.blobs]
    missing += [part["digest"] for part in document.get("manifests", []) if part["digest"] not in repo.manifests]
    if missing:
        raise Refused(404, "MANIFEST_BLOB_UNKNOWN", f"blobs unknown to registry: {missing}")
    if reference.startswith("sha256:"):
        if reference != digest:
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    else:
        immutable = account.objects[REPOSITORY, name].get("ImageTagMutability") == "IMMUTABLE"
        if immutable and repo.tags.get(reference, digest) != digest:
            raise Refused(400, "TAG_INVALID", f"The image tag '{reference}' already exists in the '{name}' repository and cannot be overwritten because the repository is immutable.")
        repo.tags[reference] = digest
    repo.manifests[digest] = (media, body)
    return 201, {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}, b""
