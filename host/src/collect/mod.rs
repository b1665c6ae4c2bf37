//! What runs here, as bytes and objects.

#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "gateway")]
pub mod engine;
pub mod facts;
pub mod host;
