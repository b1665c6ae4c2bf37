//! The verbs about a registry, against one on this machine that misbehaves on demand.

mod artifacts;
mod bundles;
mod fake;
mod faults;
mod hasty;
mod hostile;
mod lock;
mod routes;
mod signatures;
#[cfg(feature = "gateway")]
mod tls;
mod trust;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Run, root, stridegate};
use fake::Fake;

/// A desk with a home of its own, and a registry.
struct Desk {
    folder: TempDir,
    fake: Fake,
}

impl Desk {
    fn new() -> Self {
        Self::beside(Fake::start())
    }

    /// A desk beside a registry.
    fn beside(fake: Fake) -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        Self { folder, fake }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        super::write(self.folder.path(), name, content);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = stridegate(self.folder.path());
        command
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("COSIGN_PASSWORD");
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    /// Runs a verb with variables of the environment.
    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = self.command(arguments);
        let output = command.envs(variables.iter().copied()).output();
        output.expect("the program can be started").into()
    }

    /// Runs a verb about a registry with a store of this desk.
    fn ask(&self, arguments: &[&str]) -> Run {
        self.run(&[arguments, &["--store", "store"]].concat())
    }

    /// Runs it, and it has to do its job.
    fn does(&self, arguments: &[&str]) -> String {
        let run = self.ask(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.stdout
    }

    /// Runs it, and it has to fail with a message that says why.
    fn refuses(&self, arguments: &[&str], part: &str) -> String {
        let run = self.ask(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(part), "{part:?} is not in {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        run.stderr
    }

    /// Forgets what was pulled.
    fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.path("store"));
    }

    /// A registry that holds a policy, which this desk has forgotten.
    fn with_policy() -> Self {
        let desk = Self::new();
        let target = desk.fake.reference("a/root-user");
        desk.does(&["push", &target, &component("root-user")]);
        desk.forget();
        desk.fake.log();
        desk
    }

    fn policy(&self) -> String {
        self.fake.reference("a/root-user:0.1.0")
    }

    /// The digest of the manifest of the policy.
    fn digest(&self) -> String {
        let bytes = self.fake.manifest("a/root-user", "0.1.0");
        stridegate::registry::Digest::of(&bytes).to_string()
    }
}

fn component(name: &str) -> String {
    let file = root().join(format!("target/policies/{name}.wasm"));
    file.to_str()
        .expect("a checkout has a path in UTF-8")
        .to_owned()
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn make_executable(desk: &Desk, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(desk.path(name), mode).expect("the test owns its files");
}
