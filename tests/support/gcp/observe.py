"""Google's own Python client, told by lines of JSON what to call: `{api, version, way, call, with}`."""

import json
import sys

import google.auth.credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
import httplib2

from apis import document

ENDPOINT = sys.argv[1]


def service(api, version):
    said = json.loads(json.dumps(document(api, version)))
    host = said["rootUrl"].split("//")[1].rstrip("/")
    said["rootUrl"] = f"{ENDPOINT}/observer/{host}/"
    said["baseUrl"] = said["rootUrl"] + said.get("servicePath", "")
    said.pop("mtlsRootUrl", None)
    return build_from_document(said, http=httplib2.Http(), always_use_jwt_access=False)


def answer(line):
    found = service(line["api"], line["version"])
    for step in line["way"].split("."):
        found = getattr(found, step)()
    try:
        return getattr(found, line["call"])(**line["with"]).execute()
    except HttpError as error:
        return {"error": error.resp.status, "message": error.reason}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
