//! See the documentation of [`UnencryptedEtcd`].

mod key;
mod validity;
mod writer;

use key::{GUESSABLE_KEY, KNOWN_KEY};
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{api_server, encryption};
use validity::INVALID;
use writer::{PLAINTEXT_READS, WEAK_PROVIDER};

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

/// The providers that the API server knows.
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

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
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
    let root = At::root(&document);
    writer::check(&root, parameters, checks);
    validity::check(&root, checks);
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
    let flag = effective.flag("encryption-provider-config");
    let what = "whether the API server encrypts at rest";
    if flag.is_unknown(&NOT_CONFIGURED, checks, what) {
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

/// Which provider an item of a list of providers is, and what is set for it.
fn provider<'a>(item: &At<'a>) -> Option<(&'static str, At<'a>)> {
    let known = PROVIDERS.iter().map(|name| (*name, item.get(name)));
    known.into_iter().find(|(_, at)| at.exists())
}

/// A resource as a configuration names it, and its group; the core group has no name.
fn resource(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}
