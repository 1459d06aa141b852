//! From blueprint to plan to apply: the engine of Trueup.
