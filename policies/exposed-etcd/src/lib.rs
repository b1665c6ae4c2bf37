//! See the documentation of [`ExposedEtcd`].

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{api_server, etcd};

policy! {
    /// An etcd that others than the API server may reach or read
    ///
    /// Judges an etcd as it is started, by its flags, its variables or its file: its certificates,
    /// whether it asks clients and peers for theirs, the scheme and the address of each URL. Of an
    /// API server it judges how that speaks to etcd, of a NetworkPolicy that selects etcd whom it
    /// lets in, and of a Pod whether it mounts the data or the keys of etcd from its node.
    ///
    /// Whoever reads etcd has every Secret of the cluster; whoever writes to it is its
    /// administrator, and no audit log shows it. One `http` URL beside the others undoes all
    /// certificates, and a certificate authority that etcd shares with the cluster lets every
    /// certificate of the cluster in.
    ///
    /// An etcd on the network of its host, as a static Pod is, is not protected by any
    /// NetworkPolicy; firewalls cannot be seen. Two copies of one certificate authority under
    /// different paths look like two.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// listen-client-urls: https://10.0.0.5:2379,http://0.0.0.0:2379
    /// advertise-client-urls: https://10.0.0.5:2379
    /// client-transport-security:
    ///   cert-file: /etc/etcd/pki/server.crt
    ///   key-file: /etc/etcd/pki/server.key
    ///   client-cert-auth: true
    ///   trusted-ca-file: /etc/etcd/pki/ca.crt
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// listen-client-urls: https://10.0.0.5:2379
    /// advertise-client-urls: https://10.0.0.5:2379
    /// client-transport-security:
    ///   cert-file: /etc/etcd/pki/server.crt
    ///   key-file: /etc/etcd/pki/server.key
    ///   client-cert-auth: true
    ///   trusted-ca-file: /etc/etcd/pki/ca.crt
    /// ```
    ///
    /// ## References
    ///
    /// - <https://etcd.io/docs/v3.5/op-guide/security/>
    /// - <https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/>
    ExposedEtcd {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::InformationDisclosure)],
        kinds: [etcd::KIND, api_server::KIND, NETWORK_POLICY, pod::KIND],
        context: [],
        rules: [
            PLAIN_URL, NO_CERTIFICATE, NO_CLIENT_AUTHENTICATION, AUTO_TLS, NO_PEER_CERTIFICATE,
            NO_PEER_AUTHENTICATION, PEER_AUTO_TLS, SHARED_CA, ALL_ADDRESSES, PUBLIC_METRICS,
            UNVERIFIED_ETCD, NO_CREDENTIALS, OPEN_NETWORK_POLICY, MOUNTED_ETCD,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `exposed-etcd`.
    pub struct Parameters {
        /// Certificate authorities that sign others than etcd's clients; `*` stands for anything.
        pub cluster_authorities: Vec<String> = [
            "/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/ssl/ca.crt", "/etc/kubernetes/ssl/ca.pem",
            "/var/lib/rancher/*/server/tls/client-ca.crt", "/var/lib/rancher/*/server/tls/server-ca.crt",
        ].map(String::from).to_vec(),
        /// Values of a label that mark etcd; `*` stands for anything.
        pub labels: Vec<String> =
            ["etcd", "*-etcd", "etcd-main", "etcd-events", "etcd-cluster"].map(String::from).to_vec(),
        /// The ports of etcd for clients and peers.
        pub ports: Vec<u64> = vec![2379, 2380],
        /// The folders and files of a node that hold the data and the keys of etcd.
        pub paths: Vec<String> = [
            "/var/lib/etcd", "/etc/etcd", "/etc/ssl/etcd", "/etc/kubernetes/pki/etcd",
            "/etc/kubernetes/pki/apiserver-etcd-client.key", "/var/lib/rancher/k3s/server/db",
            "/var/lib/rancher/k3s/server/tls/etcd", "/var/lib/rancher/rke2/server/db",
            "/var/lib/rancher/rke2/server/tls/etcd",
        ].map(String::from).to_vec(),
    }
}

const NETWORK_POLICY: Kind = Kind::known("networking.k8s.io", "NetworkPolicy");

/// The programs of a control plane that need the keys of etcd, or the folder that they lie in.
const CONTROL_PLANE: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

const PLAIN_URL: Rule = Rule {
    id: "plain-url",
    title: "Nobody speaks to etcd without TLS",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "2.1"),
        ("cis-kubernetes-1.12", "2.4"),
    ],
    remediation: "Write https in each URL, and remove those of http: certificates are ignored for them.",
};

const NO_CERTIFICATE: Rule = Rule {
    id: "no-certificate",
    title: "etcd has a certificate for its clients",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.1")],
    remediation: "Set --cert-file and --key-file.",
};

const NO_CLIENT_AUTHENTICATION: Rule = Rule {
    id: "no-client-authentication",
    title: "etcd asks its clients for a certificate of its own authority",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.2")],
    remediation: "Set --client-cert-auth and --trusted-ca-file, to an authority that signs nothing else.",
};

const AUTO_TLS: Rule = Rule {
    id: "auto-tls",
    title: "etcd does not sign its own certificate for clients",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "2.3")],
    remediation: "Remove --auto-tls, and set --cert-file and --key-file: nobody can verify what signs itself.",
};

const NO_PEER_CERTIFICATE: Rule = Rule {
    id: "no-peer-certificate",
    title: "etcd has a certificate for its peers",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.4")],
    remediation: "Set --peer-cert-file and --peer-key-file.",
};

const NO_PEER_AUTHENTICATION: Rule = Rule {
    id: "no-peer-authentication",
    title: "etcd asks its peers for a certificate of its own authority",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "2.5")],
    remediation: "Set --peer-client-cert-auth and --peer-trusted-ca-file.",
};

const PEER_AUTO_TLS: Rule = Rule {
    id: "peer-auto-tls",
    title: "etcd does not sign its own certificate for peers",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "2.6")],
    remediation: "Remove --peer-auto-tls, and set --peer-cert-file and --peer-key-file.",
};

const SHARED_CA: Rule = Rule {
    id: "shared-ca",
    title: "The authority for etcd signs nothing else",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "2.7")],
    remediation: "Give etcd a certificate authority of its own: each certificate of a shared one opens it.",
};

const ALL_ADDRESSES: Rule = Rule {
    id: "all-addresses",
    title: "etcd does not listen on all addresses of its host",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Name the address that the API server uses, and 127.0.0.1.",
};

const PUBLIC_METRICS: Rule = Rule {
    id: "public-metrics",
    title: "Metrics without TLS stay on the host",
    severity: Severity::Low,
    controls: &[],
    remediation: "Listen on http://127.0.0.1:2381, or on https, which asks for certificates.",
};

const UNVERIFIED_ETCD: Rule = Rule {
    id: "unverified-etcd",
    title: "The API server verifies etcd",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.26"),
        ("cis-kubernetes-1.8", "1.2.27"),
        ("cis-kubernetes-1.6", "1.2.32"),
        ("cis-kubernetes-1.5", "1.2.32"),
    ],
    remediation: "Set --etcd-cafile to the authority that signed etcd's certificate.",
};

const NO_CREDENTIALS: Rule = Rule {
    id: "no-credentials",
    title: "The API server shows etcd a certificate",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.23"),
        ("cis-kubernetes-1.8", "1.2.24"),
        ("cis-kubernetes-1.6", "1.2.29"),
        ("cis-kubernetes-1.5", "1.2.29"),
    ],
    remediation: "Set --etcd-certfile and --etcd-keyfile.",
};

const OPEN_NETWORK_POLICY: Rule = Rule {
    id: "open-network-policy",
    title: "A NetworkPolicy for etcd names who may reach it, and at which ports",
    severity: Severity::High,
    controls: &[],
    remediation: "Let in the API server and the other members by their labels, at 2379 and 2380 alone.",
};

const MOUNTED_ETCD: Rule = Rule {
    id: "mounted-etcd",
    title: "No Pod but those of the control plane mounts the data or the keys of etcd",
    severity: Severity::High,
    controls: &[],
    remediation: "Remove the volume; make backups with etcdctl and a certificate that may only read.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    let flags = Flags(Effective::new(&document));
    let rest = if object.is(&etcd::KIND) {
        let on_host = root.get("network").text() != Some("pod");
        check_etcd(&flags, on_host, parameters, checks);
        "it is a question to the other side"
    } else if object.is(&api_server::KIND) {
        check_api_server(&flags, checks);
        "it is a question to etcd"
    } else if object.is(&NETWORK_POLICY) {
        check_network_policy(&root.get("spec"), parameters, checks);
        "a NetworkPolicy says who may connect"
    } else {
        check_pod(&root, object.namespace == "kube-system", parameters, checks);
        "a Pod is judged by what it mounts"
    };
    for rule in ExposedEtcd::FACTS.rules {
        checks.not_applicable(rule, rest);
    }
    Ok(())
}

/// The flags of a program.
struct Flags<'a>(Effective<'a>);

impl<'a> Flags<'a> {
    fn get(&self, name: &str) -> Setting<'a> {
        self.0.get(&format!("/flags/{name}"))
    }

    fn text(&self, name: &str) -> &'a str {
        self.get(name).given().unwrap_or_default()
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).boolean() == Some(true)
    }

    /// Whether the flags that a rule looks at are known; if not, so is the answer.
    fn known(&self, names: &[&str], rule: &'static Rule, checks: &mut Checks) -> bool {
        let mut names = names.iter();
        let unknown = names.any(|name| {
            self.get(name)
                .is_unknown(rule, checks, &format!("--{name}"))
        });
        if !unknown {
            checks.pass(rule);
        }
        !unknown
    }
}

fn check_etcd(flags: &Flags, on_host: bool, parameters: &Parameters, checks: &mut Checks) {
    let is_single = is_single(flags);
    check_urls(flags, is_single, checks);
    check_listening(flags, on_host, checks);
    check_transport(flags, &CLIENTS, false, checks);
    check_transport(flags, &PEERS, is_single, checks);
    if flags.known(&[CLIENTS.authority, PEERS.authority], &SHARED_CA, checks) {
        for name in [CLIENTS.authority, PEERS.authority] {
            let file = flags.text(name);
            let shared = |pattern: &String| matches_glob(pattern, file);
            if parameters.cluster_authorities.iter().any(shared) {
                let message = format!("--{name} is {file}, which signs others than etcd's clients");
                checks.fail(&SHARED_CA, &flags.get(name), message);
            }
        }
    }
}

/// Whether etcd is the only member of its cluster, and so has no peers.
fn is_single(flags: &Flags) -> bool {
    let names = [
        "initial-cluster",
        "discovery",
        "discovery-srv",
        "initial-cluster-state",
    ];
    let known = |name: &&str| flags.get(name).unknown().is_none();
    names.iter().all(known)
        && !flags.text("initial-cluster").contains(',')
        && flags.text("discovery").is_empty()
        && flags.text("discovery-srv").is_empty()
        && flags.text("initial-cluster-state") != "existing"
}

fn check_urls(flags: &Flags, is_single: bool, checks: &mut Checks) {
    const URLS: [&str; 5] = [
        "listen-client-urls",
        "listen-client-http-urls",
        "listen-peer-urls",
        "advertise-client-urls",
        "initial-advertise-peer-urls",
    ];
    // Of a URL that a variable completes the scheme is written.
    let untold = URLS.iter().filter(|name| {
        let urls: Vec<At> = flags.get(name).items().collect();
        let written = !flags.get(name).is_default() && !urls.is_empty();
        !written || !urls.iter().all(|url| Url::new(url).is_encrypted())
    });
    if !flags.known(&untold.copied().collect::<Vec<_>>(), &PLAIN_URL, checks) {
        return;
    }
    for name in URLS {
        let urls = flags.get(name);
        let listens = name.starts_with("listen");
        let has_other = urls.items().any(|url| Url::new(&url).is_encrypted());
        // What it announces by default follows from where it listens by default.
        for at in urls
            .items()
            .filter(|_| listens || !flags.get(name).is_default())
        {
            let url = Url::new(&at);
            let alone = is_single && name.contains("peer") && url.is_local();
            if url.is_encrypted() || alone {
                continue;
            }
            let message = match (listens, flags.get(name).is_default()) {
                (true, true) => format!("etcd listens without TLS by default: {}", url.text),
                (true, false) => format!("etcd listens without TLS at {}", url.text),
                (false, _) => format!("etcd sends others to {}, without TLS", url.text),
            };
            let finding = checks.fail(&PLAIN_URL, &at, message);
            if url.is_local() || !listens {
                finding.severity(Severity::Medium);
            }
            if has_other {
                let patch = json!([{"op": "remove", "path": at.path()}]);
                finding.fix("Remove this URL", false, &patch);
            }
        }
    }
}

fn check_listening(flags: &Flags, on_host: bool, checks: &mut Checks) {
    const URLS: [&str; 3] = [
        "listen-client-urls",
        "listen-client-http-urls",
        "listen-peer-urls",
    ];
    if !on_host {
        checks.not_applicable(&ALL_ADDRESSES, "all addresses are those of the Pod");
    } else if flags.known(&URLS, &ALL_ADDRESSES, checks) {
        for at in URLS.iter().flat_map(|name| flags.get(name).items()) {
            let url = Url::new(&at);
            if url.is_everywhere() {
                let message = format!("etcd listens on all addresses of its host: {}", url.text);
                checks.fail(&ALL_ADDRESSES, &at, message);
            }
        }
    }
    if flags.known(&["listen-metrics-urls"], &PUBLIC_METRICS, checks) {
        for at in flags.get("listen-metrics-urls").items() {
            let url = Url::new(&at);
            if !url.is_encrypted() && !url.is_local() {
                let message = format!("everybody may read the metrics of etcd at {}", url.text);
                checks.fail(&PUBLIC_METRICS, &at, message);
            }
        }
    }
}

/// One side of etcd: the names of the flags for it, and the rules about them.
struct Side {
    whom: &'static str,
    certificate: [&'static str; 2],
    authentication: &'static str,
    authority: &'static str,
    automatic: &'static str,
    no_certificate: &'static Rule,
    no_authentication: &'static Rule,
    auto_tls: &'static Rule,
}

const CLIENTS: Side = Side {
    whom: "clients",
    certificate: ["cert-file", "key-file"],
    authentication: "client-cert-auth",
    authority: "trusted-ca-file",
    automatic: "auto-tls",
    no_certificate: &NO_CERTIFICATE,
    no_authentication: &NO_CLIENT_AUTHENTICATION,
    auto_tls: &AUTO_TLS,
};

const PEERS: Side = Side {
    whom: "peers",
    certificate: ["peer-cert-file", "peer-key-file"],
    authentication: "peer-client-cert-auth",
    authority: "peer-trusted-ca-file",
    automatic: "peer-auto-tls",
    no_certificate: &NO_PEER_CERTIFICATE,
    no_authentication: &NO_PEER_AUTHENTICATION,
    auto_tls: &PEER_AUTO_TLS,
};

fn check_transport(flags: &Flags, side: &Side, is_alone: bool, checks: &mut Checks) {
    const ALONE: &str = "etcd has no peers: its cluster has one member";
    let Side {
        whom,
        authentication,
        authority,
        automatic,
        ..
    } = *side;
    let missing = side
        .certificate
        .iter()
        .find(|name| flags.text(name).is_empty());
    if let Some(name) = missing.filter(|_| is_alone) {
        let rules = [side.no_certificate, side.no_authentication, side.auto_tls];
        let any_given = [*name, authority, authentication, automatic];
        if any_given.iter().all(|name| flags.get(name).is_default()) {
            for rule in rules {
                checks.not_applicable(rule, ALONE);
            }
            return;
        }
    }
    if flags.known(&side.certificate, side.no_certificate, checks)
        && let Some(name) = missing
    {
        let message = format!("etcd has no certificate for its {whom}: --{name} is not given");
        checks.fail(side.no_certificate, &flags.get(name), message);
    }
    if flags.known(&[authentication, authority], side.no_authentication, checks) {
        let (asks, trusts) = (
            flags.is_true(authentication),
            !flags.text(authority).is_empty(),
        );
        let message = match (asks, trusts) {
            (true, true) => None,
            (true, false) => Some(format!(
                "etcd lets in {whom} with a certificate of any authority that its system trusts: --{authority} is not given"
            )),
            (false, true) => Some(format!(
                "etcd asks its {whom} for certificates only because --{authority} is given: --{authentication} is not true"
            )),
            (false, false) => Some(format!(
                "etcd lets in {whom} without a certificate: --{authentication} is not true"
            )),
        };
        if let Some(message) = message {
            let at = flags.get(authentication);
            let finding = checks.fail(side.no_authentication, &at, message);
            if trusts {
                let patch = json!([{"op": "replace", "path": at.path(), "value": true}]);
                finding
                    .severity(Severity::Low)
                    .fix("Ask for certificates", true, &patch);
            }
        }
    }
    if flags.known(&[automatic], side.auto_tls, checks) && flags.is_true(automatic) {
        let at = flags.get(automatic);
        let patch = json!([{"op": "replace", "path": at.path(), "value": false}]);
        let message = format!("etcd signs its own certificate for {whom}, which nobody can verify");
        let ignored = missing.is_none();
        let message = if ignored {
            format!("--{automatic} is given, and ignored only because there is a certificate")
        } else {
            message
        };
        let finding = checks.fail(side.auto_tls, &at, message);
        finding.fix("Turn it off", ignored, &patch);
        if ignored {
            finding.severity(Severity::Low);
        }
    }
}

fn check_api_server(flags: &Flags, checks: &mut Checks) {
    const SERVERS: [&str; 2] = ["etcd-servers", "etcd-servers-overrides"];
    const AUTHORITIES: [&str; 2] = ["etcd-cafile", "client-ca-file"];
    const CREDENTIALS: [&str; 2] = ["etcd-certfile", "etcd-keyfile"];
    if flags.known(&SERVERS, &PLAIN_URL, checks) {
        if flags.get("etcd-servers").items().next().is_none() {
            for rule in [&UNVERIFIED_ETCD, &NO_CREDENTIALS, &SHARED_CA] {
                checks.not_applicable(rule, "the API server names no etcd");
            }
            return;
        }
        for at in SERVERS.iter().flat_map(|name| flags.get(name).items()) {
            // What is stored elsewhere is written GROUP/RESOURCE#URL;URL.
            let text = at.text().unwrap_or_default();
            let urls = text
                .split_once('#')
                .map_or(text, |(_, urls)| urls)
                .split(';');
            for url in urls.map(Url::of).filter(|url| !url.is_encrypted()) {
                let message = format!("the API server speaks to etcd without TLS at {}", url.text);
                let finding = checks.fail(&PLAIN_URL, &at, message);
                if url.is_local() {
                    finding.severity(Severity::Medium);
                }
            }
        }
    }
    if flags.known(&["etcd-cafile"], &UNVERIFIED_ETCD, checks)
        && flags.text("etcd-cafile").is_empty()
    {
        let message = "the API server takes whatever a public authority signed for etcd: no --etcd-cafile is given";
        checks.fail(&UNVERIFIED_ETCD, &flags.get("etcd-cafile"), message);
    }
    if flags.known(&CREDENTIALS, &NO_CREDENTIALS, checks)
        && let Some(name) = CREDENTIALS.iter().find(|name| flags.text(name).is_empty())
    {
        let message = format!("the API server shows etcd no certificate: no --{name} is given");
        checks.fail(&NO_CREDENTIALS, &flags.get(name), message);
    }
    if flags.known(&AUTHORITIES, &SHARED_CA, checks) {
        let [of_etcd, of_clients] = AUTHORITIES.map(|name| flags.get(name));
        if of_etcd.text() == of_clients.text()
            && of_etcd.text().is_some_and(|file| !file.is_empty())
        {
            let message = "the authority for etcd is that for the clients of the API server, so that each of them may open etcd";
            checks
                .fail(&SHARED_CA, &of_etcd, message)
                .related(&of_clients, "the authority for clients");
        }
    }
}

/// A URL of etcd, as far as it says who may reach what.
struct Url<'a> {
    text: &'a str,
    scheme: String,
    host: &'a str,
}

impl<'a> Url<'a> {
    fn new(at: &At<'a>) -> Self {
        Self::of(at.text().unwrap_or_default())
    }

    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let bare = authority.rsplit('@').next().unwrap_or_default();
        let host = match bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, _)) => host,
            None => bare.split(':').next().unwrap_or_default(),
        };
        Self {
            // Nothing in front of the host may be a password.
            text: if bare == authority { text } else { host },
            scheme: scheme.to_ascii_lowercase(),
            host,
        }
    }

    /// Whether it is TLS, or a socket that the file system protects.
    fn is_encrypted(&self) -> bool {
        ["https", "unix", "unixs"].contains(&&*self.scheme)
    }

    fn is_local(&self) -> bool {
        self.host == "localhost" || self.host == "::1" || self.host.starts_with("127.")
    }

    fn is_everywhere(&self) -> bool {
        !self.scheme.starts_with("unix") && ["", "0.0.0.0", "::"].contains(&self.host)
    }
}

fn check_network_policy(spec: &At, parameters: &Parameters, checks: &mut Checks) {
    if !selects_etcd(&spec.get("podSelector"), parameters) {
        checks.not_applicable(&OPEN_NETWORK_POLICY, "it does not select etcd");
        return;
    }
    let (types, rules) = (spec.get("policyTypes"), spec.get("ingress"));
    if types.exists() && !types.items().any(|kind| kind.text() == Some("Ingress")) {
        if rules.items().next().is_some() {
            let message = "what the rules for etcd say has no effect: policyTypes lacks Ingress";
            checks.fail(&OPEN_NETWORK_POLICY, &types, message);
        }
        checks.not_applicable(
            &OPEN_NETWORK_POLICY,
            "it limits nobody who connects to etcd",
        );
        return;
    }
    checks.pass(&OPEN_NETWORK_POLICY);
    for rule in rules.items().filter(|rule| opens(rule, parameters)) {
        let from = rule.get("from");
        let mut open = Vec::new();
        if from.items().next().is_none() {
            let at = if from.exists() { &from } else { &rule };
            open.push((at.clone(), "everybody"));
        }
        open.extend(from.items().filter_map(|peer| whom(&peer)));
        let has_ports = rule.get("ports").items().next().is_some();
        if open.is_empty() && !has_ports {
            let message = "a rule without ports opens every port of etcd to whom it lets in";
            checks
                .fail(&OPEN_NETWORK_POLICY, &rule, message)
                .severity(Severity::Low);
        }
        for (at, whom) in open {
            checks.fail(&OPEN_NETWORK_POLICY, &at, format!("{whom} may reach etcd"));
        }
    }
}

/// Whether a selector asks for a label that marks etcd.
fn selects_etcd(selector: &At, parameters: &Parameters) -> bool {
    let labels = selector
        .get("matchLabels")
        .members()
        .map(|(_, value)| value);
    let expressions = selector.get("matchExpressions").items();
    let listed = expressions
        .filter(|expression| expression.get("operator").text() == Some("In"))
        .flat_map(|expression| expression.get("values").items().collect::<Vec<_>>());
    labels.chain(listed).any(|value| {
        let value = value.text().unwrap_or_default();
        parameters
            .labels
            .iter()
            .any(|label| matches_glob(label, value))
    })
}

/// Whether a rule opens a port of etcd. Which port a name stands for is not known, but what is
/// named for metrics is none of them.
fn opens(rule: &At, parameters: &Parameters) -> bool {
    let ports: Vec<At> = rule.get("ports").items().collect();
    ports.is_empty()
        || ports.iter().any(|entry| {
            let (port, end) = (entry.get("port"), entry.get("endPort").integer());
            let is_tcp = entry.get("protocol").text().unwrap_or("TCP") == "TCP";
            let fits = match (port.integer(), port.text()) {
                (Some(first), _) => parameters.ports.iter().any(|port| {
                    i64::try_from(*port)
                        .is_ok_and(|port| (first..=end.unwrap_or(first)).contains(&port))
                }),
                (None, Some(name)) => !name.contains("metrics"),
                (None, None) => true,
            };
            is_tcp && fits
        })
}

/// Whom a peer of a rule stands for, if that is everybody.
fn whom<'a>(peer: &At<'a>) -> Option<(At<'a>, &'static str)> {
    let cidr = peer.get("ipBlock").get("cidr");
    if cidr.text().is_some_and(|cidr| cidr.ends_with("/0")) {
        return Some((cidr, "every address"));
    }
    let (pods, namespaces) = (peer.get("podSelector"), peer.get("namespaceSelector"));
    let is_all = |selector: &At| {
        selector.get("matchLabels").members().next().is_none()
            && selector.get("matchExpressions").items().next().is_none()
    };
    let all = namespaces.exists() && is_all(&namespaces) && is_all(&pods);
    all.then_some((namespaces, "every Pod of every namespace"))
}

fn check_pod(root: &At, is_system: bool, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&MOUNTED_ETCD);
    for volume in root.get("spec").get("volumes").items() {
        let path = volume.get("hostPath").get("path");
        let (Some(folder), Some(name)) = (path.text(), volume.get("name").text()) else {
            continue;
        };
        for container in containers(root) {
            if is_system && is_of_control_plane(&container) {
                continue;
            }
            let mounts = container.at.get("volumeMounts").items();
            let reach = mounts
                .filter(|mount| mount.get("name").text() == Some(name))
                .find_map(|mount| {
                    let below = mount.get("subPath").text().unwrap_or_default();
                    let mounted = normal(&format!("{folder}/{below}"));
                    let reach = reach(&mounted, parameters)?;
                    Some((mount, mounted, reach))
                });
            let Some((mount, mounted, (of_etcd, is_within))) = reach else {
                continue;
            };
            // What lies in a larger folder is there for root alone.
            if !is_within && !may_be_root(root, &container) {
                continue;
            }
            let name = container.name();
            let message = if is_within {
                format!("container {name} mounts {mounted} of its node, which belongs to etcd")
            } else {
                format!("container {name} mounts {mounted} of its node, and with it {of_etcd}")
            };
            let finding = checks.fail(&MOUNTED_ETCD, &path, message);
            finding.related(&mount.get("mountPath"), "where it is mounted");
            if !is_within {
                finding.severity(Severity::Medium);
            }
            break;
        }
    }
}

/// The folder of etcd that a mounted path lies in, or holds; and whether it lies in it. A
/// certificate alone is no secret.
fn reach<'a>(mounted: &str, parameters: &'a Parameters) -> Option<(&'a str, bool)> {
    let holds = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let paths = || parameters.paths.iter().map(String::as_str);
    let within = paths().find(|path| holds(path, mounted));
    let within = within.map(|path| (path, true));
    let around = || {
        paths()
            .find(|path| holds(mounted, path))
            .map(|path| (path, false))
    };
    within
        .or_else(around)
        .filter(|_| mounted.rsplit_once('.').is_none_or(|(_, end)| end != "crt"))
}

/// A path without doubled slashes and dots.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether a container runs a program that needs the keys of etcd.
fn is_of_control_plane(container: &Container) -> bool {
    let words = ["command", "args"].map(|key| container.at.get(key));
    let first = words.iter().find_map(|words| words.items().next());
    let program = first.and_then(|word| word.text()?.rsplit('/').next());
    program.is_some_and(|program| CONTROL_PLANE.contains(&program))
}

fn may_be_root(root: &At, container: &Container) -> bool {
    let own = container.at.get("securityContext");
    let of_pod = root.get("spec").get("securityContext");
    let set = |key: &str| {
        let own = own.get(key);
        if own.exists() { own } else { of_pod.get(key) }
    };
    match set("runAsUser").integer() {
        Some(user) => user == 0,
        None => set("runAsNonRoot").boolean() != Some(true),
    }
}
