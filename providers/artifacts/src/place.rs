//! Where in a bucket an artifact is: its manifest, and below `sha256/` its contents, each named by its own checksum.

use trueup_engine::kinds::artifact::MANIFEST;
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, FieldPath, Request, Value};

use crate::store::Store;

/// What the directory of contents is called.
const CONTENTS: &str = "sha256";

/// The place of one artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What addresses of its store begin with: `s3`.
    pub scheme: &'static str,
    /// The name of its bucket.
    pub bucket: String,
    /// Its directory there, without a slash at its end.
    pub path: String,
}

impl Place {
    /// Where an artifact goes that a spec describes; none while its bucket is not known.
    pub(crate) fn of_spec(scheme: &'static str, name: &str, spec: &Value) -> Option<Self> {
        let text = |path: &str| spec.at(&FieldPath::parse(path))?.revealed().as_str();
        let bucket = text("bucket.attributes.name")?;
        Some(Self { scheme, bucket: bucket.to_owned(), path: text("path").unwrap_or(name).to_owned() })
    }

    /// Where the artifact with an id is; none for what is no id of one.
    pub(crate) fn of_id(scheme: &'static str, id: &str) -> Option<Self> {
        let (bucket, path) = id.strip_prefix(scheme)?.strip_prefix("://")?.split_once('/')?;
        Some(Self { scheme, bucket: bucket.to_owned(), path: path.trim_end_matches('/').to_owned() })
    }

    /// Where the artifact of a request is, or goes.
    pub(crate) fn of<S: Store>(request: &Request) -> Result<Self, ProviderError> {
        let place = match request.id.as_deref() {
            Some(id) => Self::of_id(S::SCHEME, id),
            None => Self::of_spec(S::SCHEME, &request.name, &request.spec),
        };
        let invalid = || {
            let class = Class::Invalid { field: Some("bucket".to_owned()) };
            ProviderError::new(class, format!("it is not known which bucket of {} it is in", S::NAME))
        };
        place.ok_or_else(invalid)
    }

    /// Its id, and the directory that its files are in.
    pub fn uri(&self) -> String {
        format!("{}://{}/{}", self.scheme, self.bucket, self.path)
    }

    /// The key of its manifest.
    pub fn manifest(&self) -> String {
        format!("{}/{MANIFEST}", self.path)
    }

    /// What the keys of its contents begin with.
    pub fn contents(&self) -> String {
        format!("{}/{CONTENTS}/", self.path)
    }

    /// The key of a content. `sha256`: its checksum in hexadecimal.
    pub fn content(&self, sha256: &str) -> String {
        format!("{}{sha256}", self.contents())
    }

    /// The checksum that a key names; none for what is no content of this artifact.
    pub fn sha256_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let name = key.strip_prefix(&self.contents())?;
        (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
    }
}

/// What can't be a directory in a bucket, and why.
pub(crate) fn path_fault(path: &str) -> Option<&'static str> {
    let mut steps = path.split('/');
    if steps.any(|step| matches!(step, "" | "." | "..")) {
        Some("has no empty step, no `.` and no `..` in it, and no slash at its ends")
    } else if path.chars().any(char::is_control) {
        Some("has no control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_place() {
        let place = Place { scheme: "s3", bucket: "b".into(), path: "models/tiny".into() };
        assert_eq!(Place::of_id("s3", &place.uri()), Some(place));
        for id in ["b/models", "s3://b", "gs://b/models"] {
            assert_eq!(Place::of_id("s3", id), None, "{id}");
        }
    }

    #[test]
    fn only_what_a_checksum_names_is_a_content() {
        let place = Place { scheme: "gs", bucket: "b".into(), path: "m".into() };
        let sum = "0".repeat(64);
        assert_eq!(place.sha256_of(&place.content(&sum)), Some(sum.as_str()));
        for key in
            ["m/sha256/notes.txt".to_owned(), format!("m/sha256/{sum}/x"), format!("n/sha256/{sum}"), place.manifest()]
        {
            assert_eq!(place.sha256_of(&key), None, "{key}");
        }
    }

    #[test]
    fn a_path_leads_into_the_bucket() {
        for (path, is_right) in [
            ("m", true),
            ("a/b", true),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            ("a/../b", false),
            ("a\nb", false),
        ] {
            assert_eq!(path_fault(path).is_none(), is_right, "{path:?}");
        }
    }
}
