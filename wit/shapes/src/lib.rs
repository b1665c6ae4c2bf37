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
mod map;
mod tree;

pub mod api_server;
pub mod client;
pub mod command;
pub mod component;
pub mod container;
pub mod controller_manager;
pub mod daemon;
pub mod dockerfile;
pub mod encryption;
pub mod etcd;
pub mod exec;
pub mod fields;
pub mod file;
pub mod flags;
pub mod image;
pub mod kubeadm;
pub mod kubelet;
pub mod network;
pub mod plugin;
pub mod pod;
pub mod request;
pub mod scheduler;
pub mod service;
pub mod volume;

pub use kind::Kind;
pub use map::Map;
pub use tree::{Content, Entry, Located, Node, Span, escape_token};

/// The JSON Schemas of the shapes that this crate defines, by kind.
///
/// Kinds that are Kubernetes' own have no schema here: the API server validates those.
pub const SCHEMAS: &[(Kind, &str)] = &[
    (container::KIND, container::SCHEMA),
    (dockerfile::KIND, dockerfile::SCHEMA),
    (exec::KIND, exec::SCHEMA),
    (image::KIND, image::SCHEMA),
    (network::KIND, network::SCHEMA),
    (client::KIND, client::SCHEMA),
    (daemon::KIND, daemon::SCHEMA),
    (file::KIND, file::SCHEMA),
    (pod::KIND, pod::SCHEMA),
    (request::KIND, request::SCHEMA),
    (service::KIND, service::SCHEMA),
    (volume::KIND, volume::SCHEMA),
    (api_server::KIND, api_server::SCHEMA),
    (controller_manager::KIND, controller_manager::SCHEMA),
    (etcd::KIND, etcd::SCHEMA),
    (kubelet::KIND, kubelet::SCHEMA),
    (scheduler::KIND, scheduler::SCHEMA),
];
