//! The shapes in which policies see Docker and Kubernetes objects.
//!
//! There are many ways to write a container's user, and a policy should know one. A *shape* is
//! that one way: a JSON document of fixed form, named by a [`Kind`]. This crate holds a file for
//! each shape, the JSON Schema that documents it, and the conversions between shapes that need no
//! source text. It does no I/O and builds for `WebAssembly`, so that a host, a policy and another
//! engine share one truth.
//!
//! A shape only grows: a field is added, never renamed or given another meaning. What has to
//! change its meaning becomes a new `version` of the shape.

mod kind;
mod tree;

pub mod api_server;
pub mod command;
pub mod component;
pub mod controller_manager;
pub mod dockerfile;
pub mod etcd;
pub mod flags;
pub mod kubelet;
pub mod pod;
pub mod scheduler;

pub use kind::Kind;
pub use tree::{Content, Entry, Located, Node, Span, escape_token};

/// The JSON Schemas of the shapes that this crate defines, by kind.
///
/// Kinds that are Kubernetes' own have no schema here: the API server validates those.
pub const SCHEMAS: &[(Kind, &str)] = &[
    (api_server::KIND, api_server::SCHEMA),
    (controller_manager::KIND, controller_manager::SCHEMA),
    (dockerfile::KIND, dockerfile::SCHEMA),
    (etcd::KIND, etcd::SCHEMA),
    (kubelet::KIND, kubelet::SCHEMA),
    (pod::KIND, pod::SCHEMA),
    (scheduler::KIND, scheduler::SCHEMA),
];
