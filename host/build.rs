//! Lists the components that become part of the program. It builds none: `make` does.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../target/policies");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut components: Vec<_> = fs::read_dir(&folder)
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default();
    components.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    });
    components.sort();
    if components.is_empty() {
        println!(
            "cargo::warning=there are no policies in target/policies, so none are bundled: run make policies first"
        );
    }
    let mut pack = String::from(
        "/// The bundled policies.\nconst PACK: &[stridegate::catalog::Bundled] = &[\n",
    );
    for component in &components {
        println!("cargo::rerun-if-changed={}", component.display());
        let path = component
            .canonicalize()
            .expect("the component was just listed");
        let path = path.to_str().expect("a checkout has a path in UTF-8");
        let name = component
            .file_stem()
            .expect("the component has a name")
            .to_string_lossy();
        writeln!(pack, "    ({name:?}, include_bytes!({path:?})),")
            .expect("a string can be written");
    }
    pack += "];\n";
    let output = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("pack.rs");
    fs::write(output, pack).expect("cargo's folder can be written");
}
