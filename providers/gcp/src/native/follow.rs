//! What becomes of work that was asked for: it is followed to its end, and to the next call where one thing takes several.

use serde_json::{Map as Object, Value as Json};
use trueup_engine::naming::TAG_TOKEN;
use trueup_engine::provider::{Found, Progress, ProviderError};
use trueup_state::{Class, Request};

use super::operation::{Step, Work, is_operation, step};
use super::{Natives, prose, verb};

/// For how many seconds what was made may not be seen yet.
const LAG: i64 = 120;

impl Natives {
    /// What comes of an answer.
    pub(super) async fn after(
        &self,
        doing: &str,
        request: &Request,
        work: Work,
        answer: &Json,
    ) -> Result<Progress, ProviderError> {
        if !is_operation(answer) {
            let id = work.id.clone().or_else(|| self.named(answer));
            return self.finished(request, Work { id, ..work }).await;
        }
        match step(doing, &self.of.collection, &work, answer) {
            Step::Goes(work) => Ok(work.pending(None)),
            Step::Over(name) => {
                let named = name.filter(|name| self.of.collection.shape.read(name).is_some());
                let id = work.id.clone().or(named);
                self.finished(request, Work { id, ..work }).await
            }
            Step::Failed(error) if work.verb == "delete" && error.class == Class::NotFound => Ok(Progress::Done(None)),
            Step::Failed(error) => Ok(Progress::Failed(Box::new(self.left(request, &work, error).await))),
        }
    }

    /// Brings a thing level with its spec, a call at a time. `did`: the calls that were sent already.
    pub(super) async fn level(&self, request: &Request, did: Vec<String>) -> Result<Progress, ProviderError> {
        let (doing, id) = (format!("update {}", self.name()), request.id.clone().unwrap_or_default());
        let gone = || ProviderError::new(Class::NotFound, format!("{doing}: it is gone"));
        let there = self.model(&id).await?.ok_or_else(gone)?;
        let fields = there.as_object().cloned().unwrap_or_default();
        let Some(next) = self.next(request, &fields, &did)? else {
            return Ok(Progress::Done(Some(Box::new(self.found(&id, &there)))));
        };
        let (query, body) = next.told;
        let path = self.path(next.path, &id)?;
        let answer = self.clients.send(&self.call(&doing, verb(next.method), path, query, Some(body))).await?;
        let did = did.into_iter().chain([next.name.to_owned()]).collect();
        let work = Work { did, ..Work::new("update", Some(id)) };
        self.after(&doing, request, work, &answer).await
    }

    /// Takes out of a thing what it may not have when it is deleted.
    pub(super) async fn let_go(&self, doing: &str, id: &str) -> Result<(), ProviderError> {
        let Some((field, update)) = prose::lets_go(self.name()).zip(self.of.collection.update.as_ref()) else {
            return Ok(());
        };
        let path = self.path(&self.of.collection.shape, id)?;
        let body = Json::Object(Object::from_iter([(field.to_owned(), Json::Array(Vec::new()))]));
        let call = self.call(doing, verb(&update.method), path, Vec::new(), Some(body));
        match self.clients.send(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == Class::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What is there after work that is over. Its read may lag behind, and it can't be said that nothing was made.
    pub(super) async fn finished(&self, request: &Request, work: Work) -> Result<Progress, ProviderError> {
        if work.verb == "delete" {
            return Ok(Progress::Done(None));
        }
        if work.verb == "update" && !self.of.collection.setters.is_empty() {
            return Box::pin(self.level(request, work.did)).await;
        }
        let silent = || ProviderError::new(Class::Internal, format!("{}: Google does not say its name", self.name()));
        let id = work.id.clone().ok_or_else(|| silent().outcome_unknown())?;
        let error = match self.look(&id).await {
            Ok(Some(found)) => return Ok(Progress::Done(Some(Box::new(found)))),
            Ok(None) => ProviderError::new(Class::NotFound, format!("{} {id} is gone", self.name())),
            Err(error) => error,
        };
        let since = if work.since == 0 { self.now() } else { work.since };
        if self.now() - since < LAG {
            return Ok(Work { at: None, since, ..work }.pending(Some(error.message)));
        }
        if error.class == Class::NotFound {
            return Ok(Progress::Failed(Box::new(error)));
        }
        let blind = self.found(&id, &Json::Object(Object::new()));
        let seen = Found { spec: request.spec.clone(), ..blind };
        Ok(Progress::Failed(Box::new(error.partly(request, seen))))
    }

    /// A create that failed: what it left is ours, or nothing is there.
    async fn left(&self, request: &Request, work: &Work, error: ProviderError) -> ProviderError {
        if work.verb != "create" || error.class == Class::AlreadyExists {
            return error;
        }
        let Some(id) = &work.id else { return error };
        let Ok(Some(found)) = self.look(id).await else { return error };
        let is_ours = match &self.of.collection.labels {
            Some(_) => found.owner.get(TAG_TOKEN) == request.owner.get(TAG_TOKEN),
            // It was taken, so the name was free.
            None => true,
        };
        if is_ours { error.partly(request, found) } else { error }
    }
}
