//! What runs here, as bytes and objects.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod facts;
