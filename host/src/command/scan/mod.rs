#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "gateway")]
mod docker;
mod node;

use clap::{Args, Subcommand};

use crate::catalog::Bundled;
use crate::review::Decision;

/// Judge what runs
#[derive(Args, Debug)]
pub(super) struct Scan {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[cfg(feature = "cluster")]
    Cluster(cluster::ScanCluster),
    #[cfg(feature = "gateway")]
    Docker(docker::ScanDocker),
    Node(node::ScanNode),
}

impl Scan {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        match self.what {
            #[cfg(feature = "cluster")]
            What::Cluster(scan) => scan.run(pack),
            #[cfg(feature = "gateway")]
            What::Docker(scan) => scan.run(pack),
            What::Node(scan) => scan.run(pack),
        }
    }
}
