//! One GPU of the double: its memory, its clock, its health.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::contents::Contents;
use crate::settings::{Gpu as Facts, settings};

/// Where a GPU's memory begins: each has 2^44 bytes of addresses of its own.
const SPACE: u32 = 44;
/// What the driver keeps for itself.
const KEPT: u64 = 300 << 20;

/// One GPU.
pub(crate) struct Gpu {
    pub(crate) facts: &'static Facts,
    pub(crate) contents: Contents,
    /// Where each piece of memory begins, with its length, by its offset.
    taken: BTreeMap<u64, u64>,
    /// Seconds of its clock.
    pub(crate) now: f64,
    /// Seconds that it burnt.
    pub(crate) burnt: f64,
    /// It will never be done.
    pub(crate) hangs: bool,
    /// What every call fails with.
    pub(crate) broken: i32,
    jitter: u64,
}

impl Gpu {
    fn new(facts: &'static Facts, index: u64) -> Self {
        let mut contents = Contents::default();
        contents.stuck.extend(facts.ill.stuck.map(|(byte, bit)| (base(index) + byte, bit)));
        Self {
            facts,
            contents,
            taken: BTreeMap::new(),
            now: 1.0,
            burnt: 0.0,
            hangs: false,
            broken: 0,
            jitter: index + 1,
        }
    }

    /// Lets its clock run on: by so many seconds, half a percent more or less.
    pub(crate) fn spend(&mut self, seconds: f64) {
        self.jitter = self.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (self.jitter >> 40) as f64 / f64::from(1 << 24);
        self.now += seconds * (0.995 + 0.01 * share);
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        self.facts.memory - KEPT - self.taken.values().sum::<u64>()
    }

    /// Takes memory, where there is room first; its offset.
    pub(crate) fn take(&mut self, bytes: u64) -> Option<u64> {
        let bytes = bytes.next_multiple_of(512);
        let mut at = 0;
        for (start, length) in &self.taken {
            if start - at >= bytes {
                break;
            }
            at = start + length;
        }
        if at + bytes > self.facts.memory - KEPT {
            return None;
        }
        self.taken.insert(at, bytes);
        Some(at)
    }

    /// Gives it back; whether it was taken.
    pub(crate) fn give(&mut self, at: u64) -> bool {
        self.taken.remove(&at).is_some()
    }

    /// Whether a range is all in one piece that is taken.
    pub(crate) fn holds(&self, at: u64, length: u64) -> bool {
        let piece = self.taken.range(..=at).next_back();
        piece.is_some_and(|(start, taken)| at + length <= start + taken)
    }
}

/// The address at which a GPU's memory begins.
pub(crate) fn base(index: u64) -> u64 {
    (index + 1) << SPACE
}

/// Whose memory an address is, and where in it.
pub(crate) fn place(address: u64) -> (usize, u64) {
    ((address >> SPACE) as usize - 1, address & ((1 << SPACE) - 1))
}

/// The GPUs.
pub(crate) fn gpus() -> &'static [Mutex<Gpu>] {
    static GPUS: OnceLock<Vec<Mutex<Gpu>>> = OnceLock::new();
    GPUS.get_or_init(|| (0..).zip(&settings().gpus).map(|(index, facts)| Mutex::new(Gpu::new(facts, index))).collect())
}

/// One of them.
pub(crate) fn gpu(index: usize) -> MutexGuard<'static, Gpu> {
    gpus()[index].lock().unwrap_or_else(PoisonError::into_inner)
}
