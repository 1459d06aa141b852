"""Who calls, and how one gets to be known: by a key of one's own, by a token of another cloud's, by acting as an account, by being a machine."""

import base64
import json
from urllib.parse import parse_qs

ACCOUNT = "tester@acme.iam.gserviceaccount.com"
WORKLOAD = "principal://iam.googleapis.com/workload"
MACHINE = "machine@acme.iam.gserviceaccount.com"
# Who may act as whom.
ACTS_AS = {WORKLOAD: "deployer@acme.iam.gserviceaccount.com"}
ACCOUNTS = {ACCOUNT, WORKLOAD, MACHINE, *ACTS_AS.values()}
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# The token of the one workload of another cloud's that is trusted.
SUBJECT = "a workload's token"


def part(said):
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def token(who):
    return ".".join([part({"alg": "none"}), part({"iss": who, "scope": SCOPE}), "x"])


def whose(text):
    """Whose token this is; none where it opens nothing."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    return claims.get("iss") if "cloud-platform" in claims.get("scope", "") else None


def answer(said, status=200):
    return status, {"Content-Type": "application/json", "Metadata-Flavor": "Google"}, json.dumps(said).encode()


def serve(host, path, headers, body):
    """The status, the headers and the text of an answer."""
    if host == "computeMetadata":
        if headers.get("Metadata-Flavor") != "Google":
            return 403, {}, b""
        if path == "v1/project/project-id":
            return 200, {"Metadata-Flavor": "Google"}, b"acme-machine"
        if path == "v1/instance/service-accounts/default/token":
            return answer({"access_token": token(MACHINE), "expires_in": 3600, "token_type": "Bearer"})
        return 404, {"Metadata-Flavor": "Google"}, b""
    if host == "sts.googleapis.com":
        told = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if told.get("subject_token") != SUBJECT or not told.get("audience", "").startswith("//iam.googleapis.com/"):
            return answer({"error": "invalid_grant", "error_description": "The token is nobody's that is trusted."}, 400)
        return answer({"access_token": token(WORKLOAD), "expires_in": 3600, "token_type": "Bearer",
                       "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
    account = path.rsplit("/", 1)[-1].removesuffix(":generateAccessToken")
    caller = whose(headers.get("Authorization", "").removeprefix("Bearer "))
    if ACTS_AS.get(caller) != account:
        return answer({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "iam.serviceAccounts.getAccessToken is denied"}}, 403)
    return answer({"accessToken": token(account), "expireTime": "2099-01-01T00:00:00Z"})
