"""Files of Cloud Storage at addresses that were signed for them (V4): no other call, nothing else, and for a time."""

import hashlib
import re
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding


class Signed:
    def __init__(self, storage, files, account):
        self.storage, self.files, self.account = storage, files, account
        # Whose signatures count, once that is known.
        self.key = None

    def serve(self, handler, method, path, pairs, body):
        """The status, the headers and the text of an answer. `path`: as it was asked for, `pairs`: the query in its order."""
        query = dict(pairs)
        if not self.is_signed(handler.headers["Host"], method, path, pairs, query):
            return 403, {}, b"SignatureDoesNotMatch"
        bucket, name = path.lstrip("/").split("/", 1)
        if method == "GET":
            if not self.storage.live(bucket, name):
                return 404, {}, b"NoSuchKey"
            return self.files.download(bucket, name)
        if method == "PUT":
            self.storage.put(bucket, name, body)
            return 200, {}, b""
        return 405, {}, b""

    # At Google no port is said.
    def is_signed(self, host, method, path, pairs, query):
        whose = query.get("X-Goog-Credential", "").split("/")
        if query.get("X-Goog-Algorithm") != "GOOG4-RSA-SHA256" or whose[0] != self.account or query.get("X-Goog-SignedHeaders") != "host":
            return False
        if not 0 < int(query["X-Goog-Expires"]) <= 7 * 24 * 60 * 60 or not re.fullmatch(r"\d{8}T\d{6}Z", query["X-Goog-Date"]):
            return False
        said = sorted((name, value) for name, value in pairs if name != "X-Goog-Signature")
        line = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in said)
        request = "\n".join([method, quote(path, safe="/~"), line, f"host:{host.split(':')[0]}", "", "host", "UNSIGNED-PAYLOAD"])
        scope = "/".join(whose[1:])
        text = "\n".join([query["X-Goog-Algorithm"], query["X-Goog-Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
        try:
            self.key.verify(bytes.fromhex(query["X-Goog-Signature"]), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True
