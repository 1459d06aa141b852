//! Who may connect to a machine, and to which ports.

use std::collections::BTreeSet;

use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use crate::told::is_block;

/// The port of SSH.
pub const SSH: u64 = 22;

/// Who may connect, and to which ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The addresses, as CIDR blocks.
    pub from: BTreeSet<String>,
    /// The ports that they may connect to; none where nobody may.
    pub ports: BTreeSet<u64>,
    /// Who may connect to SSH alone, for checks.
    pub checks_from: Option<String>,
}

impl Rules {
    /// What a spec asks for, and its `validate`. It has to be known when a plan is made: what lets them in is known by it. `instead`: where what
    /// is known later may stand.
    ///
    /// # Errors
    ///
    /// What is not known yet, or is no CIDR block.
    pub fn of(spec: &Value, validate: Option<&Value>, instead: &str) -> Result<Self, Vec<Problem>> {
        let list = |path: &str| {
            let path = FieldPath::parse(path);
            match spec.at(&path).map(Value::revealed) {
                None | Some(Value::Null) => Ok(&[][..]),
                Some(list) if !list.has_unknown() => Ok(list.as_list().unwrap_or_default()),
                Some(_) => {
                    let message = format!(
                        "who may connect has to be known when a plan is made; what is known later stands {instead}"
                    );
                    Err(vec![Problem::new(path, message)])
                }
            }
        };
        let from: BTreeSet<String> =
            list("ssh.ingress")?.iter().filter_map(|block| block.revealed().as_str()).map(str::to_owned).collect();
        let port = |port: &Value| match port.revealed() {
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let ports: BTreeSet<u64> = list("network.ports")?.iter().filter_map(port).chain([SSH]).collect();
        let checks_from = validate.and_then(|validate| validate.get("from")).and_then(|from| from.revealed().as_str());
        if let Some(block) = checks_from.filter(|block| !is_block(block)) {
            let message = format!(
                "the addresses that may connect for a check are a CIDR block, as `203.0.113.7/32`, and not `{block}`"
            );
            return Err(vec![Problem::new(FieldPath::parse("validate.from"), message)]);
        }
        let checks_from = checks_from.filter(|block| !from.contains(*block)).map(str::to_owned);
        // Where nobody may connect, no port is open.
        let ports = if from.is_empty() { BTreeSet::new() } else { ports };
        Ok(Self { from, ports, checks_from })
    }
}
