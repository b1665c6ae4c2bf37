//! `docker/Network`, version `v1`: a network as `docker inspect` shows it.
//!
//! It passes as the engine writes it: `null` and absent are the same, and the keys of `Options`
//! and `Labels` are the driver's and the user's.

use crate::Kind;

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Network");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a network.
pub const SCHEMA: &str = include_str!("../schema/docker-Network.json");
