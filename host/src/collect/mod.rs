//! What runs here, as bytes and objects.

pub mod facts;
