//! Whether the components are those of the source.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::root;

/// Stops if a policy has no component, or one that is older than its source: the tests would
/// speak of something else than what stands in the source.
pub(crate) fn refuse_stale() {
    let library = newest(&root().join("wit"));
    for policy in policies() {
        let component = root()
            .join("target/policies")
            .join(format!("{policy}.wasm"));
        let built = fs::metadata(&component).and_then(|metadata| metadata.modified());
        let source = newest(&root().join("policies").join(&policy)).max(library);
        assert!(
            built.is_ok_and(|built| built >= source),
            "{} is missing or older than its source: run make policies",
            component.display()
        );
    }
}

/// The names of the policies, from the folders of their source.
pub(crate) fn policies() -> Vec<String> {
    let folders =
        fs::read_dir(root().join("policies")).expect("the policies are part of the workspace");
    let mut names: Vec<String> = folders
        .map(|entry| {
            entry
                .expect("the folder can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| {
            root()
                .join("policies")
                .join(name)
                .join("Cargo.toml")
                .is_file()
        })
        .collect();
    names.sort();
    names
}

fn newest(path: &Path) -> SystemTime {
    let metadata = fs::metadata(path).expect("the source can be read");
    if !metadata.is_dir() {
        return metadata
            .modified()
            .expect("the file system knows when files change");
    }
    let entries = fs::read_dir(path).expect("the source can be read");
    entries
        .map(|entry| newest(&entry.expect("the source can be read").path()))
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
