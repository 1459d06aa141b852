//! The card of an object: whose it is, what was asked for, and what the provider noted of it. One private file each.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use trueup_engine::provider::ProviderError;
use trueup_state::{Address, Class, Generation, Request, Token};

use crate::home;

/// The owner tag that names the stack, by its lineage.
pub(crate) const STACK: &str = "trueup:stack";

/// What is kept of one object. What is sealed in its spec is not: it serialises as `(secret)`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Card<S, D> {
    /// The object's name, which is its id.
    pub(crate) name: String,
    /// The resource it belongs to.
    pub(crate) address: Address,
    /// Which of the resource's objects it is.
    pub(crate) generation: Generation,
    /// The token of the operation that made it.
    pub(crate) token: Token,
    /// The owner tags on it.
    pub(crate) owner: BTreeMap<String, String>,
    /// Whether it was ever finished. Until then it counts as absent, so that its making is repeated.
    pub(crate) ready: bool,
    /// What was asked for last, and was done.
    pub(crate) spec: S,
    /// What the provider noted of it.
    pub(crate) data: D,
}

impl<S, D: Default> Card<S, D> {
    /// The card of an object that is about to be made.
    pub(crate) fn new(request: &Request, spec: S) -> Self {
        Self {
            name: request.name.clone(),
            address: request.address.clone(),
            generation: request.generation,
            token: request.token.clone(),
            owner: request.owner.clone(),
            ready: false,
            spec,
            data: D::default(),
        }
    }
}

impl<S, D> Card<S, D> {
    /// Whether the object is what the request would make: the same operation's, or the same resource's of the same stack.
    pub(crate) fn is_made_by(&self, request: &Request) -> bool {
        self.token == request.token
            || (self.is_of_stack(request) && self.address == request.address && self.generation == request.generation)
    }

    /// Whether the object is of the request's stack.
    pub(crate) fn is_of_stack(&self, request: &Request) -> bool {
        self.owner.get(STACK) == request.owner.get(STACK)
    }
}

/// The cards of one kind under one root.
#[derive(Clone, Debug)]
pub(crate) struct Cards<S, D> {
    directory: PathBuf,
    root: PathBuf,
    types: PhantomData<fn() -> (S, D)>,
}

impl<S, D> Cards<S, D>
where
    S: Serialize + DeserializeOwned,
    D: Serialize + DeserializeOwned,
{
    /// The cards of a kind.
    pub(crate) fn new(root: &Path, kind: &str) -> Self {
        Self { directory: root.join("cards").join(kind), root: root.to_owned(), types: PhantomData }
    }

    /// Where the card of a name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    /// The card of a name, where there is one.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Card<S, D>>, ProviderError> {
        let path = self.path(home::checked_name(name)?);
        let Some(content) = home::read_file(&path)? else { return Ok(None) };
        serde_json::from_slice(&content).map(Some).map_err(|error| {
            let message = format!("{} is not as Trueup wrote it: {error}", path.display());
            ProviderError::new(Class::Internal, message)
        })
    }

    /// Keeps a card.
    pub(crate) fn write(&self, card: &Card<S, D>) -> Result<(), ProviderError> {
        let content = serde_json::to_vec_pretty(card)
            .map_err(|error| ProviderError::new(Class::Internal, format!("a card has no JSON form: {error}")))?;
        home::write_file(&self.path(home::checked_name(&card.name)?), &content)
    }

    /// Removes a card, and the directories that it leaves empty.
    pub(crate) fn remove(&self, name: &str) -> Result<(), ProviderError> {
        home::remove_file(&self.path(home::checked_name(name)?))?;
        home::prune_all(&self.directory, &self.root);
        Ok(())
    }

    /// The names that have a card.
    pub(crate) fn names(&self) -> Result<Vec<String>, ProviderError> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(home::io_error(format!("list {}", self.directory.display()), &error)),
        };
        let name = |entry: std::fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned());
        let mut names: Vec<String> = entries.filter_map(Result::ok).filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// All cards that can be read.
    pub(crate) fn all(&self) -> Result<Vec<Card<S, D>>, ProviderError> {
        let names = self.names()?;
        Ok(names.iter().filter_map(|name| self.read(name).ok().flatten()).collect())
    }
}
