//! What may stand where in a blueprint's file.
