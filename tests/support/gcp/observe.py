"""Google's own Python clients, told by lines of JSON what to call: `{api, version, way, call, with}`, or `{storage, with}` by gRPC."""

import json
import sys

import google.auth.credentials
import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud._storage_v2 import StorageClient
from google.cloud._storage_v2.services.storage.transports import StorageGrpcTransport
from google.protobuf.json_format import MessageToDict
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
import httplib2

from apis import document

ENDPOINT, STORAGE = sys.argv[1:]


def service(api, version):
    said = json.loads(json.dumps(document(api, version)))
    host = said["rootUrl"].split("//")[1].rstrip("/")
    said["rootUrl"] = f"{ENDPOINT}/observer/{host}/"
    said["baseUrl"] = said["rootUrl"] + said.get("servicePath", "")
    said.pop("mtlsRootUrl", None)
    return build_from_document(said, http=httplib2.Http(), always_use_jwt_access=False)


def storage(call, told):
    client = StorageClient(transport=StorageGrpcTransport(channel=grpc.insecure_channel(STORAGE.split("//")[1])))
    try:
        answer = getattr(client, call)(request=told, metadata=[("x-observer", "1")])
    except GoogleAPICallError as error:
        return {"error": error.grpc_status_code.name, "message": error.message}
    if answer is None:
        return {}
    shown = lambda one: MessageToDict(getattr(one, "_pb", one), preserving_proto_field_name=True)
    return {"items": [shown(one) for one in answer]} if hasattr(answer, "pages") else shown(answer)


def answer(line):
    if "storage" in line:
        return storage(line["storage"], line["with"])
    found = service(line["api"], line["version"])
    for step in line["way"].split("."):
        found = getattr(found, step)()
    try:
        return getattr(found, line["call"])(**line["with"]).execute()
    except HttpError as error:
        return {"error": error.resp.status, "message": error.reason}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
