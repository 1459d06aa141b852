//! A native kind as a reader is told of it: what stands in it, and what can be done with it.

use std::sync::Arc;

use trueup_engine::native::{Listed, Native};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use super::Type;

/// What is known of a kind. One that can't be managed is an error.
pub(crate) fn described(of: Result<Arc<Type>, String>) -> Result<Native, ProviderError> {
    let of = of.map_err(|why| ProviderError::new(Class::Invalid { field: None }, why))?;
    let collection = &of.collection;
    let about = of.schema.spec.pointer("/properties/properties/description").and_then(serde_json::Value::as_str);
    let about = about.and_then(|about| about.split_once(": ")).map_or("", |(_, words)| words);
    let listed = match &collection.list {
        None => Listed::No,
        Some(list) if list.path.names() == 0 => Listed::All,
        Some(_) => Listed::Under(vec![vec!["parent".to_owned()]]),
    };
    Ok(Native {
        description: about.to_owned(),
        spec: of.schema.spec.clone(),
        attributes: of.schema.attributes.clone(),
        is_updatable: collection.update.is_some(),
        has_tags: collection.labels.is_some(),
        listed,
        permissions: Vec::new(),
    })
}
