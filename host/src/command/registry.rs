//! What the verbs about a registry share.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::say;
use crate::catalog::Catalog;
use crate::constraint::{Problem, read_trust};
use crate::registry::{
    Access, Annotations, LOCK_FILE, Lock, Meter, Options, Patience, Reference, Registry, Trust,
};
use crate::review::Decision;

/// How registries are reached, and where what was pulled is kept.
#[derive(Args, Clone, Debug)]
pub(super) struct RegistryArgs {
    /// A registry that is reached without TLS, as host or host:port; can be given several times.
    /// One on this machine may do without it unnamed
    #[arg(long, value_name = "REGISTRY")]
    plain_http: Vec<String>,

    /// A file with the certificates, in PEM, of an authority to trust for registries; can be given
    /// several times
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,

    /// The folder in which artifacts are kept, in place of that of this user
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Ask no registry: use only what was pulled or loaded before
    #[arg(long)]
    offline: bool,

    /// The file that says whose signatures artifacts need, in place of
    /// ~/.config/stridegate/trust.yaml or else /etc/stridegate/trust.yaml
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

impl RegistryArgs {
    pub(super) fn open(&self, lock: Option<Lock>) -> anyhow::Result<Registry> {
        Registry::open(Options {
            access: Access {
                plain: self.plain_http.clone(),
                authorities: self.ca.clone(),
                patience: Patience::default(),
            },
            store: self.store.clone(),
            offline: self.offline,
            trust: self.trust()?,
            lock,
            meter: Arc::new(meter()),
        })
    }

    /// A catalog without policies, which follows references as a lock says.
    pub(super) fn catalog(
        &self,
        lock: impl Fn() -> anyhow::Result<Option<Lock>> + Send + Sync + 'static,
    ) -> Catalog {
        let access = self.clone();
        let mut catalog = Catalog::default();
        catalog.connect(move || access.open(lock()?));
        catalog
    }

    fn trust(&self) -> anyhow::Result<Option<Trust>> {
        let named = self.trust.clone();
        let found = || {
            let mut usual = trust_files().into_iter();
            // A file that cannot be read is no reason to trust everybody.
            usual.find(|file| !matches!(file.try_exists(), Ok(false)))
        };
        let Some(file) = named.or_else(found) else {
            return Ok(None);
        };
        read_trust(&file)
            .map(Some)
            .map_err(|problems| anyhow!(lines(problems)))
    }
}

/// What is wrong with files of constraints, each with its place.
pub(super) fn lines(problems: Vec<Problem>) -> String {
    let lines = problems.into_iter().map(|problem| match problem.position {
        Some(at) => format!(
            "{}:{}:{}: {}",
            problem.file, at.line, at.column, problem.message
        ),
        None => format!("{}: {}", problem.file, problem.message),
    });
    lines.collect::<Vec<_>>().join("\nerror: ")
}

/// Where the trust file is looked for.
fn trust_files() -> Vec<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let user = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let folders = user.into_iter().chain([PathBuf::from("/etc")]);
    folders
        .map(|folder| folder.join("stridegate/trust.yaml"))
        .collect()
}

/// Which lock counts.
#[derive(Args, Clone, Debug)]
pub(super) struct LockArgs {
    /// Use of registries only what the lock names, and refuse what differs from it
    #[arg(long)]
    locked: bool,

    #[command(flatten)]
    file: LockFile,
}

/// Where the lock is.
#[derive(Args, Clone, Debug)]
pub(super) struct LockFile {
    /// The lock that stridegate lock writes
    #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
    pub(super) lock_file: PathBuf,
}

impl LockArgs {
    pub(super) fn read(&self) -> anyhow::Result<Option<Lock>> {
        let read = || Lock::read(&self.file.lock_file);
        self.locked.then(read).transpose()
    }
}

/// What locks a private key.
#[derive(Args, Debug)]
pub(super) struct PasswordArgs {
    /// A file with the password of the private key, without the end of its line; without this,
    /// COSIGN_PASSWORD is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArgs {
    pub(super) fn read(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.password_file else {
            return Ok(std::env::var("COSIGN_PASSWORD").ok());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

/// How to write what a registry said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Text,
    /// One JSON value, for programs
    Json,
}

/// Downloads that take less than this say nothing.
const PATIENCE: Duration = Duration::from_millis(700);

/// Shows on a terminal how far downloads have come.
fn meter() -> Meter {
    let started = Instant::now();
    let last = Mutex::new(String::new());
    let show = move |meter: &Meter| {
        // Several downloads come at a time, and the last line has to be the newest.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let [complete, artifacts] =
            [&meter.complete, &meter.artifacts].map(|counter| counter.load(Ordering::Relaxed));
        if started.elapsed() < PATIENCE || artifacts == 0 {
            return;
        }
        // Nothing makes room for what comes after it.
        let line = if complete == artifacts {
            String::new()
        } else {
            let bytes = meter.bytes.load(Ordering::Relaxed) >> 10;
            format!("{complete} of {artifacts} artifacts pulled ({bytes} KiB)")
        };
        if line != *last {
            let text = format!("\r\u{1b}[K{line}");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            *last = line;
        }
    };
    Meter {
        show: std::io::stderr()
            .is_terminal()
            .then(|| Box::new(show) as Box<dyn Fn(&Meter) + Send + Sync>),
        ..Meter::default()
    }
}

/// Says what could not be kept; what was pulled is good all the same.
pub(super) fn say_notices(registry: &Registry) -> Decision {
    let notices = registry.notices();
    for notice in &notices {
        say(&format!("warning: {notice}"));
    }
    if notices.is_empty() {
        Decision::Clean
    } else {
        Decision::Failed
    }
}

/// A reference from the command line.
pub(super) fn reference(text: &str) -> Result<Reference, String> {
    text.parse()
        .map_err(|error: anyhow::Error| format!("{error:#}"))
}

/// `KEY=VALUE` from the command line.
pub(super) fn annotation(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("an annotation is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn annotations(pairs: Vec<(String, String)>) -> Annotations {
    pairs.into_iter().collect()
}

/// Writes a file whole or not at all.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    crate::registry::write_file(path, bytes)
        .with_context(|| format!("{} cannot be written", path.display()))
}
