"""What types do that no schema says: the names and identifiers that AWS makes up, what must be there before, and what is in the way of a delete.

Each rule is one that AWS's documentation has; a type without one is what its schema says."""

import uuid


class Failure(Exception):
    """What a handler answers, rather than the API."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


# What AWS calls a thing that is given no name.
NAMES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
}

# Identifiers as they look, by type and property; `{}` is filled from the account, the region, what is unique, and the properties.
LOOKS = {
    ("AWS::CloudWatch::Alarm", "Arn"): "arn:aws:cloudwatch:{region}:{number}:alarm:{AlarmName}",
    ("AWS::ECR::Repository", "Arn"): "arn:aws:ecr:{region}:{number}:repository/{RepositoryName}",
    ("AWS::ECR::Repository", "RepositoryUri"): "{number}.dkr.ecr.{region}.amazonaws.com/{RepositoryName}",
    ("AWS::EC2::InternetGateway", "InternetGatewayId"): "igw-{unique}",
    ("AWS::EC2::Route", "CidrBlock"): "{DestinationCidrBlock}",
    ("AWS::EC2::RouteTable", "RouteTableId"): "rtb-{unique}",
    ("AWS::EC2::SecurityGroup", "GroupId"): "sg-{unique}",
    ("AWS::EC2::SecurityGroup", "Id"): "{GroupId}",
    ("AWS::EC2::Subnet", "SubnetId"): "subnet-{unique}",
    ("AWS::EC2::VPC", "VpcId"): "vpc-{unique}",
    ("AWS::EC2::VPCEndpoint", "Id"): "vpce-{unique}",
    ("AWS::EC2::VPCGatewayAttachment", "AttachmentType"): "IGW",
    ("AWS::EC2::Volume", "VolumeId"): "vol-{unique}",
    ("AWS::EFS::FileSystem", "FileSystemId"): "fs-{unique}",
    ("AWS::IAM::InstanceProfile", "Arn"): "arn:aws:iam::{number}:instance-profile/{InstanceProfileName}",
    ("AWS::IAM::Role", "Arn"): "arn:aws:iam::{number}:role/{RoleName}",
    ("AWS::Lambda::Function", "Arn"): "arn:aws:lambda:{region}:{number}:function:{FunctionName}",
    ("AWS::Logs::LogGroup", "Arn"): "arn:aws:logs:{region}:{number}:log-group:{LogGroupName}:*",
    ("AWS::SNS::Subscription", "Arn"): "{TopicArn}:{unique}",
    ("AWS::SNS::Topic", "TopicArn"): "arn:aws:sns:{region}:{number}:{TopicName}",
    ("AWS::SQS::Queue", "Arn"): "arn:aws:sqs:{region}:{number}:{QueueName}",
    ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupArn"): "arn:aws:sagemaker:{region}:{number}:model-package-group/{ModelPackageGroupName}",
    ("AWS::Scheduler::Schedule", "Arn"): "arn:aws:scheduler:{region}:{number}:schedule/default/{Name}",
    ("AWS::SecretsManager::Secret", "Id"): "arn:aws:secretsmanager:{region}:{number}:secret:{Name}-{unique}",
}


# How AWS writes what it is told otherwise, by type and property.
WRITES = {
    ("AWS::RDS::DBSubnetGroup", "DBSubnetGroupName"): str.lower,
    ("AWS::Route53::HostedZone", "Name"): lambda name: name.lower().rstrip(".") + ".",
}


def written(name, model):
    """Writes what a thing is told as AWS does."""
    for (kind, property), write in WRITES.items():
        if kind == name and property in model:
            model[property] = write(model[property])


def called(name, key):
    """The identifier that AWS finds a thing by, where it takes another spelling of it too."""
    return key.lower() if name == "AWS::RDS::DBSubnetGroup" else key


def named(name, model):
    """Gives a thing the name that AWS would make up."""
    property = NAMES.get(name)
    if property and property not in model:
        model[property] = f"{name.split('::')[-1].lower()}-{uuid.uuid4().hex[:12]}"


def looks(account, name, property, model):
    """What AWS says under a property, where that looks like something; none where any text does."""
    look = LOOKS.get((name, property))
    if look is None:
        return None
    if "{GroupId}" in look and "GroupId" not in model:
        model["GroupId"] = looks(account, name, "GroupId", model)
    return look.format(number=account.number, region=account.region, unique=uuid.uuid4().hex[:8], **model)


def one(account, name, **properties):
    """Whether a thing of a type is there with these properties."""
    things = [model for (kind, _), model in account.objects.items() if kind == name]
    return any(all(model.get(key) == value for key, value in properties.items()) for model in things)


def role_of(account, arn, service):
    """Whether a service may act as a role."""
    for (kind, _), role in account.objects.items():
        if kind == "AWS::IAM::Role" and role["Arn"] == arn:
            statements = role["AssumeRolePolicyDocument"]["Statement"]
            return any(f"{service}.amazonaws.com" in statement["Principal"]["Service"] for statement in statements)
    return False


def check(account, name, model):
    """Refuses what needs something that is not there."""

    def needs(is_there, code, message):
        if not is_there:
            raise Failure(code, message)

    if name in ("AWS::IAM::Role", "AWS::IAM::RolePolicy"):
        document = model.get("AssumeRolePolicyDocument" if name == "AWS::IAM::Role" else "PolicyDocument")
        needs(document["Version"] == "2012-10-17" and document["Statement"], "InvalidRequest", "MalformedPolicyDocument")
    if name == "AWS::IAM::RolePolicy":
        needs(one(account, "AWS::IAM::Role", RoleName=model["RoleName"]), "NotFound", "The role cannot be found.")
    if name == "AWS::IAM::InstanceProfile":
        for role in model["Roles"]:
            needs(one(account, "AWS::IAM::Role", RoleName=role), "NotFound", "The role cannot be found.")
    if name == "AWS::Lambda::Function":
        assumed = "The role defined for the function cannot be assumed by Lambda."
        needs(role_of(account, model["Role"], "lambda"), "InvalidRequest", assumed)
        group = model.get("LoggingConfig", {}).get("LogGroup")
        needs(not group or one(account, "AWS::Logs::LogGroup", LogGroupName=group), "InvalidRequest", "The log group does not exist.")
    if name == "AWS::Scheduler::Schedule":
        assumed = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        needs(role_of(account, model["Target"]["RoleArn"], "scheduler"), "InvalidRequest", assumed)
    if name == "AWS::SNS::Subscription":
        needs(one(account, "AWS::SNS::Topic", TopicArn=model["TopicArn"]), "NotFound", "Topic does not exist")
    if name in ("AWS::EC2::Subnet", "AWS::EC2::RouteTable", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::VPCEndpoint"):
        needs(one(account, "AWS::EC2::VPC", VpcId=model["VpcId"]), "NotFound", "The vpc ID does not exist")
    if name == "AWS::EC2::Route" and "GatewayId" in model:
        tables = [table for (kind, _), table in account.objects.items() if kind == "AWS::EC2::RouteTable" and table["RouteTableId"] == model["RouteTableId"]]
        attached = tables and one(account, "AWS::EC2::VPCGatewayAttachment", VpcId=tables[0]["VpcId"], InternetGatewayId=model["GatewayId"])
        needs(attached, "InvalidRequest", "route table and network gateway belong to different networks")
    if name == "AWS::EFS::MountTarget":
        needs(one(account, "AWS::EFS::FileSystem", FileSystemId=model["FileSystemId"]), "NotFound", "File system does not exist.")


# What can't be deleted while another thing names it: the type, its property, the other type, the other's property, and what is answered.
HOLDS = [
    ("AWS::IAM::Role", "RoleName", "AWS::IAM::RolePolicy", "RoleName", "Cannot delete entity, must delete policies first."),
    ("AWS::IAM::Role", "RoleName", "AWS::IAM::InstanceProfile", "Roles", "Cannot delete entity, must remove roles from instance profile first."),
    ("AWS::EC2::VPC", "VpcId", "AWS::EC2::Subnet", "VpcId", "The vpc has dependencies and cannot be deleted."),
    ("AWS::EC2::VPC", "VpcId", "AWS::EC2::VPCGatewayAttachment", "VpcId", "The vpc has dependencies and cannot be deleted."),
    ("AWS::EC2::VPC", "VpcId", "AWS::EC2::RouteTable", "VpcId", "The vpc has dependencies and cannot be deleted."),
    ("AWS::EC2::VPC", "VpcId", "AWS::EC2::VPCEndpoint", "VpcId", "The vpc has dependencies and cannot be deleted."),
    ("AWS::EC2::InternetGateway", "InternetGatewayId", "AWS::EC2::VPCGatewayAttachment", "InternetGatewayId", "The internetGateway has dependencies and cannot be deleted."),
    ("AWS::EC2::RouteTable", "RouteTableId", "AWS::EC2::SubnetRouteTableAssociation", "RouteTableId", "The routeTable has dependencies and cannot be deleted."),
    ("AWS::EC2::SecurityGroup", "GroupId", "AWS::EFS::MountTarget", "SecurityGroups", "resource has a dependent object"),
    ("AWS::EFS::FileSystem", "FileSystemId", "AWS::EFS::MountTarget", "FileSystemId", "The file system has mount targets and cannot be deleted."),
]


def check_delete(account, name, model):
    for kind, property, other, theirs, message in HOLDS:
        if kind != name:
            continue
        for (theirs_kind, _), thing in account.objects.items():
            held = thing.get(theirs)
            if theirs_kind == other and (held == model[property] or isinstance(held, list) and model[property] in held):
                raise Failure("ResourceConflict", message)
