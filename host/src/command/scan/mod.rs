mod cluster;

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
    Cluster(cluster::ScanCluster),
}

impl Scan {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        match self.what {
            What::Cluster(scan) => scan.run(pack),
        }
    }
}
