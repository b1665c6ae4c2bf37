//! `docker/Volume`, version `v1`: a volume as `docker inspect` shows it.
//!
//! It passes as the engine writes it: `null` and absent are the same, and the keys of `Options`
//! and `Labels` are the driver's and the user's.

use crate::container::flat;
use crate::fields::{Doubled, Struct, canonical};
use crate::{Content, Kind, Node};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Volume");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a volume.
pub const SCHEMA: &str = include_str!("../schema/docker-Volume.json");

/// Where the parts of a volume stand in the body of `POST /volumes/create`.
pub const MOVES: &[(&str, &str)] = &[("/Options", "/DriverOpts")];

const BODY: Struct = flat(&[
    "Name",
    "Driver",
    "DriverOpts",
    "Labels",
    "ClusterVolumeSpec",
]);

/// The volume that a body of `POST /volumes/create` asks for. Fields get their canonical spelling,
/// and `doubled` those that have two. A volume without a name gets one from the engine.
#[must_use]
pub fn from_create(body: Node, doubled: &mut Vec<Doubled>) -> Node {
    let span = body.span;
    let body = canonical(body, &BODY, doubled);
    let mut volume = Node::map(
        span,
        [
            ("Name", Node::string(span, "")),
            ("Driver", Node::string(span, "local")),
        ],
    );
    for entry in body.entries() {
        let unset = entry.value.as_str() == Some("") || entry.value.content == Content::Null;
        let key = match entry.key.as_str() {
            "DriverOpts" => "Options",
            "Driver" if unset => continue,
            other => other,
        };
        volume.set(key, entry.key_span, entry.value.clone());
    }
    volume
}
