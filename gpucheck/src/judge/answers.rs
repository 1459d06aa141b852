//! Answers: any that is wrong is a failure.

use super::{Finding, Known, Subject, Verdict, thresholds};
use crate::format::TensorType;
use crate::report::{Burn, Correctness, Level, MemoryTest, Outcome, least_capability};

/// How much of memory must have been looked at.
const LEAST_MEMORY: f64 = 0.90;

/// NVML's reasons for lower clocks that tell of a fault: the hardware slows down (0x8), for heat (0x40), for the power supply
/// (0x80); and the driver for heat (0x20). That power is at its cap (0x4) is how a GPU should be under load.
const FAULTS: [(u64, &str); 4] =
    [(0x8, "hardware slowdown"), (0x40, "hardware: heat"), (0x80, "power brake"), (0x20, "heat")];

/// All of one GPU.
pub(super) fn gpu(known: &Known, level: Level) -> Vec<Finding> {
    let subject = Subject::Gpu(known.gpu.index);
    let mut findings: Vec<Finding> = known
        .gpu
        .answers
        .iter()
        .map(|(what, outcome)| compared(subject, &format!("answers {what}"), outcome))
        .collect();
    for what in missing(known) {
        findings.push(Finding::new(
            subject,
            format!("answers {what}"),
            Verdict::NotChecked,
            "the run did not come to it",
        ));
    }
    findings.push(memory(subject, &known.gpu.memory));
    if level > Level::Quick || known.gpu.burn.measured().is_some() {
        findings.extend(burn(subject, &known.gpu.burn));
    }
    findings
}

/// Products that the chip has and of which the report has nothing.
fn missing(known: &Known) -> Vec<String> {
    let capability = known.gpu.identity.measured().map_or((0, 0), |identity| identity.compute_capability);
    let tensor = TensorType::ALL.into_iter().filter(|kind| capability >= least_capability(*kind)).map(TensorType::name);
    let products = ["fp32"].into_iter().chain(tensor).map(|kind| format!("product_{kind}"));
    products.filter(|what| !known.gpu.answers.contains_key(what)).collect()
}

/// Answers that were compared with the CPU's.
pub(super) fn compared(subject: Subject, what: &str, outcome: &Outcome<Correctness>) -> Finding {
    let finding = |verdict, reason: String| Finding::new(subject, what, verdict, reason);
    let found = match outcome {
        Outcome::Measured(found) => found,
        Outcome::Failed { error } => return finding(Verdict::Fail, error.clone()),
        Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            return finding(Verdict::NotChecked, reason.clone());
        }
    };
    let finding = match (found.compared, found.wrong, found.multiprocessors) {
        (0, _, _) => finding(Verdict::NotChecked, "nothing was compared".into()),
        (_, 1.., _) => {
            let first = found.first_wrong.as_deref().unwrap_or("nobody noted where");
            finding(Verdict::Fail, format!("{} wrong answers; the first: {first}", found.wrong))
        }
        (_, _, Some((ran, all))) if ran < all => {
            finding(Verdict::NotChecked, format!("right, and only on {ran} of {all} multiprocessors"))
        }
        (_, _, Some((_, all))) => {
            finding(Verdict::Pass, format!("bit for bit the CPU's, on all {all} multiprocessors"))
        }
        _ => finding(Verdict::Pass, "bit for bit the CPU's".into()),
    };
    finding.measured(format!("{} wrong of {}", found.wrong, found.compared)).expected("0 wrong")
}

fn memory(subject: Subject, outcome: &Outcome<MemoryTest>) -> Finding {
    let finding = |verdict, reason: String| Finding::new(subject, "memory", verdict, reason);
    let found = match outcome {
        Outcome::Measured(found) => found,
        Outcome::Failed { error } => return finding(Verdict::Fail, error.clone()),
        Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            return finding(Verdict::NotChecked, reason.clone());
        }
    };
    #[allow(clippy::cast_precision_loss)] // To a percent.
    let share = found.bytes as f64 / found.of.max(1) as f64;
    let finding = if found.wrong_words > 0 {
        let first = found.first_wrong.map_or_else(|| "nobody noted where".into(), |at| format!("{at:#x}"));
        finding(Verdict::Fail, format!("{} words came back wrong; the first at {first}", found.wrong_words))
    } else if found.patterns == 0 || share < LEAST_MEMORY {
        finding(Verdict::NotChecked, format!("whole, as far as it was looked at: {:.0} % of it", share * 100.0))
    } else {
        finding(Verdict::Pass, format!("{} patterns came back from {:.0} % of it", found.patterns, share * 100.0))
    };
    finding.measured(format!("{} wrong words", found.wrong_words)).expected("0 wrong words")
}

fn burn(subject: Subject, outcome: &Outcome<Burn>) -> Vec<Finding> {
    let finding = |verdict, reason: String| Finding::new(subject, "burn", verdict, reason);
    let found = match outcome {
        Outcome::Measured(found) => found,
        Outcome::Failed { error } => return vec![finding(Verdict::Fail, error.clone())],
        Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            return vec![finding(Verdict::NotChecked, reason.clone())];
        }
    };
    let (first, last) = found.thirds;
    let kept = last / first;
    let measured = format!("{:.0} % kept in {:.0} s", kept * 100.0, found.seconds);
    let rate = if kept.is_finite() {
        let verdict = thresholds::DECAY.verdict(kept);
        let reason = if verdict == Verdict::Pass { "its rate keeps" } else { "its rate falls as it gets warm" };
        finding(verdict, reason.into())
    } else {
        finding(Verdict::Fail, "its rate is no figure".into())
    };
    let answers = if found.wrong_words > 0 {
        Finding::new(
            subject,
            "answers burn",
            Verdict::Fail,
            format!("{} words of memory came back wrong under load", found.wrong_words),
        )
    } else {
        compared(subject, "answers burn", &Outcome::Measured(found.answers.clone()))
    };
    let throttle = throttled(subject, found);
    vec![rate.measured(measured).expected("100 % kept"), answers, throttle]
}

/// Why clocks were lower during the burn.
fn throttled(subject: Subject, burn: &Burn) -> Finding {
    let finding = |verdict, reason: String| Finding::new(subject, "throttle", verdict, reason);
    let conditions = match &burn.conditions {
        Outcome::Measured(conditions) => conditions,
        Outcome::Failed { error: reason } | Outcome::NotChecked { reason } | Outcome::Inapplicable { reason } => {
            return finding(Verdict::NotChecked, reason.clone());
        }
    };
    let Some(bits) = conditions.throttle else {
        return finding(Verdict::NotChecked, "NVML does not say why clocks are what they are".into());
    };
    let faults: Vec<&str> = FAULTS.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect();
    let finding = if faults.is_empty() {
        finding(
            Verdict::Pass,
            if bits & 0x4 == 0 { "nothing held it back" } else { "held at its power cap, as it should be" }.into(),
        )
    } else {
        finding(Verdict::Fail, format!("it was held back: {}", faults.join(", ")))
    };
    let told = [
        conditions.clock_mhz.map(|(least, most)| format!("{least}-{most} MHz")),
        conditions.temperature.map(|degrees| format!("{degrees} °C")),
        conditions.power.map(|watts| format!("{watts:.0} W")),
    ];
    finding.measured(told.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
