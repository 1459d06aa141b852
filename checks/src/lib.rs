//! Proves that a machine's GPUs are what was paid for, before anything relies on it: has the program `gpucheck` run there, and judges the
//! machine by what it says.
//!
//! The program is carried to the machine, started apart from whoever started it, and asked after: a run that is killed meanwhile finds it
//! again. How a machine is reached is one file each; what is done there is the same for all of them.

mod asked;
mod check;
mod desk;
mod doing;
mod here;
mod machine;
mod program;
#[cfg(feature = "ssh")]
mod ssh;
mod startup;
mod steps;
mod verdict;

pub use asked::{Asked, OnFailure, Via};
pub use check::GpuCheck;
pub use desk::{Checked, Desk, DeskError};
pub use program::{Program, ProgramError};
pub use verdict::Finding;
