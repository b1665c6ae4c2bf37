//! `docker/Network`, version `v1`: a network as `docker inspect` shows it.
//!
//! It passes as the engine writes it: `null` and absent are the same, and the keys of `Options`
//! and `Labels` are the driver's and the user's.

use crate::container::flat;
use crate::fields::{Doubled, Holds, Struct, canonical};
use crate::{Kind, Node};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Network");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a network.
pub const SCHEMA: &str = include_str!("../schema/docker-Network.json");

const BODY: Struct = Struct {
    plain: &[
        "CheckDuplicate",
        "Name",
        "Driver",
        "Scope",
        "EnableIPv4",
        "EnableIPv6",
        "Internal",
        "Attachable",
        "Ingress",
        "ConfigOnly",
        "Options",
        "Labels",
    ],
    nested: &[
        ("IPAM", Holds::One(&IPAM)),
        ("ConfigFrom", Holds::One(&CONFIG_FROM)),
    ],
};
const IPAM: Struct = Struct {
    plain: &["Driver", "Options"],
    nested: &[("Config", Holds::List(&POOL))],
};
const POOL: Struct = flat(&["Subnet", "IPRange", "Gateway", "AuxiliaryAddresses"]);
const CONFIG_FROM: Struct = flat(&["Network"]);

/// The network that a body of `POST /networks/create` asks for. Fields get their canonical
/// spelling, and `doubled` those that have two. Without a driver it is a bridge.
#[must_use]
pub fn from_create(body: Node, doubled: &mut Vec<Doubled>) -> Node {
    let span = body.span;
    let mut network = canonical(body, &BODY, doubled);
    if network.text("Driver").is_none_or(str::is_empty) {
        network.set("Driver", span, Node::string(span, "bridge"));
    }
    network
}
