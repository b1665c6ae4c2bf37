//! The components of a Kubernetes cluster, as their files and static Pods set them up.

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::command::{self, Environment, Invocation, Program};
use stridegate_shapes::component::{
    Component, Distribution, MAX_COMPONENTS, components, is_distribution_config,
    of_distribution_config, of_invocation,
};
use stridegate_shapes::flags::{self, Word};
use stridegate_shapes::{Kind, etcd, kubelet};

use super::{InputFault, Reading, yaml};
use crate::object::{Content, Entry, Identity, Node, Object, Span, Text, Written};

/// Whether a text can hold a configuration that has no `apiVersion`.
pub(super) fn is_plausible(content: &str) -> bool {
    [
        "kube-apiserver-arg",
        "kubelet-arg",
        "etcd-arg",
        "kube-controller-manager-arg",
        "kube-scheduler-arg",
        "listen-client-urls",
        "transport-security",
    ]
    .iter()
    .any(|key| content.contains(key))
}

/// Whether a document is the configuration file of etcd, k3s, rke2 or the kubelet.
pub(super) fn recognises(name: &Path, document: &Node) -> bool {
    let etcd_by_name = name
        .file_name()
        .is_some_and(|name| name == "etcd.conf.yml" || name == "etcd.conf.yaml");
    let bare = matches!(document.content, Content::Map(_))
        && document.get("apiVersion").is_none()
        && document.get("kind").is_none();
    (bare && etcd_by_name)
        || etcd::is_config(document)
        || is_distribution_config(document)
        || is_kubelet(document)
}

pub(super) fn is_kubelet(document: &Node) -> bool {
    document.text("kind") == Some(&*kubelet::CONFIGURATION.name)
        && document
            .text("apiVersion")
            .and_then(|version| version.split_once('/'))
            .is_some_and(|(group, _)| group == kubelet::CONFIGURATION.group)
}

/// Reads such a file.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    reading.written += 1;
    let identity = |kind: &Kind| {
        Arc::new(Identity {
            group: kind.group.to_string(),
            kind: kind.name.to_string(),
            name: name.to_owned(),
            namespace: String::new(),
        })
    };
    if is_kubelet(document) {
        let identity = identity(&kubelet::CONFIGURATION);
        if let Some((node, problem)) = kubelet::problem(document) {
            let message = format!("{identity}: {problem}; the kubelet refuses it, correct it");
            let position = Some(text.position(node.span.start as usize));
            reading.faults.push(InputFault { position, message });
            return;
        }
        push(
            (kubelet::KIND, kubelet::from_file(document)),
            &identity,
            text,
            reading,
        );
    } else if is_distribution_config(document) {
        let distribution = if text.name.contains("rke2") {
            Distribution::Rke2
        } else {
            Distribution::K3s
        };
        for component in of_distribution_config(document, distribution) {
            push(component.clone(), &identity(&component.0), text, reading);
        }
    } else {
        let component = (etcd::KIND, etcd::from_config(document));
        push(component, &identity(&etcd::KIND), text, reading);
    }
}

/// Reads the components that a process of a host is, with its variables and the files that its
/// flags name; whether one of them is a kubelet.
pub(super) fn read_process(
    words: &[Node],
    variables: &[Entry],
    text: &Arc<Text>,
    contents: &[(String, Arc<Text>)],
    name: &str,
    reading: &mut Reading,
) -> bool {
    let Some(first) = words.first() else {
        return false;
    };
    let mut environment = Environment::default();
    for variable in variables {
        let value = variable.value.as_str();
        let value = value.map(|text| (variable.value.span, text.to_owned()));
        environment.variables.insert(variable.key.clone(), value);
    }
    let words = Word::list(&Node::list(first.span, words.to_vec()));
    let mut has_kubelet = false;
    for invocation in command::of_words(&words, &environment, first.span) {
        let components = match invocation.program {
            Program::Kubelet => vec![kubelet_process(&invocation, text, contents)],
            Program::Etcd => vec![etcd_process(&invocation, &environment, text, contents)],
            _ => of_invocation(&invocation, &environment)
                .into_iter()
                .map(|component| (component, vec![Arc::clone(text)]))
                .collect(),
        };
        for ((kind, document), texts) in components {
            has_kubelet |= kind == kubelet::KIND;
            reading.written += 1;
            let identity = Identity {
                group: kind.group.to_string(),
                kind: kind.name.to_string(),
                name: name.to_owned(),
                namespace: String::new(),
            };
            reading.objects.push(Object {
                kind,
                version: kubelet::VERSION.into(),
                identity: Arc::new(identity),
                written: Written::default(),
                document,
                moves: Vec::new(),
                texts,
            });
        }
    }
    has_kubelet
}

/// Reads a kubelet's configuration with its drop-ins, in the order of their names.
pub(super) fn read_kubelet(texts: &[Arc<Text>], name: &str, reading: &mut Reading) {
    let Some((first, rest)) = texts.split_first() else {
        return;
    };
    let mut texts = vec![Arc::clone(first)];
    let mut rest = rest.to_vec();
    rest.sort_by(|a, b| a.name.cmp(&b.name));
    texts.extend(rest);
    let mut documents = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let read = yaml::read(&text.content);
        let document = read.documents.into_iter().next();
        let wrong = document.as_ref().and_then(|document| {
            let (node, problem) = kubelet::problem(document)?;
            Some((node.span.start as usize, problem))
        });
        if let Some((at, problem)) = read.fault.map(|fault| (fault.at, fault.message)).or(wrong) {
            let place = text.position(at);
            let message = format!("{}:{}:{}: {problem}", text.name, place.line, place.column);
            reading.faults.push(InputFault {
                position: None,
                message,
            });
            return;
        }
        let mut document = document.unwrap_or_else(|| Node::map(Span::default(), []));
        document.in_text(u32::try_from(index).unwrap_or(u32::MAX));
        documents.push(document);
    }
    let Some((file, drop_ins)) = documents.split_first() else {
        return;
    };
    let here = file
        .entries()
        .first()
        .map_or(file.span, |entry| entry.key_span);
    let document = kubelet::effective(
        kubelet::Base::File(file),
        drop_ins,
        &flags::Flags::default(),
        here,
    );
    let identity = Identity {
        group: kubelet::CONFIGURATION.group.to_string(),
        kind: kubelet::CONFIGURATION.name.to_string(),
        name: name.to_owned(),
        namespace: String::new(),
    };
    reading.written += texts.len();
    reading.objects.push(Object {
        kind: kubelet::KIND,
        version: kubelet::VERSION.into(),
        identity: Arc::new(identity),
        written: Written::default(),
        document,
        moves: Vec::new(),
        texts,
    });
}

/// A kubelet with its configuration file and drop-ins, as far as they are at hand.
fn kubelet_process(
    invocation: &Invocation,
    text: &Arc<Text>,
    contents: &[(String, Arc<Text>)],
) -> (Component, Vec<Arc<Text>>) {
    let flags = flags::parse(&invocation.words, &kubelet::TABLE);
    let mut texts = vec![Arc::clone(text)];
    let mut load = |content: &Arc<Text>| {
        let mut document = yaml::read(&content.content).documents.into_iter().next()?;
        document.in_text(u32::try_from(texts.len()).ok()?);
        texts.push(Arc::clone(content));
        Some(document)
    };
    let named = |flag: &str| flags.given.get(flag).and_then(|given| given.value.as_str());
    let of = |path: &str| {
        contents
            .iter()
            .find(|(known, _)| known == path)
            .map(|(_, text)| text)
    };
    let file = named("config").and_then(of).and_then(&mut load);
    let mut drop_ins: Vec<&(String, Arc<Text>)> = contents
        .iter()
        .filter(|(path, _)| {
            let path = Path::new(path);
            path.extension()
                .is_some_and(|extension| extension == "conf")
                && path.parent().is_some_and(|folder| {
                    named("config-dir").is_some_and(|named| folder == Path::new(named))
                })
        })
        .collect();
    drop_ins.sort_by(|a, b| a.0.cmp(&b.0));
    let drop_ins: Vec<Node> = drop_ins
        .into_iter()
        .filter_map(|(_, text)| load(text))
        .collect();
    let base = file
        .as_ref()
        .map_or(kubelet::Base::Flags, kubelet::Base::File);
    (
        (
            kubelet::KIND,
            kubelet::effective(base, &drop_ins, &flags, invocation.here),
        ),
        texts,
    )
}

/// An etcd, by its configuration file if it has one that is at hand.
fn etcd_process(
    invocation: &Invocation,
    environment: &Environment,
    text: &Arc<Text>,
    contents: &[(String, Arc<Text>)],
) -> (Component, Vec<Arc<Text>>) {
    let document = etcd::from_command(&invocation.words, environment, invocation.here);
    let mut texts = vec![Arc::clone(text)];
    let file = document
        .at("/flags/config-file")
        .and_then(|file| file.node.as_str());
    let content = contents.iter().find(|(path, _)| Some(&**path) == file);
    let config = content.and_then(|(_, content)| {
        let mut config = yaml::read(&content.content).documents.into_iter().next()?;
        config.in_text(1);
        texts.push(Arc::clone(content));
        Some(etcd::from_config(&config))
    });
    ((etcd::KIND, config.unwrap_or(document)), texts)
}

/// Adds the components that a Pod starts, under the name of the object as written.
pub(super) fn add_components(pod: &Object, reading: &mut Reading) {
    let components = components(&pod.document);
    if components.len() > MAX_COMPONENTS {
        let identity = &pod.identity;
        let message = format!(
            "{identity}: starts more than {MAX_COMPONENTS} components of a cluster; split it"
        );
        let position = pod
            .texts
            .first()
            .map(|text| text.position(pod.document.span.start as usize));
        reading.faults.push(InputFault { position, message });
        return;
    }
    for (kind, document) in components {
        let component = Object {
            kind,
            version: kubelet::VERSION.into(),
            identity: Arc::clone(&pod.identity),
            written: pod.written.clone(),
            document,
            moves: Vec::new(),
            texts: pod.texts.clone(),
        };
        reading.objects.push(component);
    }
}

fn push(
    (kind, document): Component,
    identity: &Arc<Identity>,
    text: &Arc<Text>,
    reading: &mut Reading,
) {
    reading.objects.push(Object {
        kind,
        version: kubelet::VERSION.into(),
        identity: Arc::clone(identity),
        written: Written::default(),
        document,
        moves: Vec::new(),
        texts: vec![Arc::clone(text)],
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::read_text;

    const FACTS: &str = "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {name: node-1}\nprocesses:\n- program: /usr/bin/kubelet\n  argv: [--config=/etc/k.yaml, --config-dir=/etc/k.d]\ncontents:\n  /etc/k.yaml: |\n    kind: KubeletConfiguration\n    apiVersion: kubelet.config.k8s.io/v1beta1\n    readOnlyPort: 10255\n";

    /// The documentation of the drop-ins has one that turns authorization off.
    #[test]
    fn a_kubelet_on_a_host_is_its_flags_its_file_and_its_drop_ins() {
        let drop_in = "  /etc/k.d/20-late.conf: '{\"authorization\": {\"mode\": \"AlwaysAllow\"}}'\n  /etc/k.d/10-early.conf: '{\"authorization\": {\"mode\": \"Webhook\"}}'\n";
        for (content, mode) in [
            (FACTS.to_owned(), "Webhook"),
            (format!("{FACTS}{drop_in}"), "AlwaysAllow"),
        ] {
            let kubelet = one("facts.yaml", &content);
            assert_eq!(kubelet["authorization"]["mode"], mode);
            assert_eq!(kubelet["readOnlyPort"], 10255);
        }
    }

    #[test]
    fn a_finding_in_a_drop_in_has_its_place_there() {
        let content = format!(
            "{FACTS}  /etc/k.d/a.conf: '{{\"authorization\": {{\"mode\": \"AlwaysAllow\"}}}}'\n"
        );
        let reading = read_text(
            &Arc::new(Text::new("facts.yaml", content)),
            "facts.yaml",
            None,
        );
        let place = reading.objects[0].place("/authorization/mode").unwrap();
        assert_eq!(place.text.name, "facts.yaml:/etc/k.d/a.conf");
        assert_eq!(
            place.text.content.get(place.shown.range()),
            Some("\"AlwaysAllow\"")
        );
    }

    fn objects(name: &str, content: &str) -> Vec<(String, serde_json::Value)> {
        let reading = read_text(&Arc::new(Text::new(name, content)), name, None);
        assert_eq!(reading.faults, []);
        reading
            .objects
            .iter()
            .map(|object| {
                let document = serde_json::to_value(&object.document).unwrap();
                (object.kind.to_string(), document)
            })
            .collect()
    }

    fn one(name: &str, content: &str) -> serde_json::Value {
        objects(name, content).pop().unwrap().1
    }

    #[test]
    fn a_static_pod_is_a_pod_and_its_component() {
        let content = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    command: [kube-apiserver]\n    args:\n    - --authorization-mode=Node,RBAC\n";
        let objects = objects("a.yaml", content);
        assert_eq!(
            objects
                .iter()
                .map(|(kind, _)| kind.as_str())
                .collect::<Vec<_>>(),
            ["kubernetes/ApiServer", "Pod"]
        );
        assert_eq!(
            objects[0].1["flags"]["authorization-mode"],
            serde_json::json!(["Node", "RBAC"])
        );
    }

    #[test]
    fn etcd_reads_the_same_from_its_file_as_from_flags() {
        let file = one(
            "etcd.conf.yml",
            "listen-client-urls: https://a,https://b\nclient-transport-security:\n  client-cert-auth: true\n  cert-file: c\npeer-transport-security: {cert-file: p}\n",
        );
        let flags = &file["flags"];
        assert_eq!(
            flags["listen-client-urls"],
            serde_json::json!(["https://a", "https://b"])
        );
        assert_eq!(flags["client-cert-auth"], true);
        assert_eq!(
            (&flags["cert-file"], &flags["peer-cert-file"]),
            (&"c".into(), &"p".into())
        );
        assert_eq!(flags["peer-client-cert-auth"], false);
    }

    #[test]
    fn an_etcd_on_a_host_is_its_flags_its_variables_or_its_file() {
        let facts = |process: &str| {
            format!(
                "apiVersion: stridegate.dev/v1\nkind: HostFacts\nmetadata: {{name: a}}\nprocesses:\n- {process}\ncontents:\n  /etc/etcd.yml: 'client-transport-security: {{cert-file: /c}}'\n"
            )
        };
        for (process, cert) in [
            ("{program: etcd, argv: [], env: {ETCD_CERT_FILE: /b}}", "/b"),
            (
                "{program: etcd, argv: [--cert-file=/a], env: {ETCD_CERT_FILE: /b}}",
                "/a",
            ),
            (
                "{program: etcd, argv: [--config-file, /etc/etcd.yml, --cert-file=/a]}",
                "/c",
            ),
            (
                "{program: etcd, argv: [], env: {ETCD_CONFIG_FILE: /etc/etcd.yml}}",
                "/c",
            ),
            (
                "{program: etcd, argv: [--config-file=/x, --cert-file=/a]}",
                "",
            ),
        ] {
            let etcd = one("facts.yaml", &facts(process));
            assert_eq!(etcd["flags"]["cert-file"], cert, "{process}");
        }
        let reading = read_text(
            &Arc::new(Text::new(
                "f",
                facts("{program: etcd, argv: [--config-file=/etc/etcd.yml]}"),
            )),
            "f",
            None,
        );
        let place = reading.objects[0].place("/flags/cert-file").unwrap();
        assert_eq!(place.text.name, "f:/etc/etcd.yml");
    }

    #[test]
    fn k3s_has_defaults_of_its_own_and_grows_them() {
        let server = one(
            "config.yaml",
            "kube-apiserver-arg:\n- authorization-mode+=Webhook\n- profiling\n",
        );
        assert_eq!(
            server["flags"]["authorization-mode"],
            serde_json::json!(["Node", "RBAC", "Webhook"])
        );
        assert_eq!(server["flags"]["anonymous-auth"], false);
        assert_eq!(server["flags"]["profiling"], true);
        let kubelet = one(
            "config.yaml",
            "kubelet-arg: [\"authorization-mode=AlwaysAllow\"]\n",
        );
        assert_eq!(kubelet["authorization"]["mode"], "AlwaysAllow");
        assert_eq!(kubelet["authentication"]["anonymous"]["enabled"], false);
    }

    #[test]
    fn a_default_stands_at_the_nearest_key() {
        let content = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthorization:\n  webhook: {}\n";
        let reading = read_text(&Arc::new(Text::new("k", content)), "k", None);
        let line = |pointer| {
            let place = reading.objects[0].place(pointer).unwrap();
            place.text.position(place.shown.start as usize).line
        };
        assert_eq!(line("/authorization/mode"), 3);
        assert_eq!(line("/readOnlyPort"), 1);
        assert_eq!(reading.objects[0].identity.name, "k");
    }

    #[test]
    fn a_field_of_the_wrong_type_is_a_fault() {
        let content = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthorization: Webhook\n";
        let reading = read_text(&Arc::new(Text::new("k", content)), "k", None);
        assert_eq!(reading.objects.len(), 0);
        assert_eq!(reading.faults[0].position.unwrap().line, 3);
    }

    #[test]
    fn other_files_are_left_alone() {
        for content in [
            "name: ci\non: push\njobs: {build: {steps: []}}\n",
            "{\"name\": \"x\", \"version\": \"1\", \"scripts\": {}}",
            "cluster:\n  listen-client-urls: x\n",
            "server: https://a:6443\ntoken: x\n",
        ] {
            assert_eq!(objects("x.yaml", content).len(), 0, "{content}");
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "kube-apiserver",
            "etcd",
            "kubelet",
            "k3s server",
            "hyperkube",
            "sh",
            "-c",
            "exec ",
            "--authorization-mode",
            "=",
            "AlwaysAllow",
            ",",
            "--config",
            "-client-cert-auth",
            "$(A)",
            "$(B)",
            "$",
            "${A}",
            "`",
            "'",
            "\\\"",
            "\\\\",
            ";",
            "|",
            ">",
            " ",
            "2>&1",
            "--kubelet-arg",
            "--kube-apiserver-arg",
            "+=",
            "#",
            "\\n",
            "ż",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn places_lie_in_the_text(words in prop::collection::vec(pieces(), 0..6), a in pieces(), key in pieces()) {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let words = words.join(", ");
            let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec:\n  containers:\n  - env:\n    - {{name: A, value: \"{a}\"}}\n    - {{name: B, value: \"$(A)$(A)\"}}\n    - {{name: ETCD_CONFIG_FILE, value: \"\"}}\n    command: [{words}]\n");
            let rancher = format!("kubelet-arg: [{words}]\nkube-apiserver-arg: \"{key}\"\netcd-arg: {{a: 1}}\n");
            let kubelet = format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\"{key}\": [{words}]\nauthorization: {{mode: \"{a}\"}}\n");
            let etcd = format!("listen-client-urls: \"{a}\"\nlisten-peer-urls: [{words}]\n\"{key}\": {{}}\n");
            for content in [pod, rancher, kubelet, etcd] {
                let text = Arc::new(Text::new("x", content));
                let reading = read_text(&text, "x", None);
                for object in &reading.objects {
                    check(&object.document, &text.content)?;
                }
            }
        }
    }

    fn check(node: &Node, content: &str) -> Result<(), TestCaseError> {
        prop_assert!(content.get(node.span.range()).is_some());
        for entry in node.entries() {
            prop_assert!(content.get(entry.key_span.range()).is_some());
            check(&entry.value, content)?;
        }
        node.items()
            .iter()
            .try_for_each(|item| check(item, content))
    }

    #[test]
    fn a_pod_of_too_many_components_is_a_fault() {
        let script = "etcd;".repeat(1000);
        let content = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec:\n  containers:\n  - command: [sh, -c, \"{script}\"]\n"
        );
        let reading = read_text(&Arc::new(Text::new("x", content)), "x", None);
        assert_eq!((reading.faults.len(), reading.objects.len()), (1, 1));
    }

    #[test]
    fn variables_that_double_do_not_exhaust_memory() {
        use std::fmt::Write;
        let mut content = "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec:\n  containers:\n  - env:\n    - {name: V0, value: xxxxxxxx}\n".to_owned();
        for n in 1..60 {
            writeln!(
                content,
                "    - {{name: V{n}, value: \"$(V{m})$(V{m})\"}}",
                m = n - 1
            )
            .unwrap();
        }
        content.push_str("    command: [kube-apiserver, \"--a=$(V59)\"]\n");
        let server = objects("x", &content).swap_remove(0).1;
        assert_eq!(server["unknown"][0]["path"], "/flags/a");
    }
}
