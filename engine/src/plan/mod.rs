//! From what is wanted, recorded and observed to what is to be done.

pub mod diff;
