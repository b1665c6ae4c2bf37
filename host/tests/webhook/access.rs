//! What the webhook asks a cluster for is what the roles of the deployment allow, and no more.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stridegate::source::yaml;

use super::cluster::scan;
use super::{ApiServer, Webhook, deployment, folder, pod, recorded, review, root};

/// A group, a resource and a verb.
type Right = (String, String, String);

/// What the roles of a file allow.
fn allowed(file: &str) -> BTreeSet<Right> {
    let path = root().join("host/deploy/kubernetes").join(file);
    let text = std::fs::read_to_string(path).expect("the file is there");
    let mut rights = BTreeSet::new();
    for document in yaml::read(&text).documents {
        let document = serde_json::to_value(&document).expect("a tree is JSON");
        for rule in document["rules"].as_array().into_iter().flatten() {
            let texts = |key: &str| -> Vec<String> {
                serde_json::from_value(rule[key].clone()).expect("it is a list of texts")
            };
            for group in texts("apiGroups") {
                for resource in texts("resources") {
                    let verbs = texts("verbs").into_iter();
                    rights.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb)));
                }
            }
        }
    }
    rights
}

/// What a question needs; none for those that everybody may ask.
fn needed(question: &str) -> Option<Right> {
    let (method, uri) = question.split_once(' ')?;
    let mut words: Vec<&str> = uri.split('?').next()?.split('/').skip(1).collect();
    let is_core = words.remove(0) == "api";
    let group = if is_core || words.is_empty() {
        ""
    } else {
        words.remove(0)
    };
    if words.len() < 2 {
        return None;
    }
    words.remove(0);
    if words.len() > 2 && words[0] == "namespaces" {
        words.drain(..2);
    }
    let verb = match (method, words.len()) {
        ("GET", 1) => "list",
        ("GET", _) => "get",
        ("WATCH", _) => "watch",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        _ => panic!("{question}"),
    };
    let part = words.get(2).map(|part| format!("/{part}"));
    let resource = words[0].to_owned() + &part.unwrap_or_default();
    Some((group.to_owned(), resource, verb.to_owned()))
}

#[test]
fn the_roles_allow_what_is_asked_and_nothing_else() {
    let server = ApiServer::start();
    let named = |name: &str, spec: Value| json!({"metadata": {"name": name, "generation": 1}, "spec": spec});
    let put =
        |plural: &str, object| server.put(&format!("/apis/stridegate.dev/v1/{plural}"), object);
    let labels = json!({"matchLabels": {"env": "prod"}});
    put(
        "constraints",
        named(
            "a",
            json!({"policy": "root-user", "match": {"namespaceSelector": labels}}),
        ),
    );
    put(
        "constraints",
        named("b", json!({"policy": "unlimited-memory"})),
    );
    put(
        "constraints",
        named("c", json!({"policy": "privileged-exec"})),
    );
    put(
        "exceptions",
        named(
            "d",
            json!({"policy": "root-user", "match": {"name": "x"}, "expires": "2099-01-01", "reason": "it is a test"}),
        ),
    );
    let folder = folder();
    server.kubeconfig(folder.path());
    let arguments = ["--kubeconfig", "kubeconfig", "--constraints-from-cluster"];
    let policies = ["root-user", "unlimited-memory", "privileged-exec"];
    let webhook = Webhook::start_with(folder, &arguments, &policies);
    webhook.validate(&review(&deployment("a", "fresh", 0)));
    webhook.validate(&recorded("009-connect-pods-exec-good.json"));
    let wanted: BTreeSet<Right> = ["base/access.yaml", "crds/access.yaml"]
        .into_iter()
        .flat_map(allowed)
        .collect();
    // Some of it happens when the program comes to it.
    let asked = |questions: &[String]| -> BTreeSet<Right> {
        questions
            .iter()
            .filter_map(|question| needed(question))
            .collect()
    };
    server.wait("all that is allowed is asked", |state| {
        wanted.is_subset(&asked(&state.asked))
    });
    assert_eq!(asked(&server.lock().asked), wanted);
}

#[test]
fn a_scan_asks_for_nothing_that_its_role_does_not_allow() {
    let server = ApiServer::start();
    server.put("/api/v1/pods", pod("a", "shop", 0));
    server.put(
        "/apis/openreports.io/v1alpha1/reports",
        json!({"metadata": {"name": "of-before", "namespace": "shop", "labels": {"app.kubernetes.io/managed-by": "stridegate"}}}),
    );
    server.put(
        "/apis/stridegate.dev/v1/constraints",
        json!({"metadata": {"name": "a", "generation": 1}, "spec": {"policy": "root-user", "match": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}}),
    );
    let folder = folder();
    for arguments in [
        &["--apply"][..],
        &["-o", "openreports", "--constraints-from-cluster"],
    ] {
        let (code, _, said) = scan(&server, folder.path(), arguments);
        assert!(code < 2, "{said}");
    }
    let allowed = allowed("scan/access.yaml");
    let asked = server.lock().asked.clone();
    let asked: BTreeSet<Right> = asked.iter().filter_map(|asked| needed(asked)).collect();
    assert!(asked.len() > 8, "{asked:?}");
    assert!(
        asked.is_subset(&allowed),
        "{:?}",
        asked.difference(&allowed)
    );
}
