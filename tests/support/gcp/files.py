"""What is in buckets of Cloud Storage by HTTP: uploads whole and in sessions that are gone on with, and downloads."""

import base64
import email
import itertools
import json
import re
from urllib.parse import unquote

from storage import Refuse

STATUS = {"NOT_FOUND": (404, "notFound"), "FAILED_PRECONDITION": (412, "conditionNotMet"), "INVALID_ARGUMENT": (400, "invalid")}
# What a session takes at a time is a multiple of this many bytes, but for its end.
PIECE = 256 * 1024


class Files:
    def __init__(self, storage, noted):
        self.storage, self.noted = storage, noted
        self.sessions, self.count = {}, itertools.count(1)

    def serve(self, handler, method, path, query, body):
        """The status, the headers and the text of an answer; none for a reply that is lost."""
        parts = path.split("/")
        bucket = unquote(parts[parts.index("b") + 1])
        is_upload = parts[0] == "upload"
        # A session is begun by one call, and gone on with by others.
        call = ("storage.objects.put" if method == "PUT" else "storage.objects.insert") if is_upload else "storage.objects.get"
        fault = self.noted(self.storage.project(bucket), call)
        if isinstance(fault, dict):
            return fault["status"], {}, b"{}"
        try:
            answer = self.upload(handler, method, bucket, query, body) if is_upload else self.download(bucket, unquote(path.split("/o/", 1)[1]))
        except Refuse as refused:
            status, reason = STATUS[refused.code.name]
            said = {"error": {"code": status, "message": refused.message, "errors": [{"reason": reason}]}}
            return status, {}, json.dumps(said).encode()
        return None if fault == "lost" else answer

    def download(self, bucket, name):
        bucket, generation = self.storage.newest(f"projects/_/buckets/{bucket}", name)
        one = self.storage.objects[bucket][name][generation]
        crc32c = base64.b64encode(one["crc32c"].to_bytes(4, "big")).decode()
        headers = {"x-goog-generation": str(generation), "x-goog-metageneration": "1", "x-goog-hash": f"crc32c={crc32c}",
                   "x-goog-stored-content-length": str(len(one["data"])), "x-goog-stored-content-encoding": "identity", "Content-Type": one["kind"]}
        return 200, headers, one["data"]

    def upload(self, handler, method, bucket, query, body):
        if method == "PUT":
            return self.go_on(handler, query["upload_id"], body)
        over = query.get("ifGenerationMatch")
        told = {"bucket": bucket, "name": query["name"], "over": None if over is None else int(over), "data": b""}
        if query["uploadType"] == "resumable":
            told["said"] = json.loads(body or b"{}")
            number = str(next(self.count))
            self.sessions[number] = told
            host, port = handler.server.server_address
            return 200, {"Location": f"http://{host}:{port}/storage.googleapis.com/upload/storage/v1/b/{bucket}/o?upload_id={number}"}, b""
        whole = email.message_from_bytes(b"Content-Type: " + handler.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
        said, data = whole.get_payload()
        told.update(said=json.loads(said.get_payload(decode=True)), data=data.get_payload(decode=True))
        return self.finish(told, handler)

    def go_on(self, handler, number, body):
        told = self.sessions.get(number)
        if told is None:
            return 404, {}, b"{}"
        found = re.fullmatch(r"bytes (\*|(\d+)-(\d+))/(\*|\d+)", handler.headers.get("Content-Range", "")) if handler.headers.get("Content-Range") else None
        if found is None:
            told["data"] += body
            return self.finish(told, handler)
        if found[2] is not None:
            first, total = int(found[2]), found[4]
            told["data"] = told["data"][:first] + body
            is_end = total != "*" and len(told["data"]) == int(total)
            if not is_end and len(body) % PIECE:
                told["data"] = told["data"][: len(told["data"]) // PIECE * PIECE]
            if is_end:
                return self.finish(told, handler)
        elif found[4] != "*" and len(told["data"]) == int(found[4]):
            return self.finish(told, handler)
        return 308, {"Range": f"bytes=0-{len(told['data']) - 1}"} if told["data"] else {}, b""

    def finish(self, told, handler):
        said = told["said"]
        encoded = said.get("crc32c")
        for one in (handler.headers.get("x-goog-hash") or "").split(","):
            encoded = one.strip().removeprefix("crc32c=") if one.strip().startswith("crc32c=") else encoded
        crc32c = int.from_bytes(base64.b64decode(encoded), "big") if encoded else None
        kind = said.get("contentType", "application/octet-stream")
        generation = self.storage.put(told["bucket"], told["name"], told["data"], said.get("metadata"), kind, told["over"], crc32c)
        one = self.storage.objects[told["bucket"]][told["name"]][generation]
        answer = {"kind": "storage#object", "name": told["name"], "bucket": told["bucket"], "generation": str(generation), "metageneration": "1",
                  "size": str(len(one["data"])), "metadata": one["metadata"], "crc32c": base64.b64encode(one["crc32c"].to_bytes(4, "big")).decode(),
                  "contentType": kind, "storageClass": "STANDARD", "etag": f"e{generation}"}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
