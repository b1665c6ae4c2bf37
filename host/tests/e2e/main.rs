//! Against the real thing: servers from Debian's packages, started in a folder of their own and
//! stopped by their ids. `make e2e` installs what is missing; it needs root.

mod docker;
mod kubernetes;
mod node;
#[cfg(all(feature = "gateway", feature = "registry"))]
#[path = "../program/readme.rs"]
mod readme;
#[cfg(all(feature = "gateway", feature = "registry"))]
mod registry;
#[path = "../shared/mod.rs"]
mod shared;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use shared::{PATIENCE, Program as Server, STRIDEGATE};

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Debian's etcd with a folder of its own, and the address for its clients.
pub(crate) fn etcd(data: &Path) -> (Server, String) {
    let url = || format!("http://127.0.0.1:{}", free_port());
    let (client, peer) = (url(), url());
    let server = Server::start(
        Command::new("etcd")
            .arg("--data-dir")
            .arg(data)
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")]),
        "ready to serve client requests",
    );
    (server, client)
}
