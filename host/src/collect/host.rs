//! This machine as objects, and what of it belongs to an engine that runs here.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "gateway")]
pub use engine::{daemon_of, host_of};

use super::facts::capture;
use crate::object::Text;
use crate::source::{Reading, read_text};

/// The files and the processes of this machine, by its name.
pub fn this_host() -> anyhow::Result<(String, Reading)> {
    let facts = capture(Path::new("/"));
    let name = facts["metadata"]["name"].as_str().unwrap_or("host");
    let name = format!("host/{name}");
    let text = serde_json::to_string_pretty(&facts)?;
    let text = Arc::new(Text::new(name.as_str(), text));
    let reading = read_text(&text, &name, None);
    Ok((name, reading))
}

#[cfg(feature = "gateway")]
mod engine {
    use std::fs;

    use serde_json::Value;
    use stridegate_shapes::daemon;

    use super::super::engine::Address;
    use super::this_host;
    use crate::source::Reading;

    /// The files and the processes of this machine if an engine runs on it, or why it is not known
    /// to; `info` is what it answers to `GET /info`.
    pub fn host_of(address: &Address, info: &Value) -> Result<(String, Reading), String> {
        let Address::Unix(socket) = address else {
            return Err(format!("the engine is remote, at {address}"));
        };
        // A socket may be that of a virtual machine, or lead to another host.
        let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let there = info["Name"].as_str().unwrap_or_default();
        if here.trim() != there {
            return Err(format!(
                "the engine behind {} runs on {there}, and this is {}",
                socket.display(),
                here.trim()
            ));
        }
        this_host().map_err(|error| format!("{error:#}"))
    }

    /// The `docker/DaemonConfig` of an engine among what is known of its host.
    #[must_use]
    pub fn daemon_of(host: &Reading, address: &Address) -> Option<Value> {
        let objects = host.objects.iter();
        let daemons: Vec<_> = objects
            .filter(|object| object.kind == daemon::KIND)
            .map(|object| &object.document)
            .collect();
        // Of several daemons, the one that listens where it was asked.
        let address = address.to_string();
        let found = match daemons.as_slice() {
            [only] => Some(*only),
            several => several.iter().copied().find(|document| {
                let hosts = document.get("hosts").map(crate::object::Node::items);
                let mut hosts = hosts.unwrap_or_default().iter();
                hosts.any(|host| host.as_str() == Some(&address))
            }),
        };
        serde_json::to_value(found?).ok()
    }

    #[cfg(test)]
    mod tests {
        use std::sync::Arc;

        use serde_json::json;

        use super::*;
        use crate::object::Text;
        use crate::source::read_text;

        fn host(daemons: &[&str]) -> Reading {
            let processes: Vec<Value> = daemons
                .iter()
                .map(|socket| json!({"program": "/usr/bin/dockerd", "argv": ["-H", socket, "--iptables=false"], "env": {}}))
                .collect();
            let facts = json!({
                "apiVersion": "stridegate.dev/v1", "kind": "HostFacts", "metadata": {"name": "a"},
                "files": [], "processes": processes, "environment": {}, "contents": {},
            });
            read_text(&Arc::new(Text::new("a", facts.to_string())), "a", None)
        }

        #[test]
        fn of_several_daemons_the_one_that_was_asked_counts() {
            let address = Address::parse("unix:///a.sock", None).expect("it is an address");
            let of = |daemons: &[&str]| daemon_of(&host(daemons), &address);
            let only = of(&["unix:///b.sock"]).expect("there is one");
            assert_eq!(only["iptables"], false);
            let asked = of(&["unix:///b.sock", "unix:///a.sock"]).expect("one listens there");
            assert_eq!(asked["hosts"], json!(["unix:///a.sock"]));
            assert_eq!(of(&["unix:///b.sock", "unix:///c.sock"]), None);
        }

        #[test]
        fn what_runs_elsewhere_is_not_sought_here() {
            let info = json!({"Name": "elsewhere.invalid"});
            for (address, part) in [
                ("unix:///a.sock", "runs on elsewhere.invalid"),
                ("tcp://127.0.0.1:1", "is remote"),
            ] {
                let address = Address::parse(address, None).expect("it is an address");
                let why = host_of(&address, &info).expect_err("it is not here");
                assert!(why.contains(part), "{why}");
            }
        }
    }
}
