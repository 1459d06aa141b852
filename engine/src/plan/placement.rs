//! Where a resource may go, and where it is.

use trueup_state::{Object, Scope};

use super::decide::moved;

/// The candidate that a recorded object stands in: a recorded placement stays while one of the candidates is what it was made in,
/// whatever prices do.
pub fn recorded(scopes: &[Scope], object: &Object) -> Option<usize> {
    scopes.iter().position(|scope| moved(&object.scope, scope).is_none())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trueup_state::{ProviderName, Timestamp, Token, Value};

    use super::*;

    fn scope(region: &str) -> Scope {
        Scope { provider: ProviderName::from("sim"), settings: BTreeMap::from([("region".to_owned(), region.into())]) }
    }

    #[test]
    fn an_object_stays_where_it_is() {
        let object = Object {
            id: None,
            scope: scope("b"),
            generation: 0,
            token: Token::from("t"),
            sent: Value::Null,
            seen: Value::Null,
            attributes: Value::Null,
            made_at: Timestamp(0),
            price_at_launch: None,
        };
        assert_eq!(recorded(&[scope("a"), scope("b")], &object), Some(1));
        assert_eq!(recorded(&[scope("a")], &object), None);
    }
}
