//! `artifact`: files in a bucket that belong together, such as a model's weights.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Options, Reference, Tags};

super::kind! {
    /// The kind `artifact`.
    Artifact = "artifact", version 1, create_first false
}

/// The name of the manifest beside an artifact's files. A source may not hold a file of this name at its top.
pub const MANIFEST: &str = "trueup-manifest.json";

/// Files in a bucket that belong together: a model's weights, a data set. What is in them is compared by checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct Spec {
    /// Its name in the bucket. Left out, one is made from the stack, the address and a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-immutable" = true))]
    pub name: Option<String>,

    /// The bucket that keeps it. Example: `"{{ weights }}"`.
    #[schemars(extend("x-immutable" = true, "x-reference" = ["bucket"]))]
    pub bucket: Reference,

    /// The file or directory that is copied, relative to the blueprint's file. Example: `./models/tiny-llama`.
    #[schemars(length(min = 1), extend("x-path" = true, "x-digest-into" = "digest"))]
    pub source: String,

    /// The digest of what `source` holds, found when the plan is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-computed" = true))]
    pub digest: Option<String>,

    /// Where in the bucket its files go. Default: its name. Example: `models/tiny-llama`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 900), extend("x-immutable" = true))]
    pub path: Option<String>,

    /// A label for people, written into the manifest. Example: `2026-11-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// Labels, for people and bills. Example: `{ team: search }`.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub tags: Tags,

    /// What one provider alone has, under its name.
    #[serde(default)]
    #[schemars(extend("x-free" = true))]
    pub options: Options,
}

/// What is known of an artifact once it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Attributes {
    /// The directory of its files: `s3://BUCKET/PATH`, `gs://BUCKET/PATH`, `file:///DIRECTORY`.
    pub uri: String,
    /// The manifest: each file with its size and SHA-256.
    pub manifest: String,
    /// The digest of its files, `sha256:…`.
    #[schemars(extend("x-volatile" = true))]
    pub digest: String,
    /// The size of its files together, in bytes.
    #[schemars(extend("x-volatile" = true))]
    pub size_bytes: u64,
    /// How many files it has.
    #[schemars(extend("x-volatile" = true))]
    pub files: u64,
}

/// One file of an artifact, as its manifest has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct TreeFile {
    /// Its path below the artifact, with `/` between names.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of what it holds, in hexadecimal.
    pub sha256: String,
}

/// The digest of a file or directory as a whole, `sha256:…`. The same names and contents give the same digest wherever they stand.
///
/// # Errors
/// What can't be read, a symbolic link or a special file, a name that is no UTF-8.
pub fn tree_digest(path: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for (relative, full) in tree_files(path)? {
        let (sha256, size) = file_sha256(&full)?;
        files.push(TreeFile { path: relative, size, sha256 });
    }
    Ok(digest_of(&files))
}

/// The digest of files, which must stand in the order of their paths.
pub fn digest_of(files: &[TreeFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        // A name holds no NUL, so no two lists give the same text.
        hash.update(format!("{}\0{}\0{}\0", file.path, file.size, file.sha256));
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

/// The files below a directory, or the file itself: relative path and full path, sorted by the former.
///
/// # Errors
/// As [`tree_digest`].
pub fn tree_files(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        collect(path, "", &mut files)?;
    } else {
        regular(path, &metadata)?;
        files.push((file_name(path)?, path.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// The SHA-256 of a file in hexadecimal, and its size.
///
/// # Errors
/// What can't be read.
pub fn file_sha256(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex::encode(hash.finalize()), size));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let relative = format!("{prefix}{}", file_name(&path)?);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            collect(&path, &format!("{relative}/"), files)?;
        } else {
            regular(&path, &metadata)?;
            files.push((relative, path));
        }
    }
    Ok(())
}

fn regular(path: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_symlink() { "a symbolic link" } else { "no regular file" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is {what}: it can't be copied", path.display())))
}

fn file_name(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("the name of {} is no UTF-8", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("b")).unwrap();
        fs::write(directory.path().join("b/two"), "2").unwrap();
        fs::write(directory.path().join("one"), "1").unwrap();
        directory
    }

    #[test]
    fn the_digest_is_of_names_and_contents_alone() {
        let (a, b) = (tree(), tree());
        let digest = tree_digest(a.path()).unwrap();
        assert_eq!(digest, tree_digest(b.path()).unwrap());
        fs::write(b.path().join("one"), "3").unwrap();
        assert_ne!(digest, tree_digest(b.path()).unwrap());
        fs::rename(a.path().join("one"), a.path().join("three")).unwrap();
        assert_ne!(digest, tree_digest(a.path()).unwrap());
    }

    #[test]
    fn a_single_file_is_a_tree_of_one() {
        let directory = tree();
        let files = tree_files(&directory.path().join("one")).unwrap();
        assert_eq!(files[0].0, "one");
    }

    #[test]
    #[cfg(unix)]
    fn a_symbolic_link_is_refused() {
        let directory = tree();
        std::os::unix::fs::symlink("one", directory.path().join("link")).unwrap();
        assert!(tree_digest(directory.path()).unwrap_err().to_string().contains("symbolic link"));
    }
}
