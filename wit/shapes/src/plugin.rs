//! The container in which an engine runs a plugin of its own, as a `docker/Container`.
//!
//! The engine starts it as root, whatever `User` the plugin's configuration names, with the mounts,
//! the devices and the namespaces of the host that the plugin asks for, and without a limit of its
//! memory. It has no image: a plugin is kept apart from those.
//!
//! Source: `plugin/v2` of moby (`InitSpec`), `api/types/plugin.go` and `api/types/swarm/runtime`;
//! tried with 20.10 and 28.5.

use crate::{Content, Node, Span};

/// Where the parts of the container stand in what `GET /plugins/{name}/json` answers: pointers
/// into the shape and into the answer; the first that fits counts.
pub const MOVES: &[(&str, &str)] = &[
    ("/Config/Env", "/Settings/Env"),
    ("/Config/Cmd", "/Settings/Args"),
    ("/Config/Entrypoint", "/Config/Entrypoint"),
    ("/Config", "/Config"),
    ("/HostConfig/CapAdd", "/Config/Linux/Capabilities"),
    ("/HostConfig", "/Config"),
    ("/Mounts", "/Settings/Mounts"),
];

/// Where its parts stand in a swarm service that has the plugin installed.
pub const SERVICE_MOVES: &[(&str, &str)] = &[
    ("/Config/Env", "/Spec/TaskTemplate/PluginSpec/env"),
    ("/Mounts", "/Spec/TaskTemplate/PluginSpec/privileges"),
    ("", "/Spec/TaskTemplate/PluginSpec"),
];

/// The user of every plugin.
const USER: &str = "0";

/// The container of a plugin that is there: what `GET /plugins/{name}/json` answers.
#[must_use]
pub fn container(plugin: &Node) -> Node {
    let here = plugin
        .entry("Config")
        .map_or(plugin.span, |entry| entry.key_span);
    let mut config = Node::map(here, [("User", Node::string(here, USER))]);
    copy(plugin, "/Settings/Env", &mut config, "Env");
    copy(plugin, "/Settings/Args", &mut config, "Cmd");
    copy(plugin, "/Config/Entrypoint", &mut config, "Entrypoint");
    let mut host = Node::map(here, []);
    copy(plugin, "/Config/Linux/Capabilities", &mut host, "CapAdd");
    for (asked, mode) in [
        ("/Config/PidHost", "PidMode"),
        ("/Config/IpcHost", "IpcMode"),
    ] {
        if let Some(found) = plugin.at(asked)
            && found.node.content == Content::Bool(true)
        {
            host.set(mode, found.node.span, Node::string(found.node.span, "host"));
        }
    }
    if let Some(found) = plugin.at("/Config/Network/Type") {
        host.set("NetworkMode", found.node.span, found.node.clone());
    }
    let mounts = plugin.at("/Settings/Mounts");
    let mounts = mounts.map_or(&[][..], |found| found.node.items());
    let mounts = mounts.iter().filter_map(mount).collect();
    Node::map(
        plugin.span,
        [
            ("Config", config),
            ("HostConfig", host),
            ("Mounts", Node::list(here, mounts)),
        ],
    )
}

/// The container of the plugin that a swarm service has installed and enabled, by its `PluginSpec`.
pub(crate) fn of_service(spec: &Node, here: Span) -> Node {
    let mut config = Node::map(here, [("User", Node::string(here, USER))]);
    copy(spec, "/env", &mut config, "Env");
    let granted = spec.get("privileges").map_or(&[][..], Node::items);
    let sources = granted
        .iter()
        .filter(|privilege| privilege.text("name") == Some("mount"))
        .filter_map(|privilege| privilege.get("value"))
        .flat_map(Node::items);
    let mounts = sources.map(|source| bound(source.span, source.clone(), None, true));
    let mounts = Node::list(here, mounts.collect());
    Node::map(
        here,
        [
            ("Config", config),
            ("HostConfig", Node::map(here, [])),
            ("Mounts", mounts),
        ],
    )
}

fn copy(from: &Node, pointer: &str, to: &mut Node, key: &str) {
    if let Some(found) = from.at(pointer)
        && found.node.content != Content::Null
    {
        to.set(
            key,
            found.key.unwrap_or(found.node.span),
            found.node.clone(),
        );
    }
}

/// A mount of a plugin in the form in which `docker inspect` lists those of containers.
fn mount(node: &Node) -> Option<Node> {
    let source = node.get("Source")?.clone();
    let options = node.get("Options").map_or(&[][..], Node::items);
    let writable = !options.iter().any(|option| option.as_str() == Some("ro"));
    Some(bound(node.span, source, node.get("Destination"), writable))
}

fn bound(span: Span, source: Node, destination: Option<&Node>, writable: bool) -> Node {
    let content = Content::Bool(writable);
    let mut mount = Node::map(
        span,
        [
            ("Type", Node::string(span, "bind")),
            ("Source", source),
            ("RW", Node { span, content }),
        ],
    );
    if let Some(destination) = destination {
        mount.set("Destination", destination.span, destination.clone());
    }
    mount
}
