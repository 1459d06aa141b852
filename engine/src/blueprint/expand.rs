//! Variables, `for_each`, modules: from a file's tree to resources.

use std::path::Path;

use super::{Catalog, Inputs, Loader, Program};
use crate::diagnostic::Diagnostics;

/// Loads a blueprint: reads, checks and expands it. Every error of the file comes in one report.
pub fn load(_path: &Path, _inputs: &Inputs, _loader: &dyn Loader, _catalog: &Catalog) -> Result<Program, Diagnostics> {
    todo!()
}
