"""moto, which serves what Cloud Control does not: what one makes the other has to know of."""

import boto3
from botocore.config import Config

PROFILE = "AWS::IAM::InstanceProfile"
PAIR = "AWS::EC2::KeyPair"


def client(service, account, port):
    """boto3, asking moto as an account."""
    made = boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=account.region,
        aws_access_key_id="beside",
        aws_secret_access_key="beside",
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )

    def as_account(request, **_):
        request.headers["x-moto-account-id"] = account.number

    made.meta.events.register("before-send", as_account)
    return made


def made(account, kind, model, port):
    """EC2 takes the profiles that IAM has, and the key pairs of its own."""
    if kind == PROFILE:
        client("iam", account, port).create_instance_profile(InstanceProfileName=model["InstanceProfileName"])
    if kind == PAIR:
        client("ec2", account, port).import_key_pair(KeyName=model["KeyName"], PublicKeyMaterial=model["PublicKeyMaterial"].encode())


def gone(account, kind, model, port):
    if kind == PROFILE:
        client("iam", account, port).delete_instance_profile(InstanceProfileName=model["InstanceProfileName"])
    if kind == PAIR:
        client("ec2", account, port).delete_key_pair(KeyName=model["KeyName"])
