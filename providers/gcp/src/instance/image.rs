//! The image that a machine starts from.

use google_cloud_compute_v1::model::Image;
use trueup_engine::kinds::gpu_instance::MachineImage;
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_state::{Class, FieldPath, Value};

use super::catalog::{COMPUTE, is_arm};
use crate::clients::{Clients, patiently};
use crate::error::failed;

/// The project of Google's deep-learning images, and its family of a plain system with NVIDIA's driver (570, CUDA 12.8).
const DEEP_LEARNING: (&str, &str) = ("deeplearning-platform-release", "common-cu128-ubuntu-2204-nvidia-570");
/// The project of Ubuntu's images, and its family for a machine without a GPU.
const UBUNTU: (&str, &str) = ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64");

/// The image of a machine, as Compute Engine takes it: a path. A family stands for its newest. `has_gpu`: what it starts from without a word.
pub(super) async fn find(
    clients: &Clients,
    image: Option<&MachineImage>,
    has_gpu: bool,
) -> Result<String, ProviderError> {
    match image {
        Some(MachineImage::Id(id)) => Ok(path(id, &clients.project, "")),
        Some(MachineImage::Family(family)) => Ok(path(family, DEEP_LEARNING.0, "family/")),
        Some(MachineImage::Name(name)) => newest(clients, name).await,
        None => {
            let (project, family) = if has_gpu { DEEP_LEARNING } else { UBUNTU };
            Ok(path(family, project, "family/"))
        }
    }
}

/// A path of what is called `PROJECT/NAME`, or by its name in a project; one that is a path already stays.
fn path(name: &str, project: &str, family: &str) -> String {
    let (project, name) = match name.split('/').collect::<Vec<_>>()[..] {
        [name] => (project, name),
        [project, name] => (project, name),
        _ => return name.trim_start_matches("https://www.googleapis.com/compute/v1/").to_owned(),
    };
    format!("projects/{project}/global/images/{family}{name}")
}

/// The newest image of a name, in which `*` stands for anything.
async fn newest(clients: &Clients, name: &str) -> Result<String, ProviderError> {
    let (project, pattern) = name.split_once('/').unwrap_or((&clients.project, name));
    if !pattern.contains('*') {
        return Ok(path(pattern, project, ""));
    }
    let images = &clients.compute().await?.images;
    let (mut best, mut page): (Option<Image>, Option<String>) = (None, None);
    loop {
        let ask = || async {
            let call = images.list().set_project(project).set_or_clear_page_token(page.clone());
            call.send().await.map_err(|error| failed("look for the image", &error))
        };
        let answer = patiently(ask).await?;
        let fits = |image: &Image| matches(pattern, image.name.as_deref().unwrap_or_default());
        for image in answer.items.into_iter().filter(fits) {
            if best.as_ref().is_none_or(|best| best.creation_timestamp <= image.creation_timestamp) {
                best = Some(image);
            }
        }
        page = answer.next_page_token.filter(|token| !token.is_empty());
        if page.is_none() {
            break;
        }
    }
    let name = best.and_then(|image| image.name);
    name.map(|name| path(&name, project, "")).ok_or_else(|| {
        let class = Class::Invalid { field: Some("image.name".to_owned()) };
        ProviderError::new(class, format!("the project {project} has no image `{pattern}`"))
    })
}

/// Whether a text is what a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))
}

/// What can't be started from.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let is_said = spec.get("image").is_some_and(|image| !matches!(image.revealed(), Value::Null));
    let machine_type = COMPUTE.machine_type(spec).unwrap_or_default();
    if is_said || !is_arm(machine_type) {
        return Vec::new();
    }
    let message = format!("a {machine_type} has Arm's processors, for which no image is the usual one: say which");
    vec![Problem::new(FieldPath::parse("image"), message)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_in_several_ways() {
        assert_eq!(path("mine-1", "acme", ""), "projects/acme/global/images/mine-1");
        assert_eq!(
            path("debian-cloud/debian-12", "x", "family/"),
            "projects/debian-cloud/global/images/family/debian-12"
        );
        let whole = "projects/acme/global/images/mine-1";
        assert_eq!(path(whole, "x", ""), whole);
        assert_eq!(path(&format!("https://www.googleapis.com/compute/v1/{whole}"), "x", ""), whole);
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("mine-*", "mine-2") && matches("*-cu12*-v*", "pytorch-cu128-v1") && matches("*", ""));
        assert!(!matches("mine-*", "mine") && !matches("a*b", "abc") && !matches("a", "ab"));
    }
}
