//! A policy as an artifact of a registry.

use crate::engine::{Cache, Engine};
use crate::policy::{Policy, category};
use crate::registry::layout::{DESCRIPTION, TITLE, VERSION, pack_component};
use crate::registry::{Annotations, Interface, Packed};

/// What the annotations of this program begin with.
const OWN: &str = "dev.stridegate.policy.";

/// The artifact of a policy, with what it says of itself as annotations; the same policy is the
/// same artifact. The further annotations win.
pub fn pack(
    policy: &Policy,
    engine: &Engine,
    cache: Option<&Cache>,
    further: &Annotations,
) -> anyhow::Result<Packed> {
    let mut exports = policy.exports(engine, cache)?;
    exports.sort();
    let interface = Interface {
        exports,
        // A policy that was loaded has none.
        imports: Vec::new(),
    };
    let mut annotations = describe(policy);
    annotations.extend(further.clone());
    pack_component(policy.bytes().to_vec(), interface, annotations)
}

fn describe(policy: &Policy) -> Annotations {
    let description = &policy.description;
    let threats = description.threats.iter();
    let threats: Vec<String> = threats
        .map(|threat| format!("{}/{}", threat.platform, category(threat.category)))
        .collect();
    let kinds = description.kinds.iter();
    let kinds: Vec<String> = kinds
        .map(|kind| {
            stridegate_shapes::Kind::new(kind.group.as_str(), kind.name.as_str()).to_string()
        })
        .collect();
    let rules = description.rules.iter().map(|rule| rule.id.as_str());
    let rules: Vec<&str> = rules.collect();
    [
        (TITLE.to_owned(), description.id.clone()),
        (VERSION.to_owned(), description.version.clone()),
        (DESCRIPTION.to_owned(), description.title.clone()),
        (format!("{OWN}threats"), threats.join(",")),
        (format!("{OWN}kinds"), kinds.join(",")),
        (format!("{OWN}rules"), rules.join(",")),
    ]
    .into()
}
