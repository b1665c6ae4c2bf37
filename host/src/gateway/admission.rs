//! Kubernetes admission: an `AdmissionReview` (`admission.k8s.io/v1`) comes in, and one goes out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::{CheckRecord, ErrorRecord, Ruling};
use crate::constraint::Enforcement;
use crate::object::{Node, Text};
use crate::report::line;
use crate::source::{Reading, admission, json};

/// The version of the `AdmissionReview` that is read and written.
const API_VERSION: &str = "admission.k8s.io/v1";

/// What an API server asks.
#[derive(Debug)]
pub struct Question {
    /// The name of the request, which the answer repeats.
    pub uid: String,
    /// What is asked, as the log of decisions and the metrics name it: `deployments.apps.create`,
    /// `pods/exec.connect`.
    pub endpoint: String,
    /// Who asks; absent if the request does not say.
    pub user: Option<String>,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// What is asked about.
    pub reading: Reading,
}

impl Question {
    /// Reads a request. The error is for whoever configured the webhook: an API server sends no
    /// malformed request.
    pub fn read(body: Vec<u8>) -> Result<Self, String> {
        let body = String::from_utf8(body).map_err(|_| "the body is not UTF-8 text")?;
        let text = Arc::new(Text::new("request", body));
        let review = json::read(&text.content).map_err(|fault| {
            let position = text.position(fault.at);
            format!(
                "the body is no JSON: line {}, column {}: {}",
                position.line, position.column, fault.message
            )
        })?;
        let (version, kind) = (review.text("apiVersion"), review.text("kind"));
        if (version, kind) != (Some(API_VERSION), Some("AdmissionReview")) {
            return Err(format!(
                "the body is {} {} and not {API_VERSION} AdmissionReview; set admissionReviewVersions: [v1]",
                version.unwrap_or("without apiVersion,"),
                kind.unwrap_or("without kind,"),
            ));
        }
        let asked = review.get("request");
        let (asked, uid) = asked
            .and_then(|asked| Some((asked, asked.text("uid").filter(|uid| !uid.is_empty())?)))
            .ok_or("the AdmissionReview has no request.uid, so it cannot be answered")?;
        let request = admission::request(asked);
        let mut reading = Reading::default();
        // What is written through /status changes nothing that is judged, and who refuses it keeps
        // a cluster from seeing what runs.
        if (&*request.subresource, &*request.operation) != ("status", "update") {
            admission::read(&review, &text, &mut reading);
        }
        let uid = uid.to_owned();
        let endpoint = endpoint(asked, &request.operation, &request.subresource);
        reading.tree = Some(Box::new((text, review)));
        Ok(Self {
            uid,
            endpoint,
            user: request.user,
            groups: request.groups,
            reading,
        })
    }
}

fn endpoint(asked: &Node, operation: &str, subresource: &str) -> String {
    let resource = asked.get("resource");
    let word = |key| {
        resource
            .and_then(|resource| resource.text(key))
            .unwrap_or_default()
    };
    let mut endpoint = word("resource").to_owned();
    for (separator, word) in [('/', subresource), ('.', word("group")), ('.', operation)] {
        if !word.is_empty() {
            endpoint.push(separator);
            endpoint += word;
        }
    }
    endpoint
}

/// What an API server is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

/// `AdmissionResponse`, as far as it is used.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    audit_annotations: BTreeMap<&'static str, String>,
}

/// `Status`, of which the user of `kubectl` sees the message.
#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    details: Details,
}

#[derive(Debug, Serialize)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Debug, Serialize)]
struct Cause {
    reason: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
}

/// The most findings that a denial, or the warnings, spell out.
const MOST: usize = 16;

/// The most characters of a warning: what is longer, an API server may cut.
const WARNING: usize = 256;

/// The most characters of an annotation of the audit log.
const ANNOTATION: usize = 2048;

impl Told {
    /// The answer to a request.
    #[must_use]
    pub fn new(uid: String, ruling: &Ruling) -> Self {
        let mut grievances: Vec<Grievance> = ruling
            .checks
            .iter()
            .filter(|check| check.exception.is_none())
            .map(Grievance::of_check)
            .chain(ruling.errors.iter().map(Grievance::of_error))
            .collect();
        // A gate can also deny without asking anybody.
        if grievances.is_empty() {
            grievances.extend(
                ruling
                    .denials
                    .iter()
                    .map(|denial| Grievance::of_gate(denial)),
            );
        }
        let at = |enforcement| {
            grievances
                .iter()
                .filter(move |grievance| grievance.enforcement == enforcement)
        };
        let allowed = ruling.allowed();
        let mut annotations = BTreeMap::new();
        annotations.insert(
            "decision",
            if allowed { "allow" } else { "deny" }.to_owned(),
        );
        let denied = if allowed {
            "would-be-denied-by"
        } else {
            "denied-by"
        };
        for (key, enforcement) in [
            (denied, Enforcement::Deny),
            ("warned-by", Enforcement::Warn),
            ("recorded-by", Enforcement::Dryrun),
        ] {
            let names: BTreeSet<String> = at(enforcement).map(Grievance::source).collect();
            if !names.is_empty() {
                annotations.insert(key, joined(names));
            }
        }
        let exceptions = ruling.checks.iter();
        let excepted: BTreeSet<String> = exceptions
            .filter_map(|check| Some(line(check.exception.as_ref()?)))
            .collect();
        if !excepted.is_empty() {
            annotations.insert("excepted-by", joined(excepted));
        }
        let status = (!allowed).then(|| Status {
            code: 403,
            reason: "Forbidden",
            message: some(at(Enforcement::Deny).map(Grievance::denial)).join("\n"),
            details: Details {
                causes: at(Enforcement::Deny)
                    .take(MOST)
                    .map(Grievance::cause)
                    .collect(),
            },
        });
        let warnings = at(Enforcement::Warn).map(|grievance| cut(grievance.warning(), WARNING));
        Self {
            api_version: API_VERSION,
            kind: "AdmissionReview",
            response: Response {
                uid,
                allowed,
                status,
                warnings: some(warnings),
                audit_annotations: annotations,
            },
        }
    }
}

/// What speaks against a request.
struct Grievance<'a> {
    enforcement: Enforcement,
    constraint: Cow<'a, str>,
    /// The policy, and the rule if it has been answered.
    rule: Cow<'a, str>,
    message: &'a str,
    field: String,
    remedy: &'a str,
}

/// What is denied without a constraint.
const DEFAULT: &str = "default";

/// What is denied without a policy.
const REQUEST: &str = "request";

impl<'a> Grievance<'a> {
    fn of_check(check: &'a CheckRecord) -> Self {
        Self {
            enforcement: check.enforcement,
            constraint: line(check.constraint.as_deref().unwrap_or(DEFAULT)).into(),
            rule: format!("{}/{}", check.policy, check.rule).into(),
            message: &check.message,
            field: field(&check.path),
            remedy: &check.remedy,
        }
    }

    /// What could not be judged counts as what the constraint is there to find.
    fn of_error(error: &'a ErrorRecord) -> Self {
        Self {
            enforcement: error.enforcement.unwrap_or(Enforcement::Deny),
            constraint: error.constraint.as_deref().unwrap_or(DEFAULT).into(),
            rule: error.policy.as_deref().unwrap_or(REQUEST).into(),
            message: &error.message,
            field: String::new(),
            remedy: "",
        }
    }

    fn of_gate(denial: &'a str) -> Self {
        Self {
            enforcement: Enforcement::Deny,
            constraint: DEFAULT.into(),
            rule: REQUEST.into(),
            message: denial,
            field: String::new(),
            remedy: "",
        }
    }

    fn source(&self) -> String {
        format!("{} {}", self.constraint, self.rule)
    }

    fn warning(&self) -> String {
        let Self {
            constraint,
            rule,
            message,
            field,
            ..
        } = self;
        let at = if field.is_empty() {
            String::new()
        } else {
            format!(" ({field})")
        };
        format!("[{constraint}] {rule}: {message}{at}")
    }

    fn denial(&self) -> String {
        let warning = self.warning();
        match self.remedy {
            "" => warning,
            remedy => format!("{warning}. Instead: {remedy}"),
        }
    }

    fn cause(&self) -> Cause {
        Cause {
            reason: self.source(),
            message: self.message.to_owned(),
            field: self.field.clone(),
        }
    }
}

/// The place of an offender as Kubernetes writes it: `spec.containers[0].image`.
fn field(pointer: &str) -> String {
    let in_object = pointer
        .strip_prefix("/request/object")
        .or_else(|| pointer.strip_prefix("/request/oldObject"))
        .unwrap_or(pointer);
    let mut path = String::new();
    for token in in_object.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let plain = token.bytes().all(|b| b.is_ascii_alphanumeric())
            && token.bytes().any(|b| b.is_ascii_alphabetic());
        match (plain, path.is_empty()) {
            (true, true) => path += &token,
            (true, false) => path.extend([".", &token]),
            (false, _) => path.extend(["[", &token, "]"]),
        }
    }
    line(&path)
}

/// The first lines, and how many there are beside them.
fn some(mut lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut first: Vec<String> = lines.by_ref().take(MOST).collect();
    let rest = lines.count();
    if rest > 0 {
        first.push(format!("and {rest} more"));
    }
    first
}

fn joined(names: BTreeSet<String>) -> String {
    cut(names.into_iter().collect::<Vec<_>>().join(", "), ANNOTATION)
}

/// A text of at most so many characters.
fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        Question::read(body.into()).expect_err("the body is malformed")
    }

    #[test]
    fn a_malformed_body_is_told_what_is_wrong_with_it() {
        let review = |request: &str| {
            format!(
                r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {request}}}"#
            )
        };
        let whole = review(r#"{"uid": "1"}"#);
        assert!(refused(&whole[..whole.len() - 1]).contains("no JSON"));
        assert!(refused(&(whole.clone() + "x")).contains("no JSON"));
        assert!(refused(&whole.replace("io/v1", "io/v1beta1")).contains("admissionReviewVersions"));
        assert!(refused("{}").contains("without kind"));
        assert!(refused(&review("null")).contains("request.uid"));
        assert!(refused(&review(r#"{"uid": ""}"#)).contains("request.uid"));
        assert!(Question::read(vec![b'{', 0xff]).is_err());
    }

    #[test]
    fn what_holds_nothing_to_judge_is_a_fault_unless_it_goes_or_connects() {
        let asked = |request: &str| {
            let body = format!(
                r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{"uid": "1", {request}}}}}"#
            );
            Question::read(body.into()).expect("the review is well-formed")
        };
        let faults = |request: &str| asked(request).reading.faults.len();
        assert_eq!(faults(r#""operation": "DELETE", "object": null"#), 0);
        assert_eq!(faults(r#""operation": "CREATE", "object": null"#), 1);
        assert_eq!(faults(r#""operation": "CREATE", "object": {}"#), 1);
        assert_eq!(
            faults(r#""operation": "UPDATE", "subResource": "status", "object": {}"#),
            0
        );
        // As API servers before 1.22 send it.
        let part = r#""operation": "UPDATE", "subResource": "ephemeralcontainers", "kind": {"group": "", "version": "v1", "kind": "EphemeralContainers"},
            "object": {"apiVersion": "v1", "kind": "EphemeralContainers", "ephemeralContainers": [{"name": "a", "image": "a"}]}"#;
        assert_eq!(faults(part), 1);
        let mixed = r#""operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": {"apiVersion": "v1", "kind": "Node"}"#;
        assert_eq!(faults(mixed), 1);
    }

    #[test]
    fn an_object_is_named_by_its_request_where_it_has_no_name() {
        let body = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CONNECT",
            "kind": {"group": "", "version": "v1", "kind": "PodExecOptions"}, "name": "web", "namespace": "shop", "subResource": "exec",
            "object": {"items": [], "command": ["id"]}}}"#;
        let asked = Question::read(body.into()).expect("the review is well-formed");
        let object = &asked.reading.objects[0];
        assert_eq!(object.identity.to_string(), "PodExecOptions shop/web");
        assert_eq!(object.kind.to_string(), "PodExecOptions");
    }

    #[test]
    fn a_field_is_written_as_in_kubernetes() {
        assert_eq!(
            field("/request/object/spec/containers/0/securityContext"),
            "spec.containers[0].securityContext"
        );
        assert_eq!(
            field("/metadata/annotations/a~1b"),
            "metadata.annotations[a/b]"
        );
        assert_eq!(field("/request/oldObject"), "");
    }

    #[test]
    fn the_endpoint_names_resource_and_operation() {
        let endpoint = |request: &str| {
            let body = format!(
                r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{"uid": "1", {request}}}}}"#
            );
            Question::read(body.into())
                .expect("the review is well-formed")
                .endpoint
        };
        assert_eq!(
            endpoint(
                r#""operation": "DELETE", "resource": {"group": "apps", "version": "v1", "resource": "deployments"}"#
            ),
            "deployments.apps.delete"
        );
        assert_eq!(
            endpoint(
                r#""operation": "CONNECT", "subResource": "exec", "resource": {"group": "", "resource": "pods"}"#
            ),
            "pods/exec.connect"
        );
    }

    #[test]
    fn what_the_gate_denies_itself_is_told_too() {
        let told = Told::new("1".into(), &Ruling::denial("it failed"));
        assert!(!told.response.allowed);
        let status = told.response.status.expect("it is denied");
        assert_eq!(status.message, "[default] request: it failed");
        let dryrun = Ruling {
            dryrun: true,
            ..Ruling::denial("it failed")
        };
        let told = Told::new("1".into(), &dryrun);
        assert!(told.response.allowed && told.response.status.is_none());
        assert!(
            told.response
                .audit_annotations
                .contains_key("would-be-denied-by")
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("żółw".into(), 4), "żółw");
        assert_eq!(cut("żółwie".into(), 4), "żół…");
    }
}
