//! Files that configure one program, where a user names them together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::api_server;
use stridegate_shapes::daemon::DEFAULT_FILE;

use super::daemon::{self, Together};
use super::{Found, Input, Reading, cluster, facts};
use crate::object::Text;

/// Puts the files that belong together into one input: daemon.json with the units that start
/// dockerd, a kubelet's configuration with its drop-ins (`*.conf`), and the unit of a component of
/// a cluster with its drop-ins. What starts an API server
/// or an etcd gets the configuration files beside it that its flags may name, which stay inputs of their own.
/// What a folder holds is not merged: nothing says that it is of one host.
#[must_use]
pub fn group(found: Vec<Found>) -> Vec<Found> {
    let mut grouped: Vec<Found> = Vec::new();
    let (mut daemon, mut kubelet) = (None, None);
    let mut units: HashMap<&'static str, Option<usize>> = HashMap::new();
    for item in found {
        let unit = item.as_ref().ok().and_then(unit);
        let (first, is_part): (&mut Option<usize>, bool) = match &item {
            Ok(input) if let Some(unit) = unit => {
                let is_part = Path::new(&input.name)
                    .extension()
                    .is_some_and(|end| end == "conf");
                (units.entry(unit).or_default(), is_part)
            }
            Ok(input) if input.named && is_of_daemon(input) => (&mut daemon, true),
            Ok(input) if input.named && is_drop_in(input) => (&mut kubelet, true),
            Ok(input) if input.named && is_kubelet(input) => (&mut kubelet, false),
            _ => {
                grouped.push(item);
                continue;
            }
        };
        match (*first, item) {
            (Some(index), Ok(mut input)) => {
                if let Some(Ok(group)) = grouped.get_mut(index) {
                    // The configuration stands before what is laid over it.
                    if is_part {
                        group.with.push(input);
                    } else {
                        std::mem::swap(group, &mut input);
                        group.with = std::mem::take(&mut input.with);
                        group.with.insert(0, input);
                    }
                }
            }
            (_, item) => {
                *first = Some(grouped.len());
                grouped.push(item);
            }
        }
    }
    put_beside(&mut grouped);
    grouped
}

/// Gives each input that may start an API server or an etcd those that may configure it.
fn put_beside(found: &mut [Found]) {
    let named = |found: &Found| found.as_ref().is_ok_and(|input| input.named);
    if found.iter().filter(|found| named(found)).count() < 2 {
        return;
    }
    let says = |input: &Input, names: &[&str]| {
        content(input).is_some_and(|content| names.iter().any(|name| content.contains(name)))
    };
    let kinds = api_server::FILES.iter().flat_map(|file| file.kinds);
    let kinds = kinds.map(|kind| &*kind.name);
    let kinds: Vec<&str> = kinds
        .chain(["listen-client-urls", "transport-security"])
        .collect();
    let inputs = found.iter().filter(|found| named(found)).flatten();
    let configurations: Vec<Input> = inputs
        .filter(|input| says(input, &kinds))
        .cloned()
        .collect();
    if configurations.is_empty() {
        return;
    }
    for input in found.iter_mut().flatten().filter(|input| input.named) {
        if says(input, &["kube-apiserver", "k3s", "rke2", "etcd"]) {
            let others = configurations.iter();
            let others = others.filter(|other| other.name != input.name);
            input.beside = others.cloned().collect();
        }
    }
}

fn is_of_daemon(input: &Input) -> bool {
    let path = Path::new(&input.name);
    daemon::is_file(path) || daemon::is_unit(path)
}

fn is_drop_in(input: &Input) -> bool {
    Path::new(&input.name)
        .extension()
        .is_some_and(|extension| extension == "conf")
        && !is_of_daemon(input)
}

/// The unit of a component that a named input is a part of.
fn unit(input: &Input) -> Option<&'static str> {
    cluster::unit_of(Path::new(&input.name)).filter(|_| input.named)
}

/// Whether a file holds the configuration of a kubelet and nothing else: what merely repeats one,
/// such as facts or a `ConfigMap`, is an input of its own.
fn is_kubelet(input: &Input) -> bool {
    content(input).is_some_and(|content| holds_only_kubelet(&content))
}

fn holds_only_kubelet(content: &str) -> bool {
    const KIND: &str = "KubeletConfiguration";
    if content.trim_start().starts_with('{') {
        let document: Option<serde_json::Value> = serde_json::from_str(content).ok();
        return document.is_some_and(|document| document["kind"] == KIND);
    }
    let mut kinds = content
        .lines()
        .filter_map(|line| line.strip_prefix("kind:"))
        .map(|kind| kind.split('#').next().unwrap_or_default().trim())
        .map(|kind| kind.trim_matches(['"', '\'']))
        .peekable();
    kinds.peek().is_some() && kinds.all(|kind| kind == KIND)
}

fn content(input: &Input) -> Option<String> {
    std::fs::read_to_string(input.path.as_deref()?).ok()
}

/// Lays into the components of a reading what the files beside it say, of those that their flags
/// name. The path of a flag is one on the host: the file has its name, and of several with that
/// name it is the one with the most folders in common.
pub(super) fn join(reading: &mut Reading, beside: &[Arc<Text>]) {
    for object in &mut reading.objects {
        cluster::join_files(object, |path| {
            let common = |text: &&Arc<Text>| {
                let ours = Path::new(&text.name).components().rev();
                let theirs = Path::new(path).components().rev();
                ours.zip(theirs).take_while(|(a, b)| a == b).count()
            };
            let best = beside.iter().map(|text| common(&text)).max()?;
            let mut nearest = beside.iter().filter(|text| common(text) == best);
            let only = nearest.next().filter(|_| best > 0)?;
            nearest.next().is_none().then(|| Arc::clone(only))
        });
    }
}

/// Reads the texts of a group, of which `first` is the one that it is named after.
pub(super) fn read(first: &Arc<Text>, others: Vec<Arc<Text>>, name: &str) -> Reading {
    let mut reading = Reading::default();
    let texts: Vec<Arc<Text>> = std::iter::once(Arc::clone(first)).chain(others).collect();
    let is_daemon = |text: &Arc<Text>| {
        daemon::is_file(Path::new(&text.name)) || daemon::is_unit(Path::new(&text.name))
    };
    if cluster::unit_of(Path::new(&first.name)).is_some() {
        cluster::read_units(&texts, &[], name, &mut reading);
        return reading;
    }
    if !texts.iter().any(is_daemon) {
        cluster::read_kubelet(&texts, name, &mut reading);
        return reading;
    }
    let files = texts.iter().map(|text| {
        let path = if daemon::is_file(Path::new(&text.name)) {
            DEFAULT_FILE
        } else {
            &text.name
        };
        (path.to_owned(), Arc::clone(text))
    });
    let files: Vec<(String, Arc<Text>)> = files.collect();
    let together = Together {
        units: facts::docker_units(&files),
        process: None,
        files,
    };
    daemon::read_together(together, name, &mut reading);
    reading
}

#[cfg(test)]
mod tests {
    use super::holds_only_kubelet;

    #[test]
    fn what_repeats_a_kubelets_file_is_none() {
        for kubelet in [
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
            "kind: \"KubeletConfiguration\" # v1\n",
            "{\"kind\": \"KubeletConfiguration\"}",
        ] {
            assert!(holds_only_kubelet(kubelet), "{kubelet}");
        }
        for other in [
            "kind: HostFacts\nfiles:\n- content: |\n    kind: KubeletConfiguration\n",
            "kind: ConfigMap\ndata:\n  kubelet: |\n    kind: KubeletConfiguration\n",
            "kind: ClusterConfiguration\n---\nkind: KubeletConfiguration\n",
            "{\"kind\": \"List\", \"items\": [{\"kind\": \"KubeletConfiguration\"}]}",
            "# KubeletConfiguration\n",
        ] {
            assert!(!holds_only_kubelet(other), "{other}");
        }
    }
}
