//! `gpu_instance`: this machine, with GPUs that no other stack of the user is given while this one has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trueup_engine::kinds;
use trueup_engine::kinds::gpu_instance::{AllottedGpu, Attributes, Gpu, GpuChoice, Spec};
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_engine::typed::{Sealed, TypedFound};
use trueup_state::{Entropy, Request, Value};

use crate::card::Cards;
use crate::claims::{Claims, Owner};
use crate::gpus::{self, GpuDiscovery};
use crate::home;
use crate::marks::Marks;
use crate::refuse::{is_given, is_the, refuse};
use crate::work::{CardOf, Step, Work};

/// The manager of machines.
pub(crate) struct GpuInstances {
    root: PathBuf,
    cards: Cards<Spec, Notes>,
    claims: Claims,
    discovery: Arc<dyn GpuDiscovery>,
    entropy: Arc<dyn Entropy>,
}

/// What is noted of a machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// By what its environment is known again; the values themselves are nowhere.
    env: Marks,
}

impl GpuInstances {
    pub(crate) fn new(home: &home::LocalHome, discovery: Arc<dyn GpuDiscovery>, entropy: Arc<dyn Entropy>) -> Self {
        let cards = Cards::new(&home.root, "gpu_instance");
        Self { root: home.root.clone(), cards, claims: Claims::new(&home.machine, "gpus"), discovery, entropy }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join("gpu_instances").join(name)
    }
}

impl Work for GpuInstances {
    type Kind = kinds::GpuInstance;
    type Data = Notes;

    fn cards(&self) -> &Cards<Spec, Notes> {
        &self.cards
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn is_there(&self, name: &str, _card: Option<&CardOf<Self>>) -> bool {
        self.path(name).is_dir()
    }

    fn look(&self, card: CardOf<Self>, sent: Option<&Value>) -> Result<TypedFound<kinds::GpuInstance>, ProviderError> {
        let path = self.cards.path(&card.name);
        let held = gpus::held_by(&self.claims, &*self.discovery, &path)?;
        let gpus: Vec<AllottedGpu> = held.into_iter().map(|(gpu, _)| gpu).collect();
        let mut spec = card.spec;
        if let GpuChoice::Gpus(gpu) = &spec.gpu {
            // GPUs that were lost or given away show as a smaller count.
            let count = u32::try_from(gpus.len()).unwrap_or(u32::MAX);
            spec.gpu = GpuChoice::Gpus(Gpu { model: gpu.model.clone(), count });
        }
        spec.env = card.data.env.reveal(sent.and_then(|sent| sent.get("env")), &BTreeMap::new());
        spec.user_data = None;
        let environment = if gpus.is_empty() {
            BTreeMap::new()
        } else {
            BTreeMap::from([("CUDA_VISIBLE_DEVICES".to_owned(), gpus::visible(&gpus))])
        };
        let attributes = Attributes {
            ip: "127.0.0.1".to_owned(),
            ssh: None,
            private_ip: "127.0.0.1".to_owned(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            zone: "local".to_owned(),
            instance_type: "local".to_owned(),
            gpus,
            price_per_hour: Some(0.0),
            status: "running".to_owned(),
            environment,
        };
        Ok(TypedFound { id: card.name, spec, attributes, owner: card.owner })
    }

    fn refused(spec: &Value) -> Vec<Problem> {
        let refused = [
            ("image", "this machine runs already: it starts from no image"),
            ("user_data", "this machine runs already: nothing is run at its start"),
            ("machine_type", "this machine is of no cloud's type"),
            ("stop_after", "`local` does not stop the machine that it runs on"),
        ];
        let reserved = ["reservation", "capacity_block"].iter().any(|market| is_the(spec, "market", market));
        let given = refused.into_iter().filter(|(field, _)| is_given(spec, field));
        let reserved = Some(("market", "this machine has no reservations")).filter(|_| reserved);
        given.chain(reserved).map(|(field, message)| refuse(field, message)).collect()
    }

    fn converge(&self, card: &mut CardOf<Self>, spec: &Spec, _request: &Request) -> Result<Step, ProviderError> {
        let path = self.cards.path(&card.name);
        match &spec.gpu {
            GpuChoice::Gpus(wanted) => {
                let owner = Owner { card: path, part: 0 };
                gpus::take(&self.claims, &*self.discovery, &owner, wanted)?;
            }
            GpuChoice::None(_) => gpus::release(&self.claims, &path, 0)?,
        }
        let env = spec.env.iter().map(|(name, value)| (name.clone(), Sealed::reveal(value).clone())).collect();
        card.data.env = Marks::of(&env, &*self.entropy);
        home::make_dir(&self.path(&card.name))?;
        Ok(Step::Done)
    }

    fn dissolve(&self, card: &mut CardOf<Self>, _request: &Request) -> Result<Step, ProviderError> {
        gpus::release(&self.claims, &self.cards.path(&card.name), 0)?;
        let path = self.path(&card.name);
        home::remove(&path)?;
        home::prune_all(path.parent().unwrap_or(&path), &self.root);
        Ok(Step::Done)
    }
}
