//! Random blueprints of toy kinds.
