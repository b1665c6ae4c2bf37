//! Stands at a gate: answers the requests of an engine or a cluster while they are made.
//!
//! What both gates share: the [`Set`] of policies and constraints in force and its renewal
//! ([`Live`]), the [`Gate`] that judges the objects of a request with it and records the
//! [`Ruling`], and the [`server`] that carries requests to it. A gate itself turns the protocol of
//! its caller into objects, and a ruling into an answer.

pub mod admission;
mod budget;
pub mod certificate;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod docker;
mod evaluate;
mod gate;
pub mod kubernetes;
mod log;
mod metrics;
pub mod replay;
mod ruling;
pub mod server;
mod set;

pub use budget::Held;
pub use gate::{Asked, Gate, Settings};
pub use log::{Log, LogTarget, Record};
pub use metrics::Metrics;
pub use ruling::{CheckRecord, ErrorRecord, ObjectRecord, Ruling};
pub use set::{Feed, Live, POLL, Recipe, Renewal, Set};

/// Tells whoever runs a gate something, in one line.
pub type Say = std::sync::Arc<dyn Fn(&str) + Send + Sync>;
