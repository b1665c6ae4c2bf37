//! Files that configure one program, where a user names them together.

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::daemon::DEFAULT_FILE;

use super::daemon::{self, Together};
use super::{Found, Input, Reading, cluster, facts};
use crate::object::Text;

/// Puts the files that belong together into one input: daemon.json with the units that start
/// dockerd, and a kubelet's configuration with its drop-ins (`*.conf`). What a folder holds is not
/// merged: nothing says that it is of one host.
#[must_use]
pub fn group(found: Vec<Found>) -> Vec<Found> {
    let mut grouped: Vec<Found> = Vec::new();
    let (mut daemon, mut kubelet) = (None, None);
    for item in found {
        let (first, is_part): (&mut Option<usize>, bool) = match &item {
            Ok(input) if input.named && is_of_daemon(input) => (&mut daemon, true),
            Ok(input) if input.named && is_drop_in(input) => (&mut kubelet, true),
            Ok(input) if input.named && is_kubelet(input) => (&mut kubelet, false),
            _ => {
                grouped.push(item);
                continue;
            }
        };
        match (*first, item) {
            (Some(index), Ok(mut input)) => {
                if let Some(Ok(group)) = grouped.get_mut(index) {
                    // The configuration stands before what is laid over it.
                    if is_part {
                        group.with.push(input);
                    } else {
                        std::mem::swap(group, &mut input);
                        group.with = std::mem::take(&mut input.with);
                        group.with.insert(0, input);
                    }
                }
            }
            (_, item) => {
                *first = Some(grouped.len());
                grouped.push(item);
            }
        }
    }
    grouped
}

fn is_of_daemon(input: &Input) -> bool {
    let path = Path::new(&input.name);
    daemon::is_file(path) || daemon::is_unit(path)
}

fn is_drop_in(input: &Input) -> bool {
    Path::new(&input.name)
        .extension()
        .is_some_and(|extension| extension == "conf")
        && !is_of_daemon(input)
}

fn is_kubelet(input: &Input) -> bool {
    let content = input
        .path
        .as_deref()
        .and_then(|path| std::fs::read_to_string(path).ok());
    content.is_some_and(|content| content.contains("KubeletConfiguration"))
}

/// Reads the texts of a group, of which `first` is the one that it is named after.
pub(super) fn read(first: &Arc<Text>, others: Vec<Arc<Text>>, name: &str) -> Reading {
    let mut reading = Reading::default();
    let texts: Vec<Arc<Text>> = std::iter::once(Arc::clone(first)).chain(others).collect();
    let is_daemon = |text: &Arc<Text>| {
        daemon::is_file(Path::new(&text.name)) || daemon::is_unit(Path::new(&text.name))
    };
    if !texts.iter().any(is_daemon) {
        cluster::read_kubelet(&texts, name, &mut reading);
        return reading;
    }
    let files = texts.iter().map(|text| {
        let path = if daemon::is_file(Path::new(&text.name)) {
            DEFAULT_FILE
        } else {
            &text.name
        };
        (path.to_owned(), Arc::clone(text))
    });
    let files: Vec<(String, Arc<Text>)> = files.collect();
    let together = Together {
        units: facts::units(&files),
        process: None,
        files,
    };
    daemon::read_together(together, name, &mut reading);
    reading
}
