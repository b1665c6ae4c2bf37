//! Judges every case in `testdata/` through the compiled policies, and checks the policies
//! themselves. A case is a file; `testdata/README.md` says how it is written.

mod cases;
mod components;
mod expectations;
mod meta;
mod silent;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use stridegate::catalog::Catalog;
use stridegate::engine::{Engine, Limits};

/// What every test looks at.
struct World {
    engine: Engine,
    catalog: Catalog,
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the host lies in the workspace")
        .to_owned()
}

fn main() {
    let arguments = Arguments::from_args();
    components::refuse_stale();
    let engine = Engine::new(8, Limits::default()).expect("the machine can run components");
    let mut catalog = Catalog::default();
    catalog.add_path(&engine, None, &root().join("target/policies"));
    assert!(catalog.errors.is_empty(), "{:?}", catalog.errors);
    let world: &'static World = Box::leak(Box::new(World { engine, catalog }));
    let mut trials = cases::trials(world);
    trials.extend(meta::trials(world));
    trials.extend(silent::trials(world));
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test from a function that says what is wrong.
fn trial(name: String, test: impl FnOnce() -> Result<(), String> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(Failed::from))
}
