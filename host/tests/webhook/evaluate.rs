//! `/v1/evaluate`, for other gateways.

use serde_json::{Value, json};

use super::{DENY, Webhook, pod};

/// A schema of the document that is served, with what it refers to.
fn schema(document: &Value, name: &str) -> Value {
    let text = document["components"]["schemas"].to_string();
    let schemas: Value = serde_json::from_str(&text.replace("#/components/schemas/", "#/$defs/"))
        .expect("it was JSON before");
    json!({"$ref": format!("#/$defs/{name}"), "$defs": schemas})
}

#[test]
fn the_document_says_what_is_taken_and_given() {
    let webhook = Webhook::start(DENY, &[]);
    let served = webhook.get("/openapi.json");
    assert_eq!(served.status, 200);
    let document = served.json();
    assert_eq!(document["openapi"], "3.1.0");
    let (taken, given) = (schema(&document, "Request"), schema(&document, "Report"));
    let as_root = json!({"runAsUser": 0});
    let cases = [
        (json!({"object": pod("a", "x", 0)}), "denied", 1),
        (json!({"object": pod("a", "x", 7)}), "clean", 0),
        (
            json!({"kind": "dockerfile", "object": "FROM debian:12\nUSER 0\n"}),
            "denied",
            1,
        ),
        (
            json!({"object": pod("a", "x", 0), "request": {"operation": "CREATE", "user": "ann", "groups": ["dev"], "dryRun": true}}),
            "denied",
            1,
        ),
        (
            json!({"object": pod("a", "x", 0), "request": {"operation": "delete"}}),
            "clean",
            0,
        ),
        (
            json!({"object": pod("a", "x", 0), "parameters": {"hardcoded-secret": {}}}),
            "clean",
            0,
        ),
        (
            json!({"object": pod("a", "x", 0), "parameters": {"root-user": {"rootNames": []}}}),
            "denied",
            1,
        ),
        (
            json!({"object": {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": {"a": as_root}}}}),
            "failed",
            0,
        ),
        (json!({"object": "nothing"}), "failed", 0),
    ];
    for (body, decision, found) in cases {
        jsonschema::validate(&taken, &body).unwrap_or_else(|error| panic!("{body}: {error}"));
        let answer = webhook.post("/v1/evaluate?timeout=10s", &body.to_string());
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        let report = answer.json();
        jsonschema::validate(&given, &report).unwrap_or_else(|error| panic!("{error}: {report:#}"));
        assert_eq!(report["decision"], decision, "{body}: {report:#}");
        let results = report["results"].as_array().expect("it is a list");
        let denied = results.iter().filter(|result| result["outcome"] == "fail");
        assert_eq!(denied.count(), found, "{body}");
    }
}

#[test]
fn what_is_not_understood_is_refused_with_the_reason() {
    let webhook = Webhook::start(DENY, &[]);
    for (body, said) in [
        ("{", "openapi.json"),
        ("{}", "object"),
        (r#"{"object": {}, "objekt": 1}"#, "objekt"),
        (r#"{"object": {}, "kind": "pod"}"#, "kind is one of"),
        (
            r#"{"object": {}, "parameters": {"no-such": {}}}"#,
            "no policy",
        ),
        (
            r#"{"object": {}, "parameters": {"root-user": {"rotNames": []}}}"#,
            "rotNames",
        ),
        (r#"{"object": {}, "parameters": {}}"#, "names no policy"),
    ] {
        let answer = webhook.post("/v1/evaluate", body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.body.contains(said), "{body}: {answer:?}");
    }
}

/// Facts that policies ask for come with the request, under the keys that the README names.
#[test]
fn every_fact_that_is_documented_is_taken() {
    let constraint = |policy: &str, rules: &str| {
        format!(
            "---\napiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: {policy}}}\nspec: {{policy: {policy}, rules: [{rules}]}}\n"
        )
    };
    let constraints: String = [
        constraint("root-user", "no-user, uid-zero"),
        constraint("unlimited-memory", "no-limit"),
        constraint("privileged-exec", ""),
        constraint("unverified-image", "unverified"),
    ]
    .concat();
    let folder = super::folder();
    super::write(&folder.path().join("gate.yaml"), &constraints);
    let policies = [
        "root-user",
        "unlimited-memory",
        "privileged-exec",
        "unverified-image",
    ];
    let webhook = Webhook::start_with(folder, &["-c", "gate.yaml"], &policies);
    let document = webhook.get("/openapi.json").json();
    let taken = schema(&document, "Request");
    let readme = std::fs::read_to_string(super::root().join("README.md")).expect("it is there");
    let (_, table) = readme
        .split_once("| key | what | known |")
        .expect("it has the table");
    let keys: Vec<&str> = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert!(keys.len() >= 6, "{keys:?}");
    let context = &document["components"]["schemas"]["Request"]["properties"]["context"];
    for key in keys {
        assert!(
            context["properties"][key].is_object(),
            "{key} is not described"
        );
    }
    let limits =
        json!({"spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}});
    let pinned = "a@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let verified = json!({pinned: {"verified": true}});
    let mut quiet = pod("a", "x", 7);
    quiet["spec"]["containers"][0]["image"] = pinned.into();
    let mut privileged = pod("a", "x", 7);
    privileged["spec"]["containers"][0]["securityContext"]["privileged"] = true.into();
    let exec =
        json!({"apiVersion": "v1", "kind": "PodExecOptions", "command": ["id"], "container": "a"});
    for (object, context, decision) in [
        (
            &quiet,
            json!({"limitRanges": [limits], "verification": verified}),
            "clean",
        ),
        (&quiet, json!({"verification": verified}), "denied"),
        (
            &quiet,
            json!({"limitRanges": [limits], "verification": {pinned: {"verified": false}}}),
            "denied",
        ),
        (&exec, json!({"target": privileged}), "denied"),
        (
            &exec,
            json!({"target": pod("a", "x", 7), "info": {"MemTotal": 1}, "daemon": {}, "namespace": {"metadata": {"name": "x"}}}),
            "clean",
        ),
    ] {
        let body =
            json!({"object": object, "context": context, "request": {"operation": "create"}});
        jsonschema::validate(&taken, &body).unwrap_or_else(|error| panic!("{body}: {error}"));
        let answer = webhook.post("/v1/evaluate?timeout=10s", &body.to_string());
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        let report = answer.json();
        assert_eq!(report["decision"], decision, "{body}: {report:#}");
    }
    let wrong = json!({"object": quiet, "context": {"limitRanges": {}}});
    assert_eq!(webhook.post("/v1/evaluate", &wrong.to_string()).status, 400);
}
