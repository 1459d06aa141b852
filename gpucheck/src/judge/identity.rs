//! Whether the GPUs are there, and are the model that they say and that was asked for.

use super::{Finding, Known, Rules, Subject, Verdict};
use crate::models::Model;
use crate::report::{Outcome, PcieLink, Report};

/// Whether a model is the one of this name, or one of those that it begins.
pub(super) fn is_wanted(model: &Model, wanted: &str) -> bool {
    let (name, wanted) = (model.name.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    name.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The node: how many GPUs, and whether the measuring went through.
pub(super) fn node(report: &Report, rules: &Rules) -> Vec<Finding> {
    let mut findings: Vec<Finding> = report
        .incidents
        .iter()
        .map(|incident| Finding::new(Subject::Node, "run", Verdict::Fail, incident.to_string()))
        .collect();
    findings.push(count(report, rules));
    findings
}

fn count(report: &Report, rules: &Rules) -> Finding {
    let there = u32::try_from(report.gpus.len()).unwrap_or(u32::MAX);
    let (verdict, reason) = match (there, rules.count, report.seen_by_nvml) {
        (0, _, _) if !report.incidents.is_empty() => (Verdict::NotChecked, "the run did not come to it".into()),
        (0, _, _) => (Verdict::Fail, "there is no GPU".into()),
        (_, Some(wanted), _) if wanted != there => {
            (Verdict::Fail, format!("{there} GPUs are there, {wanted} should be"))
        }
        (_, wanted, Some(seen)) if seen > there => {
            let reason =
                format!("NVML sees {seen} GPUs and CUDA {there}: one can't be used, or is kept from this process");
            // Who says how many there must be may keep others from it.
            (if wanted.is_some() { Verdict::Warn } else { Verdict::Fail }, reason)
        }
        _ => (Verdict::Pass, "as many as there should be".into()),
    };
    let finding = Finding::new(Subject::Node, "count", verdict, reason).measured(there.to_string());
    match rules.count.or(report.seen_by_nvml) {
        Some(wanted) => finding.expected(wanted.to_string()),
        None => finding,
    }
}

/// One GPU: model, memory, link.
pub(super) fn gpu(known: &Known, rules: &Rules) -> Vec<Finding> {
    vec![model(known, rules), link(Subject::Gpu(known.gpu.index), &known.gpu.pcie)]
}

fn model(known: &Known, rules: &Rules) -> Finding {
    let subject = Subject::Gpu(known.gpu.index);
    let finding = |verdict, reason: String| Finding::new(subject, "identity", verdict, reason);
    let identity = match &known.gpu.identity {
        Outcome::Measured(identity) => identity,
        Outcome::Failed { error } => return finding(Verdict::Fail, format!("it can't be asked: {error}")),
        Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            return finding(Verdict::NotChecked, reason.clone());
        }
    };
    let (major, minor) = identity.compute_capability;
    let finding = match known.model {
        None if rules.model.is_some() => {
            finding(Verdict::Fail, format!("no known model with compute capability {major}.{minor} has this name"))
        }
        None => finding(
            Verdict::NotChecked,
            "the model is not known: nothing is expected of it but what its neighbours do".into(),
        ),
        Some(model) if !model.has_its_memory(identity.memory_bytes) => {
            let there = identity.memory_bytes >> 30;
            finding(Verdict::Fail, format!("{there} GiB of memory, where {} GiB belong to its name", model.memory))
        }
        Some(model) => match &rules.model {
            Some(wanted) if !is_wanted(model, wanted) => finding(Verdict::Fail, format!("it is no {wanted}")),
            _ if identity.ecc == Some(false) && model.memory_kind == crate::models::MemoryKind::Hbm => {
                finding(Verdict::Warn, "ECC is off: a wrong bit in memory would go unseen".into())
            }
            _ => finding(Verdict::Pass, format!("name, memory and chip are those of {}", model.name)),
        },
    };
    let finding = finding.measured(format!("{}, {} GiB", identity.name, identity.memory_bytes >> 30));
    let expected = rules.model.clone().or_else(|| known.model.map(|model| model.name.to_owned()));
    expected.into_iter().fold(finding, Finding::expected)
}

fn link(subject: Subject, link: &Outcome<PcieLink>) -> Finding {
    let finding = |verdict, reason: String| Finding::new(subject, "pcie", verdict, reason);
    let link = match link {
        Outcome::Measured(link) => link,
        Outcome::Failed { error: reason } | Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            return finding(Verdict::NotChecked, reason.clone());
        }
    };
    let finding = if link.width < link.most_width {
        finding(Verdict::Fail, "lanes are missing: its link was trained down".into())
    } else if link.generation < link.most_generation {
        finding(Verdict::Warn, "its link runs slower than it can".into())
    } else {
        finding(Verdict::Pass, "all that GPU and slot can do together".into())
    };
    let told = |generation: u32, width: u32| format!("Gen{generation} x{width}");
    finding.measured(told(link.generation, link.width)).expected(told(link.most_generation, link.most_width))
}
