"""What SageMaker minds beyond its schemas: that there is what a model is made of, that an endpoint's configuration is there for as long as the
endpoint serves by it, and what things are called."""

import uuid

import beside
from types_of_aws import Failure

# By type: the property that is its name, and what stands before it in its ARN.
NAMES = {
    "AWS::SageMaker::Model": ("ModelName", "ModelArn", "model"),
    "AWS::SageMaker::EndpointConfig": ("EndpointConfigName", "EndpointConfigArn", "endpoint-config"),
    "AWS::SageMaker::Endpoint": ("EndpointName", "EndpointArn", "endpoint"),
}


def named(account, kind, model):
    """Gives a new thing its name and its ARN."""
    if kind in NAMES:
        name, arn, what = NAMES[kind]
        model.setdefault(name, f"{what}-{uuid.uuid4().hex[:12]}")
        model[arn] = f"arn:aws:sagemaker:{account.region}:{account.number}:{what}/{model[name]}"


def there(account, kind, name):
    """A thing by its name; none where there is none."""
    field = NAMES[kind][0]
    return next((model for (of, _), model in account.objects.items() if of == kind and model[field] == name), None)


def check(account, kind, model, moto):
    """Refuses what is of something that is not there."""

    def needs(is_there, message):
        if not is_there:
            raise Failure("InvalidRequest", message)

    if kind == "AWS::SageMaker::Model":
        check_model(account, model, moto, needs)
    if kind == "AWS::SageMaker::EndpointConfig":
        for variant in model["ProductionVariants"]:
            of = variant.get("ModelName")
            needs(there(account, "AWS::SageMaker::Model", of), f'Could not find model "{of}".')
    if kind == "AWS::SageMaker::Endpoint":
        config = model["EndpointConfigName"]
        needs(there(account, "AWS::SageMaker::EndpointConfig", config), f'Could not find endpoint configuration "{config}".')
    if kind == "AWS::ApplicationAutoScaling::ScalableTarget" and model["ServiceNamespace"] == "sagemaker":
        _, endpoint, _, variant = model["ResourceId"].split("/")
        serving = there(account, "AWS::SageMaker::Endpoint", endpoint)
        config = serving and there(account, "AWS::SageMaker::EndpointConfig", serving["EndpointConfigName"])
        variants = [one["VariantName"] for one in config["ProductionVariants"]] if config else []
        needs(variant in variants, f"The resource {model['ResourceId']} was not found")
        needs(model["MinCapacity"] <= model["MaxCapacity"], "Maximum capacity cannot be less than minimum capacity")


def check_model(account, model, moto, needs):
    role = model.get("ExecutionRoleArn")
    roles = [thing["Arn"] for (kind, _), thing in account.objects.items() if kind == "AWS::IAM::Role"]
    needs(role in roles, f"Could not assume role {role}.")
    container = model["PrimaryContainer"]
    needs(has_image(account, container["Image"]), f"Requested image {container['Image']} not found.")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source:
        bucket, _, prefix = source["S3Uri"].removeprefix("s3://").partition("/")
        needs(holds(account, moto, bucket, prefix), f"Could not find model data at {source['S3Uri']}.")


def has_image(account, image):
    """Whether an image is in a repository of the account, by its digest or a tag, or was said to be elsewhere."""
    if image in account.others:
        return True
    name, _, digest = image.partition("/")[2].partition("@")
    name, _, tag = name.partition(":")
    kept = account.images.get(name)
    return kept is not None and ((digest or kept.tags.get(tag)) in kept.manifests)


def holds(account, moto, bucket, prefix):
    """Whether there are files below a path."""
    s3 = beside.client("s3", account, moto)
    try:
        return s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)["KeyCount"] > 0
    except s3.exceptions.ClientError:
        return False


def check_delete(account, kind, key):
    """Refuses to let go what something serves by."""
    model = account.objects[kind, key]
    for (of, user), other in account.objects.items():
        serves = kind == "AWS::SageMaker::EndpointConfig" and of == "AWS::SageMaker::Endpoint"
        if serves and other["EndpointConfigName"] == model["EndpointConfigName"]:
            raise Failure("ResourceConflict", f"{key} is in use by {user}")
        runs = kind == "AWS::SageMaker::Model" and of == "AWS::SageMaker::EndpointConfig"
        if runs and model["ModelName"] in [variant.get("ModelName") for variant in other["ProductionVariants"]]:
            raise Failure("ResourceConflict", f"{key} is in use by {user}")
