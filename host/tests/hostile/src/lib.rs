//! A policy that breaks the contract in the way that the object's name asks for, to show that the
//! host takes none of it for a pass. It is built without the guest library, as a policy of
//! somebody else would be.

#[allow(missing_docs, reason = "the contract documents its items")]
#[allow(clippy::pedantic, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/policy.wit", world: "policy" });
}

use bindings::exports::stridegate::policy::mitigation::{
    Check, Description, Finding, Fix, Guest, Kind, Object, Outcome, Problem, Refusal, Rule,
    Severity, Verdict,
};

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        let rule = |id: &str| Rule {
            id: id.into(),
            title: "It behaves".into(),
            severity: Severity::High,
            controls: vec![],
            remediation: "Behave.".into(),
        };
        Description {
            id: "hostile".into(),
            version: "0.1.0".into(),
            title: "What a policy must not do".into(),
            documentation: String::new(),
            threats: vec![],
            kinds: vec![Kind {
                group: String::new(),
                name: "Pod".into(),
            }],
            context: vec![],
            rules: vec![rule("first"), rule("second")],
            parameters: "{}".into(),
        }
    }

    fn validate(_: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    fn evaluate(object: Object, _: String) -> Result<Vec<Check>, Refusal> {
        let pass = |rule: &str| Check {
            rule: rule.into(),
            outcome: Outcome::Pass,
        };
        let found = |findings| Check {
            rule: "first".into(),
            outcome: Outcome::Found(findings),
        };
        Ok(match object.name.as_str() {
            "loop" => loop {
                std::hint::black_box(0);
            },
            "allocate" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(std::hint::black_box(vec![1; 1 << 20]));
                }
            }
            "trap" => panic!("it was asked to"),
            "recurse" => vec![pass(&recurse(&object.name))],
            "flood" => vec![found(vec![finding("", &"x".repeat(100 << 20))])],
            "many" => vec![found(vec![finding("", ""); 1 << 20]), pass("second")],
            "skip" => vec![pass("first")],
            "double" => vec![pass("first"), pass("first"), pass("second")],
            "unlisted" => vec![pass("first"), pass("second"), pass("third")],
            "empty" => vec![found(vec![]), pass("second")],
            "nowhere" => vec![found(vec![finding("/spec/nothing", "")]), pass("second")],
            "fix" => {
                let mut finding = finding("", "");
                finding.fixes.push(Fix {
                    title: String::new(),
                    safe: true,
                    patch: "no patch".into(),
                });
                vec![found(vec![finding]), pass("second")]
            }
            "refuse" => return Err(Refusal::Object("it does not want to".into())),
            _ => vec![pass("first"), pass("second")],
        })
    }
}

fn finding(path: &str, message: &str) -> Finding {
    Finding {
        verdict: Verdict::Fail,
        severity: Severity::High,
        path: path.into(),
        message: message.into(),
        sensitive: false,
        related: vec![],
        fixes: vec![],
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn recurse(text: &str) -> String {
    let longer = format!("{text}.");
    recurse(&longer) + &longer
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "what the generator writes for an export")]
mod exports {
    use super::{Hostile, bindings};

    bindings::export!(Hostile with_types_in bindings);
}

#[cfg(not(target_arch = "wasm32"))]
const _: fn() -> Description = Hostile::describe;
