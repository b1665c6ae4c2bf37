//! What runs here, as bytes and objects.

#[cfg(feature = "gateway")]
pub mod engine;
pub mod facts;
