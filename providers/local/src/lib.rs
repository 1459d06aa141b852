//! Real things on this machine.
