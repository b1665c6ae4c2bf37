//! Finds what can be read below a folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::{Format, Input, yaml};
use crate::object::Node;

/// What a walk came upon: an input, or a path that could not be looked at and why.
pub type Found = Result<Input, (String, String)>;

const PATCH: &str =
    "is a kustomize patch; judge what it makes: kustomize build FOLDER | stridegate eval -";
pub(super) const CHART: &str =
    "is a Helm template; judge what it renders: helm template CHART | stridegate eval -";

/// The inputs that an argument stands for: `-` is standard input, a file is itself, a folder is
/// what can be read below it. What `.gitignore` names is left out.
#[must_use]
pub fn walk(argument: &str) -> Vec<Found> {
    let path = Path::new(argument);
    if argument == "-" {
        return vec![Ok(Input {
            name: "-".into(),
            object_name: "-".into(),
            path: None,
            named: true,
            skip: None,
            with: Vec::new(),
            beside: Vec::new(),
        })];
    }
    if !path.is_dir() {
        return vec![Ok(input(
            path,
            path.strip_prefix(".").unwrap_or(path),
            true,
        ))];
    }
    let mut found: Vec<Found> = Vec::new();
    for entry in WalkBuilder::new(path)
        .hidden(false)
        .require_git(false)
        .ignore(false)
        .git_exclude(false)
        .git_global(false)
        .filter_entry(is_no_repository)
        .build()
    {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_dir()) => {}
            Ok(entry) => found.extend(candidate(path, entry.path())),
            Err(error) => found.push(Err((argument.into(), error.to_string()))),
        }
    }
    found.sort_by(|a, b| name(a).cmp(name(b)));
    mark_patches(&mut found);
    found
}

fn is_no_repository(entry: &ignore::DirEntry) -> bool {
    entry.file_name() != ".git"
}

fn name(found: &Found) -> &str {
    match found {
        Ok(input) => &input.name,
        Err((name, _)) => name,
    }
}

/// A file that can be read, by its name. A link is followed if it leads to a file in the same
/// folder: what lies outside was not named by anyone who can answer for it.
fn candidate(root: &Path, path: &Path) -> Option<Found> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    let readable =
        Format::promised_by(path).is_some() || ["yaml", "yml", "json"].contains(&extension);
    if !readable {
        return None;
    }
    if path.is_symlink() {
        let outside = |target: &Path| {
            root.canonicalize()
                .is_ok_and(|root| !target.starts_with(root))
        };
        match path.canonicalize() {
            Ok(target) if target.is_dir() => return None,
            Ok(target) if outside(&target) => {
                let message =
                    "is a link that leads out of the folder; name the file itself to judge it";
                return Some(Err((shown(path), message.into())));
            }
            _ => {}
        }
    } else if !path.is_file() {
        return None;
    }
    Some(Ok(input(
        path,
        path.strip_prefix(root).unwrap_or(path),
        false,
    )))
}

fn input(path: &Path, from_root: &Path, named: bool) -> Input {
    let skip = (!named && is_chart_template(path)).then_some(CHART);
    Input {
        name: shown(path),
        object_name: shown(from_root),
        path: Some(path.into()),
        named,
        skip,
        with: Vec::new(),
        beside: Vec::new(),
    }
}

fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path).display().to_string();
    if std::path::MAIN_SEPARATOR == '/' {
        path
    } else {
        path.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

/// Whether a file lies in the `templates` folder of a Helm chart.
fn is_chart_template(path: &Path) -> bool {
    path.ancestors().any(|folder| {
        folder.file_name().is_some_and(|name| name == "templates")
            && folder
                .parent()
                .is_some_and(|chart| chart.join("Chart.yaml").is_file())
    })
}

/// Leaves out what a kustomization names as a patch and none names as a resource: it is no object
/// but a part of one.
fn mark_patches(found: &mut [Found]) {
    let inputs = found.iter().filter_map(|found| found.as_ref().ok());
    let (mut patches, mut resources) = (HashSet::new(), HashSet::new());
    for path in inputs.filter_map(|input| input.path.as_deref()) {
        let folder = path.parent().unwrap_or(Path::new(""));
        for document in kustomizations(path) {
            for (keys, paths) in [
                (
                    &["patches", "patchesStrategicMerge", "patchesJson6902"][..],
                    &mut patches,
                ),
                (&["resources", "bases", "crds"], &mut resources),
            ] {
                let named = keys.iter().filter_map(|key| document.get(key));
                let named = named
                    .flat_map(Node::items)
                    .filter_map(|item| item.as_str().or_else(|| item.text("path")));
                paths.extend(named.map(|name| normal(&folder.join(name))));
            }
        }
    }
    for input in found.iter_mut().filter_map(|found| found.as_mut().ok()) {
        let path = input.path.as_deref().map(normal);
        if path.is_some_and(|path| patches.contains(&path) && !resources.contains(&path)) {
            input.skip = Some(PATCH);
        }
    }
}

fn kustomizations(path: &Path) -> Vec<Node> {
    let is_kustomization = path
        .file_name()
        .is_some_and(|name| name == "kustomization.yaml" || name == "kustomization.yml");
    let content = is_kustomization
        .then(|| std::fs::read_to_string(path).ok())
        .flatten()
        .unwrap_or_default();
    yaml::read(&content).documents
}

/// A path without `.` and with `..` resolved by name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if normal.file_name().is_some() => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}
