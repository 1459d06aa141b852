"""Calls what it is told to through boto3, one JSON line for each answer: an observer that has no code of Trueup's in it.

Each line of standard input is {"endpoint", "region", "service", "call", "with"}. The service `told` is none of AWS's: it says what work is to
fail with, or which images there are."""

import base64
import datetime
import json
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
clients = {}


def client(asked):
    key = (asked["endpoint"], asked["region"], asked["service"])
    if key not in clients:
        clients[key] = boto3.client(
            asked["service"],
            region_name=asked["region"],
            endpoint_url=asked["endpoint"],
            aws_access_key_id="observer",
            aws_secret_access_key="observer",
            config=ONCE,
        )
    return clients[key]


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "read"):
        return plain(value.read())
    raise TypeError(type(value))


def answer(asked):
    if asked["service"] == "told":
        data = json.dumps({"region": asked["region"]} | asked["with"]).encode()
        urllib.request.urlopen(asked["endpoint"] + "/told", data).read()
        return {}
    try:
        got = getattr(client(asked), asked["call"])(**asked["with"])
        got.pop("ResponseMetadata", None)
        return got
    except ClientError as error:
        return {"error": error.response["Error"]["Code"]}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=plain), flush=True)
