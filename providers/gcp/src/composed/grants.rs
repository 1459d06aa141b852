//! What an identity's grants come to: which role on which resource. Nothing is allowed that a grant does not need.

use trueup_engine::compose::Wanted;
use trueup_engine::diagnostic::with_article;
use trueup_engine::kinds::{Endpoint, Kind};
use trueup_engine::schema::Problem;
use trueup_parts::{Whole, changed, field};
use trueup_state::{FieldPath, Value};

use super::function::service_of;
use super::part_name;
use super::vertex::is_of_vertex;

/// The words of grants.
const VERBS: [&str; 5] = ["call", "pull", "push", "read", "write"];

/// What a word means for a kind: the role, the attribute that the resource's full name is made of, and what stands before it there.
struct Meaning {
    verb: &'static str,
    kind: &'static str,
    role: &'static str,
    name: (&'static str, &'static str),
}

const fn meaning(
    verb: &'static str,
    kind: &'static str,
    role: &'static str,
    name: (&'static str, &'static str),
) -> Meaning {
    Meaning { verb, kind, role, name }
}

const ID: (&str, &str) = ("", "resource_id");
const TOPIC: &str = "pubsub.v1.projects.topics";
const SUBSCRIPTION: &str = "pubsub.v1.projects.subscriptions";
const OF_PUBSUB: (&str, &str) = ("//pubsub.googleapis.com/", "resource_id");
const REPOSITORY: &str = "artifactregistry.v1.projects.locations.repositories";
const OF_REGISTRY: (&str, &str) = ("//artifactregistry.googleapis.com/", "resource_id");
const SECRET: &str = "secretmanager.v1.projects.secrets";
const OF_SECRETS: (&str, &str) = ("//secretmanager.googleapis.com/", "resource_id");
const SERVICE: &str = "run.v2.projects.locations.services";
const OF_RUN: (&str, &str) = ("//run.googleapis.com/", "resource_id");

/// All of them, by Google's *IAM roles*: the least that does it.
const MEANINGS: &[Meaning] = &[
    meaning("read", "bucket", "roles/storage.objectViewer", ID),
    meaning("write", "bucket", "roles/storage.objectUser", ID),
    meaning("write", TOPIC, "roles/pubsub.publisher", OF_PUBSUB),
    meaning("read", SUBSCRIPTION, "roles/pubsub.subscriber", OF_PUBSUB),
    meaning("pull", "registry", "roles/artifactregistry.reader", OF_REGISTRY),
    meaning("push", "registry", "roles/artifactregistry.writer", OF_REGISTRY),
    meaning("call", "endpoint", "roles/run.invoker", OF_RUN),
    meaning("call", "function", "roles/run.invoker", OF_RUN),
    meaning("pull", REPOSITORY, "roles/artifactregistry.reader", OF_REGISTRY),
    meaning("push", REPOSITORY, "roles/artifactregistry.writer", OF_REGISTRY),
    meaning("read", SECRET, "roles/secretmanager.secretAccessor", OF_SECRETS),
    meaning("write", SECRET, "roles/secretmanager.secretVersionAdder", OF_SECRETS),
    meaning("read", "secret", "roles/secretmanager.secretAccessor", OF_SECRETS),
    meaning("write", "secret", "roles/secretmanager.secretVersionAdder", OF_SECRETS),
    meaning("call", SERVICE, "roles/run.invoker", OF_RUN),
];

/// A role on a resource.
pub(super) struct Grant {
    /// The name of the part that grants it.
    pub(super) name: String,
    /// The field that says it.
    pub(super) origin: String,
    /// The resource's full name; unknown until it is known.
    pub(super) resource: Value,
    /// The role; unknown until it is known.
    pub(super) role: Value,
}

/// What an identity may do.
pub(super) fn grants(wanted: &Wanted<'_>) -> Result<Vec<Grant>, Vec<Problem>> {
    let said = field(wanted, "can").revealed().as_list().unwrap_or_default();
    let (mut grants, mut problems) = (Vec::new(), Vec::new());
    for (index, one) in said.iter().enumerate() {
        let Some((verb, of)) = VERBS.into_iter().find_map(|verb| Some((verb, one.get(verb)?))) else { continue };
        let origin = format!("can[{index}].{verb}");
        match grant(wanted, verb, of, &origin) {
            // Called by what it grants and not by where it stands: what moves in the list is neither made nor taken away.
            Ok((role, resource)) => {
                let name = part_name(verb, Whole::of(of).address.unwrap_or_default());
                if grants.iter().all(|grant: &Grant| grant.name != name) {
                    grants.push(Grant { name, origin, resource, role });
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(grants) } else { Err(problems) }
}

/// The role that may call an endpoint, and its full name: Cloud Run's and Vertex AI's are told apart by their ids.
fn caller(id: &str) -> (String, String) {
    if is_of_vertex(id) {
        return ("roles/aiplatform.user".to_owned(), format!("//aiplatform.googleapis.com/{id}"));
    }
    ("roles/run.invoker".to_owned(), format!("//run.googleapis.com/{id}"))
}

fn grant(wanted: &Wanted<'_>, verb: &'static str, of: &Value, at: &str) -> Result<(Value, Value), Problem> {
    let whole = Whole::of(of);
    if let Some(problem) = whole.foreign(wanted, at, verb) {
        return Err(problem);
    }
    let Some(kind) = whole.kind else {
        let message = "what is granted has to be known when a plan is made: it decides in which role";
        return Err(Problem::new(FieldPath::parse(at), message));
    };
    // Files that belong together are in a bucket, which is what a policy is about.
    let found = MEANINGS.iter().find(|meaning| meaning.verb == verb && meaning.kind == kind);
    let Some(Meaning { role, name: (before, attribute), .. }) = found else {
        let kinds: Vec<&str> =
            MEANINGS.iter().filter(|meaning| meaning.verb == verb).map(|meaning| meaning.kind).collect();
        let message = format!("at Google `{verb}` is of {}, and this is {}", kinds.join(", "), with_article(kind));
        return Err(Problem::new(FieldPath::parse(at), message));
    };
    let name = whole.attribute(attribute);
    if kind == Endpoint::NAME {
        return Ok((changed(&name, |name| caller(name).0), changed(&name, |name| caller(name).1)));
    }
    // What is called of a function is the service that runs it.
    Ok(((*role).into(), changed(&name, |name| format!("{before}{}", service_of(name)))))
}
