//! The digests of files and directories that specs name, so that changed content is a change.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One file of a directory, as an artifact's manifest has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct TreeFile {
    /// Its path below the directory, with `/` between names.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of what it holds, in hexadecimal.
    pub sha256: String,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// Nothing.
    Nothing,
    /// A file, or what is read like one.
    File,
    /// A directory.
    Directory,
}

/// What stands at a path, its links followed. Nothing of it is read.
///
/// # Errors
/// What can't be looked at.
pub fn stands_at(path: &Path) -> io::Result<Stands> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Stands::Directory),
        Ok(_) => Ok(Stands::File),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Stands::Nothing)
        }
        Err(error) => Err(error),
    }
}

/// The digest of a file or directory as a whole, `sha256:…`. The same names and contents give the same digest wherever they stand.
///
/// # Errors
/// What can't be read, a symbolic link to anything but a regular file, a special file, a name that is no UTF-8.
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

/// The files below a directory, or the file itself: relative path and full path, sorted by the former. A symbolic link to a regular
/// file stands for that file, wherever it is, by the link's own name: a cache of models keeps its files elsewhere and is made of links.
///
/// # Errors
/// As [`tree_digest`].
pub fn tree_files(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        collect(path, "", &mut files)?;
    } else {
        regular(path, metadata.file_type())?;
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
            regular(&path, metadata.file_type())?;
            files.push((relative, path));
        }
    }
    Ok(())
}

/// Refuses what is neither a regular file nor a link to one. A directory behind a link is not entered, so there is no circle to get
/// caught in.
fn regular(path: &Path, kind: fs::FileType) -> io::Result<()> {
    let what = if kind.is_symlink() {
        match fs::metadata(path) {
            Ok(there) if there.is_file() => return Ok(()),
            Ok(there) if there.is_dir() => "a symbolic link to a directory".to_owned(),
            Ok(_) => "a symbolic link to no regular file".to_owned(),
            Err(error) => format!("a symbolic link that leads nowhere ({error})"),
        }
    } else if kind.is_file() {
        return Ok(());
    } else {
        "no regular file".to_owned()
    };
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
    fn what_stands_at_a_path_is_told_without_reading_it() {
        let directory = tree();
        for (path, stands) in
            [("", Stands::Directory), ("one", Stands::File), ("two", Stands::Nothing), ("one/below", Stands::Nothing)]
        {
            assert_eq!(stands_at(&directory.path().join(path)).unwrap(), stands, "{path}");
        }
    }

    #[test]
    fn a_single_file_is_a_tree_of_one() {
        let directory = tree();
        let files = tree_files(&directory.path().join("one")).unwrap();
        assert_eq!(files[0].0, "one");
    }

    #[cfg(unix)]
    fn link(to: impl AsRef<Path>, at: impl AsRef<Path>) {
        std::os::unix::fs::symlink(to, at).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_a_file_is_the_file_wherever_that_is() {
        let (plain, cache) = (tree(), tree());
        fs::create_dir_all(cache.path().join("snapshot/b")).unwrap();
        link("../one", cache.path().join("snapshot/one"));
        link(cache.path().join("b/two"), cache.path().join("hop"));
        link("../../hop", cache.path().join("snapshot/b/two"));
        let digest = |path: &str| tree_digest(&cache.path().join(path)).unwrap();
        assert_eq!(digest("snapshot"), tree_digest(plain.path()).unwrap());
        assert_eq!(tree_files(&cache.path().join("snapshot/one")).unwrap()[0].0, "one");
        let before = digest("snapshot");
        fs::write(cache.path().join("one"), "another").unwrap();
        assert_ne!(digest("snapshot"), before, "what it leads to is what is digested");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_anything_else_is_refused() {
        for (to, why) in [
            ("b", "a symbolic link to a directory"),
            (".", "a symbolic link to a directory"),
            ("nowhere", "a symbolic link that leads nowhere"),
            ("link", "a symbolic link that leads nowhere"),
            ("/dev/null", "a symbolic link to no regular file"),
        ] {
            let directory = tree();
            link(to, directory.path().join("link"));
            for path in [directory.path().to_owned(), directory.path().join("link")] {
                let said = tree_digest(&path).unwrap_err().to_string();
                assert!(said.contains(why), "{to}: {said}");
            }
        }
    }
}
