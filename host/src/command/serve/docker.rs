use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{GateArgs, say, until_stopped};
use crate::catalog::Bundled;
use crate::collect::engine::Address;
use crate::gateway::Recipe;
use crate::gateway::docker::{BuildKit, Plugin};
use crate::gateway::server::Listener;
use crate::review::Decision;

/// Stand at the gate of a Docker engine, as its authorization plugin
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct Docker {
    /// The Unix socket on which the engine asks; its file name is the name of the plugin
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/run/docker/plugins/stridegate.sock"
    )]
    socket: PathBuf,

    /// The engine that is asked what exists already; as the docker command finds it if it is not
    /// given
    #[arg(long, value_name = "ADDRESS")]
    engine: Option<String>,

    /// What becomes of BuildKit's endpoints, through which it builds unseen
    #[arg(long, value_name = "WHAT", default_value = "deny")]
    buildkit: Opaque,

    #[command(flatten)]
    gate: GateArgs,
}

const AFTER: &str = "The engine asks the plugin after \"authorization-plugins\": [\"stridegate\"] in its daemon.json. \
It refuses every request while the plugin is not there.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Opaque {
    /// They are judged by who uses them
    Allow,
    /// They are denied
    Deny,
}

impl Docker {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let engine = Address::find(self.engine.as_deref())?;
        let Some(gate) = self.gate.gate("docker", pack, Recipe::default())? else {
            return Ok(Decision::Failed);
        };
        let buildkit = match self.buildkit {
            Opaque::Allow => BuildKit::Allow,
            Opaque::Deny => BuildKit::Deny,
        };
        say(&format!(
            "what exists already is asked of the engine at {engine}"
        ));
        if !engine.is_protected() {
            say(
                "warning: that engine is asked without TLS, so that anybody on the way can answer for it",
            );
        }
        say(match buildkit {
            BuildKit::Allow => "BuildKit builds unseen, and is allowed to (--buildkit allow)",
            BuildKit::Deny => "BuildKit builds unseen, and is denied (--buildkit deny)",
        });
        let plugin = Arc::new(Plugin::new(Arc::clone(&gate), engine, buildkit)?);
        self.gate.run(&gate, async || {
            let listener = Listener::unix(&self.socket).await?;
            say(&format!("listening on {}", self.socket.display()));
            until_stopped(listener, move |head, body| {
                let plugin = Arc::clone(&plugin);
                async move { plugin.answer(head, body).await }
            })
            .await
        })
    }
}
