//! See the documentation of [`UnencryptedEtcd`].

use std::collections::BTreeSet;

use stridegate_policy::prelude::*;
use stridegate_policy::secret::{decode_base64, looks_random, printable, shown};
use stridegate_policy::shapes::{api_server, encryption};

policy! {
    /// A cluster whose Secrets lie in etcd as plain text
    ///
    /// Judges whether the API server is given a configuration of encryption, and that
    /// configuration: for each resource that has to be encrypted the first list that names it
    /// counts, by itself or through `*.`, `*.apps` or `*.*`, and in that list the first provider,
    /// which is the only one that writes. `identity` writes plain text.
    ///
    /// Whoever reads a backup of etcd, its disk or its port reads every Secret of the cluster, and
    /// each password, token and key in it, unless the API server encrypts before it stores. A
    /// key that stands in the documentation, or that somebody typed, encrypts nothing.
    ///
    /// That the configuration holds `aescbc` somewhere says nothing: behind `identity` it only
    /// reads, and in a list of other resources it is no concern of Secrets. Keys in the file
    /// protect etcd and its backups, not the host that the file lies on; its mode is judged by
    /// `etcd-file-access`. What was stored before stays as it was until it is written again,
    /// which no configuration shows.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apiserver.config.k8s.io/v1
    /// kind: EncryptionConfiguration
    /// resources:
    /// - resources: [secrets]
    ///   providers:
    ///   - identity: {}
    ///   - kms: {apiVersion: v2, name: vault, endpoint: "unix:///run/kms/vault.sock"}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: apiserver.config.k8s.io/v1
    /// kind: EncryptionConfiguration
    /// resources:
    /// - resources: [secrets]
    ///   providers:
    ///   - kms: {apiVersion: v2, name: vault, endpoint: "unix:///run/kms/vault.sock"}
    ///   - identity: {}
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/>
    /// - <https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/>
    UnencryptedEtcd {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::InformationDisclosure)],
        kinds: [encryption::KIND, encryption::LEGACY_KIND, api_server::KIND],
        context: [],
        rules: [NOT_CONFIGURED, PLAINTEXT, WEAK_PROVIDER, KNOWN_KEY, GUESSABLE_KEY, PLAINTEXT_READS, INVALID],
        check: check,
    }
}

parameters! {
    /// What can be set for `unencrypted-etcd`.
    pub struct Parameters {
        /// What has to be encrypted, as the configuration names it: secrets, configmaps,
        /// deployments.apps.
        pub resources: Vec<String> = vec!["secrets".into()],
        /// The providers that may write: aescbc, aesgcm, secretbox, kms (which is its version v2)
        /// and kms-v1.
        pub accepted_providers: Vec<String> = ["aescbc", "kms", "secretbox"].map(String::from).to_vec(),
        /// Whether plain text may still be read, as it has to be until everything was written
        /// again.
        pub allow_plaintext_reads: bool = true,
    }
}

const PROVIDERS: [&str; 5] = ["kms", "aesgcm", "aescbc", "secretbox", "identity"];

/// Where k3s and rke2 keep the configuration that they write themselves: aescbc for Secrets.
const OF_DISTRIBUTION: &str = "/var/lib/rancher/*/server/cred/encryption-config.json";

const OF_PROVIDERS: &[(&str, &str)] = &[
    ("cis-kubernetes-1.12", "1.2.28"),
    ("cis-kubernetes-1.8", "1.2.29"),
    ("cis-kubernetes-1.6", "1.2.34"),
    ("cis-kubernetes-1.5", "1.2.34"),
];

const NOT_CONFIGURED: Rule = Rule {
    id: "not-configured",
    title: "The API server is told what to encrypt at rest",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.27"),
        ("cis-kubernetes-1.8", "1.2.28"),
        ("cis-kubernetes-1.6", "1.2.33"),
        ("cis-kubernetes-1.5", "1.2.33"),
    ],
    remediation: "Write an EncryptionConfiguration and name it with --encryption-provider-config; for k3s set secrets-encryption: true.",
};

const PLAINTEXT: Rule = Rule {
    id: "plaintext",
    title: "What has to be encrypted is written by a provider that encrypts",
    severity: Severity::High,
    controls: OF_PROVIDERS,
    remediation: "Name the resource in the first list that can match it, put a provider that encrypts first, and write all objects again: kubectl get secrets -A -o json | kubectl replace -f -",
};

const WEAK_PROVIDER: Rule = Rule {
    id: "weak-provider",
    title: "What writes is a provider that is accepted",
    severity: Severity::Low,
    controls: OF_PROVIDERS,
    remediation: "Put kms with apiVersion: v2, secretbox or aescbc first. aesgcm needs a new key before every 200000th write, and kms v1 is off by default since Kubernetes 1.29.",
};

const KNOWN_KEY: Rule = Rule {
    id: "known-key",
    title: "No key is one that was published",
    severity: Severity::High,
    controls: OF_PROVIDERS,
    remediation: "Make a key with head -c 32 /dev/urandom | base64, put it first, and write all objects again.",
};

const GUESSABLE_KEY: Rule = Rule {
    id: "guessable-key",
    title: "Keys are random bytes, not text or a pattern",
    severity: Severity::Medium,
    controls: OF_PROVIDERS,
    remediation: "Make a key with head -c 32 /dev/urandom | base64, put it first, and write all objects again.",
};

const PLAINTEXT_READS: Rule = Rule {
    id: "plaintext-reads",
    title: "What lies in etcd as plain text is no longer accepted",
    severity: Severity::Low,
    controls: &[],
    remediation: "Once every object was written again, remove identity from the list.",
};

const INVALID: Rule = Rule {
    id: "invalid-configuration",
    title: "The API server accepts the configuration",
    severity: Severity::Medium,
    controls: OF_PROVIDERS,
    remediation: "Correct it: with this file the API server does not start, or keeps the configuration that it has.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&api_server::KIND) {
        check_api_server(Effective::new(&document), parameters, checks);
        return Ok(());
    }
    checks.not_applicable(&NOT_CONFIGURED, "the file does not tell who reads it");
    for rule in [
        &PLAINTEXT,
        &WEAK_PROVIDER,
        &KNOWN_KEY,
        &GUESSABLE_KEY,
        &PLAINTEXT_READS,
        &INVALID,
    ] {
        checks.pass(rule);
    }
    check_writers(&root, parameters, checks);
    check_validity(&root, checks);
    Ok(())
}

fn check_api_server(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    for rule in [
        &WEAK_PROVIDER,
        &KNOWN_KEY,
        &GUESSABLE_KEY,
        &PLAINTEXT_READS,
        &INVALID,
    ] {
        checks.not_applicable(rule, "the providers stand in another file");
    }
    let flag = effective.get("/flags/encryption-provider-config");
    if flag.is_unknown(
        &NOT_CONFIGURED,
        checks,
        "whether the API server encrypts at rest",
    ) {
        checks.not_applicable(&PLAINTEXT, "it is not known whether anything is encrypted");
    } else if let Some(file) = flag.given() {
        checks.pass(&NOT_CONFIGURED);
        checks.pass(&PLAINTEXT);
        let other = |resource: &String| resource != "secrets";
        if !matches_glob(OF_DISTRIBUTION, file) || parameters.resources.iter().any(other) {
            let message = format!(
                "whether {} are encrypted stands in {file}, which is not at hand; judge it too",
                parameters.resources.join(" and ")
            );
            checks.unknown(&PLAINTEXT, &flag, message);
        }
    } else {
        let message = "the API server stores everything as plain text: no --encryption-provider-config is given";
        checks.fail(&NOT_CONFIGURED, &flag, message);
        checks.not_applicable(&PLAINTEXT, "nothing is encrypted at all");
    }
}

/// The provider that writes each resource that has to be encrypted: the first of the first list.
fn check_writers(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let all = root.get("resources");
    let lists: Vec<At> = all.items().collect();
    let mut of_list: Vec<Vec<&str>> = vec![Vec::new(); lists.len()];
    for wanted in &parameters.resources {
        let first = lists.iter().position(|list| names(list, wanted));
        if let Some(resources) = first.and_then(|first| of_list.get_mut(first)) {
            resources.push(wanted);
        } else {
            let message = format!("{wanted} are stored as plain text: no list names them");
            checks.fail(&PLAINTEXT, &all, message);
        }
    }
    for (list, resources) in lists.iter().zip(of_list) {
        if !resources.is_empty() {
            check_writer(list, &resources.join(" and "), parameters, checks);
        }
    }
}

/// Whether a list names a resource, by itself or through a wildcard.
fn names(list: &At, wanted: &str) -> bool {
    let (resource, group) = wanted.split_once('.').unwrap_or((wanted, ""));
    list.get("resources").items().any(|entry| {
        let entry = entry.text().unwrap_or_default();
        let (of, in_group) = entry.split_once('.').unwrap_or((entry, ""));
        (of == "*" || of == resource) && (in_group == group || (of == "*" && in_group == "*"))
    })
}

fn check_writer(list: &At, resources: &str, parameters: &Parameters, checks: &mut Checks) {
    let providers: Vec<(&str, At)> = list
        .get("providers")
        .items()
        .map(|provider| kind(&provider).unwrap_or(("", provider)))
        .collect();
    let Some((name, writer)) = providers.first() else {
        return;
    };
    let encrypts = |(name, _): &&(&str, At)| !["", "identity"].contains(name);
    if *name == "identity" {
        let other = providers.iter().find(encrypts);
        let message = match other {
            Some((other, _)) => format!(
                "{resources} are stored as plain text: identity comes before {other}, and the first provider writes"
            ),
            None => format!("{resources} are stored as plain text: identity encrypts nothing"),
        };
        let finding = checks.fail(&PLAINTEXT, writer, message);
        if other.is_some() {
            let from = writer.path().trim_end_matches("/identity");
            let to = from.trim_end_matches(|c: char| c.is_ascii_digit());
            let patch = json!([{"op": "move", "from": from, "path": format!("{to}-")}]);
            finding.fix("Move identity to the end", false, &patch);
        }
        return;
    }
    let version = writer.get("apiVersion");
    let old = *name == "kms" && version.text().unwrap_or("v1") == "v1";
    let spelled = if old { "kms-v1" } else { name };
    let accepted = &parameters.accepted_providers;
    if !name.is_empty() && !accepted.iter().any(|accepted| accepted == spelled) {
        let message = format!(
            "{resources} are written by {spelled}, which is not among the accepted: {}",
            accepted.join(", ")
        );
        let at = if old { &version } else { writer };
        checks.fail(&WEAK_PROVIDER, at, message);
    }
    let reads = providers
        .iter()
        .skip(1)
        .find(|(name, _)| *name == "identity");
    if let Some((_, identity)) = reads.filter(|_| !parameters.allow_plaintext_reads) {
        let message = format!("{resources} that lie in etcd as plain text are accepted");
        let provider = identity.path().trim_end_matches("/identity");
        let patch = json!([{"op": "remove", "path": provider}]);
        checks
            .fail(&PLAINTEXT_READS, identity, message)
            .fix("Remove identity", false, &patch);
    }
}

/// Which provider an item of a list of providers is, and what is set for it.
fn kind<'a>(provider: &At<'a>) -> Option<(&'static str, At<'a>)> {
    let known = PROVIDERS.iter().map(|name| (*name, provider.get(name)));
    known.into_iter().find(|(_, at)| at.exists())
}

/// What the API server refuses, and keys that are none.
fn check_validity(root: &At, checks: &mut Checks) {
    let all = root.get("resources");
    if all.items().next().is_none() {
        checks.fail(
            &INVALID,
            &all,
            "no resources are listed, which the API server refuses",
        );
    }
    let mut kms_names = BTreeSet::new();
    for list in all.items() {
        check_resources(&list, checks);
        let providers = list.get("providers");
        if providers.items().next().is_none() {
            checks.fail(&INVALID, &providers, "a list without providers is refused");
        }
        for provider in providers.items() {
            let several = PROVIDERS.iter().filter(|name| provider.get(name).exists());
            let Some((name, at)) = kind(&provider) else {
                let known = PROVIDERS.join(", ");
                let message = format!("this is no provider that the API server knows: {known}");
                checks.fail(&INVALID, &provider, message);
                continue;
            };
            if several.count() > 1 {
                let message = "one item holds several providers, which is refused; split it";
                checks.fail(&INVALID, &provider, message);
            }
            if name == "kms" {
                check_kms(&at, &mut kms_names, checks);
            } else if encryption::LOCAL_PROVIDERS.contains(&name) {
                check_keys(name, &at, checks);
            }
        }
    }
}

fn check_resources(list: &At, checks: &mut Checks) {
    let resources = list.get("resources");
    let entries: Vec<At> = resources.items().collect();
    if entries.is_empty() {
        checks.fail(
            &INVALID,
            &resources,
            "a list that names no resources is refused",
        );
    }
    for (index, entry) in entries.iter().enumerate() {
        let name = entry.text().unwrap_or_default();
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        let overlaps = |other: &&At| {
            let other = other.text().unwrap_or_default();
            let (of, in_group) = other.split_once('.').unwrap_or((other, ""));
            let wild = of == "*" || resource == "*";
            other == name || other == "*.*" || name == "*.*" || (wild && in_group == group)
        };
        let wrong = if name == "*" {
            "* alone is refused: write *. for the core group, *.* for everything"
        } else if name.is_empty() || name.to_lowercase() != name {
            "the name of a resource is a text in small letters"
        } else if group == "*" && resource != "*" {
            "one resource of all groups is refused"
        } else if group == "events.k8s.io" {
            "events are stored in the core group: write events"
        } else if group == "extensions" {
            "the group extensions is gone, and refused"
        } else if entries.iter().take(index).find(overlaps).is_some() {
            "it overlaps with another of the same list, which is refused"
        } else {
            continue;
        };
        checks.fail(&INVALID, entry, wrong);
    }
}

fn check_kms<'a>(kms: &At<'a>, names: &mut BTreeSet<&'a str>, checks: &mut Checks) {
    let version = kms.get("apiVersion");
    let new = match version.text().unwrap_or("v1") {
        "v1" => false,
        "v2" => true,
        _ => {
            checks.fail(&INVALID, &version, "the versions of kms are v1 and v2");
            return;
        }
    };
    let name = kms.get("name");
    match name.text().filter(|name| !name.is_empty()) {
        None => drop(checks.fail(&INVALID, &name, "a kms without a name is refused")),
        Some(text) if new && text.contains(':') => {
            checks.fail(&INVALID, &name, "the name of a kms v2 holds no colon");
        }
        Some(text) if !names.insert(text) && new => {
            checks.fail(
                &INVALID,
                &name,
                "another kms has this name, which is refused",
            );
        }
        Some(_) => {}
    }
    let endpoint = kms.get("endpoint");
    if !endpoint
        .text()
        .is_some_and(|socket| socket.starts_with("unix://"))
    {
        checks.fail(
            &INVALID,
            &endpoint,
            "the endpoint of a kms is a socket: unix:///…",
        );
    }
    let cache = kms.get("cachesize");
    if new && cache.exists() {
        checks.fail(&INVALID, &cache, "kms v2 has no cachesize");
    }
}

fn check_keys(provider: &str, at: &At, checks: &mut Checks) {
    let keys = at.get("keys");
    if keys.items().next().is_none() {
        checks.fail(
            &INVALID,
            &keys,
            format!("{provider} without keys is refused"),
        );
    }
    for key in keys.items() {
        let name = key.get("name");
        if name.text().is_none_or(str::is_empty) {
            checks.fail(&INVALID, &name, "a key without a name is refused");
        }
        let secret = key.get("secret");
        let written = secret.text().unwrap_or_default();
        let name = shown(name.text().unwrap_or_default());
        if written.is_empty() {
            checks.fail(&INVALID, &secret, format!("the key {name} is empty"));
        } else if stands_for_another(written) {
            let message = format!("the key {name} is filled in elsewhere");
            checks.unknown(&INVALID, &secret, message);
        } else {
            check_key(provider, name, written, &secret, checks);
        }
    }
}

/// Whether a value is to be replaced before the API server reads it, or was hidden.
fn stands_for_another(value: &str) -> bool {
    ["${", "{{", "$(", "<", "***"]
        .iter()
        .any(|mark| value.contains(mark))
}

fn check_key(provider: &str, name: &str, written: &str, secret: &At, checks: &mut Checks) {
    // Go wants the padding, and the standard alphabet.
    let digits = written
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'));
    let is_strict = digits.count().is_multiple_of(4) && !written.contains(['-', '_', ' ']);
    let Some(key) = decode_base64(written).filter(|_| is_strict) else {
        let message = format!("the key {name} is not base64, and the API server refuses it");
        checks.fail(&INVALID, secret, message).sensitive();
        return;
    };
    let lengths: &[usize] = if provider == "secretbox" {
        &[32]
    } else {
        &[16, 24, 32]
    };
    if !lengths.contains(&key.len()) {
        let most: Vec<String> = lengths.iter().map(ToString::to_string).collect();
        let message = format!(
            "the key {name} has {} bytes; {provider} takes {}",
            key.len(),
            most.join(", ")
        );
        checks.fail(&INVALID, secret, message).sensitive();
    }
    if PUBLISHED.contains(&key.as_slice()) {
        let message = format!("the key {name} is a sample that stands in the documentation");
        checks.fail(&KNOWN_KEY, secret, message).sensitive();
    } else if is_guessable(&key) {
        let message = format!("the key {name} is text or a pattern, and not random");
        checks.fail(&GUESSABLE_KEY, secret, message).sensitive();
    }
}

/// The keys in the documentation of Kubernetes, decoded.
const PUBLISHED: [&[u8]; 3] = [
    b"secret is secure",
    b"this is password",
    b"abcdefghijklmnopqrstuvwxyz123456",
];

/// Whether bytes are a text that somebody typed, or a pattern. Of 16 random bytes at least 8 differ
/// in all but one of 10^8 keys, and all are printable in one of 10^7.
fn is_guessable(key: &[u8]) -> bool {
    let different: BTreeSet<&u8> = key.iter().collect();
    let steps = key.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let different_steps: BTreeSet<u8> = steps.collect();
    let few = key.len() >= 16 && (different.len() < 8 || different_steps.len() < 4);
    few || printable(key).is_some_and(|text| text.is_ascii() && !looks_random(text))
}
