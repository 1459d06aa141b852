"""Cloud Storage's control plane by gRPC (`google.storage.v2`): buckets, what is in them, who may use them.

It is served by the messages of Google's own package. What is written to a bucket is guarded by its metageneration, and to a policy by its etag.
"""

import base64
import itertools
import threading
from concurrent import futures

import google_crc32c
import grpc
from google.cloud._storage_v2.types import storage as v2
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import empty_pb2

from apis import Refused

# By which names its calls are served: newer clients ask the second who may use a bucket.
SERVICES = ("google.storage.v2.Storage", "google.storage.control.v2.StorageControl")
CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
PAGE = 3


class Refuse(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


def pb(message):
    return message.meta.pb


def refuse(code, message):
    raise Refuse(getattr(grpc.StatusCode, code), message)


class Storage:
    """All buckets of all projects: their names are everybody's."""

    def __init__(self, noted, is_known):
        self.buckets, self.objects, self.policies = {}, {}, {}
        self.count, self.lock = itertools.count(1), threading.RLock()
        self.noted, self.is_known = noted, is_known

    def project(self, name):
        found = self.buckets.get(name)
        return found.project.rsplit("/", 1)[-1] if found else "nobody"

    def there(self, path):
        name = path.rsplit("/", 1)[-1]
        if not path.startswith("projects/_/buckets/"):
            refuse("INVALID_ARGUMENT", f"{path} is no bucket")
        if name not in self.buckets:
            refuse("NOT_FOUND", f"The specified bucket does not exist: {name}")
        return self.buckets[name]

    # -- buckets

    def check(self, bucket):
        """What Google refuses of a bucket."""
        if bucket.storage_class not in CLASSES:
            refuse("INVALID_ARGUMENT", f"Invalid storage class {bucket.storage_class}")
        if bucket.iam_config.public_access_prevention not in ("", "inherited", "enforced"):
            refuse("INVALID_ARGUMENT", "Invalid public access prevention")
        for rule in bucket.lifecycle.rule:
            if rule.action.type_ not in ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"):
                refuse("INVALID_ARGUMENT", f"Invalid action {rule.action.type_}")
            if rule.action.type_ == "SetStorageClass" and (bucket.autoclass.enabled or rule.action.storage_class not in CLASSES[1:]):
                refuse("INVALID_ARGUMENT", "Invalid SetStorageClass")
            if not rule.condition.ListFields():
                refuse("INVALID_ARGUMENT", "A rule needs a condition")
        for key, value in bucket.labels.items():
            if key != key.lower() or value != value.lower() or len(key) > 63 or len(value) > 63:
                refuse("INVALID_ARGUMENT", f"Invalid label {key}")
        if bucket.logging.log_bucket and bucket.logging.log_bucket.rsplit("/", 1)[-1] not in self.buckets:
            refuse("INVALID_ARGUMENT", "The log bucket does not exist")

    def create_bucket(self, asked):
        name, bucket = asked.bucket_id, asked.bucket
        if asked.parent != "projects/_" or not bucket.project.startswith("projects/"):
            refuse("INVALID_ARGUMENT", "a bucket is made in projects/_, and says its project")
        if name in self.buckets:
            refuse("ALREADY_EXISTS", f"The bucket {name} is taken")
        made = pb(v2.Bucket)()
        made.CopyFrom(bucket)
        made.name, made.bucket_id, made.metageneration = f"projects/_/buckets/{name}", name, 1
        made.location = bucket.location.upper() or "US"
        made.storage_class = bucket.storage_class or "STANDARD"
        if not made.HasField("soft_delete_policy"):
            made.soft_delete_policy.retention_duration.seconds = 7 * 86400
        made.create_time.GetCurrentTime()
        self.check(made)
        self.buckets[name], self.objects[name] = made, {}
        self.policies[name] = policy_pb2.Policy(etag=b"CAE=")
        return made

    def get_bucket(self, asked):
        return self.there(asked.name)

    def list_buckets(self, asked):
        mine = [bucket for _, bucket in sorted(self.buckets.items()) if bucket.project == asked.parent]
        first, size = int(asked.page_token or 0), min(asked.page_size or PAGE, PAGE)
        answer = pb(v2.ListBucketsResponse)(buckets=mine[first : first + size])
        if first + size < len(mine):
            answer.next_page_token = str(first + size)
        return answer

    def update_bucket(self, asked):
        there = self.there(asked.bucket.name)
        if asked.HasField("if_metageneration_match") and asked.if_metageneration_match != there.metageneration:
            refuse("FAILED_PRECONDITION", "At least one of the pre-conditions you specified did not hold.")
        if not asked.update_mask.paths:
            refuse("INVALID_ARGUMENT", "an update needs a mask")
        changed = pb(v2.Bucket)()
        changed.CopyFrom(there)
        for path in asked.update_mask.paths:
            if path not in changed.DESCRIPTOR.fields_by_name:
                refuse("INVALID_ARGUMENT", f"Invalid field mask: {path}")
            changed.ClearField(path)
            said = getattr(asked.bucket, path)
            field = changed.DESCRIPTOR.fields_by_name[path]
            if path == "labels":
                changed.labels.update(said)
            elif field.is_repeated:
                getattr(changed, path).extend(said)
            elif field.message_type:
                if asked.bucket.HasField(path):
                    getattr(changed, path).CopyFrom(said)
            else:
                setattr(changed, path, said)
        if changed.HasField("retention_policy") and not changed.retention_policy.HasField("effective_time"):
            changed.retention_policy.effective_time.GetCurrentTime()
        changed.metageneration += 1
        self.check(changed)
        self.buckets[changed.bucket_id] = changed
        return changed

    def delete_bucket(self, asked):
        name = self.there(asked.name).bucket_id
        if self.objects[name]:
            refuse("FAILED_PRECONDITION", "The bucket you tried to delete is not empty.")
        for kept in (self.buckets, self.objects, self.policies):
            del kept[name]
        return empty_pb2.Empty()

    # -- what is in them

    def put(self, bucket, name, data=b"", metadata=None, kind="application/octet-stream", over=None, crc32c=None):
        """A file that somebody puts there, over a generation (nought: over none); the version before is kept where the bucket keeps versions."""
        with self.lock:
            if bucket not in self.buckets:
                refuse("NOT_FOUND", f"The specified bucket does not exist: {bucket}")
            versions = self.objects[bucket].get(name, {})
            if over is not None and over != self.live(bucket, name):
                refuse("FAILED_PRECONDITION", "At least one of the pre-conditions you specified did not hold.")
            found = google_crc32c.value(data)
            if crc32c is not None and crc32c != found:
                refuse("INVALID_ARGUMENT", f"Provided CRC32C {crc32c} doesn't match calculated CRC32C {found}.")
            generation = next(self.count)
            if not self.buckets[bucket].versioning.enabled:
                versions = {}
            versions[generation] = {"data": data, "metadata": metadata or {}, "kind": kind, "crc32c": found}
            self.objects[bucket][name] = versions
            return generation

    def shown(self, bucket, name, generation):
        one = self.objects[bucket][name][generation]
        made = pb(v2.Object)(name=name, bucket=f"projects/_/buckets/{bucket}", generation=generation, metageneration=1, size=len(one["data"]),
                             content_type=one["kind"], metadata=one["metadata"])
        made.checksums.crc32c = one["crc32c"]
        return made

    def live(self, bucket, name):
        """The version of a file that it has now; nought where it has none, though earlier ones may be kept."""
        versions = self.objects[bucket].get(name, {})
        newest = max(versions, default=0)
        return 0 if newest and versions[newest].get("archived") else newest

    def newest(self, path, name):
        """The newest version of a file."""
        bucket = self.there(path).bucket_id
        generation = self.live(bucket, name)
        if not generation:
            refuse("NOT_FOUND", f"No such object: {bucket}/{name}")
        return bucket, generation

    def get_object(self, asked):
        bucket, generation = self.newest(asked.bucket, asked.object_)
        return self.shown(bucket, asked.object_, generation)

    def compose_object(self, asked):
        made, sources = asked.destination, asked.source_objects
        bucket = self.there(made.bucket).bucket_id
        if not 1 <= len(sources) <= 32:
            refuse("INVALID_ARGUMENT", "The number of source components provided exceeds the limit of 32")
        data = b""
        for source in sources:
            versions = self.objects[bucket].get(source.name, {})
            generation = source.generation or self.live(bucket, source.name)
            if generation not in versions:
                refuse("NOT_FOUND", f"No such object: {source.name}")
            data += versions[generation]["data"]
        over = asked.if_generation_match if asked.HasField("if_generation_match") else None
        crc32c = asked.object_checksums.crc32c if asked.object_checksums.HasField("crc32c") else None
        generation = self.put(bucket, made.name, data, dict(made.metadata), made.content_type or "application/octet-stream", over, crc32c)
        return self.shown(bucket, made.name, generation)

    def list_objects(self, asked):
        bucket = self.there(asked.parent)
        found = []
        for name, versions in sorted(self.objects[bucket.bucket_id].items()):
            live = self.live(bucket.bucket_id, name)
            kept = sorted(versions) if asked.versions else [live] if live else []
            found += [self.shown(bucket.bucket_id, name, one) for one in kept if name.startswith(asked.prefix)]
        first, size = int(asked.page_token or 0), min(asked.page_size or PAGE, PAGE)
        answer = pb(v2.ListObjectsResponse)(objects=found[first : first + size])
        if first + size < len(found):
            answer.next_page_token = str(first + size)
        return answer

    def delete_object(self, asked):
        bucket = self.there(asked.bucket)
        versions = self.objects[bucket.bucket_id].get(asked.object_, {})
        generation = asked.generation or self.live(bucket.bucket_id, asked.object_)
        if generation not in versions:
            refuse("NOT_FOUND", f"No such object: {asked.object_}")
        if bucket.versioning.enabled and not asked.generation:
            # It is no more, and kept.
            versions[generation]["archived"] = True
            return empty_pb2.Empty()
        del versions[generation]
        if not versions:
            del self.objects[asked.bucket.rsplit("/", 1)[-1]][asked.object_]
        return empty_pb2.Empty()

    # -- who may use them

    def get_iam_policy(self, asked):
        return self.policies[self.there(asked.resource).bucket_id]

    def set_iam_policy(self, asked):
        bucket = self.there(asked.resource)
        there = self.policies[bucket.bucket_id]
        if asked.policy.etag and asked.policy.etag != there.etag:
            refuse("ABORTED", "The policy was changed meanwhile.")
        everybody = any(member in ("allUsers", "allAuthenticatedUsers") for binding in asked.policy.bindings for member in binding.members)
        if everybody and bucket.iam_config.public_access_prevention == "enforced":
            refuse("FAILED_PRECONDITION", "public access prevention is enforced")
        made = policy_pb2.Policy()
        made.CopyFrom(asked.policy)
        made.etag = f"e{next(self.count)}".encode()
        self.policies[bucket.bucket_id] = made
        return made

    def policy_of(self, bucket, body):
        """The same in JSON, as the REST API has it."""
        with self.lock:
            try:
                there = self.policies[self.there(f"projects/_/buckets/{bucket}").bucket_id]
                if body is not None:
                    etag = base64.b64decode(body["etag"]) if "etag" in body else b""
                    policy = policy_pb2.Policy(version=body.get("version", 1), etag=etag)
                    for one in body.get("bindings", []):
                        policy.bindings.add(role=one["role"], members=one["members"])
                    asked = iam_policy_pb2.SetIamPolicyRequest(resource=f"projects/_/buckets/{bucket}", policy=policy)
                    there = self.set_iam_policy(asked)
            except Refuse as refused:
                status = {"NOT_FOUND": 404, "ABORTED": 412}.get(refused.code.name, 400)
                raise Refused(status, refused.code.name, refused.message) from refused
            bindings = [{"role": one.role, "members": list(one.members)} for one in there.bindings]
            return {"kind": "storage#policy", "etag": base64.b64encode(there.etag).decode(), "version": there.version, "bindings": bindings}

    # -- how they are served

    METHODS = {
        "CreateBucket": (v2.CreateBucketRequest, "create_bucket", lambda asked: asked.bucket.project),
        "GetBucket": (v2.GetBucketRequest, "get_bucket", lambda asked: asked.name),
        "ListBuckets": (v2.ListBucketsRequest, "list_buckets", lambda asked: asked.parent),
        "UpdateBucket": (v2.UpdateBucketRequest, "update_bucket", lambda asked: asked.bucket.name),
        "DeleteBucket": (v2.DeleteBucketRequest, "delete_bucket", lambda asked: asked.name),
        "GetObject": (v2.GetObjectRequest, "get_object", lambda asked: asked.bucket),
        "ComposeObject": (v2.ComposeObjectRequest, "compose_object", lambda asked: asked.destination.bucket),
        "ListObjects": (v2.ListObjectsRequest, "list_objects", lambda asked: asked.parent),
        "DeleteObject": (v2.DeleteObjectRequest, "delete_object", lambda asked: asked.bucket),
        "GetIamPolicy": (iam_policy_pb2.GetIamPolicyRequest, "get_iam_policy", lambda asked: asked.resource),
        "SetIamPolicy": (iam_policy_pb2.SetIamPolicyRequest, "set_iam_policy", lambda asked: asked.resource),
    }

    def handlers(self):
        made = {}
        for name, (request, does, about) in self.METHODS.items():
            message = request if hasattr(request, "DESCRIPTOR") else pb(request)
            made[name] = grpc.unary_unary_rpc_method_handler(
                self.serve(name, getattr(self, does), about),
                request_deserializer=message.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
        return [grpc.method_handlers_generic_handler(service, made) for service in SERVICES]

    def serve(self, name, does, about):
        def call(asked, context):
            told = dict(context.invocation_metadata())
            is_observer = "x-observer" in told
            if not is_observer and not self.is_known(told.get("authorization", "")):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "there is no token")
            place = about(asked)
            project = self.project(place.rsplit("/", 1)[-1]) if "/buckets/" in place else place.rsplit("/", 1)[-1]
            fault = None if is_observer else self.noted(project, f"storage.{name}")
            if isinstance(fault, dict):
                context.abort(getattr(grpc.StatusCode, fault.get("code", "UNAVAILABLE")), fault.get("message", "told to fail"))
            try:
                with self.lock:
                    answer = does(asked)
                    copy = type(answer)()
                    copy.CopyFrom(answer)
            except Refuse as refused:
                context.abort(refused.code, refused.message)
            if fault == "lost":
                # The request was carried out, and its answer is lost.
                context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
            return copy

        return call

    def start(self):
        """Serves on a port of loopback, which is returned."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        server.add_generic_rpc_handlers(self.handlers())
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.server = server
        return port
