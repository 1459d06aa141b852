//! This machine's NVIDIA GPUs: which there are, and who has which.

use std::fmt;
use std::path::Path;

use nvml_wrapper::Nvml;
use trueup_engine::kinds::gpu_instance::{AllottedGpu, Gpu};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use crate::claims::{Claims, Owner};

/// What tells which GPUs this machine has.
pub trait GpuDiscovery: Send + Sync + fmt::Debug {
    /// All of them. It may block for some seconds.
    ///
    /// # Errors
    /// What was looked for and could not be asked, in words for a person.
    fn gpus(&self) -> Result<Vec<AllottedGpu>, String>;
}

/// Asks NVIDIA's management library, which comes with the driver and is looked for only when it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NvmlDiscovery;

impl GpuDiscovery for NvmlDiscovery {
    fn gpus(&self) -> Result<Vec<AllottedGpu>, String> {
        let nvml = Nvml::init().map_err(|error| {
            format!("NVIDIA's driver library libnvidia-ml.so was looked for and could not be used: {error}")
        })?;
        let count = nvml.device_count().map_err(|error| error.to_string())?;
        (0..count)
            .map(|index| {
                let device = nvml.device_by_index(index)?;
                let memory_mib = device.memory_info()?.total / (1024 * 1024);
                Ok(AllottedGpu { uuid: device.uuid()?, model: device.name()?, memory_mib })
            })
            .collect::<Result<_, nvml_wrapper::error::NvmlError>>()
            .map_err(|error| error.to_string())
    }
}

/// Gives an object the GPUs it asks for; those it has already stay its own.
pub(crate) fn take(
    claims: &Claims,
    discovery: &dyn GpuDiscovery,
    owner: &Owner,
    wanted: &Gpu,
) -> Result<Vec<AllottedGpu>, ProviderError> {
    let none = |message: String| ProviderError::new(Class::NoCapacity, message);
    let all = discovery.gpus().map_err(|error| none(format!("this machine has no GPU to give: {error}")))?;
    let held = claims.hold()?;
    let taken = held.all()?;
    let count = wanted.count as usize;
    let fitting = |gpu: &&AllottedGpu| fits(&gpu.model, &wanted.model);
    let has = |gpu: &&AllottedGpu| taken.iter().any(|(uuid, other)| *uuid == gpu.uuid && other == owner);
    let free = |gpu: &&AllottedGpu| !taken.iter().any(|(uuid, _)| *uuid == gpu.uuid);
    let mut given: Vec<AllottedGpu> = all.iter().filter(fitting).filter(has).take(count).cloned().collect();
    given.extend(all.iter().filter(fitting).filter(free).take(count - given.len()).cloned());
    if given.len() < count {
        return Err(none(shortage(wanted, &all, &taken)));
    }
    // What it had and no longer asks for goes back, in the same breath.
    let card = owner.card.clone();
    let keep: Vec<&str> = given.iter().map(|gpu| gpu.uuid.as_str()).collect();
    for (uuid, other) in &taken {
        if other == owner && !keep.contains(&uuid.as_str()) {
            held.release(&card, |other| other.part != owner.part)?;
            break;
        }
    }
    for gpu in &given {
        held.take(&gpu.uuid, owner)?;
    }
    Ok(given)
}

/// The GPUs that an object has and that are there.
pub(crate) fn held_by(
    claims: &Claims,
    discovery: &dyn GpuDiscovery,
    card: &Path,
) -> Result<Vec<(AllottedGpu, Owner)>, ProviderError> {
    let taken = claims.hold()?.of(card)?;
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let all = discovery.gpus().map_err(|error| ProviderError::new(Class::Transient, error))?;
    let find = |(uuid, owner): (String, Owner)| Some((all.iter().find(|gpu| gpu.uuid == uuid)?.clone(), owner));
    Ok(taken.into_iter().filter_map(find).collect())
}

/// Gives up the GPUs of an object's parts from a position on.
pub(crate) fn release(claims: &Claims, card: &Path, from: u32) -> Result<(), ProviderError> {
    claims.hold()?.release(card, |owner| owner.part < from)
}

/// What programs need so as to use these GPUs alone.
pub(crate) fn visible(gpus: &[AllottedGpu]) -> String {
    gpus.iter().map(|gpu| gpu.uuid.as_str()).collect::<Vec<_>>().join(",")
}

/// Whether the driver's name for a model is what a blueprint asks for: `A100-80GB` is an `NVIDIA A100-SXM4-80GB`.
fn fits(name: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_uppercase)
            .collect()
    };
    let name = words(name);
    let wanted = words(wanted);
    !wanted.is_empty() && wanted.iter().all(|word| name.contains(word))
}

fn shortage(wanted: &Gpu, all: &[AllottedGpu], taken: &[(String, Owner)]) -> String {
    let free = |gpu: &AllottedGpu| !taken.iter().any(|(uuid, _)| *uuid == gpu.uuid);
    let list: Vec<String> =
        all.iter().map(|gpu| format!("{} ({})", gpu.model, if free(gpu) { "free" } else { "taken" })).collect();
    let found = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    format!("{} x {} is wanted, and this machine has: {found}", wanted.count, wanted.model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_words() {
        assert!(fits("NVIDIA H100 80GB HBM3", "H100"));
        assert!(fits("NVIDIA A100-SXM4-80GB", "a100-80gb"));
        assert!(!fits("NVIDIA L40S", "L4"));
        assert!(!fits("NVIDIA A100-SXM4-40GB", "A100-80GB"));
        assert!(!fits("NVIDIA L4", ""));
    }
}
