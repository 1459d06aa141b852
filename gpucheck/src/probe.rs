//! Whether there is a driver at all. The bindings panic where a library is missing, so it is looked for first.
#![allow(unsafe_code)]

use std::error::Error;

/// Where the driver's library is looked for, as the bindings do: the system's name for it first.
const NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];

/// Why the driver's library can't be loaded, if it can't.
pub fn driver_missing() -> Option<String> {
    let mut why = String::new();
    for name in NAMES {
        // SAFETY: loading runs the library's own start-up code, as any use of it would; a process of its own does this, so a library that
        // is broken ends that one alone.
        match unsafe { libloading::Library::new(name) } {
            // SAFETY: as above: the bindings' own look, at the names that they know.
            Ok(_) if unsafe { cudarc::driver::sys::is_culib_present() } => return None,
            Ok(_) => why = format!("{name} can be loaded, and not by a name that is known"),
            Err(error) => {
                // Of several names, the one that is there says most.
                let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                if why.is_empty() || !said.contains("No such file") {
                    why = said;
                }
            }
        }
    }
    Some(why)
}
