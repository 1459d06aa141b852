//! A machine that checks itself at its first start: the program that it fetches, and what it leaves, in a bucket of the stack's. It is given one
//! address for each, which is good for that alone and for some hours, so that it needs no permission of its own.

use std::time::Duration;

use serde_json::json;
use trueup_engine::compose::{Companions, Part, Read, Shared, Wanted};
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::naming::TAG_TOKEN;
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, FieldPath, Request, Value};

use crate::told::Told;

/// The name of the bucket as a part.
const NAME: &str = "checks";
/// The option that has the bucket's name.
pub const OPTION: &str = "checks_bucket";
/// How long the addresses are good: a boot, the program's way, and the longest check but a burn of more than that.
pub const GOOD_FOR: Duration = Duration::from_hours(6);

/// A bucket for what machines that check themselves fetch and leave, for a week; nothing where this one does not. `key`: which of a stack's
/// buckets it is; `options`: where a cloud's own options stand.
pub fn companions(wanted: &Wanted<'_>, key: String, options: &FieldPath) -> Companions {
    let via = wanted.validate.map(|validate| validate.get("via").and_then(|via| via.revealed().as_str()));
    if !matches!(via, Some(None | Some("startup"))) {
        return Companions::default();
    }
    let spec = json!({ "force_destroy": true, "lifecycle": [{ "expire_after_days": 7 }] });
    let part = Part {
        name: NAME.to_owned(),
        kind: Bucket::NAME.into(),
        scope: wanted.scope.clone(),
        shared: Some(Shared { name: NAME.to_owned(), key, follows: false }),
        spec: spec.into(),
        reads: [].into(),
        after: [].into(),
        create_first: None,
        origins: [].into(),
    };
    Companions { parts: vec![part], reads: [(options.field(OPTION), Read::of(NAME, "name"))].into() }
}

/// What a machine that checks itself is to run, and where that goes.
pub struct Check<'a> {
    startup: &'a Value,
    bucket: &'a str,
    token: &'a str,
}

impl<'a> Check<'a> {
    /// The check of a launch; none where the machine is not to check itself. `options`: where a cloud's own options stand.
    pub fn of(request: &'a Request, options: &FieldPath) -> Result<Option<Self>, ProviderError> {
        let Some(startup) = request.check.as_ref().and_then(|check| check.get("startup")).map(Value::revealed) else {
            return Ok(None);
        };
        let bucket = bucket(request, options)?;
        Ok(Some(Self { startup, bucket, token: request.token.as_str() }))
    }

    fn text(&self, name: &str) -> &'a str {
        self.startup.get(name).and_then(|text| text.revealed().as_str()).unwrap_or_default()
    }

    /// The bucket.
    pub fn bucket(&self) -> &'a str {
        self.bucket
    }

    /// The program's file on this machine.
    pub fn program(&self) -> &'a str {
        self.text("program")
    }

    /// Where the program is in the bucket: by its digest, so that what is there is it.
    pub fn program_key(&self) -> String {
        format!("gpucheck/{}", self.text("digest"))
    }

    /// Where the report goes in the bucket.
    pub fn left_key(&self) -> String {
        left_key(self.token)
    }

    /// What the machine is told. `get`, `put`: the addresses of the program and of the report.
    pub fn told(&self, get: &str, put: &str) -> Told {
        let words = self.startup.get("words").and_then(|words| words.revealed().as_list()).unwrap_or_default();
        let words = words.iter().filter_map(|word| word.revealed().as_str());
        let lines: Vec<&str> = [self.text("digest"), get, put].into_iter().chain(words).collect();
        Told { script: self.text("script").to_owned(), lines: lines.join("\n") + "\n" }
    }
}

/// Where the machine of a check's request has left its report: the bucket, and the name there.
pub fn left<'a>(request: &'a Request, options: &FieldPath) -> Result<(&'a str, String), ProviderError> {
    let token = request.owner.get(TAG_TOKEN).map_or_else(|| request.token.as_str(), String::as_str);
    Ok((bucket(request, options)?, left_key(token)))
}

fn left_key(token: &str) -> String {
    format!("left/{token}")
}

fn bucket<'a>(request: &'a Request, options: &FieldPath) -> Result<&'a str, ProviderError> {
    let at = options.field(OPTION);
    request.spec.at(&at).and_then(|bucket| bucket.revealed().as_str()).ok_or_else(|| {
        let class = Class::Invalid { field: Some(at.to_string()) };
        ProviderError::new(class, "a machine that checks itself needs a bucket for what it fetches and leaves")
    })
}
