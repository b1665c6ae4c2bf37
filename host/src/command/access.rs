use std::path::PathBuf;

use clap::Args;

use crate::collect::cluster::Access;

/// How to reach an API server.
#[derive(Args, Debug)]
pub(super) struct AccessArgs {
    /// The kubeconfig of the cluster
    #[arg(long, value_name = "FILE", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,

    /// The context in the kubeconfig, in place of its current one
    #[arg(long, value_name = "NAME", conflicts_with = "in_cluster")]
    context: Option<String>,

    /// Reach the API server with the service account of the Pod
    #[arg(long)]
    in_cluster: bool,
}

impl AccessArgs {
    /// Whether any of them is given.
    pub(super) fn is_given(&self) -> bool {
        self.in_cluster || self.kubeconfig.is_some() || self.context.is_some()
    }

    pub(super) fn access(&self) -> Access {
        Access {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            in_cluster: self.in_cluster,
        }
    }
}
