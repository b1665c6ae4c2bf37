//! Which files Compose lays over one another.

use std::path::{Path, PathBuf};

use super::dotenv;
use super::interpolate::Variables;
use super::project::normal;

/// What a file is in its project.
pub(super) enum Layers {
    /// It is laid over this one.
    Over(String),
    /// It begins the project, and these are laid over it, as seen from its folder.
    Under(Vec<PathBuf>),
}

/// The names that Compose looks for, the first that is there before the others.
const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// The names of what Compose lays over it.
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// How far above a file a `.env` may name it.
const MAX_ABOVE: usize = 4;

/// What a file is in its project: what `COMPOSE_FILE` says, or else the names of the files.
pub(super) fn of(path: &Path) -> Layers {
    let alone = || Layers::Under(Vec::new());
    let (Some(name), Some(folder)) = (
        path.file_name().and_then(|name| name.to_str()),
        path.parent().filter(|_| path != Path::new("-")),
    ) else {
        return alone();
    };
    for above in folder.ancestors().take(MAX_ABOVE) {
        let Some(chosen) = chosen_in(above) else {
            continue;
        };
        let own = path.strip_prefix(above).unwrap_or(path);
        match chosen.split_first() {
            Some((first, rest)) if first == own => return Layers::Under(rest.to_vec()),
            Some((first, rest)) if rest.iter().any(|other| other == own) => {
                return Layers::Over(first.display().to_string());
            }
            // Compose looks for no other names, and does not read this file by itself.
            _ if above == folder => return alone(),
            _ => {}
        }
    }
    let there =
        |names: [&'static str; 4]| names.into_iter().find(|name| folder.join(name).is_file());
    match (there(NAMES), there(OVERRIDES)) {
        (Some(main), Some(over)) if over == name => Layers::Over(main.to_owned()),
        (Some(main), Some(over)) if main == name => Layers::Under(vec![PathBuf::from(over)]),
        _ => alone(),
    }
}

/// The files that `COMPOSE_FILE` in the `.env` of a folder names, if the project begins in that
/// folder: from another one, paths would start elsewhere.
fn chosen_in(folder: &Path) -> Option<Vec<PathBuf>> {
    let content = std::fs::read_to_string(folder.join(".env")).ok()?;
    let (assignments, _) = dotenv::read(&content, &Variables::new());
    let value = |name: &str| {
        let mut all = assignments.iter().rev();
        let found = all.find(|assignment| assignment.name == name)?;
        found.value.known.then(|| found.value.text.clone())
    };
    let separator = value("COMPOSE_PATH_SEPARATOR").filter(|separator| !separator.is_empty());
    let separator = separator.unwrap_or_else(|| ":".to_owned());
    let chosen = value("COMPOSE_FILE")?;
    let names = chosen.split(&*separator).filter(|name| !name.is_empty());
    let files: Vec<PathBuf> = names.map(|name| normal(Path::new(name))).collect();
    let begins_here = files.first()?.parent() == Some(Path::new(""));
    begins_here.then_some(files)
}
