//! Paths as blueprints have them.

use std::path::{Component, Path, PathBuf};

/// A path as a file has it, relative to the working directory where the file is below it. `base`: the file's directory.
pub(crate) fn resolve(base: &Path, given: &str) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in base.join(given).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(resolved.components().next_back(), Some(Component::Normal(_))) => {
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    if resolved.as_os_str().is_empty() { PathBuf::from(".") } else { resolved }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_starts_at_the_blueprint() {
        for (base, given, resolved) in [
            ("blueprints", "./models/a", "blueprints/models/a"),
            ("", "../models/a", "../models/a"),
            ("blueprints", "../models", "models"),
            ("/srv/stack", "a/../b", "/srv/stack/b"),
            ("blueprints", "/models", "/models"),
            ("", "./", "."),
        ] {
            assert_eq!(resolve(Path::new(base), given), Path::new(resolved), "{base} {given}");
        }
    }
}
