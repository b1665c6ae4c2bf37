//! The components of a cluster that a Pod or a file of a distribution starts.

use crate::command::{Environment, Invocation, Program, environment, invocations};
use crate::flags::{Flags, Table, Type, Word, boolean, parse, plain};
use crate::{
    Content, Kind, Node, Span, api_server, controller_manager, etcd, kubelet, pod, scheduler,
};

/// A component: its kind and its document in that shape.
pub type Component = (Kind, Node);

/// How many components are told of one Pod. Real Pods start one or two; without a limit a text
/// could name so many that their shapes exhaust memory.
pub const MAX_COMPONENTS: usize = 256;

/// The components that the containers of a Pod start, at most one more than [`MAX_COMPONENTS`].
/// The Pod stays an object of its own.
#[must_use]
pub fn components(pod: &Node) -> Vec<Component> {
    let spec = pod.get("spec");
    let on_host = spec
        .and_then(|spec| spec.get("hostNetwork"))
        .is_some_and(|on_host| on_host.content == Content::Bool(true));
    let containers = pod::CONTAINER_LISTS
        .iter()
        .filter_map(|list| spec?.get(list))
        .flat_map(Node::items);
    let mut components: Vec<Component> = containers
        .flat_map(of_container)
        .take(MAX_COMPONENTS + 1)
        .collect();
    for (_, document) in components
        .iter_mut()
        .filter(|(kind, _)| *kind == etcd::KIND)
    {
        etcd::set_network(document, on_host);
    }
    components
}

fn of_container(container: &Node) -> Vec<Component> {
    let environment = environment(container);
    invocations(container, &environment)
        .iter()
        .flat_map(|invocation| of_invocation(invocation, &environment))
        .take(MAX_COMPONENTS + 1)
        .collect()
}

/// The components that a command line starts.
#[must_use]
pub fn of_invocation(invocation: &Invocation, environment: &Environment) -> Vec<Component> {
    let Invocation {
        program,
        words,
        here,
    } = invocation;
    let one = match program {
        Program::ApiServer => {
            let flags = parse(words, &api_server::TABLE);
            (api_server::KIND, api_server::document(&flags, &[], *here))
        }
        Program::ControllerManager => by_flags(
            &controller_manager::KIND,
            &controller_manager::TABLE,
            words,
            *here,
        ),
        Program::Scheduler => by_flags(&scheduler::KIND, &scheduler::TABLE, words, *here),
        Program::Etcd => (etcd::KIND, etcd::from_command(words, environment, *here)),
        Program::Kubelet => (kubelet::KIND, kubelet::from_words(words, *here)),
        Program::K3s => return distribution_command(Distribution::K3s, words, *here),
        Program::Rke2 => return distribution_command(Distribution::Rke2, words, *here),
    };
    vec![one]
}

fn by_flags(kind: &Kind, table: &Table, words: &[Word], here: Span) -> Component {
    (
        kind.clone(),
        crate::flags::document(&parse(words, table), table, &[], here),
    )
}

/// What sets up the components of a cluster, with defaults of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// k3s.
    K3s,
    /// rke2.
    Rke2,
}

/// The settings of a distribution that pass a flag on, and the component that they are for.
const PASSED_ON: [(&str, Program); 5] = [
    ("kube-apiserver-arg", Program::ApiServer),
    ("kubelet-arg", Program::Kubelet),
    ("etcd-arg", Program::Etcd),
    ("kube-controller-manager-arg", Program::ControllerManager),
    ("kube-scheduler-arg", Program::Scheduler),
];

/// Whether a document is the configuration file of k3s or rke2.
#[must_use]
pub fn is_distribution_config(document: &Node) -> bool {
    document.get("apiVersion").is_none()
        && document
            .entries()
            .iter()
            .any(|entry| passed_on(&entry.key).is_some())
}

/// The setting with which k3s writes a configuration of encryption and hands it to its API server;
/// rke2 does so always.
const ENCRYPTION: &str = "secrets-encryption";

/// What that setting passes on.
fn encrypting(distribution: Distribution, span: Span) -> (Program, Span, Word) {
    let file = match distribution {
        Distribution::K3s => K3S_ENCRYPTION,
        Distribution::Rke2 => RKE2_ENCRYPTION,
    };
    let flag = format!("encryption-provider-config={file}");
    (Program::ApiServer, span, Word::new(span, flag))
}

fn passed_on(key: &str) -> Option<Program> {
    // In a drop-in, a plus sign adds to the list of the file before.
    let key = key.strip_suffix('+').unwrap_or(key);
    PASSED_ON
        .iter()
        .find(|(name, _)| *name == key)
        .map(|(_, program)| *program)
}

/// The components that a configuration file of k3s or rke2 sets flags of.
#[must_use]
pub fn of_distribution_config(document: &Node, distribution: Distribution) -> Vec<Component> {
    let mut settings = Settings::default();
    for entry in document.entries() {
        if entry.key == ENCRYPTION && boolean(&plain(&entry.value)) == Some(true) {
            settings.push(encrypting(distribution, entry.key_span));
        }
    }
    for entry in document.entries() {
        if let Some(program) = passed_on(&entry.key) {
            for word in Word::list(&entry.value) {
                settings.push((program, entry.key_span, word));
            }
        }
    }
    of_settings(&settings, distribution)
}

fn distribution_command(distribution: Distribution, words: &[Word], here: Span) -> Vec<Component> {
    let mut settings = Settings::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(flag) = word.text.strip_prefix('-') else {
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        if name == ENCRYPTION && value.is_none_or(|value| boolean(value) == Some(true)) {
            settings.insert(0, encrypting(distribution, word.span));
        }
        let Some(program) = passed_on(name) else {
            continue;
        };
        let said = match value {
            Some(value) => Some(Word {
                text: value.to_owned(),
                unknown_from: word.unknown_from.map(|_| 0),
                span: word.span,
            }),
            None => rest.next().cloned(),
        };
        settings.extend(said.map(|said| (program, word.span, said)));
    }
    // Without a setting the distribution's own defaults hold, which are seen at the command.
    let starts = words.first().map_or("", |word| word.text.as_str());
    let always = match starts {
        "server" => &[Program::ApiServer, Program::Kubelet][..],
        "agent" => &[Program::Kubelet],
        _ => &[],
    };
    let mut components = of_settings(&settings, distribution);
    for program in always {
        if !settings.iter().any(|(set, ..)| set == program) {
            let defaults = defaults(*program, distribution);
            components.push(of_distribution(*program, defaults, &[], here));
        }
    }
    components
}

/// What is passed on: to which component, at which key, and what.
type Settings = Vec<(Program, Span, Word)>;

fn of_settings(settings: &Settings, distribution: Distribution) -> Vec<Component> {
    let programs = PASSED_ON.iter().map(|(_, program)| *program);
    programs
        .filter_map(|program| {
            let own: Vec<_> = settings
                .iter()
                .filter(|(set, ..)| *set == program)
                .map(|(_, key_span, word)| (*key_span, word.clone()))
                .collect();
            let here = own.first()?.0;
            let defaults = defaults(program, distribution);
            Some(of_distribution(program, defaults, &own, here))
        })
        .collect()
}

/// A component with these flags, each as `name=value`, and defaults that go before the program's.
pub(crate) fn of_distribution(
    program: Program,
    own: &[(&str, &str)],
    settings: &[(Span, Word)],
    here: Span,
) -> Component {
    match program {
        Program::ControllerManager => {
            let table = &controller_manager::TABLE;
            let flags = passed_flags(settings, table, own);
            (
                controller_manager::KIND,
                crate::flags::document(&flags, table, own, here),
            )
        }
        Program::Scheduler => {
            let table = &scheduler::TABLE;
            let flags = passed_flags(settings, table, own);
            (
                scheduler::KIND,
                crate::flags::document(&flags, table, own, here),
            )
        }
        Program::Etcd => {
            let flags = passed_flags(settings, &etcd::TABLE, own);
            (etcd::KIND, etcd::document(&flags, own, here))
        }
        Program::Kubelet => {
            let flags = passed_flags(settings, &kubelet::TABLE, &[]);
            let base = kubelet::Base::Distribution(own);
            (kubelet::KIND, kubelet::effective(base, &[], &flags, here))
        }
        _ => {
            let flags = passed_flags(settings, &api_server::TABLE, own);
            (api_server::KIND, api_server::document(&flags, own, here))
        }
    }
}

/// The flags that settings such as `authorization-mode=RBAC` pass on. A name that ends in `+` or
/// `-` adds its value behind or before the distribution's own.
fn passed_flags(settings: &[(Span, Word)], table: &Table, own: &[(&str, &str)]) -> Flags {
    let mut flags = Flags::default();
    for (_, setting) in settings {
        let text = setting.text.strip_prefix("--").unwrap_or(&setting.text);
        let (name, value) = text.split_once('=').unwrap_or((text, "true"));
        let bare = name.trim_end_matches(['+', '-']);
        let default = own
            .iter()
            .find(|(known, _)| *known == bare)
            .map(|(_, value)| *value);
        let first = !flags.given.contains_key(bare);
        let text = match default.filter(|_| first) {
            Some(default) if name.ends_with('+') => format!("{default},{value}"),
            Some(default) if name.ends_with('-') => format!("{value},{default}"),
            _ => value.to_owned(),
        };
        let said = Word {
            span: setting.span,
            text,
            unknown_from: setting.unknown_from.map(|_| 0),
        };
        let value_type: Option<Type> = table.value_type(bare);
        flags.give(bare.to_owned(), value_type, setting.span, &said, table);
    }
    flags
}

/// What k3s and rke2 set where nobody says otherwise, of the values that matter.
fn defaults(
    program: Program,
    distribution: Distribution,
) -> &'static [(&'static str, &'static str)] {
    match (program, distribution) {
        (Program::ApiServer, Distribution::K3s) => &K3S_API_SERVER,
        (Program::ApiServer, Distribution::Rke2) => &RKE2_API_SERVER,
        (Program::Kubelet, Distribution::K3s) => &K3S_KUBELET,
        (Program::Kubelet, Distribution::Rke2) => &RKE2_KUBELET,
        (Program::Etcd, Distribution::K3s) => &K3S_ETCD,
        (Program::Etcd, Distribution::Rke2) => &RKE2_ETCD,
        (Program::ControllerManager, _) => &[
            ("profiling", "false"),
            ("bind-address", "127.0.0.1"),
            ("use-service-account-credentials", "true"),
        ],
        (Program::Scheduler, _) => &[("profiling", "false"), ("bind-address", "127.0.0.1")],
        _ => &[],
    }
}

macro_rules! distribution {
    ($root:literal, $encryption:ident, $encrypts:expr, $api_server:ident, $kubelet:ident, $etcd:ident) => {
        /// The file with which the distribution encrypts Secrets.
        const $encryption: &str = concat!($root, "/server/cred/encryption-config.json");
        const $api_server: [(&str, &str); 12] = [
            (
                "encryption-provider-config",
                if $encrypts { $encryption } else { "" },
            ),
            ("anonymous-auth", "false"),
            ("authorization-mode", "Node,RBAC"),
            ("profiling", "false"),
            ("enable-admission-plugins", "NodeRestriction"),
            (
                "client-ca-file",
                concat!($root, "/server/tls/client-ca.crt"),
            ),
            (
                "tls-cert-file",
                concat!($root, "/server/tls/serving-kube-apiserver.crt"),
            ),
            (
                "tls-private-key-file",
                concat!($root, "/server/tls/serving-kube-apiserver.key"),
            ),
            (
                "kubelet-certificate-authority",
                concat!($root, "/server/tls/server-ca.crt"),
            ),
            (
                "kubelet-client-certificate",
                concat!($root, "/server/tls/client-kube-apiserver.crt"),
            ),
            (
                "kubelet-client-key",
                concat!($root, "/server/tls/client-kube-apiserver.key"),
            ),
            ("tls-min-version", "VersionTLS12"),
        ];
        const $kubelet: [(&str, &str); 3] = [
            (
                "/authentication/x509/clientCAFile",
                concat!($root, "/agent/client-ca.crt"),
            ),
            ("/tlsCertFile", concat!($root, "/agent/serving-kubelet.crt")),
            (
                "/tlsPrivateKeyFile",
                concat!($root, "/agent/serving-kubelet.key"),
            ),
        ];
        const $etcd: [(&str, &str); 11] = [
            ("listen-client-urls", "https://127.0.0.1:2379"),
            ("advertise-client-urls", "https://127.0.0.1:2379"),
            ("listen-peer-urls", "https://127.0.0.1:2380"),
            ("client-cert-auth", "true"),
            (
                "cert-file",
                concat!($root, "/server/tls/etcd/server-client.crt"),
            ),
            (
                "key-file",
                concat!($root, "/server/tls/etcd/server-client.key"),
            ),
            (
                "trusted-ca-file",
                concat!($root, "/server/tls/etcd/server-ca.crt"),
            ),
            ("peer-client-cert-auth", "true"),
            (
                "peer-cert-file",
                concat!($root, "/server/tls/etcd/peer-server-client.crt"),
            ),
            (
                "peer-key-file",
                concat!($root, "/server/tls/etcd/peer-server-client.key"),
            ),
            (
                "peer-trusted-ca-file",
                concat!($root, "/server/tls/etcd/peer-ca.crt"),
            ),
        ];
    };
}

distribution!(
    "/var/lib/rancher/k3s",
    K3S_ENCRYPTION,
    false,
    K3S_API_SERVER,
    K3S_KUBELET,
    K3S_ETCD
);
distribution!(
    "/var/lib/rancher/rke2",
    RKE2_ENCRYPTION,
    true,
    RKE2_API_SERVER,
    RKE2_KUBELET,
    RKE2_ETCD
);
