//! The key pair of a machine that people log in to: one for all of a stack that have the same key in a region. Every key is told to the
//! machine itself, too; this one is what EC2 shows of it, and what its image's own user takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest, Sha256};
use trueup_engine::compose::{Companions, Part, Read, Shared, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::OPTIONS;
use super::beside::{is_said, place};

/// The type of a key pair.
pub(super) const PAIR: &str = "AWS::EC2::KeyPair";
/// Its name as a part.
const NAME: &str = "key_pair";
/// The keys that EC2 takes, by its documentation of `ImportKeyPair`.
const TAKEN: [&str; 2] = ["ssh-ed25519", "ssh-rsa"];

/// A key pair of one of the machine's keys, unless the blueprint names one, or none of the keys is such as EC2 takes.
pub(super) fn companions(wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
    let at = OPTIONS.field("key_name");
    if is_said(wanted.spec, &at) {
        return Ok(Companions::default());
    }
    let Some(key) = key(wanted.spec)? else { return Ok(Companions::default()) };
    let part = Part {
        name: NAME.to_owned(),
        kind: PAIR.into(),
        scope: wanted.scope.clone(),
        shared: Some(Shared {
            name: NAME.to_owned(),
            key: format!("{} {}", place(wanted.scope), fingerprint(&key)),
            follows: false,
        }),
        spec: json!({ "properties": { "PublicKeyMaterial": key } }).into(),
        reads: BTreeMap::new(),
        after: [].into(),
        create_first: Some(true),
        origins: BTreeMap::new(),
    };
    Ok(Companions { parts: vec![part], reads: [(at, Read::of(NAME, "KeyName"))].into() })
}

/// The key of the pair, without its comment: of several the first, whatever their order. It has to be known when a plan is made: the pair
/// is known by it.
fn key(spec: &Value) -> Result<Option<String>, Vec<Problem>> {
    let path = FieldPath::parse("ssh.public_keys");
    let keys = match spec.at(&path).map(Value::revealed) {
        None | Some(Value::Null) => &[][..],
        Some(keys) if !keys.has_unknown() => keys.as_list().unwrap_or_default(),
        Some(_) => {
            let message = "which keys may log in has to be known when a plan is made, or else `options.aws.key_name`";
            return Err(vec![Problem::new(path, message)]);
        }
    };
    let taken = keys.iter().filter_map(|key| {
        let mut words = key.revealed().as_str()?.split_whitespace();
        let (kind, key) = (words.next()?, words.next()?);
        TAKEN.contains(&kind).then(|| format!("{kind} {key}"))
    });
    Ok(taken.collect::<BTreeSet<String>>().pop_first())
}

/// What a key is told by: a few digits of its digest.
fn fingerprint(key: &str) -> String {
    hex::encode(&Sha256::digest(key)[..4])
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;
    use trueup_state::{Address, KindName, Scope};

    use super::*;

    const ADA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA";
    const BOB: &str = "ssh-rsa AAAAB3NzaC1yc2E";

    fn with(spec: &Value) -> Result<Companions, Vec<Problem>> {
        let scope = Scope::at("aws", [("region".to_owned(), "us-east-1".into())]);
        let (address, kind) = (Address::root("m"), KindName::from("gpu_instance"));
        companions(&Wanted { address: &address, kind: &kind, spec, scope: &scope, candidate: None, validate: None })
    }

    fn of(keys: &[&str]) -> Companions {
        with(&json!({ "ssh": { "public_keys": keys } }).into()).unwrap()
    }

    fn material(of: &Companions) -> Option<Value> {
        of.parts.first()?.spec.at(&FieldPath::parse("properties.PublicKeyMaterial")).cloned()
    }

    #[test]
    fn who_has_the_same_key_shares_a_pair() {
        let one = of(&[&format!("{ADA} ada@home")]);
        assert_eq!(material(&one), Some(ADA.into()), "a comment is nobody's business");
        assert_eq!(one, of(&[&format!("{ADA} ada@work")]));
        assert_eq!(of(&[ADA, BOB]), of(&[BOB, ADA]));
        assert_ne!(of(&[ADA]).parts[0].shared, of(&[BOB]).parts[0].shared);
        assert!(of(&[ADA]).parts[0].shared.as_ref().is_some_and(|shared| shared.key.starts_with("us-east-1 ")));
    }

    #[test]
    fn there_is_none_without_a_key_that_ec2_takes_or_where_one_is_named() {
        assert_eq!(of(&[]), Companions::default());
        assert_eq!(of(&["ecdsa-sha2-nistp256 AAAA"]), Companions::default());
        assert_eq!(material(&of(&["ecdsa-sha2-nistp256 AAAA", BOB])), Some(BOB.into()));
        let named: Json = json!({ "ssh": { "public_keys": [ADA] }, "options": { "aws": { "key_name": "ops" } } });
        assert_eq!(with(&named.into()).unwrap(), Companions::default());
        assert_eq!(with(&json!({}).into()).unwrap(), Companions::default());
    }

    #[test]
    fn keys_that_are_known_later_are_told() {
        let mut unknown: Value = json!({ "ssh": {} }).into();
        unknown.put(&FieldPath::parse("ssh.public_keys"), Value::List(vec![ADA.into(), Value::Unknown]));
        assert_eq!(with(&unknown).unwrap_err()[0].path.to_string(), "ssh.public_keys");
    }
}
