//! `registry`: a directory in the OCI image layout, which `skopeo` and its like read as `oci:DIRECTORY`.
//!
//! A registry of models takes models packaged as OCI artifacts. Retention rules and scanning are kept and have no effect here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trueup_engine::kinds;
use trueup_engine::kinds::registry::{Attributes, Spec};
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_engine::typed::TypedFound;
use trueup_state::{Class, Request, Value};

use crate::bucket::is_forced;
use crate::card::Cards;
use crate::home;
use crate::oci::{Layout, Written};
use crate::refuse;
use crate::work::{CardOf, Step, Work};

/// The manager of registries.
pub(crate) struct Registries {
    root: PathBuf,
    cards: Cards<Spec, Notes>,
}

/// What is noted of a registry: nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {}

/// The settings of the registry at a directory, where it is one of this provider's.
pub(crate) fn settings_of(registry: &Path) -> Result<Option<Spec>, ProviderError> {
    let (Some(name), Some(root)) = (registry.file_name().and_then(|name| name.to_str()), registry.ancestors().nth(2))
    else {
        return Ok(None);
    };
    Ok(Cards::<Spec, Notes>::new(root, "registry").read(name)?.map(|card| card.spec))
}

impl Registries {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), cards: Cards::new(root, "registry") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join("registries").join(name)
    }
}

impl Work for Registries {
    type Kind = kinds::Registry;
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

    fn look(&self, card: CardOf<Self>, _sent: Option<&Value>) -> Result<TypedFound<kinds::Registry>, ProviderError> {
        let path = self.path(&card.name);
        // A layout that can't be read is neither there nor gone.
        Layout::new(&path).index()?;
        let attributes = Attributes {
            uri: format!("oci:{}", path.display()),
            name: card.name.clone(),
            resource_id: path.display().to_string(),
        };
        Ok(TypedFound { id: card.name, spec: card.spec, attributes, owner: card.owner })
    }

    fn refused(spec: &Value) -> Vec<Problem> {
        refuse::key(spec).into_iter().collect()
    }

    fn converge(&self, card: &mut CardOf<Self>, _spec: &Spec, _request: &Request) -> Result<Step, ProviderError> {
        Layout::new(&self.path(&card.name)).init()?;
        Ok(Step::Done)
    }

    fn dissolve(&self, card: &mut CardOf<Self>, request: &Request) -> Result<Step, ProviderError> {
        let path = self.path(&card.name);
        if path.is_dir() && !is_forced(&request.spec) {
            let images = Layout::new(&path).index().map_or(0, |index| index.manifests.len());
            if images > 0 {
                let message = format!("the registry `{}` has {images} images in it", card.name);
                return Err(ProviderError::new(Class::Invalid { field: Some("force_destroy".to_owned()) }, message)
                    .code("RegistryNotEmpty"));
            }
        }
        home::remove(&path)?;
        home::prune_all(path.parent().unwrap_or(&path), &self.root);
        Ok(Step::Done)
    }
}
