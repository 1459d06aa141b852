//! By what environment variables are known again without their values being kept: a salted hash of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trueup_engine::typed::Sealed;
use trueup_state::{Entropy, Value};

/// The marks of some variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    salt: String,
    marks: BTreeMap<String, String>,
}

impl Marks {
    /// The marks of variables, with a salt of their own.
    pub(crate) fn of(variables: &BTreeMap<String, String>, entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let salt = hex::encode(salt);
        let marks = variables.iter().map(|(name, value)| (name.clone(), mark(&salt, name, value))).collect();
        Self { salt, marks }
    }

    fn matches(&self, name: &str, value: &str) -> bool {
        self.marks.get(name).is_some_and(|known| *known == mark(&self.salt, name, value))
    }

    /// The variables as far as they can be told: what `found` has; else what was sent, where it is what was marked.
    pub(crate) fn reveal(
        &self,
        sent: Option<&Value>,
        found: &BTreeMap<String, String>,
    ) -> BTreeMap<String, Sealed<String>> {
        let tell = |name: &String| {
            let sent = sent.and_then(|sent| sent.get(name)).and_then(|value| value.revealed().as_str());
            let sent = sent.filter(|value| self.matches(name, value)).map(str::to_owned);
            let value = found.get(name).cloned().or(sent).unwrap_or_else(|| "(not what was sent)".to_owned());
            (name.clone(), Sealed::new(value))
        };
        self.marks.keys().map(tell).collect()
    }
}

fn mark(salt: &str, name: &str, value: &str) -> String {
    hex::encode(Sha256::digest(format!("{salt}\0{name}\0{value}")))
}

#[cfg(test)]
mod tests {
    use trueup_state::clock::SeededEntropy;

    use super::*;

    #[test]
    fn a_value_is_known_again_and_not_kept() {
        let variables = BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]);
        let marks = Marks::of(&variables, &SeededEntropy::new(1));
        assert!(!serde_json::to_string(&marks).unwrap().contains("hunter2"));
        assert!(marks.matches("TOKEN", "hunter2"));
        assert!(!marks.matches("TOKEN", "hunter3"));
        let sent = Value::from(serde_json::json!({ "TOKEN": "hunter2" }));
        assert_eq!(marks.reveal(Some(&sent), &BTreeMap::new())["TOKEN"].reveal(), "hunter2");
        assert_ne!(marks.reveal(None, &BTreeMap::new())["TOKEN"].reveal(), "hunter2");
    }
}
