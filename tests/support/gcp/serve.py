"""Serves all of Google's APIs on one port of loopback, each below its host's name: `/pubsub.googleapis.com/v1/projects/…`.

Its port is the first line that it prints, and behind it the port of Cloud Storage's gRPC; at the path that it is given it leaves a service account's key, which it knows who calls by. What is told on its input, a line of JSON each, is answered by a line.
"""

import base64
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apis import Refused, document, versions
from files import Files
from signed import Signed
from storage import Storage
import tokens
from tokens import ACCOUNT
from vertex import place
from world import World

WORLDS, LOCK = {}, threading.Lock()


class Told:
    """What goes wrong in a project, and what was called there."""

    def __init__(self):
        self.calls, self.faults, self.callers = [], [], set()


TOLD = {}


def world(project):
    with LOCK:
        TOLD.setdefault(project, Told())
        return WORLDS.setdefault(project, World(project))


def whose(host, path, query):
    """The project that a request is about. A bucket is known without one."""
    parts = path.split("/")
    if "projects" in parts[:-1]:
        return parts[parts.index("projects") + 1].split(":")[0]
    if "project" in query:
        return query["project"]
    with LOCK:
        return next((project for project, there in WORLDS.items() if f"{host}/{path}" in there.things), "nobody")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def serve(self):
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        body = self.body()
        host, _, path = unquote(split.path).lstrip("/").partition("/")
        is_observer = host == "observer"
        if is_observer:
            host, _, path = path.partition("/")
        if host == "storage.googleapis.com" and "/storage/v1/b/" in f"/{path}" and (path.startswith("upload/") or "/o/" in path):
            return self.files(path, query, body)
        if host in ("computeMetadata", "sts.googleapis.com", "iamcredentials.googleapis.com"):
            return self.tell(tokens.serve(host, path, self.headers, body))
        if "X-Goog-Signature" in query:
            return self.tell(SIGNED.serve(self, self.command, unquote(split.path), parse_qsl(split.query, keep_blank_values=True), body))
        if host.endswith("-docker.pkg.dev"):
            return self.images(host, path, query, body)
        try:
            status, answer = 200, self.answer(host, path, query, body, is_observer)
        except Refused as refused:
            status, answer = refused.status, refused.body()
        if answer is None:
            # The request was carried out, and its answer is lost.
            self.close_connection = True
            self.connection.close()
            return
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def files(self, path, query, body):
        if not is_known(self.headers.get("Authorization", "")):
            answer = (401, {}, b"{}")
        else:
            answer = FILES.serve(self, self.command, path, query, body)
        if answer is None:
            self.close_connection = True
            self.connection.close()
            return
        self.tell(answer)

    def tell(self, answer):
        status, headers, text = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def images(self, host, path, query, body):
        project = path.split("/")[1]
        there = world(project)
        fault = noted(project, f"images.{self.command}")
        answer = (401, {}, b"{}")
        if is_known(self.headers.get("Authorization", "")):
            with there.lock:
                answer = there.registry.serve(self.command, host, path, query, self.headers, body)
        if fault == "lost":
            self.close_connection = True
            self.connection.close()
            return
        status, headers, text = answer
        if "Location" in headers:
            # It is below this host's name.
            headers["Location"] = "http://{}:{}/{}{}".format(*self.server.server_address, host, headers["Location"])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def answer(self, host, path, query, body, is_observer):
        if path == "$discovery/rest":
            found = document(host.split(".")[0], query.get("version", ""))
            if found is None:
                raise Refused(404, "NOT_FOUND", "Discovery document not found.", "notFound")
            return found
        who = is_known(self.headers.get("Authorization", ""))
        if not is_observer and not who:
            raise Refused(401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
        if not is_observer:
            host = place(host, path)
        found = next((found for api in versions(host) if (found := api.find(self.command, path))), None)
        if found is None:
            raise Refused(404, "NOT_FOUND", f"The requested URL /{path} was not found on this server.")
        collection, method, values = found
        project = whose(host, path, query)
        there = world(project)
        if method.id in ("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy"):
            return STORAGE.policy_of(path.split("/")[3], json.loads(body) if body else None)
        fault = None if is_observer else noted(project, method.id)
        if who:
            with LOCK:
                TOLD[project].callers.add(who)
        if isinstance(fault, dict):
            raise Refused(fault["status"], fault.get("code", "UNAVAILABLE"), fault.get("message", "told to fail"), fault.get("reason"))
        answer = there.carry_out(collection, method, values, path, query, json.loads(body) if body else None)
        return None if fault == "lost" else answer

    do_HEAD = do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


def noted(project, call):
    """What goes wrong with a call, which is written down."""
    with LOCK:
        told = TOLD.setdefault(project, Told())
        told.calls.append(call)
        for fault in told.faults:
            if fault["method"] not in ("*", call) or fault["times"] == 0:
                continue
            fault["seen"] = fault.get("seen", 0) + 1
            if fault["seen"] % fault.get("every", 1) == 0:
                fault["times"] -= 1
                return fault["what"]
    return None


def is_known(authorization):
    """As whom a call is made, by a token that the account has signed for itself or was given; nobody else is known."""
    who = tokens.whose(authorization.removeprefix("Bearer "))
    return who if who in tokens.ACCOUNTS else None


STORAGE = Storage(noted, is_known)
FILES = Files(STORAGE, noted)
SIGNED = Signed(STORAGE, FILES, ACCOUNT)


def leave_key(path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    SIGNED.key = key.public_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    said = {
        "type": "service_account", "project_id": "acme", "private_key_id": "1", "private_key": pem.decode(),
        "client_email": ACCOUNT, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(said, file)


def told(line):
    there = world(line["project"])
    if "calls" in line:
        with LOCK:
            calls, TOLD[line["project"]].calls = TOLD[line["project"]].calls, []
        return calls
    if "callers" in line:
        with LOCK:
            callers, TOLD[line["project"]].callers = sorted(TOLD[line["project"]].callers), set()
        return callers
    if "fault" in line:
        with LOCK:
            TOLD[line["project"]].faults.append(line["fault"])
    if "behave" in line:
        with LOCK:
            TOLD[line["project"]].faults.clear()
    if "fails" in line:
        with there.lock:
            there.failures.extend(line["fails"])
    if "thing" in line:
        path, collection, body = line["thing"]
        with there.lock:
            there.things[path] = {"body": body, "shown": True, "collection": collection, "api": path.split(".")[0]}
    if "stockout" in line:
        with there.lock:
            there.compute.stockouts.update(line["stockout"])
    if "file" in line:
        bucket, name, *data = line["file"]
        STORAGE.put(bucket, name, *[base64.b64decode(one) for one in data])
    if "text" in line:
        bucket, name = line["text"]
        with STORAGE.lock:
            versions = STORAGE.objects[bucket].get(name)
            return base64.b64encode(versions[max(versions)]["data"]).decode() if versions else None
    if "things" in line:
        with there.lock, STORAGE.lock:
            mine = [bucket.name for bucket in STORAGE.buckets.values() if bucket.project == f"projects/{line['project']}"]
            return sorted(there.things) + sorted(mine)
    return None


def main():
    leave_key(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], STORAGE.start(), flush=True)
    for line in sys.stdin:
        print(json.dumps(told(json.loads(line))), flush=True)
    # Who started this is gone, and needs the key no more.
    os.remove(sys.argv[1])


main()
