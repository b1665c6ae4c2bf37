//! Writes a Stridegate policy.
//!
//! A policy is a crate with one file: the [`policy!`] macro takes its documentation and its facts,
//! [`parameters!`] what can be set, and a function judges one object. Compiled for
//! `wasm32-unknown-unknown` the crate is a component that exports `stridegate:policy/mitigation`
//! and imports nothing; compiled natively it is an ordinary library.
//!
//! ```
//! use stridegate_policy::prelude::*;
//!
//! policy! {
//!     /// A Pod without a name for its team
//!     ///
//!     /// Nobody is called when it breaks.
//!     TeamlessPod {
//!         parameters: Parameters,
//!         threats: [(KUBERNETES, Category::Repudiation)],
//!         kinds: [pod::KIND],
//!         context: [],
//!         rules: [TEAM],
//!         check: check,
//!     }
//! }
//!
//! const TEAM: Rule = Rule {
//!     id: "team",
//!     title: "The Pod names its team",
//!     severity: Severity::Low,
//!     controls: &[],
//!     remediation: "Set the label.",
//! };
//!
//! parameters! {
//!     /// What can be set.
//!     pub struct Parameters {
//!         /// The label that names the team.
//!         pub label: String = "team".into(),
//!     }
//! }
//!
//! fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
//!     checks.pass(&TEAM);
//!     let document = object.document()?;
//!     let metadata = At::root(&document).get("metadata");
//!     if metadata.get("labels").get(&parameters.label).text().is_none() {
//!         checks.fail(&TEAM, &metadata, format!("the label {} is missing", parameters.label));
//!     }
//!     Ok(())
//! }
//!
//! let object = Object::at_rest(pod::KIND, "web", r#"{"metadata": {"labels": {}}}"#);
//! let checks = TeamlessPod::judge(&object, "{}").unwrap();
//! assert!(matches!(&checks[0].outcome, Outcome::Found(findings) if findings[0].path == "/metadata"));
//! ```

mod access;
#[cfg(target_arch = "wasm32")]
mod allocator;
mod checks;
mod effective;
mod history;
mod images;
mod object;
mod parameters;
mod policy;
mod pulled;
mod setting;
mod text;
mod url;
mod user;
mod view;

/// What `wit-bindgen` makes of `wit/policy.wit`.
#[allow(
    missing_docs,
    reason = "the contract documents its items; the generator leaves the rest bare"
)]
#[allow(clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../policy.wit",
        world: "policy",
        pub_export_macro: true,
        export_macro_name: "export_policy",
        default_bindings_module: "stridegate_policy::bindings",
        additional_derives: [Clone, PartialEq],
    });
}

pub mod path;
pub mod quantity;
pub mod reference;
pub mod secret;

pub use access::{Allowed, Breach, Offence};
pub use bindings::exports::stridegate::policy::mitigation;
pub use checks::{Checks, IntoPath};
pub use effective::Effective;
pub use history::{Step, history};
pub use images::Images;
pub use mitigation::{Category, Check, Finding, Fix, Outcome, Problem, Refusal, Severity, Verdict};
pub use object::Object;
pub use parameters::{Parameter, Parameters, camel_case, join, member, unknown_members};
pub use policy::{Facts, Policy, Rule};
pub use pulled::{Pulled, pulled};
pub use reference::Reference;
pub use serde;
pub use serde_json::{Value, json};
pub use setting::Setting;
pub use stridegate_shapes as shapes;
pub use text::{matches_any, matches_glob};
pub use url::{Url, host, is_loopback};
pub use user::{ROOT_NAMES, is_root};
pub use view::{At, Container, ContainerList, containers};

/// The platform of the threats to a Docker host.
pub const DOCKER: &str = "docker";

/// The platform of the threats to a Kubernetes cluster.
pub const KUBERNETES: &str = "kubernetes";

/// What a policy's file needs, for `use stridegate_policy::prelude::*`.
pub mod prelude {
    pub use crate::shapes::{Kind, container, dockerfile, exec, image, pod, service, volume};
    pub use crate::{
        At, Category, Checks, Container, ContainerList, DOCKER, Effective, Images, KUBERNETES,
        Object, Outcome, Policy, Refusal, Rule, Setting, Severity, Step, Value, containers,
        history, is_root, json, kubernetes_benchmark, matches_any, matches_glob, parameters,
        policy,
    };
}
