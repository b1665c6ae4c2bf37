//! Where a trust file applies, only what was signed as it asks is used.

use std::os::unix::fs::PermissionsExt;

use super::Desk;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A desk with a policy, two pairs of keys, and a trust file that asks for the first.
fn desk() -> Desk {
    let desk = Desk::with_policy();
    desk.write("password", b"hunter\n");
    for name in ["a", "b"] {
        desk.run(&["keygen", name, "--password-file", "password"]);
    }
    trust(&desk, "keys: [../../a.pub]");
    desk
}

fn trust(desk: &Desk, rule: &str) {
    let text = format!(
        "apiVersion: stridegate.dev/v1\nkind: Trust\nspec:\n  rules:\n    - {{prefix: {}, {rule}}}\n",
        desk.fake.address
    );
    desk.write("config/stridegate/trust.yaml", text.as_bytes());
}

fn sign(desk: &Desk, key: &str, layout: &str) {
    let key = format!("{key}.key");
    let options = ["--password-file", "password", "--layout", layout];
    desk.does(&[&["sign", &desk.policy(), "--key", &key][..], &options].concat());
}

#[test]
fn what_is_not_signed_is_refused_by_every_verb() {
    let desk = desk();
    let (policy, to) = (desk.policy(), desk.fake.reference("b/c"));
    for verb in [
        &["pull", &policy][..],
        &["inspect", &policy],
        &["verify", &policy],
        &["copy", &policy, &to],
        &["save", &policy, "-o", "a.tar"],
    ] {
        desk.refuses(verb, "is not signed");
    }
    assert!(!desk.path("a.tar").exists());
}

#[test]
fn either_layout_will_do_and_is_kept() {
    for layout in ["tag", "bundle", "both"] {
        let desk = desk();
        sign(&desk, "a", layout);
        desk.forget();
        let said = desk.does(&["verify", &desk.policy()]);
        assert!(said.contains("signed by ../../a.pub"), "{said}");
        desk.does(&["pull", &desk.policy()]);
        desk.fake.log();
        desk.does(&["pull", &desk.policy(), "--offline"]);
        assert!(desk.fake.log().is_empty());
        let tags = desk.does(&["tags", &desk.fake.reference("a/root-user")]);
        assert_eq!(tags, "0.1.0\n", "signatures are no versions");
    }
}

#[test]
fn the_signature_of_another_key_does_not_count() {
    for layout in ["tag", "bundle"] {
        let desk = desk();
        sign(&desk, "b", layout);
        desk.forget();
        desk.refuses(&["pull", &desk.policy()], "0 of 1 signatures");
        // Beside it, the right one does.
        sign(&desk, "a", layout);
        desk.forget();
        desk.does(&["pull", &desk.policy()]);
        desk.does(&["verify", &desk.policy(), "--key", "a.pub", "--key", "b.pub"]);
    }
}

#[test]
fn as_many_keys_as_the_threshold_asks_for_have_to_sign() {
    let desk = desk();
    trust(&desk, "keys: [../../a.pub, ../../b.pub], threshold: 2");
    sign(&desk, "a", "both");
    desk.refuses(&["pull", &desk.policy()], "1 of 2 signatures");
    sign(&desk, "b", "bundle");
    desk.does(&["pull", &desk.policy()]);
}

#[test]
fn the_signature_of_another_digest_does_not_count() {
    for layout in ["tag", "bundle"] {
        let desk = desk();
        sign(&desk, "a", layout);
        let signed = desk.digest();
        let mut changed = desk.fake.manifest("a/root-user", "0.1.0");
        changed.push(b' ');
        desk.fake.set("a/root-user", "0.1.0", MANIFEST, &changed);
        let tag = |digest: &str| digest.replace(':', "-");
        let (from, to) = match layout {
            "tag" => (
                format!("{}.sig", tag(&signed)),
                format!("{}.sig", tag(&desk.digest())),
            ),
            _ => (tag(&signed), tag(&desk.digest())),
        };
        let media_type = match layout {
            "tag" => MANIFEST,
            _ => "application/vnd.oci.image.index.v1+json",
        };
        let signature = desk.fake.manifest("a/root-user", &from);
        desk.fake.set("a/root-user", &to, media_type, &signature);
        desk.forget();
        let said = desk.ask(&["pull", &desk.policy()]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains("is refused by"), "{said:?}");
    }
}

#[test]
fn what_no_rule_covers_is_refused() {
    let desk = desk();
    let text = "apiVersion: stridegate.dev/v1\nkind: Trust\nspec: {rules: [{prefix: r.example, threshold: 0}]}\n";
    desk.write("config/stridegate/trust.yaml", text.as_bytes());
    desk.refuses(&["pull", &desk.policy()], "says nothing of");
    trust(&desk, "threshold: 0");
    desk.does(&["pull", &desk.policy()]);
}

#[test]
fn a_trust_file_with_a_mistake_trusts_nobody() {
    let desk = desk();
    let head = "apiVersion: stridegate.dev/v1\nkind: Trust\nspec:\n  rules:\n";
    for (rule, place, part) in [
        ("    - {prefix: a, key: [x]}\n", "5:", "did you mean keys?"),
        ("    - {prefix: a, keys: [none.pub]}\n", "5:", "none.pub"),
        (
            "    - {prefix: a, keys: [../../password]}\n",
            "5:",
            "no public key",
        ),
        ("    - {keys: []}\n", "5:", "prefix is missing"),
        ("    - {prefix: a, keys: []}\n", "5:", "threshold: 0"),
        (
            "    - {prefix: a, keys: [../../a.pub, ../../a.pub], threshold: 2}\n",
            "5:",
            "1 are named",
        ),
        (
            "    - {prefix: oci://a, keys: [../../a.pub]}\n",
            "5:",
            "without oci://",
        ),
        (
            "    - {prefix: a, keys: [../../a.pub], signedIdentity: matchrepository}\n",
            "5:",
            "signedIdentity is one of matchRepository",
        ),
        (
            "    - {prefix: r.example, keys: [../../a.pub]}\n    - {prefix: R.example, threshold: 0}\n",
            "1:",
            "two rules for R.example",
        ),
        ("    []\n", "1:", "has no rule"),
    ] {
        desk.write(
            "config/stridegate/trust.yaml",
            format!("{head}{rule}").as_bytes(),
        );
        let said = desk.refuses(&["pull", &desk.policy()], part);
        assert!(said.contains(&format!("trust.yaml:{place}")), "{said}");
        assert_eq!(said.matches("trust.yaml:").count(), 1, "{said}");
    }
}

#[test]
fn signatures_travel_with_what_they_sign() {
    let desk = desk();
    sign(&desk, "a", "both");
    let to = desk.fake.reference("b/c");
    desk.does(&["copy", &desk.policy(), &to]);
    desk.does(&["save", &desk.policy(), "-o", "a.tar"]);
    desk.forget();
    desk.does(&["verify", &format!("{to}:0.1.0")]);
    desk.forget();
    desk.does(&["load", "a.tar"]);
    desk.does(&["pull", &desk.policy(), "--offline"]);
    let mirror = desk.fake.reference("mirror");
    desk.does(&["load", "a.tar", "--to", &mirror]);
    desk.forget();
    desk.does(&["pull", &desk.fake.reference("mirror/a/root-user:0.1.0")]);
}

#[test]
fn a_key_is_not_overwritten_and_not_shown() {
    let desk = desk();
    let again = desk.run(&["keygen", "a", "--password-file", "password"]);
    assert_eq!(again.code, 2, "{again:?}");
    let none = desk.run(&["keygen", "c"]);
    assert!(none.stderr.contains("COSIGN_PASSWORD"), "{none:?}");
    assert!(!desk.path("c.pub").exists());
    desk.write("wrong", b"hunted");
    let wrong = [
        "sign",
        &desk.policy(),
        "--key",
        "a.key",
        "--password-file",
        "wrong",
    ];
    let said = desk.refuses(&wrong, "does not open with this password");
    assert!(!said.contains("hunted"), "{said}");
    let mode = std::fs::metadata(desk.path("a.key"))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_signature_can_be_bound_to_the_repository_that_it_names() {
    let desk = desk();
    sign(&desk, "a", "both");
    let to = desk.fake.reference("b/c");
    let copy = format!("{to}:0.1.0");
    desk.does(&["copy", &desk.policy(), &to]);
    desk.does(&["verify", &copy]);
    trust(
        &desk,
        "keys: [../../a.pub], signedIdentity: matchRepository",
    );
    desk.forget();
    desk.does(&["pull", &desk.policy()]);
    desk.does(&["pull", &desk.policy(), "--offline"]);
    let said = desk.refuses(&["pull", &copy], "does not name");
    assert!(said.contains("sign it there"), "{said}");
    for layout in ["tag", "bundle"] {
        let desk = self::desk();
        sign(&desk, "a", "both");
        desk.does(&["copy", &desk.policy(), &desk.fake.reference("b/c")]);
        trust(
            &desk,
            "keys: [../../a.pub], signedIdentity: matchRepository",
        );
        let copy = desk.fake.reference("b/c:0.1.0");
        let key = ["--key", "a.key", "--password-file", "password"];
        let sign = ["sign", &copy, "--layout", layout];
        desk.does(&[&sign[..], &key].concat());
        desk.does(&["pull", &copy]);
    }
}

#[test]
fn an_archive_is_loaded_only_if_it_is_signed() {
    let desk = desk();
    trust(&desk, "threshold: 0");
    desk.does(&["save", &desk.policy(), "-o", "unsigned.tar"]);
    sign(&desk, "a", "both");
    desk.does(&["save", &desk.policy(), "-o", "signed.tar"]);
    trust(&desk, "keys: [../../a.pub]");
    desk.forget();
    let mirror = desk.fake.reference("mirror");
    desk.fake.log();
    desk.refuses(&["load", "unsigned.tar", "--to", &mirror], "is not signed");
    assert!(desk.fake.log().is_empty(), "no registry was asked");
    desk.refuses(&["pull", &desk.policy(), "--offline"], "was pulled");
    desk.does(&["load", "signed.tar"]);
    desk.does(&["pull", &desk.policy(), "--offline"]);
}

#[test]
fn another_spelling_of_a_registry_is_no_way_around_its_rule() {
    let desk = desk();
    let port = desk.fake.address.rsplit_once(':').expect("it has a port").1;
    let text = format!(
        "apiVersion: stridegate.dev/v1\nkind: Trust\nspec:\n  rules:\n    - {{prefix: '*', threshold: 0}}\n    - {{prefix: 'localhost:{port}', keys: [../../a.pub]}}\n    - {{prefix: '127.0.0.1:{port}', keys: [../../a.pub]}}\n"
    );
    desk.write("config/stridegate/trust.yaml", text.as_bytes());
    for host in ["127.0.0.1", "127.1", "127.0.0.01", "2130706433"] {
        let reference = format!("oci://{host}:{port}/a/root-user:0.1.0");
        let run = desk.ask(&["pull", &reference]);
        assert_eq!(run.code, 2, "{host}: {run:?}");
        assert!(run.stderr.contains("is not signed"), "{host}: {run:?}");
    }
}
