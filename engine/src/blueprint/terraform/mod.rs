//! A blueprint from what Terraform has: its state is read, its providers' resources are told in our words, and written as blocks.

mod names;
mod state;
mod text;

use std::collections::BTreeMap;

use serde_json::Value as Json;
use trueup_state::{Address, KindName};

pub use state::{StateError, Theirs, read};

use crate::estate::Providers;
use crate::provider::ProviderError;

/// What a resource of Terraform's is here.
#[derive(Clone, Debug, PartialEq)]
pub enum Ours {
    /// A resource of its own.
    Resource(Box<Taken>),
    /// A part of what another of them is, by that one's position.
    PartOf(usize),
    /// Nothing, and why.
    Not(String),
}

/// A resource as a blueprint says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Its kind.
    pub kind: KindName,
    /// Its provider's id.
    pub id: String,
    /// The settings of its provider that it needs, by their names.
    pub settings: BTreeMap<String, String>,
    /// What it is: a map, in which nothing is secret.
    pub spec: Json,
    /// What was left out of that and why, a sentence each.
    pub notes: Vec<String>,
}

/// A blueprint that was written, and what of Terraform's it has.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The blueprint.
    pub text: String,
    /// The provider's id of each resource in it.
    pub ids: BTreeMap<Address, String>,
    /// What is to be known of resources in it: an address of Terraform's, and a sentence.
    pub notes: Vec<(String, String)>,
    /// Terraform's addresses of what is not in it, each with why.
    pub left: Vec<(String, String)>,
}

/// One resource of a blueprint that is being written.
struct Block<'a> {
    theirs: &'a Theirs,
    /// The provider that makes it, by its name without an alias.
    provider: &'a str,
    name: String,
    taken: Taken,
}

/// Writes a blueprint of a name, with all that providers know of Terraform's.
pub async fn draft(providers: &Providers, all: &[Theirs], blueprint: &str) -> Result<Draft, (String, ProviderError)> {
    let mut draft = Draft { text: String::new(), ids: BTreeMap::new(), notes: Vec::new(), left: Vec::new() };
    let mut names = names::Names::default();
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (name, provider) in providers {
        let Some(source) = provider.terraform() else { continue };
        let theirs: Vec<&Theirs> = all.iter().filter(|one| one.source == source && one.problem.is_none()).collect();
        let ours = provider.translate(&theirs).await.map_err(|error| (name.clone(), error))?;
        for (theirs, ours) in theirs.iter().zip(ours) {
            match ours {
                Ours::PartOf(_) => {}
                Ours::Not(why) => draft.left.push((theirs.address.clone(), why)),
                Ours::Resource(taken) => {
                    let (ours, note) = names.take(theirs);
                    let told = note.into_iter().chain(taken.notes.iter().cloned());
                    draft.notes.extend(told.map(|note| (theirs.address.clone(), note)));
                    draft.ids.insert(Address::root(&ours), taken.id.clone());
                    blocks.push(Block { theirs, provider: name, name: ours, taken: *taken });
                }
            }
        }
    }
    let known: Vec<&str> = providers.values().filter_map(|provider| provider.terraform()).collect();
    for one in all {
        if let Some(problem) = &one.problem {
            draft.left.push((one.address.clone(), problem.clone()));
        } else if !known.contains(&one.source.as_str()) {
            draft
                .left
                .push((one.address.clone(), format!("nothing here makes what Terraform's `{}` does", one.source)));
        }
    }
    draft.left.sort();
    draft.text = text::text(blueprint, &blocks);
    Ok(draft)
}
