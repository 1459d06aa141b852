//! NVML's eyes and ear on the GPUs, from before anything is measured to the end.

use std::collections::BTreeMap;

use crate::nvml::{Ear, Eye, Library};
use crate::report::{Counters, Outcome, PcieLink, Report, Watched};

/// One GPU that is watched.
struct Watching<'a> {
    eye: Eye<'a>,
    before: Counters,
}

/// All that are.
pub(super) struct Watch<'a> {
    /// By CUDA's numbers: an eye, or why there is none.
    gpus: BTreeMap<u32, Result<Watching<'a>, String>>,
    ear: Option<Ear<'a>>,
}

impl<'a> Watch<'a> {
    /// Begins to watch those that could be opened.
    pub(super) fn new(library: Result<&'a Library, &String>, report: &Report) -> Self {
        let mut gpus = BTreeMap::new();
        for gpu in &report.gpus {
            let Some(identity) = gpu.identity.measured() else { continue };
            let eye = library.map_err(String::clone).and_then(|library| library.eye(&identity.pci_address));
            let watching = eye.map(|eye| {
                let before = eye.counters();
                Watching { eye, before }
            });
            gpus.insert(gpu.index, watching);
        }
        let eyes = gpus.values().filter_map(|watching| Some(&watching.as_ref().ok()?.eye));
        let ear = library.ok().and_then(|library| library.listen(eyes));
        Self { gpus, ear }
    }

    /// The eye on a GPU, by CUDA's number.
    pub(super) fn eye(&self, index: u32) -> Option<&Eye<'a>> {
        Some(&self.gpus.get(&index)?.as_ref().ok()?.eye)
    }

    /// The link of a GPU to the host, as it is now.
    pub(super) fn link(&self, index: u32) -> Outcome<PcieLink> {
        match self.gpus.get(&index) {
            Some(Ok(watching)) => watching.eye.link(),
            Some(Err(reason)) => Outcome::not_checked(reason),
            None => Outcome::default(),
        }
    }

    /// Notes what is counted at the end beside what was at the start.
    pub(super) fn end(&self, report: &mut Report) {
        let heard = self.ear.as_ref().and_then(Ear::heard);
        for gpu in &mut report.gpus {
            gpu.counters = match self.gpus.get(&gpu.index) {
                Some(Ok(Watching { eye, before })) => {
                    let own = |heard: &Vec<(u32, u64)>| {
                        let number = eye.number()?;
                        Some(heard.iter().filter(|(of, _)| *of == number).map(|(_, xid)| *xid).collect())
                    };
                    let xids = heard.as_ref().and_then(own);
                    Outcome::Measured(Watched { before: before.clone(), after: eye.counters(), xids })
                }
                Some(Err(reason)) => Outcome::not_checked(reason),
                None => Outcome::not_checked("the GPU could not be opened"),
            };
        }
    }
}
