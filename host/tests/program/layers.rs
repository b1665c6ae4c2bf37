//! A module uses only those that stand before it in the library's file.

use std::fs;
use std::path::Path;

use super::root;

#[test]
fn a_module_uses_only_those_before_it() {
    let source = root().join("host/src");
    let library = fs::read_to_string(source.join("lib.rs")).expect("the library is there");
    let modules: Vec<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(
        modules.len() > 8,
        "the modules of the library were not found"
    );
    for (index, module) in modules.iter().enumerate() {
        for later in &modules[index + 1..] {
            for (file, text) in sources(&source, module) {
                assert!(
                    !text.contains(&format!("crate::{later}")),
                    "{file} uses {later}, which stands after {module}"
                );
            }
        }
    }
}

#[test]
fn only_the_engine_names_wasmtime() {
    for (file, text) in sources(&root().join("host"), "src") {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let names = code.into_iter().any(|line| line.contains("wasmtime"));
        assert!(
            !names || file.ends_with("engine/mod.rs"),
            "{file} names wasmtime"
        );
    }
}

/// The files of a module with their texts.
fn sources(folder: &Path, module: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let file = folder.join(format!("{module}.rs"));
    if let Ok(text) = fs::read_to_string(&file) {
        found.push((file.display().to_string(), text));
    }
    for entry in fs::read_dir(folder.join(module))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let name = path
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(sources(&folder.join(module), &name));
        }
    }
    found
}
