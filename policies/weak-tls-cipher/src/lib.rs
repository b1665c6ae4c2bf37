//! See the documentation of [`WeakTlsCipher`].

use stridegate_policy::prelude::*;
use stridegate_policy::secret::shown;
use stridegate_policy::shapes::{api_server, controller_manager, etcd, kubelet, scheduler};

policy! {
    /// A component that speaks TLS with weak ciphers
    ///
    /// Judges the cipher suites and the oldest version of TLS that the API server, the kubelet,
    /// etcd, the controller manager and the scheduler accept. Whoever can break or bend a
    /// connection can answer in the name of the other side.
    ///
    /// Which suites are strong enough is a matter of the benchmark: the lists of each version are
    /// built in, and `benchmark` chooses. Those of the API server also hold for etcd, the
    /// controller manager and the scheduler, for which no benchmark has a list of its own. Both
    /// names of the CHACHA20 suites are accepted, and those of TLS 1.3, which no list can turn
    /// off. A name that is spelled in another way, in lower case or with a blank before it, is one
    /// that the program refuses. With TLS 1.3 as the oldest version the list means nothing.
    ///
    /// Where no list is given the suites are those of Go, which since 1.22 leaves RSA key exchange
    /// out and since 1.23 3DES. That passes, for the version of the program is not seen; set
    /// `requireList` to want a list all the same.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// tlsCipherSuites: [TLS_RSA_WITH_3DES_EDE_CBC_SHA]
    /// tlsMinVersion: VersionTLS10
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// tlsCipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
    /// tlsMinVersion: VersionTLS12
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/>
    /// - <https://etcd.io/docs/v3.5/op-guide/security/>
    /// - <https://pkg.go.dev/crypto/tls#CipherSuites>
    WeakTlsCipher {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Spoofing)],
        kinds: [
            api_server::KIND,
            kubelet::KIND,
            etcd::KIND,
            controller_manager::KIND,
            scheduler::KIND,
        ],
        context: [],
        rules: [WEAK_CIPHER, UNKNOWN_CIPHER, OLD_VERSION, NO_LIST],
        check: check,
    }
}

parameters! {
    /// What can be set for `weak-tls-cipher`.
    pub struct Parameters {
        /// The benchmark whose list of strong suites counts.
        pub benchmark: Benchmark = Benchmark::Cis1_12,
        /// Whether a list has to be given: the suites that Go chooses are then not enough.
        pub require_list: bool = false,
    }
}

kubernetes_benchmark! {
    /// A benchmark with a list of strong suites.
    pub enum Benchmark {
        /// DISA STIG, CNTR-K8-001400.
        Stig = "disa-stig",
    }
}

const WEAK_CIPHER: Rule = Rule {
    id: "weak-cipher",
    title: "Every cipher suite that is accepted is a strong one",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.29"),
        ("cis-kubernetes-1.12", "4.2.12"),
        ("cis-kubernetes-1.8", "1.2.30"),
        ("cis-kubernetes-1.6", "1.2.35"),
        ("cis-kubernetes-1.6", "4.2.13"),
        ("cis-kubernetes-1.5", "1.2.35"),
        ("cis-kubernetes-1.5", "4.2.13"),
        ("disa-stig-kubernetes", "CNTR-K8-001400"),
    ],
    remediation: "List ECDHE suites with AES-GCM or CHACHA20 only, or set the oldest version to TLS 1.3.",
};

const UNKNOWN_CIPHER: Rule = Rule {
    id: "unknown-cipher",
    title: "Each cipher suite is one that the program knows",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Write the suite as Go names it, in upper case and without blanks: with any other name the program refuses to start.",
};

const OLD_VERSION: Rule = Rule {
    id: "old-version",
    title: "No version of TLS before 1.2 is accepted",
    severity: Severity::High,
    controls: &[],
    remediation: "Set the oldest version to VersionTLS12 or VersionTLS13, for etcd to TLS1.2 or TLS1.3; or leave it out, which is 1.2.",
};

const NO_LIST: Rule = Rule {
    id: "no-list",
    title: "The cipher suites are listed, where that is required",
    severity: Severity::Low,
    controls: WEAK_CIPHER.controls,
    remediation: "List the suites, or set the oldest version to TLS 1.3.",
};

const OF_TLS_1_3: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

const GCM: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
];

const CHACHA20: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

const RSA_GCM: [&str; 2] = [
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

const ECDHE_CBC: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

const RSA_CBC_AND_3DES: [&str; 4] = [
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
];

/// What Go knows and no benchmark ever listed.
const NEVER_LISTED: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_RC4_128_SHA",
];

const KNOWN: [&[&str]; 7] = [
    &OF_TLS_1_3,
    &GCM,
    &CHACHA20,
    &RSA_GCM,
    &ECDHE_CBC,
    &RSA_CBC_AND_3DES,
    &NEVER_LISTED,
];

impl Benchmark {
    /// The suites that it lists for a kubelet, or for an API server.
    fn list(self, is_kubelet: bool) -> &'static [&'static [&'static str]] {
        match (self, is_kubelet) {
            (Self::Stig, _) => &[&OF_TLS_1_3, &GCM],
            (Self::Cis1_12 | Self::Cis2_0, _) => &[&OF_TLS_1_3, &GCM, &CHACHA20],
            (Self::Cis1_5 | Self::Cis1_6 | Self::Cis1_20, false) | (_, true) => {
                &[&OF_TLS_1_3, &GCM, &CHACHA20, &RSA_GCM]
            }
            (Self::Cis1_10 | Self::Cis1_11, false) => &[&OF_TLS_1_3, &GCM, &CHACHA20, &ECDHE_CBC],
            (_, false) => &[
                &OF_TLS_1_3,
                &GCM,
                &CHACHA20,
                &RSA_GCM,
                &ECDHE_CBC,
                &RSA_CBC_AND_3DES,
            ],
        }
    }
}

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let effective = Effective::new(&document);
    let is_kubelet = object.is(&kubelet::KIND);
    let (suites, version, versions) = if is_kubelet {
        ("/tlsCipherSuites", "/tlsMinVersion", OF_KUBERNETES)
    } else if object.is(&etcd::KIND) {
        ("/flags/cipher-suites", "/flags/tls-min-version", OF_ETCD)
    } else {
        (
            "/flags/tls-cipher-suites",
            "/flags/tls-min-version",
            OF_KUBERNETES,
        )
    };
    let version = effective.get(version);
    check_version(&version, versions, checks);
    let is_newest = version.unknown().is_none() && version.text() == Some(versions[0]);
    if is_newest {
        for rule in [&WEAK_CIPHER, &UNKNOWN_CIPHER, &NO_LIST] {
            checks.not_applicable(rule, "TLS 1.3 chooses among its own suites");
        }
        return Ok(());
    }
    let suites = effective.get(suites);
    let lists = parameters.benchmark.list(is_kubelet);
    check_suites(&suites, lists, checks);
    checks.pass(&NO_LIST);
    let what = "whether the cipher suites are listed";
    if parameters.require_list
        && suites.items().next().is_none()
        && !suites.is_unknown(&NO_LIST, checks, what)
    {
        let strong = [GCM, CHACHA20].concat();
        let patch = json!([{"op": "replace", "path": suites.path(), "value": strong}]);
        checks
            .fail(&NO_LIST, &suites, "no cipher suites are listed")
            .fix("List the strong ones", false, &patch);
    }
    Ok(())
}

/// The names of the versions, the newest first; those from the third on are too old.
const OF_KUBERNETES: &[&str] = &[
    "VersionTLS13",
    "VersionTLS12",
    "VersionTLS11",
    "VersionTLS10",
];
const OF_ETCD: &[&str] = &["TLS1.3", "TLS1.2", "TLS1.1", "TLS1.0"];

fn check_version(version: &Setting, names: &[&str], checks: &mut Checks) {
    checks.pass(&OLD_VERSION);
    let what = "which version of TLS is the oldest that is accepted";
    if version.is_unknown(&OLD_VERSION, checks, what) {
        return;
    }
    let Some(name) = version.given() else {
        return;
    };
    let message = match names.iter().position(|known| *known == name) {
        Some(0 | 1) => return,
        Some(_) => format!("{name} is accepted, which is broken"),
        None => format!(
            "{} is no version of TLS to the program, and it refuses to start; known: {}",
            shown(name),
            names.join(", ")
        ),
    };
    let patch = json!([{"op": "replace", "path": version.path(), "value": names[1]}]);
    checks
        .fail(&OLD_VERSION, version, message)
        .fix("Accept TLS 1.2 and newer", false, &patch);
}

fn check_suites(suites: &Setting, lists: &[&[&str]], checks: &mut Checks) {
    checks.pass(&WEAK_CIPHER);
    checks.pass(&UNKNOWN_CIPHER);
    let what = "which cipher suites are accepted";
    if suites.is_unknown(&WEAK_CIPHER, checks, what) {
        checks.unknown(&UNKNOWN_CIPHER, suites, format!("{what} is not known"));
        return;
    }
    let is_listed = |name: &str| lists.iter().any(|list| list.contains(&name));
    let mut strong: Vec<&str> = suites.items().filter_map(|item| item.text()).collect();
    strong.retain(|name| is_listed(name));
    if strong.is_empty() {
        strong = GCM.to_vec();
    }
    for suite in suites.items() {
        let name = suite.text().unwrap_or_default();
        if is_listed(name) {
            continue;
        }
        if KNOWN.iter().any(|list| list.contains(&name)) {
            let (why, severity) = weakness(name);
            let patch = json!([{"op": "replace", "path": suites.path(), "value": strong}]);
            checks
                .fail(&WEAK_CIPHER, &suite, format!("{name} is accepted: {why}"))
                .severity(severity)
                .fix("Keep the strong ones", false, &patch);
            continue;
        }
        let meant = name.trim().to_ascii_uppercase();
        let meant = KNOWN
            .iter()
            .copied()
            .flatten()
            .find(|known| **known == meant);
        let name = shown(name);
        let message = match meant {
            Some(meant) => format!(
                "the program refuses to start: it knows {meant} only as it is written here, upper case and without blanks"
            ),
            None => format!("the program refuses to start: it knows no cipher suite {name}"),
        };
        let finding = checks.fail(&UNKNOWN_CIPHER, &suite, message);
        if let Some(meant) = meant {
            let patch = json!([{"op": "replace", "path": suite.path(), "value": meant}]);
            finding.fix(format!("Write {meant}"), true, &patch);
        }
    }
}

/// Why a suite is not on the list.
fn weakness(name: &str) -> (&'static str, Severity) {
    if name.contains("_RC4_") {
        ("RC4 is broken", Severity::High)
    } else if name.contains("_3DES_") {
        ("3DES is broken by long connections", Severity::High)
    } else if name.starts_with("TLS_RSA_") {
        (
            "who gets the key later can read what was said before",
            Severity::Medium,
        )
    } else if name.contains("_CBC_") {
        (
            "CBC has been broken by its padding again and again",
            Severity::Medium,
        )
    } else {
        ("the benchmark does not list it", Severity::Low)
    }
}
