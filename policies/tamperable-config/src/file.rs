//! Who may change a file of Docker's.

use stridegate_policy::prelude::*;
use stridegate_policy::{Allowed, Breach};

use crate::{FILE_MODE, FILE_OWNER, Parameters, UNSAFE_FOLDER};

/// The roles of files, and the mode that each may have.
const MODES: [(&str, u32); 17] = [
    ("docker-config-dir", 0o755),
    ("docker-daemon-config", 0o644),
    ("docker-service", 0o644),
    ("docker-service-drop-in", 0o644),
    ("docker-socket-unit", 0o644),
    ("docker-environment", 0o644),
    ("docker-socket", 0o660),
    ("docker-data-dir", 0o755),
    ("docker-tls-ca", 0o444),
    ("docker-tls-cert", 0o444),
    ("docker-tls-key", 0o400),
    ("docker-registry-ca", 0o444),
    ("docker-registry-cert", 0o444),
    ("docker-registry-key", 0o400),
    ("docker-client-dir", 0o700),
    ("docker-client-config", 0o600),
    ("docker-client-context", 0o600),
];

/// Those of containerd, which Docker's containers are run by.
const CONTAINERD_MODES: [(&str, u32); 2] =
    [("containerd-config", 0o644), ("containerd-socket", 0o660)];

pub(crate) fn check(file: &At, parameters: &Parameters, checks: &mut Checks) {
    let role = file.get("role").text().unwrap_or_default();
    let mut modes = MODES.iter().chain(&CONTAINERD_MODES);
    let Some(&(_, mode)) = modes.find(|(name, _)| *name == role) else {
        return;
    };
    for rule in [&FILE_MODE, &FILE_OWNER, &UNSAFE_FOLDER] {
        checks.pass(rule);
    }
    let home = home(file);
    let mut allowed = Allowed::root(mode);
    if let Some(owner) = home {
        // A user's own group has mostly the same number.
        allowed.uids.push(owner);
        allowed.gids.push(owner);
    }
    if role == "docker-socket" {
        match &parameters.socket_gids[..] {
            [] => allowed.gids.extend(file.get("gid").integer()),
            gids => allowed
                .gids
                .extend(gids.iter().filter_map(|gid| i64::try_from(*gid).ok())),
        }
    }
    for offence in allowed.offences(file) {
        match offence.breach {
            Breach::Mode(excess) => {
                let finding = checks.fail(&FILE_MODE, &offence, &*offence.message);
                finding.severity(severity(role, excess));
            }
            // To which of their groups users give their files is theirs to say.
            Breach::Group if home.is_some() => {}
            Breach::User | Breach::Group => {
                let finding = checks.fail(&FILE_OWNER, &offence, &*offence.message);
                if offence.breach == Breach::Group {
                    finding.severity(Severity::Medium);
                }
            }
            Breach::Folder => {
                checks.fail(&UNSAFE_FOLDER, &offence, &*offence.message);
            }
        }
    }
}

/// How bad bits too many are. Who may write to the socket is root; the owner of a file may change
/// its mode at any time.
fn severity(role: &str, excess: u32) -> Severity {
    if excess & 0o022 != 0 && role.ends_with("-socket") {
        Severity::Critical
    } else if excess & 0o6022 != 0 || (excess & 0o044 != 0 && role.ends_with("-key")) {
        Severity::High
    } else if excess & 0o044 != 0 {
        Severity::Medium
    } else {
        Severity::Low
    }
}

/// The owner of the home that a file lies in; that of the file where the home is not stated.
fn home(file: &At) -> Option<i64> {
    let path = file.get("path").text()?;
    let (home, _) = path
        .split_once("/.docker")
        .or_else(|| path.split_once("/.config/"))?;
    let of_home = |folder: &At| folder.get("path").text() == Some(home);
    let folder = file.get("parents").items().find(of_home);
    folder.as_ref().unwrap_or(file).get("uid").integer()
}
