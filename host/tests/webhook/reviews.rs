//! What an API server asks, over TLS.

use super::{Caller, DENY, Webhook, pod, recorded, review, root, verdict};

#[test]
fn the_recorded_reviews_are_answered_over_one_connection() {
    let constraints = std::fs::read_to_string(root().join("testdata/admission/constraints.yaml"))
        .expect("it is there");
    let answers = std::fs::read_to_string(root().join("testdata/admission/answers.txt"))
        .expect("it is there");
    let webhook = Webhook::start(&constraints, &[]);
    let mut caller = webhook.caller();
    let mut asked = 0;
    for line in answers.lines().filter(|line| !line.starts_with(' ')) {
        let (name, decision) = line.split_once(": ").expect("a line names a review");
        let body = recorded(&format!("{name}.json"));
        let answer = caller.ask("POST", "/validate?timeout=5s", "application/json", &body);
        assert_eq!(answer.status, 200, "{name}");
        let (allowed, said) = verdict(&answer.json());
        assert_eq!(allowed, decision.starts_with("allow"), "{name}: {said}");
        asked += 1;
    }
    assert!(asked > 20);
    let log = std::fs::read_to_string(webhook.path("decisions.jsonl")).expect("there is a log");
    assert_eq!(log.lines().count(), asked);
    assert!(log.contains("\"endpoint\":\"pods/exec.connect\""));
    assert!(log.contains("\"user\":\"admin\""));
    let metrics = webhook.get("/metrics").body;
    assert!(metrics.contains("stridegate_decisions_total"), "{metrics}");
}

#[test]
fn a_bad_constraint_lets_nothing_pass_and_is_named_while_the_others_go_on() {
    let bad = DENY.replace("no-root", "broken").replace(
        "policy: root-user",
        "policy: no-such-policy, match: {namespaces: [prod]}",
    );
    let mut webhook = Webhook::start(&format!("{DENY}---{bad}"), &[]);
    let good = |namespace| review(&pod("a", namespace, 7));
    assert!(webhook.validate(&good("test")).0);
    assert!(!webhook.validate(&review(&pod("a", "test", 0))).0);
    let (allowed, said) = webhook.validate(&good("prod"));
    assert!(
        !allowed && said.contains("[broken] no-such-policy"),
        "{said}"
    );
    let ready = webhook.get("/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.body.contains("constraint broken lets nothing pass"),
        "{}",
        ready.body
    );
    let metrics = webhook.get("/metrics").body;
    assert!(
        metrics.contains("stridegate_broken_constraints"),
        "{metrics}"
    );
    assert!(metrics.contains("constraint=\"broken\""), "{metrics}");
    // A constraint that was good stays as it was when its new version is bad.
    webhook.constraints(&DENY.replace("root-user", "no-such-policy"));
    webhook.hang_up();
    webhook.wait_for("reload: 1 constraints");
    assert!(webhook.validate(&good("prod")).0);
    assert!(!webhook.validate(&review(&pod("a", "prod", 0))).0);
    assert!(webhook.get("/readyz").body.contains("no-such-policy"));
    // What cannot be read at all changes nothing.
    webhook.constraints("kind: [");
    webhook.hang_up();
    webhook.wait_for("the old one stays in force");
    assert!(!webhook.validate(&review(&pod("a", "prod", 0))).0);
    assert!(webhook.get("/readyz").body.contains("not in force"));
}

#[test]
fn only_callers_with_a_certificate_are_answered_where_one_is_needed() {
    let folder = super::folder();
    super::certify(&folder.path().join("tls"));
    super::write(&folder.path().join("gate.yaml"), DENY);
    std::fs::create_dir(folder.path().join("client")).expect("the folder can be written");
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).expect("it can be signed");
    let issuer = rcgen::Issuer::new(authority, key);
    let client_key = rcgen::KeyPair::generate().expect("a key can be made");
    let mut client = rcgen::CertificateParams::default();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client = client
        .signed_by(&client_key, &issuer)
        .expect("it can be signed");
    let at = |name: &str| folder.path().join("client").join(name);
    super::write(&at("ca.crt"), &root.pem());
    super::write(&at("tls.crt"), &client.pem());
    super::write(&at("tls.key"), &client_key.serialize_pem());
    let webhook = Webhook::start_in(folder, &["-c", "gate.yaml", "--client-ca", "client/ca.crt"]);
    assert_eq!(
        webhook.get("/readyz").status,
        200,
        "a kubelet shows no certificate"
    );
    let body = review(&pod("a", "test", 7));
    assert_eq!(webhook.post("/validate", &body).status, 401);
    assert_eq!(webhook.post("/v1/evaluate", "{}").status, 401);
    let shown = webhook.path("client");
    let mut caller = Caller::new(webhook.address, &webhook.path("tls"), Some(&shown));
    let answer = caller.ask("POST", "/validate", "application/json", &body);
    assert_eq!((answer.status, verdict(&answer.json()).0), (200, true));
}
