//! Several files in one text, so that a test shows a blueprint and its modules at once.

use std::io;
use std::path::Path;

use trueup_engine::blueprint::Loader;

/// A line that ends one file and names the next.
const MARK: &[u8] = b"\n# file: ";

/// A blueprint under a path, and after lines `# file: NAME` its modules.
pub(crate) struct Files<'a> {
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
}

impl Files<'_> {
    /// Each file's name, as its mark has it, and its text; the blueprint itself has none.
    fn parts(&self) -> Vec<(Option<&Path>, &[u8])> {
        let mut parts = Vec::new();
        let (mut name, mut rest) = (None, self.bytes);
        while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
            parts.push((name, &rest[..=at]));
            let after = &rest[at + MARK.len()..];
            let end = after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
            name = std::str::from_utf8(&after[..end]).ok().map(Path::new);
            rest = after.get(end + 1..).unwrap_or_default();
        }
        parts.push((name, rest));
        parts
    }
}

impl Loader for Files<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.parts().into_iter().find(|(name, _)| name.unwrap_or(self.path) == path);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(missing)
    }
}
