use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ruling::{CheckRecord, ErrorRecord, IdentityRecord, ObjectRecord};

/// A decision as the log has it: one line of JSON. New keys may come; these stay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When the request came, in UTC.
    pub time: Timestamp,
    /// `docker` or `kubernetes`.
    pub gate: String,
    /// What its caller calls the request; none if it has no name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The user, if the transport knows one.
    pub user: Option<String>,
    /// The groups of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What is asked: the endpoint, or the operation.
    pub endpoint: String,
    /// What it is asked of.
    pub object: Option<IdentityRecord>,
    /// `allow` or `deny`.
    pub decision: String,
    /// Whether a denial was only recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dryrun: bool,
    /// Whether what was not known yet was no reason to deny it, because it is judged once more
    /// before anything comes of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// Why it is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<String>,
    /// What was said although it was allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckRecord>,
    /// What could not be judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorRecord>,
    /// How many rules held.
    pub passed: usize,
    /// How many had nothing to say.
    pub not_applicable: usize,
    /// The set that was in force.
    pub set: String,
    /// From the arrival of the request to the decision.
    pub microseconds: u64,
    /// How much of that policies were asked for.
    #[serde(default)]
    pub evaluation_microseconds: u64,
    /// What was judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectRecord>,
}

/// Where decisions are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output, which systemd passes on to the journal.
    Stdout,
    /// A file, which only its owner can read.
    File {
        /// The file.
        path: PathBuf,
        /// How large it may become, in bytes, before it is renamed and a new one begun.
        size: u64,
        /// How many old ones are kept: `PATH.1` is the newest.
        keep: u32,
    },
}

/// The log of decisions. Each line is written at once, so that none waits in memory when the
/// program is killed.
#[derive(Debug)]
pub struct Log(Mutex<Output>);

#[derive(Debug)]
enum Output {
    Stdout,
    File {
        path: PathBuf,
        file: File,
        written: u64,
        size: u64,
        keep: u32,
    },
}

impl Log {
    /// Opens the log.
    pub fn open(target: &LogTarget) -> io::Result<Self> {
        Ok(Self(Mutex::new(match target {
            LogTarget::Stdout => Output::Stdout,
            LogTarget::File { path, size, keep } => {
                let file = open(path)?;
                let written = file.metadata()?.len();
                Output::File {
                    path: path.clone(),
                    file,
                    written,
                    size: *size,
                    keep: *keep,
                }
            }
        })))
    }

    /// Opens the file anew, after somebody else has renamed it.
    pub fn reopen(&self) -> io::Result<()> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Output::Stdout => Ok(()),
            Output::File {
                path,
                file,
                written,
                ..
            } => {
                *file = open(path)?;
                *written = file.metadata()?.len();
                Ok(())
            }
        }
    }

    /// Writes a decision.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        let mut line = Vec::with_capacity(8 << 10);
        serde_json::to_writer(&mut line, record)?;
        line.push(b'\n');
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Output::Stdout => io::stdout().lock().write_all(&line),
            Output::File {
                path,
                file,
                written,
                size,
                keep,
            } => {
                let length = line.len() as u64;
                if *written > 0 && *written + length > *size {
                    rotate(path, *keep)?;
                    *file = open(path)?;
                    *written = 0;
                }
                if let Err(error) = file.write_all(&line) {
                    // Half a line would spoil the next one, too.
                    let _ = file.set_len(*written);
                    return Err(error);
                }
                *written += length;
                Ok(())
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Renames a file to `PATH.1`, that to `PATH.2`, and so on; the oldest goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let old = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..keep).rev() {
        match std::fs::rename(old(number), old(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if keep == 0 {
        std::fs::remove_file(path)
    } else {
        std::fs::rename(path, old(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(user: &str) -> Record {
        Record {
            time: Timestamp::UNIX_EPOCH,
            gate: "docker".into(),
            id: None,
            user: Some(user.into()),
            groups: Vec::new(),
            endpoint: "image.commit".into(),
            object: None,
            decision: "allow".into(),
            dryrun: false,
            pending: false,
            denials: Vec::new(),
            warnings: Vec::new(),
            checks: Vec::new(),
            errors: Vec::new(),
            passed: 0,
            not_applicable: 0,
            set: String::new(),
            microseconds: 1,
            evaluation_microseconds: 0,
            objects: Vec::new(),
        }
    }

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = folder.path().join("decisions.jsonl");
        let line = serde_json::to_vec(&record("0"))
            .expect("a record is JSON")
            .len() as u64;
        let size = line * 5 / 2;
        let target = LogTarget::File {
            path: path.clone(),
            size,
            keep: 2,
        };
        let log = Log::open(&target).expect("the file can be made");
        for number in 0..9 {
            log.write(&record(&number.to_string()))
                .expect("the file can be written");
        }
        let users = |name: &str| -> Vec<String> {
            let text =
                std::fs::read_to_string(folder.path().join(name)).expect("the file is there");
            let user = |line| {
                serde_json::from_str::<Record>(line)
                    .expect("it is JSON")
                    .user
            };
            text.lines().filter_map(user).collect()
        };
        assert_eq!(users("decisions.jsonl"), ["8"]);
        assert_eq!(users("decisions.jsonl.1"), ["6", "7"]);
        assert_eq!(users("decisions.jsonl.2"), ["4", "5"]);
        assert!(!folder.path().join("decisions.jsonl.3").exists());
    }
}
