//! What a machine is told at its first start: one document of cloud-init's, of our part and the user's.
//!
//! It is the same to the last byte for the same spec, since a cloud may compare a repeated request with the first. Whoever is on the
//! machine, and whoever may read its description at the cloud (`ec2:DescribeInstanceAttribute`, `compute.instances.get`), can read all of it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hex::encode;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_engine::kinds::Span;
use trueup_engine::kinds::gpu_instance::{Spec, Ssh};
use trueup_engine::schema::Problem;
use trueup_engine::typed::{Sealed, from_value};
use trueup_state::{FieldPath, Value};

/// What a machine is told of its own check.
#[derive(Clone, Debug)]
pub struct Told {
    /// The script that it runs.
    pub script: String,
    /// What the script reads: a line each.
    pub lines: String,
}

/// Where the environment is, for root alone.
const ENV: &str = "/etc/trueup/env";
/// The same for who may log in, and nobody else.
const ENV_OF_USER: &str = "/etc/trueup/env.login";
/// Where the script of a machine that checks itself finds what it needs.
const TOLD: &str = "/etc/trueup/check";
/// How lists of two cloud-configs come together: one after the other.
const MERGE: &str = "list(append)+dict(no_replace,recurse_list)+str()";

/// The document; none where there is nothing to say. `check`: what the machine is given so that it can be checked.
/// `told`: what it is told of its own check.
pub fn document(spec: &Spec, check: Option<&Value>, told: Option<&Told>) -> Option<String> {
    let ours = config(spec, Way::of(check).as_ref(), told);
    let ours = ours.map(|config| ("text/cloud-config", format!("#cloud-config\n{config}\n")));
    let theirs = spec.user_data.as_ref().map(Sealed::reveal).filter(|text| !text.is_empty());
    let theirs = theirs.map(|text| (media(text).unwrap_or("text/x-shellscript"), text.clone()));
    // Our script comes after the user's own: what that does for the GPUs is done then.
    let check = told.map(|told| ("text/x-shellscript", format!("#!/bin/sh\nset -- {TOLD}\n{}", told.script)));
    let parts: Vec<(&str, String)> = ours.into_iter().chain(theirs).chain(check).collect();
    (!parts.is_empty()).then(|| multipart(&parts))
}

/// What a user's own part is, by how it begins; none where cloud-init would not know.
fn media(text: &str) -> Option<&'static str> {
    if text.starts_with("#cloud-config") {
        return Some("text/cloud-config");
    }
    text.starts_with("#!").then_some("text/x-shellscript")
}

/// The way in for checks: the key that logs in, and the key that the machine is known by.
struct Way {
    authorized: String,
    host_private: String,
    host_public: String,
}

impl Way {
    fn of(check: Option<&Value>) -> Option<Self> {
        let ssh = check?.get("ssh")?.revealed();
        let text = |value: Option<&Value>| value.and_then(|text| text.revealed().as_str()).map(str::to_owned);
        let host = ssh.get("host_key")?.revealed();
        Some(Self {
            authorized: text(ssh.get("authorized_key"))?,
            host_private: text(host.get("private"))?,
            host_public: text(host.get("public"))?,
        })
    }
}

/// Our part: who may log in, the environment, and when it stops; none where nothing of that is said.
fn config(spec: &Spec, way: Option<&Way>, told: Option<&Told>) -> Option<Json> {
    let mut files: Vec<Json> = told.map(|told| file(TOLD, "root:root", "0600", &told.lines)).into_iter().collect();
    let keys: Vec<&String> = spec.ssh.public_keys.iter().chain(way.map(|way| &way.authorized)).collect();
    let has_login = !keys.is_empty();
    if !spec.env.is_empty() {
        let text = environment(&spec.env);
        files.push(file(ENV, "root:root", "0600", &text));
        if has_login {
            let owner = format!("{0}:{0}", spec.ssh.user);
            let mut login = file(ENV_OF_USER, &owner, "0600", &text);
            // Before that there is no such user.
            login["defer"] = true.into();
            files.push(login);
        }
        files.push(file("/etc/profile.d/trueup.sh", "root:root", "0644", PROFILE));
    }
    files.extend(spec.stop_after.as_ref().map(stop));
    let mut config = json!({});
    if has_login {
        config["users"] = json!(["default", user(&spec.ssh, &keys)]);
    }
    if let Some(way) = way {
        config["ssh_keys"] = json!({ "ed25519_private": way.host_private, "ed25519_public": way.host_public });
    }
    if !files.is_empty() {
        config["write_files"] = files.into();
    }
    (config != json!({})).then_some(config)
}

/// Makes the environment that of shells that log in, where they may read it.
const PROFILE: &str = "for file in /etc/trueup/env /etc/trueup/env.login; do
  if [ -r \"$file\" ]; then set -a; . \"$file\"; set +a; break; fi
done
unset file
";

fn file(path: &str, owner: &str, permissions: &str, content: &str) -> Json {
    json!({ "path": path, "owner": owner, "permissions": permissions, "content": content })
}

fn user(ssh: &Ssh, keys: &[&String]) -> Json {
    json!({
        "name": ssh.user, "groups": ["adm", "sudo"], "sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash", "lock_passwd": true,
        "ssh_authorized_keys": keys,
    })
}

/// Lines that a shell reads, each value quoted whole.
fn environment(env: &BTreeMap<String, Sealed<String>>) -> String {
    let line =
        |(name, value): (&String, &Sealed<String>)| format!("{name}='{}'\n", value.reveal().replace('\'', r"'\''"));
    env.iter().map(line).collect()
}

/// What stops the machine so long after each of its starts.
fn stop(after: &Span) -> Json {
    let millis = after.duration().as_millis().max(1000);
    let script = format!(
        "#!/bin/sh\nexec systemd-run --unit=trueup-stop-after --on-boot={millis}ms --timer-property=AccuracySec=1s systemctl poweroff\n"
    );
    file("/var/lib/cloud/scripts/per-boot/trueup-stop-after", "root:root", "0755", &script)
}

/// Parts as one document of MIME.
fn multipart(parts: &[(&str, String)]) -> String {
    let digest = parts.iter().fold(Sha256::new(), |digest, (_, text)| digest.chain_update(text)).finalize();
    // No text has the digest of itself in it.
    let boundary = format!("trueup-{}", encode(&digest[..12]));
    let mut document = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n");
    for (media, text) in parts {
        // cloud-init reads no other letters as they are.
        let (encoding, text) =
            if text.is_ascii() { ("7bit", text.clone()) } else { ("base64", wrapped(&STANDARD.encode(text))) };
        document.push_str(&format!(
            "\n--{boundary}\nContent-Type: {media}; charset=\"utf-8\"\nContent-Transfer-Encoding: {encoding}\nMerge-Type: {MERGE}\n\n{text}"
        ));
    }
    document.push_str(&format!("\n--{boundary}--\n"));
    document
}

/// Lines as mail has them.
fn wrapped(text: &str) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    lines.join("\n")
}

/// What can't be told to a machine of a spec. `most`: how many bytes a cloud takes of it.
pub fn problems(spec: &Value, most: usize) -> Vec<Problem> {
    let mut problems = env_problems(spec);
    let said = spec.get("user_data").and_then(|said| said.revealed().as_str());
    if said.is_some_and(|text| !text.is_empty() && media(text).is_none()) {
        let message = "it begins with `#!`, as a script does, or with `#cloud-config`";
        problems.push(Problem::new(FieldPath::parse("user_data"), message));
    }
    problems.extend(ssh_problems(spec));
    if problems.is_empty() && !spec.has_unknown() && !spec.has_locked() {
        problems.extend(size_problem(spec, most));
    }
    problems
}

fn size_problem(spec: &Value, most: usize) -> Option<Problem> {
    let size =
        from_value::<Spec>(spec).ok().and_then(|spec| document(&spec, None, None)).map(|document| document.len())?;
    let message = format!(
        "what a machine is told at its start has at most {most} bytes: with `env` and `ssh` these are {size}. Fetch the rest from a bucket"
    );
    let at = if spec.get("user_data").is_some() { "user_data" } else { "env" };
    (size > most).then(|| Problem::new(FieldPath::parse(at), message))
}

fn env_problems(spec: &Value) -> Vec<Problem> {
    let at = FieldPath::parse("env");
    let env = spec.get("env").and_then(|env| env.revealed().as_map()).into_iter().flatten();
    let problem = |(name, value): (&String, &Value)| {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
        let value = value.revealed().as_str().unwrap_or_default();
        let message = match () {
            () if !is_name => "the name of a variable has letters, digits and `_`, and begins with no digit",
            () if value.contains(['\n', '\r', '\0']) => "a variable of a machine has one line",
            () => return None,
        };
        Some(Problem::new(at.field(name), message))
    };
    env.filter_map(problem).collect()
}

fn ssh_problems(spec: &Value) -> Vec<Problem> {
    let at = FieldPath::parse("ssh");
    let mut problems = Vec::new();
    let user = spec.at(&at.field("user")).and_then(|user| user.revealed().as_str()).unwrap_or("trueup");
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if user == "root"
        || user.len() > 32
        || !user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        || !user.chars().all(is_letter)
    {
        let message =
            "a user has up to 32 lower-case letters, digits, `_` and `-`, begins with a letter, and is not root";
        problems.push(Problem::new(at.field("user"), message));
    }
    let texts = |name: &str| spec.at(&at.field(name)).and_then(|list| list.revealed().as_list()).unwrap_or_default();
    for (index, key) in texts("public_keys").iter().enumerate() {
        if key.revealed().as_str().is_some_and(|key| !is_public_key(key)) {
            let message = "a public key is one line, as `ssh-keygen` writes it: `ssh-ed25519 AAAA… name`";
            problems.push(Problem::new(at.field("public_keys").index(index), message));
        }
    }
    for (index, block) in texts("ingress").iter().enumerate() {
        if block.revealed().as_str().is_some_and(|block| !is_block(block)) {
            let message = "an address that may connect is a CIDR block: `203.0.113.7/32`";
            problems.push(Problem::new(at.field("ingress").index(index), message));
        }
    }
    problems
}

fn is_public_key(text: &str) -> bool {
    let is_kind = |kind: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|start| kind.starts_with(start));
    let is_body =
        |body: &str| body.starts_with("AAAA") && body.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let mut words = text.split(' ');
    !text.contains(char::is_control) && words.next().is_some_and(is_kind) && words.next().is_some_and(is_body)
}

/// Whether a text is a CIDR block.
pub fn is_block(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let Ok(length) = length.parse::<u8>() else { return false };
    match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => length <= 32,
        Ok(std::net::IpAddr::V6(_)) => length <= 128,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 16 * 1024;

    #[allow(clippy::needless_pass_by_value, reason = "what is said reads best where it stands")]
    fn spec(more: Json) -> Spec {
        let mut all = json!({ "gpu": "none" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_machine_that_is_told_nothing_is_sent_nothing() {
        assert_eq!(document(&spec(json!({})), None, None), None);
    }

    #[test]
    fn one_document_has_our_part_and_the_users() {
        let all = json!({
            "env": { "TOKEN": "it's" }, "ssh": { "public_keys": ["ssh-ed25519 AAAAC3 ada"], "user": "ada" }, "stop_after": "90m",
            "user_data": "#!/bin/sh\necho hi\n",
        });
        let (first, again) =
            (document(&spec(all.clone()), None, None).unwrap(), document(&spec(all), None, None).unwrap());
        assert_eq!(first, again);
        for part in [
            "multipart/mixed",
            "TOKEN='it'\\\\''s'",
            "\"permissions\":\"0600\"",
            "\"owner\":\"ada:ada\"",
            "ssh-ed25519 AAAAC3 ada",
            "--on-boot=5400000ms",
            "text/x-shellscript",
            "\n#!/bin/sh\necho hi\n",
        ] {
            assert!(first.contains(part), "{part} is not in\n{first}");
        }
        let (_, boundary) = first.split_once("boundary=\"").unwrap();
        let (boundary, _) = boundary.split_once('"').unwrap();
        assert_eq!(first.matches(&format!("\n--{boundary}")).count(), 3, "{first}");
    }

    #[test]
    fn letters_that_cloud_init_can_not_read_are_encoded() {
        let document = document(&spec(json!({ "user_data": "#!/bin/sh\necho größer\n" })), None, None).unwrap();
        assert!(document.is_ascii() && document.contains("base64"), "{document}");
    }

    #[test]
    fn a_machine_that_is_to_be_checked_knows_its_host_key_and_who_logs_in() {
        let host = json!({ "private": "-----BEGIN\nKEY\n", "public": "ssh-ed25519 AAAAhost trueup" });
        let check =
            json!({ "ssh": { "user": "ada", "authorized_key": "ssh-ed25519 AAAAlogin trueup", "host_key": host } });
        let told = document(&spec(json!({ "ssh": { "user": "ada" } })), Some(&check.into()), None).unwrap();
        for part in ["\"name\":\"ada\"", "AAAAlogin", "\"ed25519_private\":\"-----BEGIN\\nKEY\\n\"", "AAAAhost"] {
            assert!(told.contains(part), "{part} is not in\n{told}");
        }
        assert_eq!(document(&spec(json!({})), Some(&json!({}).into()), None), None);
    }

    #[test]
    fn a_machine_that_checks_itself_does_so_after_all_else() {
        let told = Told { script: "# check\n".to_owned(), lines: "digest\nhttps://get\n".to_owned() };
        let user_data = json!({ "user_data": "#!/bin/sh\necho theirs\n" });
        let text = document(&spec(user_data), None, Some(&told)).unwrap();
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is not in\n{text}"));
        assert!(at("echo theirs") < at("set -- /etc/trueup/check\n# check"));
        assert!(text.contains("\"path\":\"/etc/trueup/check\"") && text.contains("digest\\nhttps://get"));
    }

    #[test]
    fn what_a_machine_can_not_be_told_is_told_with_its_field() {
        let paths = |more: Json| -> Vec<String> {
            let mut all = json!({ "gpu": "none" });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            problems(&all.into(), MOST).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths(json!({ "env": { "A": "b" }, "user_data": "#!/bin/sh\n" })), [""; 0]);
        assert_eq!(paths(json!({ "env": { "A-B": "b", "C": "d\ne" } })), ["env.A-B", "env.C"]);
        assert_eq!(paths(json!({ "user_data": "echo hi" })), ["user_data"]);
        assert_eq!(paths(json!({ "user_data": format!("#!/bin/sh\n{}", "x".repeat(MOST)) })), ["user_data"]);
        assert_eq!(paths(json!({ "env": { "A": "b".repeat(MOST) } })), ["env"]);
        assert_eq!(
            paths(json!({ "ssh": { "user": "Root!", "public_keys": ["hunter2"], "ingress": ["10.0.0.1"] } })),
            ["ssh.user", "ssh.public_keys[0]", "ssh.ingress[0]"]
        );
    }
}
