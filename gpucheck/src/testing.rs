//! Reports for tests: a healthy node of a model, by what is expected of it.

use crate::judge::thresholds::{direct, expectation, staged};
use crate::models::{Fabric, Model, named};
use crate::report::{
    Burn, Conditions, Correctness, Counters, Figures, Gpu, Identity, Level, Outcome, Pair, PcieLink, Quantity,
    Remapped, Report, Unit, Watched,
};

fn figures(unit: Unit, figure: f64) -> Outcome<Figures> {
    Outcome::Measured(Figures::of(unit, "test", vec![figure * 0.99, figure, figure * 1.01]).unwrap())
}

fn right(multiprocessors: Option<(u32, u32)>) -> Outcome<Correctness> {
    Outcome::Measured(Correctness { compared: 1000, wrong: 0, first_wrong: None, seeds: 4, multiprocessors })
}

/// A burn that went well.
pub(crate) fn burn() -> Burn {
    let Outcome::Measured(rate) = figures(Unit::TeraflopsPerSecond, 500.0) else { unreachable!() };
    let conditions = Conditions { throttle: Some(0x4), ..Conditions::default() };
    let Outcome::Measured(answers) = right(None) else { unreachable!() };
    Burn {
        seconds: 60.0,
        rate,
        thirds: (500.0, 495.0),
        answers,
        wrong_words: 0,
        conditions: Outcome::Measured(conditions),
    }
}

fn identity(model: &Model) -> Identity {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A size of memory.
    let memory_bytes = (model.memory * f64::from(1 << 30)) as u64 / 100 * 98;
    Identity {
        name: format!("NVIDIA {}", model.words.join(" ")),
        uuid: String::new(),
        pci_address: String::new(),
        memory_bytes,
        compute_capability: model.capability,
        multiprocessors: 100,
        ecc: Some(true),
    }
}

fn gpu(index: u32, model: &Model) -> Gpu {
    let mut gpu = Gpu::new(index);
    gpu.identity = Outcome::Measured(identity(model));
    let link = PcieLink { generation: model.pcie, width: 16, most_generation: model.pcie, most_width: 16 };
    for quantity in Quantity::ALL.into_iter().filter(|quantity| !quantity.is_library()) {
        if let Some(expectation) = expectation(model, quantity, Some(&link)) {
            gpu.figures.insert(quantity, figures(quantity.unit(), expectation.expected()));
        }
        if let Some(kind) = quantity.tensor().filter(|kind| model.capability >= crate::report::least_capability(*kind))
        {
            gpu.answers.insert(format!("product_{}", kind.name()), right(Some((100, 100))));
        }
    }
    gpu.answers.insert("product_fp32".into(), right(Some((100, 100))));
    gpu.pcie = Outcome::Measured(link);
    gpu.memory = Outcome::Measured(crate::report::MemoryTest {
        bytes: 95,
        of: 100,
        patterns: 4,
        wrong_words: 0,
        first_wrong: None,
    });
    let counters = Counters {
        corrected: Some(0),
        uncorrected: Some(0),
        uncorrected_ever: Some(0),
        remapped: Some(Remapped { corrected: 0, uncorrected: 0, pending: false, failed: false }),
        retired_pages: None,
        links: Some(if model.fabric == Fabric::Pcie { (0, 0) } else { (18, 0) }),
    };
    gpu.counters = Outcome::Measured(Watched { before: counters.clone(), after: counters, xids: Some(Vec::new()) });
    gpu
}

/// A report of these GPUs and nothing else.
pub(crate) fn with_gpus(gpus: Vec<Gpu>) -> Report {
    Report { gpus, ..Report::new(Level::Quick) }
}

/// A node of so many GPUs that all do what is expected of them.
pub(crate) fn healthy(name: &str, count: u32) -> Report {
    let model = named(name).unwrap();
    let mut report = with_gpus((0..count).map(|index| gpu(index, model)).collect());
    report.seen_by_nvml = Some(count);
    for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to) {
        report.pairs.push(Pair {
            from,
            to,
            direct: figures(Unit::GigabytesPerSecond, direct(model, [None, None]).expected()),
            staged: figures(Unit::GigabytesPerSecond, staged(model, [None, None]).expected()),
            intact: right(None),
        });
    }
    report
}
