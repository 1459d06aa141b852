//! A machine that checks itself at its first start: it fetches the program, and leaves what that says where its stack can read it. Nothing
//! needs to reach the machine.

use trueup_state::Value;

use crate::asked::{Asked, Gpus};
use crate::program::Carried;

const STARTUP: &str = include_str!("scripts/startup.sh");

/// What a new machine is given so that it checks itself: the script, and all that its file has but the places, which are its manager's to
/// find.
pub(crate) fn equipment(asked: &Asked, gpus: &Gpus, program: &Carried, path: &str) -> Value {
    let words: Vec<Value> = asked.words(gpus).into_iter().map(Value::from).collect();
    let startup = [
        ("script".to_owned(), STARTUP.into()),
        ("program".to_owned(), path.into()),
        ("digest".to_owned(), program.digest.as_str().into()),
        ("words".to_owned(), Value::List(words)),
    ];
    Value::Map([("startup".to_owned(), Value::Map(startup.into()))].into())
}
