//! What a type has to show as it was asked for before its work counts as done: AWS may call done what it has not done.

use trueup_state::{FieldPath, Value};

/// By type, the property.
const SHOWN: [(&str, &str); 1] = [("AWS::SageMaker::Endpoint", "EndpointConfigName")];

/// What is not there as it was asked for though the work is said to be done, in words.
pub(crate) fn undone(of: &str, asked: &Value, there: &Value) -> Option<String> {
    let mut shown = SHOWN.iter().filter(|(name, _)| *name == of);
    shown.find_map(|(_, property)| {
        let path = FieldPath::parse(&format!("properties.{property}"));
        let (asked, there) = (asked.at(&path)?, there.at(&path).cloned().unwrap_or_default());
        let text = |value: &Value| value.revealed().as_str().unwrap_or("nothing").to_owned();
        (!asked.same(&there)).then(|| {
            format!("AWS says that it is done, and its {property} is `{}`, not `{}`", text(&there), text(asked))
        })
    })
}
