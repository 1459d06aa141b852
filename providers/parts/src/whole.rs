//! A whole resource that a field names, as far as it is known.

use trueup_engine::compose::Wanted;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, ProviderName, Value};

/// A whole resource. Each of its words is none while it is not known.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// Its address in the stack.
    pub address: Option<&'a str>,
    /// Its kind.
    pub kind: Option<&'a str>,
    provider: Option<&'a str>,
    attributes: Option<&'a Value>,
}

impl<'a> Whole<'a> {
    /// What a value says of one.
    pub fn of(value: &'a Value) -> Self {
        let text = |name: &str| value.get(name).and_then(|value| value.revealed().as_str());
        let attributes = value.get("attributes");
        Self { address: text("address"), kind: text("kind"), provider: text("provider"), attributes }
    }

    /// An attribute; unknown until it is known.
    pub fn attribute(&self, name: &str) -> Value {
        match self.attributes.filter(|attributes| **attributes != Value::Unknown) {
            Some(attributes) => attributes.get(name).cloned().unwrap_or(Value::Unknown),
            None => Value::Unknown,
        }
    }

    /// What is wrong where another cloud made it. `what`: what a resource does with it, `read` of `can't read`.
    pub fn foreign(&self, wanted: &Wanted<'_>, at: &str, what: &str) -> Option<Problem> {
        let made_by = self.provider.map(ProviderName::from)?;
        let (own, other) = (wanted.scope.provider.provider(), made_by.provider());
        let message = format!(
            "`{}` is made by `{own}`, and can't {what} `{}`, which `{other}` makes",
            wanted.address,
            self.address.unwrap_or("it")
        );
        (own != other).then(|| Problem::new(FieldPath::parse(at), message))
    }
}

/// A text with more behind it; unknown until it is known.
pub fn followed(value: &Value, suffix: &str) -> Value {
    changed(value, |text| format!("{text}{suffix}"))
}

/// What is made of a text; unknown until that is known.
pub fn changed(value: &Value, make: impl FnOnce(&str) -> String) -> Value {
    value.revealed().as_str().map_or(Value::Unknown, |text| make(text).into())
}
