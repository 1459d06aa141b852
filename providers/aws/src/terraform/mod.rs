//! What resources of Terraform's provider of AWS are here: which kinds, by which ids, and what AWS says of them.

mod clean;
mod table;

use std::collections::BTreeMap;

use trueup_engine::blueprint::terraform::{Ours, Taken, Theirs};
use trueup_engine::provider::{By, Candidate, Manager, Observation, Provider, ProviderError, Target};
use trueup_engine::schema::Schema;
use trueup_state::{Address, KindName, ProviderName, Value, codec};

use crate::provider::AwsProvider;
use table::{Row, part, row};

/// Where Terraform's provider comes from.
pub(crate) const SOURCE: &str = "hashicorp/aws";

/// What is to be looked at, at one place.
struct Wanted<'a> {
    position: usize,
    theirs: &'a Theirs,
    id: &'a str,
}

/// A region, and a kind there.
type Place = (Option<String>, &'static str);

/// What each of them is.
pub(crate) async fn ours(provider: &AwsProvider, all: &[&Theirs]) -> Result<Vec<Ours>, ProviderError> {
    let mut answers: Vec<Ours> = all.iter().map(|theirs| unread(theirs, all)).collect();
    let mut places: BTreeMap<Place, Vec<Wanted<'_>>> = BTreeMap::new();
    for (position, theirs) in all.iter().enumerate() {
        let Some(Row { ours, id, .. }) = row(&theirs.kind) else { continue };
        if let Some(id) = theirs.attributes.get(*id).and_then(|id| id.as_str()) {
            places.entry((region(theirs), ours)).or_default().push(Wanted { position, theirs, id });
        }
    }
    for ((region, kind), wanted) in &places {
        let looked = looked_at(provider, region.as_deref(), kind, wanted).await?;
        wanted.iter().zip(looked).for_each(|(wanted, ours)| answers[wanted.position] = ours);
    }
    Ok(answers)
}

/// What one is, as far as that is told without AWS.
fn unread(theirs: &Theirs, all: &[&Theirs]) -> Ours {
    if row(&theirs.kind).is_some() {
        return Ours::Not("Terraform's state does not say its identifier".to_owned());
    }
    let Some(part) = part(&theirs.kind) else {
        return Ours::Not(format!(
            "what `{}` is here is not known: declare it, and `trueup adopt` it by its id",
            theirs.kind
        ));
    };
    let named = theirs.attributes.get(part.names);
    let is_whole = |other: &&Theirs| {
        other.kind == part.of && part.by.iter().any(|by| named.is_some() && other.attributes.get(*by) == named)
    };
    all.iter().position(is_whole).map_or_else(
        || Ours::Not(format!("it is a part of an `{}` that Terraform does not manage here", part.of)),
        Ours::PartOf,
    )
}

/// Where it is: as it says, or as its ARN does; what is everywhere says nothing.
fn region(theirs: &Theirs) -> Option<String> {
    let text = |name: &str| theirs.attributes.get(name).and_then(|value| value.as_str());
    let of_arn = text("arn").and_then(|arn| arn.split(':').nth(3));
    text("region").or(of_arn).filter(|region| !region.is_empty()).map(str::to_owned)
}

/// The account that its ARN names.
fn account(theirs: &Theirs) -> Option<&str> {
    let arn = theirs.attributes.get("arn").and_then(|arn| arn.as_str());
    arn.and_then(|arn| arn.split(':').nth(4)).filter(|account| !account.is_empty())
}

/// What AWS says of things of one kind in one region.
async fn looked_at(
    provider: &AwsProvider,
    region: Option<&str>,
    kind: &str,
    wanted: &[Wanted<'_>],
) -> Result<Vec<Ours>, ProviderError> {
    let fields = region.map(|region| ("region".to_owned(), region.into())).into_iter().collect();
    let candidate = Candidate { position: 0, provider: "aws".into(), fields };
    let scope = provider.scope(&ProviderName::from("aws"), &Value::Map([].into()), Some(&candidate));
    let scope =
        scope.map_err(|error| ProviderError::new(trueup_state::Class::Invalid { field: None }, error.message))?;
    let (clients, manager) = provider.at(&scope, &KindName::from(kind)).await?;
    let address = Address::root("x");
    let target = |wanted: &Wanted<'_>| wanted.id.to_owned();
    let ids: Vec<String> = wanted.iter().map(target).collect();
    let targets: Vec<Target<'_>> =
        ids.iter().map(|id| Target { address: &address, generation: 0, by: By::Id(id), sent: None }).collect();
    let observed = manager.observe(&targets).await?;
    let settings = BTreeMap::from([
        ("account".to_owned(), clients.account.clone()),
        ("region".to_owned(), clients.region.clone()),
    ]);
    let ours = wanted.iter().zip(observed.observations).map(|(wanted, observation)| {
        if let Some(other) = account(wanted.theirs).filter(|account| *account != clients.account) {
            return Ours::Not(format!("it is in the account {other}, and the credentials are of {}", clients.account));
        }
        match observation {
            Observation::Present(found) => taken(manager.as_ref(), kind, wanted, &found.spec, settings.clone()),
            Observation::Absent | Observation::Ended(_) => {
                Ours::Not(format!("AWS has no {kind} `{}` in {}", wanted.id, clients.region))
            }
            Observation::Indeterminate(reason) => Ours::Not(format!("what AWS has can't be told: {reason}")),
        }
    });
    Ok(ours.collect())
}

/// A resource as a blueprint says it, if that can be said.
fn taken(
    manager: &dyn Manager,
    kind: &str,
    wanted: &Wanted<'_>,
    there: &Value,
    settings: BTreeMap<String, String>,
) -> Ours {
    let schema: &Schema = manager.schema();
    let there = codec::reveal(there).unwrap_or_default();
    if clean::shows(&there, &wanted.theirs.secrets) {
        let why = "AWS shows what Terraform's state calls sensitive: declare it with a secret, and adopt it by its id";
        return Ours::Not(why.to_owned());
    }
    let (mut spec, mut notes) = clean::clean(schema, there, &wanted.theirs.secrets);
    notes.extend(clean::usual(schema, &mut spec));
    let said = Value::from(spec.clone());
    if let Some(problem) = schema.problems(&said).into_iter().chain(manager.check(&said)).next() {
        return Ours::Not(format!("what AWS shows of it is no whole {kind}: `{}`: {}", problem.path, problem.message));
    }
    let (kind, id) = (KindName::from(kind), wanted.id.to_owned());
    Ours::Resource(Box::new(Taken { kind, id, settings, spec, notes }))
}
