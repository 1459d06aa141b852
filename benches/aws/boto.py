"""Makes buckets through boto3 with 32 threads, by the same calls that another made of each, and prints the seconds that it took.

Its one argument is {"endpoint", "region", "prefix", "calls": {OPERATION: HOW_OFTEN}}."""

import concurrent.futures
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

told = json.loads(sys.argv[1])
config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, max_pool_connections=32)
keys = {"aws_access_key_id": "tester", "aws_secret_access_key": "tester"}
session = boto3.session.Session(region_name=told["region"], **keys)
s3 = session.client("s3", endpoint_url=told["endpoint"], config=config)
sts = session.client("sts", endpoint_url=told["endpoint"], config=config)
count = told["calls"]["s3:CreateBucket"]
TAGS = [{"Key": f"trueup:{name}", "Value": "x" * 24} for name in ("stack", "address", "generation", "token")]

# What each operation is called with, besides the bucket. AWS's name of it is that of the client's method.
WITH = {
    "PutBucketTagging": {"Tagging": {"TagSet": TAGS}},
    "PutBucketVersioning": {"VersioningConfiguration": {"Status": "Enabled"}},
    "PutPublicAccessBlock": {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        }
    },
    "PutBucketEncryption": {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        }
    },
    "PutBucketOwnershipControls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
}


def method(operation):
    name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).lstrip("_")
    return getattr(s3, name)


def call(operation, bucket):
    with_these = WITH.get(operation, {})
    if operation == "CreateBucket":
        with_these = {"CreateBucketConfiguration": {"Tags": TAGS}}
    try:
        method(operation)(Bucket=bucket, **with_these)
    except ClientError as error:
        # What is not set is an answer too.
        if not error.response["Error"]["Code"].startswith("NoSuch") and "NotFound" not in error.response["Error"]["Code"]:
            raise


# Of each bucket so many calls of an operation; what is left over is made once in all.
each = {name: times // count for name, times in told["calls"].items() if name.startswith("s3:")}
once = {name: times - each.get(name, 0) * count for name, times in told["calls"].items()}


def make(number):
    bucket = f"{told['prefix']}-{number}"
    order = sorted(each, key=lambda name: name != "s3:CreateBucket")
    for name in order:
        for _ in range(each[name]):
            call(name.split(":")[1], bucket)


start = time.monotonic()
for name, times in once.items():
    for _ in range(times):
        service, operation = name.split(":")
        if service == "sts":
            sts.get_caller_identity()
        else:
            method(operation)()
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    list(pool.map(make, range(count)))
print(time.monotonic() - start)
