//! The lock: what references stood for when that was last settled.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{Digest, Pinned, Reference, Wanted, version_of_tag};

/// The name of the file, in the folder in which the program is started.
pub const LOCK_FILE: &str = "stridegate.lock";

/// The version of its format.
const FORMAT: u32 = 1;

/// Reads the text of a lock; the error begins with the line.
fn parse(text: &str) -> anyhow::Result<Content> {
    ensure!(
        !text.trim().is_empty(),
        "line 1: is empty; take it from version control, or remove it and stridegate lock writes it anew"
    );
    let marks = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
    let is_mark = |line: &str| marks.iter().any(|mark| line.starts_with(mark));
    if let Some(index) = text.lines().position(is_mark) {
        bail!(
            "line {}: holds both sides of a merge; take one of them, and stridegate lock settles what is missing",
            index + 1
        );
    }
    let content: Content = serde_json::from_str(text).map_err(|error| {
        let (line, why) = (error.line(), error.to_string());
        let why = why.split(" at line ").next().unwrap_or_default().to_owned();
        anyhow!("line {line}: is no lock: {why}; take it from version control, or remove it and stridegate lock writes it anew")
    })?;
    for (index, locked) in content.artifacts.iter().enumerate() {
        let line = || {
            let named = format!("{:?}", locked.reference);
            let lines = text.lines().enumerate();
            let found = lines.filter(|(_, line)| line.contains(&named));
            found.last().map_or(1, |(line, _)| line + 1)
        };
        locked
            .reference
            .parse::<Reference>()
            .with_context(|| format!("line {}", line()))?;
        let before = &content.artifacts[..index];
        ensure!(
            before
                .iter()
                .all(|other| other.reference != locked.reference),
            "line {}: {} is locked twice; remove one",
            line(),
            locked.reference
        );
    }
    Ok(content)
}

/// What references stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The file.
    pub file: PathBuf,
    /// What each stood for, in the order of the references.
    pub entries: Vec<Locked>,
}

/// What a reference stood for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The reference, as it is written.
    pub reference: String,
    /// The tag that it led to; none for a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// The digests of the keys that had signed it, of those that had to have.
    #[serde(default)]
    pub signers: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    artifacts: Vec<Locked>,
}

impl Locked {
    /// What a reference stands for now.
    #[must_use]
    pub fn new(pinned: &Pinned) -> Self {
        let mut signers: Vec<Digest> = pinned
            .signers
            .iter()
            .map(|signer| signer.key.clone())
            .collect();
        signers.sort();
        Self {
            reference: pinned.reference.to_string(),
            version: pinned.tag.clone(),
            digest: pinned.digest().clone(),
            signers,
        }
    }
}

impl Lock {
    /// Reads a lock.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let name = file.display();
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{name} cannot be read; stridegate lock writes it"))?;
        let content = parse(&text).with_context(|| name.to_string())?;
        ensure!(
            content.version == FORMAT,
            "{name} has the format {}, and this program reads {FORMAT}",
            content.version
        );
        Ok(Self {
            file: file.to_owned(),
            entries: content.artifacts,
        })
    }

    /// Writes it, whole or not at all.
    pub fn write(&self) -> anyhow::Result<()> {
        let mut artifacts = self.entries.clone();
        artifacts.sort_by(|a, b| a.reference.cmp(&b.reference));
        let content = Content {
            version: FORMAT,
            artifacts,
        };
        let text = serde_json::to_string_pretty(&content)? + "\n";
        super::write_file(&self.file, text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.file.display()))
    }

    /// What a reference stood for.
    #[must_use]
    pub fn get(&self, reference: &Reference) -> Option<&Locked> {
        let text = reference.to_string();
        self.entries.iter().find(|locked| locked.reference == text)
    }

    /// Puts what a reference stands for in the place of what it stood for.
    pub fn set(&mut self, locked: Locked) {
        self.entries
            .retain(|entry| entry.reference != locked.reference);
        self.entries.push(locked);
    }

    /// What a reference has to stand for; refuses one that is not there, or whose entry is not an
    /// answer to it.
    pub(super) fn require(&self, reference: &Reference) -> anyhow::Result<&Locked> {
        let file = self.file.display();
        let locked = self.get(reference).with_context(|| {
            format!("is not in {file}; stridegate lock adds it, or leave --locked out")
        })?;
        let version = locked.version.as_deref();
        let fits = match &reference.wanted {
            Wanted::Any => bail!("names no version"),
            Wanted::Tag(tag) => version == Some(tag),
            Wanted::Digest(_, digest) => *digest == locked.digest,
            Wanted::Requirement(requirement) => version
                .and_then(version_of_tag)
                .is_some_and(|version| requirement.matches(&version)),
        };
        ensure!(
            fits,
            "has in {file} the version {}, which it does not ask for; stridegate lock writes it anew",
            version.unwrap_or("(none)")
        );
        Ok(locked)
    }

    /// Refuses what other keys signed than those that had.
    pub(super) fn check_signers(&self, pinned: &Pinned) -> anyhow::Result<()> {
        let locked = self.require(&pinned.reference)?;
        let signs = |key: &&Digest| pinned.signers.iter().any(|signer| signer.key == **key);
        match locked.signers.iter().find(|key| !signs(key)) {
            None => Ok(()),
            Some(key) => bail!(
                "was signed by the key {key} when {} was written, and that cannot be shown now; name its trust file with --trust, or see what changed and run stridegate lock",
                self.file.display()
            ),
        }
    }
}
