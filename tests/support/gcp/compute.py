"""Compute Engine's own ways: what its documents don't say of machines, disks, labels and lists of all zones."""

import base64
import ipaddress
import re

from apis import Refused, invalid

NAME = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
# Machine types with GPUs of their own, by the start of their names.
WITH_GPUS = ("a2-", "a3-", "a4-", "a4x-", "g2-", "g4-")
# What an update takes, of what takes little.
UPDATES = {
    "disks": ("accessMode", "provisionedIops", "provisionedThroughput"),
    "firewalls": ("allowed", "denied", "description", "destinationRanges", "disabled", "logConfig", "name", "priority", "sourceRanges",
                  "sourceServiceAccounts", "sourceTags", "targetServiceAccounts", "targetTags"),
    "networks": ("routingConfig", "mtu"),
    "subnetworks": ("fingerprint", "logConfig", "secondaryIpRanges", "stackType", "role", "privateIpv6GoogleAccess"),
}
# The most things of one page of a list of all zones.
PAGE = 500


def state(number):
    """A fingerprint: bytes, as Google has them."""
    return base64.b64encode(f"f{number}".encode()).decode()


def link(path):
    return f"https://www.googleapis.com/{path}"


class Compute:
    """The machines of one world."""

    def __init__(self, world):
        self.world = world
        # Zones without a machine of these types, by the start of their names.
        self.stockouts = {}

    def own(self, collection, method):
        """What carries out a call of these ways; none for those that all APIs have."""
        if collection.api.said["name"] != "compute":
            return None
        kind = collection.way[-1]
        if method.name == "setLabels":
            return self.label
        if method.name in ("patch", "update") and kind in UPDATES:
            return self.update
        return {
            ("instances", "aggregatedList"): self.all_zones,
            ("instances", "setTags"): self.tag,
            ("disks", "resize"): self.resize,
            ("subnetworks", "setPrivateIpGoogleAccess"): self.field("privateIpGoogleAccess"),
            ("instances", "setMachineType"): self.path("machineType"),
            ("instances", "setServiceAccount"): self.account,
            ("instances", "deleteAccessConfig"): self.no_address,
            ("instances", "stop"): self.become("TERMINATED"),
            ("instances", "start"): self.start,
        }.get((kind, method.name))

    # -- a machine from its launch to its end

    def completes(self, collection, thing, target):
        """What Google adds to a new machine, and refuses of one."""
        if collection.api.said["name"] != "compute" or collection.way[-1] not in ("instances", "firewalls", "disks", "networks", "subnetworks", "addresses"):
            return None
        if not NAME.match(thing.get("name") or ""):
            raise invalid(f"Invalid value for field 'resource.name': '{thing.get('name')}'.")
        if collection.way[-1] != "instances":
            self.completes_other(collection, thing, target)
            return None
        parts = target.split("/")
        project, zone = parts[parts.index("projects") + 1], parts[parts.index("zones") + 1]
        number, base = next(self.world.count), target.rsplit("/", 2)[0]
        kind = thing.get("machineType", "").rsplit("/", 1)[-1]
        has_gpu = kind.startswith(WITH_GPUS) or thing.get("guestAccelerators")
        scheduling = thing.setdefault("scheduling", {})
        if has_gpu and scheduling.get("onHostMaintenance", "MIGRATE") != "TERMINATE":
            raise invalid("Instances with guest accelerators do not support live migration.")
        if thing.get("guestAccelerators") and not kind.startswith("n1-"):
            raise invalid(f"[{kind}] features are not compatible for creating instance with accelerators.")
        if scheduling.get("provisioningModel") == "FLEX_START" and "maxRunDuration" not in scheduling:
            raise invalid("FLEX_START needs maxRunDuration.")
        if not thing.get("disks") or not thing.get("networkInterfaces"):
            raise invalid("a machine has a disk and a network")
        scheduling.setdefault("provisioningModel", "STANDARD")
        thing.update(status="STAGING", zone=link(base), machineType=link(f"{base}/machineTypes/{kind}"))
        thing.update(labelFingerprint=state(number), fingerprint=state(number), canIpForward=False, deletionProtection=False)
        thing.setdefault("tags", {})["fingerprint"] = state(number)
        thing.setdefault("metadata", {})["fingerprint"] = state(number)
        for accelerator in thing.get("guestAccelerators", []):
            accelerator["acceleratorType"] = link(f"{base}/acceleratorTypes/{accelerator['acceleratorType'].rsplit('/', 1)[-1]}")
        for place, interface in enumerate(thing["networkInterfaces"]):
            # Nothing is sent of what a machine's name is behind the address.
            interface.update(name=f"nic{place}", networkIP=f"10.164.{number // 250}.{number % 250 + 2}", fingerprint=state(number))
            interface["network"] = link(f"compute/v1/{interface['network']}")
            if "subnetwork" in interface:
                interface["subnetwork"] = link(f"compute/v1/{interface['subnetwork']}")
            for access in interface.get("accessConfigs", []):
                access["natIP"] = f"34.90.{number // 250}.{number % 250 + 2}"
        if kind.startswith(("a2-", "a3-", "g2-")):
            # What is in the type is shown as if it were attached.
            name = {"a2-": "nvidia-tesla-a100", "a3-": "nvidia-h100-80gb", "g2-": "nvidia-l4"}[kind[:3]]
            count = int(kind.rsplit("-", 1)[-1][:-1]) if kind.endswith("g") else 1
            thing["guestAccelerators"] = [{"acceleratorType": link(f"{base}/acceleratorTypes/{name}"), "acceleratorCount": count}]
        self.disks(collection, thing, base)
        types = self.stockouts.get(zone, [])
        if any(kind.startswith(one) or one == "*" for one in types):
            return "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
        return None

    def completes_other(self, collection, thing, target):
        """What Google adds to what is no machine, and refuses of it."""
        fields, kind = collection.api.fields(collection.schema), collection.way[-1]
        if "labelFingerprint" in fields:
            thing["labelFingerprint"] = state(next(self.world.count))
        if kind == "disks":
            thing.update(status="READY", zone=link(target.rsplit("/", 2)[0]))
            if "kmsKeyName" in thing.get("diskEncryptionKey", {}):
                thing["diskEncryptionKey"]["kmsKeyName"] += "/cryptoKeyVersions/1"
        if kind == "networks" and thing.get("autoCreateSubnetworks") is not False:
            raise invalid("this double makes networks with subnets of one's own alone")
        if kind == "subnetworks":
            network = thing.get("network", "")
            if network.split("/", 3)[-1] not in [key.split("/", 1)[1] for key in self.world.things]:
                raise invalid(f"The referenced network resource cannot be found: '{network}'")
            for other in self.world.things.values():
                block = ipaddress.ip_network(thing["ipCidrRange"])
                there = other["body"].get("ipCidrRange")
                if there and other["body"]["network"] == network and block.overlaps(ipaddress.ip_network(there)):
                    raise invalid(f"Invalid IPCidrRange: {block} conflicts with existing subnetwork")

    def disks(self, collection, thing, base):
        """Its disks, which are things of their own. How one was made is not shown on the machine."""
        for place, disk in enumerate(thing["disks"]):
            made = disk.pop("initializeParams", {})
            name = made.get("diskName") or (thing["name"] if place == 0 else f"{thing['name']}-{place}")
            path = f"{base}/disks/{name}"
            size = str(made.get("diskSizeGb", 10))
            disk.update(source=link(path), deviceName=f"persistent-disk-{place}", index=place, diskSizeGb=size, type="PERSISTENT", mode="READ_WRITE")
            number = next(self.world.count)
            body = {"kind": "compute#disk", "name": name, "sizeGb": size, "type": link(f"{base}/diskTypes/{made.get('diskType', 'pd-standard').rsplit('/', 1)[-1]}"),
                    "labels": made.get("labels", {}), "labelFingerprint": state(number), "selfLink": link(path), "zone": link(base),
                    "sourceImage": link(f"compute/v1/{made.get('sourceImage')}"), "status": "READY", "users": [thing.get("selfLink")]}
            if "provisionedIops" in made:
                body["provisionedIops"] = made["provisionedIops"]
            key = self.world.host_path(collection.api, path)
            if key in self.world.things:
                raise Refused(409, "ALREADY_EXISTS", f"The resource '{path}' already exists", "alreadyExists")
            self.world.things[key] = {"body": body, "shown": True, "collection": "disks", "api": "compute"}

    def settled(self, key, what, failed):
        """What becomes of a machine's disks, and of its status, once work on it is over."""
        found = self.world.things.get(key)
        if found is None or found["api"] != "compute" or not found["collection"].endswith("instances"):
            return
        if what == "create" and not failed:
            found["body"]["status"] = "RUNNING"
        if what == "delete" and not failed or what == "create" and failed:
            for disk in found["body"].get("disks", []):
                if disk.get("autoDelete"):
                    self.world.things.pop(key.split("/")[0] + "/" + disk["source"].split("/", 3)[3], None)

    # -- changes

    def changed(self, collection, method, path):
        """The thing that a path with a verb at its end is about."""
        path = path.rsplit("/", 1)[0]
        return self.world.there(collection, path)["body"], self.world.host_path(collection.api, path)

    def guarded(self, body, there, name="fingerprint", of="fingerprint"):
        if body.get(name) != there.get(of):
            raise Refused(412, "FAILED_PRECONDITION", "Fingerprint is out of date.", "conditionNotMet")

    def label(self, collection, method, path, query, body):
        there, key = self.changed(collection, method, path)
        collection.api.check(method.request, body)
        self.guarded(body, there, "labelFingerprint", "labelFingerprint")
        there["labels"] = body.get("labels", {})
        there["labelFingerprint"] = state(next(self.world.count))
        return self.world.begin(collection, method, key, "update")

    def tag(self, collection, method, path, query, body):
        there, key = self.changed(collection, method, path)
        collection.api.check(method.request, body)
        self.guarded(body, there["tags"])
        there["tags"] = {"items": body.get("items", []), "fingerprint": state(next(self.world.count))}
        return self.world.begin(collection, method, key, "update")

    def resize(self, collection, method, path, query, body):
        there, key = self.changed(collection, method, path)
        collection.api.check(method.request, body)
        if int(body["sizeGb"]) <= int(there["sizeGb"]):
            raise invalid("The new size is not larger.")
        there["sizeGb"] = str(body["sizeGb"])
        for thing in self.world.things.values():
            for disk in thing["body"].get("disks", []) if isinstance(thing["body"].get("disks"), list) else []:
                if disk.get("source") == there["selfLink"]:
                    disk["diskSizeGb"] = there["sizeGb"]
        return self.world.begin(collection, method, key, "update")

    def update(self, collection, method, path, query, body):
        """What an update may change is little of some things (the words of each method's reference)."""
        changes = UPDATES[collection.way[-1]]
        for name in body:
            if name not in changes:
                raise invalid(f"Invalid value for field 'resource.{name}': it can't be changed by {method.name}")
        return self.world.once(query, lambda: self.world.update(collection, method, path, query, body))

    def field(self, name):
        def change(collection, method, path, query, body):
            there, key = self.changed(collection, method, path)
            collection.api.check(method.request, body)
            there[name] = body[name]
            return self.world.begin(collection, method, key, "update")

        return change

    def path(self, name):
        def change(collection, method, path, query, body):
            there, key = self.changed(collection, method, path)
            self.is_off(there)
            there[name] = link(f"{'/'.join(path.split('/')[:6])}/{body[name].split('/', 2)[-1]}")
            return self.world.begin(collection, method, key, "update")

        return change

    def account(self, collection, method, path, query, body):
        there, key = self.changed(collection, method, path)
        self.is_off(there)
        if "email" not in body:
            there.pop("serviceAccounts", None)
            return self.world.begin(collection, method, key, "update")
        there["serviceAccounts"] = [{"email": body["email"], "scopes": body.get("scopes", [])}]
        return self.world.begin(collection, method, key, "update")

    def no_address(self, collection, method, path, query, body):
        there, key = self.changed(collection, method, path)
        there["networkInterfaces"][0]["accessConfigs"] = []
        return self.world.begin(collection, method, key, "update")

    def is_off(self, there):
        if there["status"] != "TERMINATED":
            raise invalid("Operation is not allowed on a running instance: it must be stopped.")

    def start(self, collection, method, path, query, body):
        there, key = self.changed(collection, method, path)
        kind, zone = there["machineType"].rsplit("/", 1)[-1], path.split("/")[5]
        if any(kind.startswith(one) or one == "*" for one in self.stockouts.get(zone, [])):
            return self.world.begin(collection, method, key, "update", "ZONE_RESOURCE_POOL_EXHAUSTED")
        there["status"] = "RUNNING"
        return self.world.begin(collection, method, key, "update")

    def become(self, status):
        def change(collection, method, path, query, body):
            there, key = self.changed(collection, method, path)
            there["status"] = status
            return self.world.begin(collection, method, key, "update")

        return change

    # -- lists

    def all_zones(self, collection, method, path, query, body):
        prefix = self.world.host_path(collection.api, path.split("/aggregated/")[0]) + "/zones/"
        fits = self.fits(query.get("filter"))
        found = [(key[len(prefix):].split("/")[0], thing["body"]) for key, thing in sorted(self.world.things.items())
                 if thing["shown"] and key.startswith(prefix) and thing["collection"] == "instances" and fits(thing["body"])]
        first, size = int(query.get("pageToken") or 0), min(int(query.get("maxResults") or PAGE), PAGE)
        items = {}
        for zone, body in found[first : first + size]:
            items.setdefault(f"zones/{zone}", {"instances": []})["instances"].append(body)
        answer = {"kind": "compute#instanceAggregatedList", "id": path, "items": items}
        if first + size < len(found):
            answer["nextPageToken"] = str(first + size)
        return answer

    def fits(self, said):
        """What a filter lets through: that a label is there, or what it is."""
        if not said:
            return lambda body: True
        found = re.fullmatch(r"labels\.([a-z0-9_-]+)(:\*|=\"?([a-z0-9_-]*)\"?)", said)
        if found is None:
            raise invalid(f"Invalid value for field 'filter': '{said}'.")
        key, how, value = found.groups()
        if how == ":*":
            return lambda body: key in body.get("labels", {})
        return lambda body: body.get("labels", {}).get(key) == value
