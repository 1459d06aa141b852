//! The image that a machine starts from, and which of its devices is the boot disk.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Image;
use trueup_engine::kinds::gpu_instance::MachineImage;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_state::{Class, FieldPath, Value};

use super::OPTIONS;
use super::catalog::{Architecture, EC2};
use super::look::filter;
use crate::error::failed;

/// An image to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct From {
    /// Its id, or what EC2 resolves to one: `resolve:ssm:PATH`.
    pub(super) id: String,
    /// The device that its boot disk is.
    pub(super) root: String,
}

/// What an image is called by.
enum Called<'a> {
    /// The path of a public parameter.
    Parameter(String),
    Id(&'a str),
    Name(&'a str),
}

fn called<'a>(image: Option<&'a MachineImage>, machine_type: &str) -> Called<'a> {
    match image {
        Some(MachineImage::Id(id)) => Called::Id(id),
        Some(MachineImage::Name(name)) => Called::Name(name),
        Some(MachineImage::Family(family)) => Called::Parameter(path(family, machine_type)),
        None => Called::Parameter(usual(machine_type)),
    }
}

/// The path of a family: of AWS's deep-learning images, unless it is a path itself.
fn path(family: &str, machine_type: &str) -> String {
    if family.starts_with('/') {
        return family.to_owned();
    }
    format!("/aws/service/deeplearning/ami/{}/{family}/latest/ami-id", Architecture::of(machine_type).as_str())
}

/// The path where none is said: AWS's deep-learning base with NVIDIA's driver, and plain Ubuntu where there is no GPU.
fn usual(machine_type: &str) -> String {
    if EC2.named(machine_type).is_some() {
        return path("base-oss-nvidia-driver-gpu-ubuntu-22.04", machine_type);
    }
    let processor = match Architecture::of(machine_type) {
        Architecture::X86 => "amd64",
        Architecture::Arm => "arm64",
    };
    format!("/aws/service/canonical/ubuntu/server/22.04/stable/current/{processor}/hvm/ebs-gp2/ami-id")
}

/// The boot disk of the images that a path leads to, as their makers name it; none where that is not known.
fn root(path: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| path.contains(word));
    if has(&["ubuntu", "/suse/", "/rhel/", "windows"]) {
        Some("/dev/sda1")
    } else if has(&["amazon-linux", "al2023", "amzn2", "/debian/", "bottlerocket", "/ecs/", "/eks/"]) {
        Some("/dev/xvda")
    } else {
        None
    }
}

/// The image that a machine starts from. `device`: the boot disk, as the spec says it.
pub(super) async fn find(
    ec2: &Client,
    image: Option<&MachineImage>,
    machine_type: &str,
    device: Option<&str>,
) -> Result<From, ProviderError> {
    let found = match called(image, machine_type) {
        Called::Parameter(path) => {
            let root = device.or_else(|| root(&path)).ok_or_else(|| rootless(&path))?.to_owned();
            return Ok(From { id: format!("resolve:ssm:{path}"), root });
        }
        Called::Id(id) => ec2.describe_images().image_ids(id).send().await,
        Called::Name(name) => {
            let call = ec2.describe_images().owners("self").owners("amazon");
            let call = call.filters(filter("name", [name])).filters(filter("state", ["available"]));
            call.filters(filter("architecture", [Architecture::of(machine_type).as_str()])).send().await
        }
    };
    let found = found.map_err(|error| failed("look for the image", &error))?;
    let newest = found.images().iter().max_by_key(|image| image.creation_date().unwrap_or_default());
    let none = || invalid("image", format!("there is no such image for a {machine_type} here"));
    let image: &Image = newest.ok_or_else(none)?;
    let made_for = image.architecture().map(aws_sdk_ec2::types::ArchitectureValues::as_str);
    let needed = Architecture::of(machine_type).as_str();
    if made_for.is_some_and(|made_for| made_for != needed) {
        let made_for = made_for.unwrap_or_default();
        return Err(invalid("image", format!("the image is made for {made_for}, and a {machine_type} is {needed}")));
    }
    let root = device.or(image.root_device_name()).unwrap_or("/dev/sda1").to_owned();
    Ok(From { id: image.image_id().unwrap_or_default().to_owned(), root })
}

fn rootless(path: &str) -> ProviderError {
    invalid("options.aws.root_device", unknown_root(path))
}

fn unknown_root(path: &str) -> String {
    format!("which device is the boot disk of `{path}` is not known: say `options.aws.root_device`, such as /dev/xvda")
}

fn invalid(field: &str, message: String) -> ProviderError {
    ProviderError::new(Class::Invalid { field: Some(field.to_owned()) }, message)
}

/// What in a spec leads to no image.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let image = spec.get("image").map(Value::revealed).filter(|image| **image != Value::Null);
    let Some(machine_type) = EC2.machine_type(spec) else { return Vec::new() };
    let Some(image) = image else {
        let is_old = EC2.named(machine_type).is_some_and(|one| one.model == "V100");
        let message = "the driver of the usual image knows no V100: say an `image` with NVIDIA's proprietary driver";
        return is_old.then(|| Problem::new(FieldPath::parse("gpu.model"), message)).into_iter().collect();
    };
    let Some(family) = image.get("family").and_then(|family| family.revealed().as_str()) else { return Vec::new() };
    let path = path(family, machine_type);
    let says_root = spec.at(&OPTIONS.field("root_device")).is_some();
    let unknown = (!says_root && root(&path).is_none())
        .then(|| Problem::new(FieldPath::parse("image.family"), unknown_root(&path)));
    unknown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_the_usual_image_of_the_machine() {
        for (machine, path) in [
            ("g5.xlarge", "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"),
            ("g5g.xlarge", "/aws/service/deeplearning/ami/arm64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"),
            ("m7g.large", "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id"),
        ] {
            assert_eq!(usual(machine), path);
            assert_eq!(root(path), Some("/dev/sda1"));
        }
        let al2023 = path("base-oss-nvidia-driver-gpu-amazon-linux-2023", "g6.xlarge");
        assert_eq!(root(&al2023), Some("/dev/xvda"));
    }

    #[test]
    fn an_image_that_can_not_be_started_from_is_told_at_plan() {
        let paths = |spec: serde_json::Value| -> Vec<String> {
            problems(&spec.into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        let v100 = json!({ "model": "V100", "count": 1 });
        assert_eq!(paths(json!({ "gpu": v100 })), ["gpu.model"]);
        assert_eq!(paths(json!({ "gpu": v100, "image": { "id": "ami-1" } })), [""; 0]);
        let own = json!({ "gpu": "none", "image": { "family": "/acme/images/base" } });
        assert_eq!(paths(own), ["image.family"]);
        let said = json!({ "gpu": "none", "image": { "family": "/acme/images/base" }, "options": { "aws": { "root_device": "/dev/xvda" } } });
        assert_eq!(paths(said), [""; 0]);
    }
}
