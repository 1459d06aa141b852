//! A type as a reader is told of it: what stands in it, what can be done with it, and what that needs to be allowed.

use std::sync::Arc;

use trueup_engine::native::{Listed, Native};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::published::Handler;
use super::schema::words;
use super::{Type, usable};

/// What is known of a type. One that can't be managed is an error.
pub(crate) fn described(name: &str, of: Option<Arc<Type>>) -> Result<Native, ProviderError> {
    let of = usable(name, of).map_err(|why| ProviderError::new(Class::Invalid { field: None }, why))?;
    let published = &of.published;
    let listed = match published.listed_under() {
        _ if !published.can(Handler::List) => Listed::No,
        sets if sets.is_empty() => Listed::All,
        sets => Listed::Under(sets.into_iter().map(|set| set.into_iter().map(str::to_owned).collect()).collect()),
    };
    let permissions = |handler: Handler| {
        let needed = published.permissions(handler);
        (!needed.is_empty()).then(|| (handler.name().to_owned(), needed))
    };
    Ok(Native {
        description: words(&published.description),
        spec: of.schema.spec.clone(),
        attributes: of.schema.attributes.clone(),
        is_updatable: published.can(Handler::Update),
        has_tags: published.tags().is_some(),
        listed,
        permissions: Handler::ALL.into_iter().filter_map(permissions).collect(),
    })
}
