//! What a reference stands for changes while the plugin serves.

use rustix::process::Signal;

use super::fake::Fake;
use super::{Gate, command, create};

fn push(fake: &Fake, policy: &str) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let target = fake.reference("a/policy:edge");
    let pushed = command(folder.path())
        .args(["push", &target, policy, "--store", "store"])
        .output()
        .expect("the program can be started");
    assert!(pushed.status.success(), "{pushed:?}");
}

fn denies_root(gate: &Gate) -> bool {
    let body = create("0");
    !gate.asks("POST", "/containers/create", Some(&body)).0
}

#[test]
fn what_a_tag_stands_for_is_followed_and_a_bad_one_is_not() {
    let fake = Fake::start();
    push(&fake, "root-user");
    let constraints = format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: a}}\nspec: {{policy: '{}'}}\n",
        fake.reference("a/policy:edge")
    );
    let mut gate = Gate::start(&constraints, &["--store", "store"]);
    assert!(denies_root(&gate));
    let good = fake.manifest("a/policy", "edge");
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    fake.set("a/policy", "edge", manifest, b"{}");
    gate.signal(Signal::HUP);
    gate.wait_for("the old one stays in force");
    assert!(denies_root(&gate));
    fake.set("a/policy", "edge", manifest, &good);
    gate.signal(Signal::HUP);
    gate.wait_for("nothing has changed");
    push(&fake, "log-level");
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(
        !denies_root(&gate),
        "the other policy has nothing against it"
    );
    push(&fake, "root-user");
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(denies_root(&gate));
}
