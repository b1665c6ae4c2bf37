//! Paths of files that are not in the folder of the project, seen from there.

use std::path::{Component, Path, PathBuf};

use super::merge::sequence;
use super::project::normal;
use crate::object::{Content, Node};

/// The way from one folder of the project to another.
pub(super) fn between(from: &Path, to: &Path) -> PathBuf {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// Makes the paths in a service that was written in another folder start from this one.
pub(super) fn rebase_service(service: &mut Node, folder: &Path) {
    if folder.as_os_str().is_empty() {
        return;
    }
    if let Some(build) = service.get_mut("build") {
        let context = if matches!(build.content, Content::Map(_)) {
            build.get_mut("context")
        } else {
            Some(build)
        };
        if let Some(path) = context {
            rebase(path, folder);
        }
    }
    for key in ["env_file", "label_file"] {
        if let Some(files) = service.get_mut(key) {
            let items = sequence(std::mem::replace(files, Node::list(files.span, Vec::new())));
            let rebased = items.into_iter().map(|mut item| {
                let path = if matches!(item.content, Content::Map(_)) {
                    item.get_mut("path")
                } else {
                    Some(&mut item)
                };
                if let Some(path) = path {
                    rebase(path, folder);
                }
                item
            });
            files.content = Content::List(rebased.collect());
        }
    }
    if let Some(Node {
        content: Content::List(volumes),
        ..
    }) = service.get_mut("volumes")
    {
        for volume in volumes {
            rebase_volume(volume, folder);
        }
    }
}

/// Makes the paths in a project that was written in another folder start from this one.
pub(super) fn rebase_project(root: &mut Node, folder: &Path) {
    for (section, key) in [
        ("services", None),
        ("secrets", Some("file")),
        ("configs", Some("file")),
    ] {
        let Some(Node {
            content: Content::Map(entries),
            ..
        }) = root.get_mut(section)
        else {
            continue;
        };
        for entry in entries {
            match key {
                None => rebase_service(&mut entry.value, folder),
                Some(key) => {
                    if let Some(path) = entry.value.get_mut(key) {
                        rebase(path, folder);
                    }
                }
            }
        }
    }
}

fn rebase_volume(volume: &mut Node, folder: &Path) {
    if let Content::String(written) = &mut volume.content {
        if written.starts_with('.')
            && let Some((source, rest)) = written.split_once(':')
        {
            *written = format!("{}:{rest}", joined(folder, source));
        }
    } else if volume.text("type") == Some("bind")
        && let Some(path) = volume.get_mut("source")
    {
        rebase(path, folder);
    }
}

fn rebase(path: &mut Node, folder: &Path) {
    if let Content::String(written) = &mut path.content {
        let elsewhere = written.starts_with(['/', '~', '$']) || written.contains("://");
        if !elsewhere {
            *written = joined(folder, written);
        }
    }
}

/// A relative path from the folder of the project.
fn joined(folder: &Path, path: &str) -> String {
    format!("./{}", normal(&folder.join(path)).display())
}
