//! Why something can't be adopted, and what can be done instead.

use trueup_state::Address;

/// Why a resource can't be what is there. Nothing was recorded of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// The blueprint has no such resource.
    #[error("the blueprint has no resource {address}")]
    NotDeclared {
        /// The address.
        address: Address,
        /// What may have been meant.
        close: Option<String>,
    },
    /// It is read, and never managed.
    #[error("{0} is `existing`: it is read, and never managed")]
    OnlyRead(Address),
    /// Something is recorded at its address.
    #[error("{0} is recorded already")]
    Recorded(Address),
    /// It can't be planned yet.
    #[error("{address} can't be adopted yet: {reason}")]
    Waits {
        /// The resource.
        address: Address,
        /// Why.
        reason: String,
    },
    /// There is nothing that it could be.
    #[error("{address}: there is no {kind} with {what} in {place}")]
    NothingThere {
        /// The resource.
        address: Address,
        /// Its kind.
        kind: String,
        /// By what it was looked for, in words.
        what: String,
        /// Where.
        place: String,
    },
    /// Nothing tells what it could be.
    #[error("{0} can't be looked for: nothing that the blueprint says of it is what its provider knows it by")]
    Nameless(Address),
    /// Several things could be it.
    #[error("{address}: several things bear its tags: {}", ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "))]
    Several {
        /// The resource.
        address: Address,
        /// Their ids.
        ids: Vec<String>,
    },
    /// Another resource would be the same thing.
    #[error("{address}: `{id}` would be {other} as well")]
    Shared {
        /// The resource.
        address: Address,
        /// The object.
        id: String,
        /// The other one.
        other: Address,
    },
    /// The object is recorded already.
    #[error("{address}: `{id}` is recorded already, as {recorded}")]
    RecordedAt {
        /// The resource.
        address: Address,
        /// The object.
        id: String,
        /// Where it is recorded.
        recorded: Address,
    },
    /// The object bears the tags of another stack.
    #[error("{address}: `{id}` belongs to another stack, with the lineage {lineage}")]
    OfAnother {
        /// The resource.
        address: Address,
        /// The object.
        id: String,
        /// The lineage that its tag names.
        lineage: String,
    },
    /// The provider can't tell.
    #[error("{address}: what is there can't be told: {reason}")]
    Unanswered {
        /// The resource.
        address: Address,
        /// What the provider says; no secret.
        reason: String,
    },
}

impl AdoptError {
    /// Which resource it is about.
    pub fn address(&self) -> &Address {
        match self {
            Self::OnlyRead(address)
            | Self::Recorded(address)
            | Self::Nameless(address)
            | Self::NotDeclared { address, .. }
            | Self::Waits { address, .. }
            | Self::NothingThere { address, .. }
            | Self::Several { address, .. }
            | Self::Shared { address, .. }
            | Self::RecordedAt { address, .. }
            | Self::OfAnother { address, .. }
            | Self::Unanswered { address, .. } => address,
        }
    }

    /// What to do instead.
    pub fn help(&self) -> String {
        match self {
            Self::NotDeclared { close: Some(close), .. } => format!("did you mean `{close}`?"),
            Self::NotDeclared { .. } => "declare it first: what it is to be is compared with what is there".to_owned(),
            Self::OnlyRead(_) => "take `existing` out of it, and say what it is to be".to_owned(),
            Self::Recorded(address) => {
                format!("`trueup state show {address}` shows as what; `trueup state forget {address}` lets go of it")
            }
            Self::Waits { .. } => "`trueup apply` goes on with it; adopt it after that".to_owned(),
            Self::NothingThere { .. } => {
                "look for it at the provider: `--id` takes the provider's id, of the resource's own kind, region and account".to_owned()
            }
            Self::Nameless(address) => format!(
                "give it the id that its provider has for it, such as a name, a URL or an ARN: `trueup adopt {address} --id ID`"
            ),
            Self::Several { address, ids } => {
                let id = ids.first().map_or("ID", String::as_str);
                format!("say which one it is: `trueup adopt {address} --id {id}`")
            }
            Self::Shared { .. } => "give one of them another name, or take it out of the blueprint".to_owned(),
            Self::RecordedAt { recorded, address, .. } => {
                format!("`trueup state mv {recorded} {address}` gives it the other address")
            }
            Self::OfAnother { address, id, .. } => format!(
                "`trueup state forget` it there; once no other stack manages it, `trueup adopt {address} --id {id} --force` takes it over"
            ),
            Self::Unanswered { .. } => "try again once the provider answers".to_owned(),
        }
    }
}
