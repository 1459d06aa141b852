//! `trueup unlock`: who holds the stack and what is under way, and freeing it from a run that is gone.

use serde_json::json;
use trueup_state::State;
use trueup_state::holder::{Processes, ThisHost};

use super::stack_only;
use crate::arguments::UnlockArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &UnlockArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let stack = stack_only(&arguments.stack)?;
    let store = &workplace.engine.store;
    let Some(holder) = store.holder(&stack).await? else {
        if json {
            draw::json(&json!({ "holder": null, "freed": false }));
        } else {
            draw::put(&format!("Nobody holds {stack}.\n"));
        }
        return Ok(Exit::Done);
    };
    if !ThisHost.is_gone(&holder) && !arguments.force {
        // Only to tell: what can't be read keeps nobody from knowing who holds it.
        let state = store.snapshot(&stack).await.ok().and_then(|snapshot| snapshot.state);
        let doing = state.map(|state| doing(&state)).unwrap_or_default();
        let since = draw::time(holder.since);
        let failure = Failure::new(format!("{stack} is held by {holder}, since {since}{doing}"));
        let help = "it may be at work; if it is gone for certain, `trueup unlock --force` frees it, and its next write is refused";
        return Err(failure.help(help).exit(Exit::Held));
    }
    store.break_lease(&stack, &holder).await?;
    if json {
        draw::json(&json!({ "holder": holder, "freed": true }));
    } else {
        let who = draw::safe::line(&holder);
        draw::put(&format!("{stack} is free. It was held by {who}, since {}.\n", draw::time(holder.since)));
    }
    Ok(Exit::Done)
}

/// What is under way, as far as it fits a line.
fn doing(state: &State) -> String {
    const MOST: usize = 3;
    let named: Vec<String> = state
        .open
        .values()
        .take(MOST)
        .map(|open| format!("{} {}", open.verb.as_str(), draw::safe::line(&open.request.address)))
        .collect();
    let more = state.open.len().saturating_sub(MOST);
    match (&named[..], more) {
        ([], _) => "; nothing is under way".to_owned(),
        (_, 0) => format!("; under way: {}", named.join(", ")),
        _ => format!("; under way: {} and {more} more", named.join(", ")),
    }
}
