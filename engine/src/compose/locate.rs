//! What is composed and there already: found part by part.

use trueup_state::{Address, KindName, Scope, Value};

use super::{Composer, Located};
use crate::estate::Estate;
use crate::plan::diff::set;
use crate::provider::{By, Found, Observation, Target};

impl Estate {
    /// Observes something composed that is read and never managed: what is known of it, and what it is made of.
    pub(crate) async fn look_at_parts(
        &self,
        composer: &Composer,
        (scope, kind): (&Scope, &KindName),
        (address, id): (&Address, &str),
    ) -> (Observation, Option<Located>) {
        let located = match composer.provider.locate(scope, kind, id).await {
            Ok(Some(located)) => located,
            Ok(None) => return (Observation::Absent, None),
            Err(error) => return (Observation::Indeterminate(error.to_string()), None),
        };
        match self.attributes_of_parts(address, &located).await {
            Ok(attributes) => {
                let found = Found { id: id.to_owned(), spec: Value::Null, attributes, owner: [].into(), pending: None };
                (Observation::Present(Box::new(found)), Some(located))
            }
            Err(reason) => (Observation::Indeterminate(reason), None),
        }
    }

    /// The attributes of what is made of these parts. The error is why they can't be told.
    async fn attributes_of_parts(&self, address: &Address, located: &Located) -> Result<Value, String> {
        let mut attributes = Value::Map(trueup_state::Map::new());
        let mut seen = Value::Map(trueup_state::Map::new());
        for (name, part) in &located.parts {
            let manager = self.manager(&part.scope, &part.kind);
            let manager = manager.ok_or_else(|| format!("nobody here knows a {}", part.kind))?;
            let target = Target { address, generation: 0, by: By::Id(&part.id), sent: None };
            let observed = manager.observe(&[target]).await.map_err(|error| error.to_string())?;
            match observed.observations.into_iter().next() {
                Some(Observation::Present(found)) => seen.put(&[name.as_str()].into_iter().collect(), found.attributes),
                Some(Observation::Indeterminate(reason)) => return Err(reason),
                Some(Observation::Absent | Observation::Ended(_)) | None => {
                    return Err(format!("its {name}, `{}`, is not there", part.id));
                }
            }
        }
        for (name, read) in &located.attributes {
            let path = [read.part.as_str(), read.attribute.as_str()].into_iter().collect();
            let taken = seen.at(&path).map(|attribute| read.taken(attribute));
            set(&mut attributes, &[name.as_str()].into_iter().collect(), taken.as_ref());
        }
        Ok(attributes)
    }
}
