"""What moto leaves out of EC2, put into it: how a machine is bought, where it is placed, the groups and tags of what comes with it, public
parameters as images, and that a machine takes its time. What only a cloud does by itself it does as it is told: see `tell`."""

import copy
import hashlib

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState, StateReason
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.spot_instances import SpotInstances

RESOLVED = "resolve:ssm:"
runs = InstanceResponse.run_instances
describes = InstanceResponse.describe_instances
terminates = InstanceResponse.terminate_instances
starts = Instance.start
replaces = IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association
# By account and region: how often a machine is shown as starting; what starts fail with; spot requests by machine.
pending = {}
refused = {}
spots = {}


def place(response):
    return (response.current_account, response.region)


def resolved(image):
    """The image that a public parameter leads to; AWS has those of its own services alone."""
    path = image.removeprefix(RESOLVED)
    if not path.startswith("/aws/service/"):
        raise EC2ClientError("InvalidParameterValue", f"The parameter {path} can't be resolved")
    return "ami-" + hashlib.sha256(path.encode()).hexdigest()[:17]


def run_instances(self):
    named = self._get_param("ImageId") or ""
    if named.startswith(RESOLVED):
        self.params["ImageId"] = resolved(named)
    answer = runs(self)
    for instance in answer.result.instances:
        complete(self, instance, named)
    return answer


def complete(self, instance, named):
    # Those of the account, and those that Cloud Control made, which moto knows nothing of.
    instance.security_groups = list(instance.nics[0].group_set)
    instance.placement.group_name = self._get_param("Placement.GroupName") or ""
    tags = self._parse_tag_specification()
    for nic in instance.nics.values():
        nic.add_tags(tags.get("network-interface", {}))
    for mapping in self._get_param("BlockDeviceMappings", []):
        volume = instance.block_device_mapping[mapping["DeviceName"]].volume_id
        iops = mapping["Ebs"].get("Iops")
        if iops:
            self.ec2_backend.get_volume(volume).iops = int(iops)
    if "amazon-linux" in named:
        instance.root_device_name = "/dev/xvda"
    if instance.root_device_name not in instance.block_device_mapping:
        instance.add_block_device(8, instance.root_device_name, None, False, True, None, "gp2")
    target = self._get_param("CapacityReservationSpecification.CapacityReservationTarget")
    if target:
        instance.capacity_reservation_specification = {"CapacityReservationTarget": target}
    market = self._get_param("InstanceMarketOptions.MarketType")
    instance.lifecycle = market
    if market == "spot":
        request = "sir-" + instance.id.removeprefix("i-")[:8]
        instance.spot_instance_request_id = request
        spots.setdefault(place(self), {})[instance.id] = {
            "SpotInstanceRequestId": request,
            "InstanceId": instance.id,
            "SpotPrice": self._get_param("InstanceMarketOptions.SpotOptions.MaxPrice"),
            "Type": self._get_param("InstanceMarketOptions.SpotOptions.SpotInstanceType"),
            "Status": {"Code": "fulfilled"},
            "Tags": [{"Key": key, "Value": value} for key, value in tags.get("spot-instances-request", {}).items()],
        }
    instance.looks = 0


def describe_instances(self):
    answer = describes(self)
    most, shown = pending.get(place(self), 0), []
    for reservation in answer.result["Reservations"]:
        instances = []
        for instance in reservation.instances:
            instance.looks = getattr(instance, "looks", most) + 1
            if instance.state == "running" and instance.looks <= most:
                instance = copy.copy(instance)
                instance._state = InstanceState("pending", 0)
            instances.append(instance)
        reservation = copy.copy(reservation)
        reservation.instances = instances
        shown.append(reservation)
    return ActionResult({**answer.result, "Reservations": shown})


def terminate_instances(self):
    for id in self._get_param("InstanceIds", []):
        request = spots.get(place(self), {}).get(id)
        if request:
            request["Status"] = {"Code": "instance-terminated-by-user"}
    return terminates(self)


def describe_spot_instance_requests(self):
    wanted = self._filters_from_querystring().get("instance-id")
    requests = spots.get(place(self), {}).values()
    found = [request for request in requests if wanted is None or request["InstanceId"] in wanted]
    return ActionResult({"SpotInstanceRequests": found})


def replace_profile(self, *named, **names):
    association = replaces(self, *named, **names)
    association.instance.iam_instance_profile = {"Arn": association.iam_instance_profile.arn, "Id": association.association_id}
    return association


def modify_groups(self, instance_id, groups):
    # Those that Cloud Control made moto knows nothing of.
    known = {group: self.get_security_group_from_id(group) for group in groups}
    instance = self.get_instance(instance_id)
    instance.security_groups = [found or SecurityGroup(self, id, id, id) for id, found in known.items()]
    return instance


def start(self):
    code = refused.get((self.ec2_backend.account_id, self.ec2_backend.region_name), {}).get(self.instance_type)
    if code:
        raise EC2ClientError(code, "so it was told")
    self.looks = 0
    return starts(self)


def tell(account, region, told):
    """Does what a cloud does by itself: `{"pending": N}`, `{"refuse": {TYPE: CODE}}`, `{"end": ID, "code": CODE, "unlisted": BOOL}`."""
    backend = ec2_backends[account][region]
    if "pending" in told:
        pending[(account, region)] = told["pending"]
    if "refuse" in told:
        refused[(account, region)] = told["refuse"]
    if "end" in told:
        instance = backend.get_instance(told["end"])
        instance.terminate()
        instance.state_reason = StateReason(f"{told['code']}: so it was told", told["code"])
        request = spots.get((account, region), {}).get(instance.id)
        if request:
            request["Status"] = {"Code": "instance-terminated-no-capacity"}
        if told.get("unlisted"):
            for reservation in backend.reservations.values():
                reservation.instances = [one for one in reservation.instances if one is not instance]


InstanceResponse.run_instances = run_instances
InstanceResponse.describe_instances = describe_instances
InstanceResponse.terminate_instances = terminate_instances
SpotInstances.describe_spot_instance_requests = describe_spot_instance_requests
Instance.start = start
InstanceBackend.modify_instance_security_groups = modify_groups
IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association = replace_profile
