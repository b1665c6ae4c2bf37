//! See the documentation of [`RootUser`].

mod container;
mod dockerfile;
mod image;
mod pod;
mod request;

use stridegate_policy::path::last;
use stridegate_policy::prelude::*;
use stridegate_policy::reference::familiar;
use stridegate_policy::{ROOT_NAMES, shapes};

policy! {
    /// A container that runs as root
    ///
    /// Judges the user that the processes of a container start as: the last USER of the stage that
    /// a Dockerfile builds, through the stages it is based on, the user of an image and of a
    /// container, with that of its image where it is known, and the effective `runAsUser` and
    /// `runAsNonRoot` of every container of a Pod, init and ephemeral containers included.
    ///
    /// Root in a container is root of the kernel that it shares with the host. Whoever breaks out
    /// of a process that runs as root, through a mounted path, a leaked descriptor or a flaw of
    /// the kernel, owns the host; with another user the same flaw mostly ends in "permission
    /// denied".
    ///
    /// An image that starts as root only to drop it in its entrypoint is reported too, less
    /// severely where the tool that drops it can be seen: nothing outside the entrypoint keeps
    /// its promise, and `docker exec` does not pass through it.
    ///
    /// At the gate of an engine, a request that puts files into a container is found as well: nobody
    /// sees which. A new `/etc/passwd` makes root of a user that has a name, and a program that runs
    /// with the rights of its owner, of any. `docker cp` out of a container is another request. A
    /// plugin of the engine is judged when it is enabled: it always runs as root.
    ///
    /// The user of `windowsOptions` counts where a Pod says that it runs on Windows, by `os` or its
    /// `nodeSelector`: on Linux the kubelet does not look at it. Groups, capabilities, programs that
    /// run with the rights of their owner, and what a program does after its start are not judged.
    ///
    /// ## Example
    ///
    /// ```dockerfile
    /// FROM debian:12-slim
    /// COPY app /usr/local/bin/app
    /// ENTRYPOINT ["app"]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```dockerfile
    /// FROM debian:12-slim
    /// COPY app /usr/local/bin/app
    /// USER 65532:65532
    /// ENTRYPOINT ["app"]
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/reference/dockerfile/#user>
    /// - <https://kubernetes.io/docs/tasks/configure-pod-container/security-context/>
    RootUser {
        parameters: Parameters,
        threats: [(DOCKER, Category::ElevationOfPrivilege), (KUBERNETES, Category::ElevationOfPrivilege)],
        kinds: [shapes::dockerfile::KIND, shapes::image::KIND, shapes::container::KIND, shapes::request::KIND, shapes::pod::KIND],
        context: ["images", "daemon"],
        rules: [UID_ZERO, NO_USER, COPIED_FILES],
        check: check,
    }
}

parameters! {
    /// What can be set for `root-user`.
    pub struct Parameters {
        /// Names that mean user 0, or its like on Windows; compared without regard to case.
        pub root_names: Vec<String> = ROOT_NAMES.map(String::from).to_vec(),
        /// Images whose own user is not root, so that a Dockerfile based on one needs no USER;
        /// `*` stands for any characters.
        pub non_root_images: Vec<String> = [
            "gcr.io/distroless/*nonroot*",
            "nginxinc/nginx-unprivileged*",
            "cgr.dev/chainguard/static*",
            "mcr.microsoft.com/windows/nanoserver*",
        ].map(String::from).to_vec(),
    }
}

const CONTROLS: &[(&str, &str)] = &[
    ("cis-docker-1.2", "4.1"),
    ("cis-docker-1.6", "4.1"),
    ("cis-kubernetes-1.12", "5.2.7"),
];

const UID_ZERO: Rule = Rule {
    id: "uid-zero",
    title: "The user that is set is not root",
    severity: Severity::High,
    controls: CONTROLS,
    remediation: "Set a user other than 0: USER 65532 in a Dockerfile, docker run --user 65532, securityContext.runAsUser in a Pod.",
};

const NO_USER: Rule = Rule {
    id: "no-user",
    title: "A user is set, so that root is not the default",
    severity: Severity::High,
    controls: CONTROLS,
    remediation: "End the Dockerfile's last stage with USER 65532, or run with --user 65532; in a Pod set securityContext.runAsNonRoot: true.",
};

const COPIED_FILES: Rule = Rule {
    id: "copied-files",
    title: "Nobody puts files into a container unseen",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Build what the container needs into its image, or mount it; leave this rule out of the constraint where docker cp is needed.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    if object.is(&shapes::request::KIND) {
        request::check(&At::root(&object.document()?), checks);
        return Ok(());
    }
    checks.not_applicable(&COPIED_FILES, "it is no request to an engine");
    if object.is(&shapes::dockerfile::KIND) {
        checks.pass(&UID_ZERO);
        checks.pass(&NO_USER);
        dockerfile::check(&object.dockerfile()?, &object.images()?, parameters, checks);
        return Ok(());
    }
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&shapes::image::KIND) && !root.get("Config").exists() {
        for rule in [&UID_ZERO, &NO_USER] {
            checks.not_applicable(rule, "only the history of the image is known");
        }
        return Ok(());
    }
    checks.pass(&UID_ZERO);
    checks.pass(&NO_USER);
    if object.is(&shapes::image::KIND) {
        image::check(&root, parameters, checks);
    } else if object.is(&shapes::container::KIND) {
        let daemon = object.context("daemon")?.unwrap_or_default();
        let images = object.images()?;
        container::check(&root, &At::root(&daemon), &images, parameters, checks);
    } else {
        pod::check(&root, parameters, checks);
    }
    Ok(())
}

/// The user of an image that is known, as its config says it; an empty one is root.
fn user_of_image<'a>(images: &'a Images, reference: &str) -> Option<&'a str> {
    let config = At::root(images.get(reference)?).get("Config");
    Some(config.get("User").text().unwrap_or_default())
}

/// The user of a config; an empty one is none.
fn set_user<'a>(config: &At<'a>) -> Option<&'a str> {
    config.get("User").text().filter(|user| !user.is_empty())
}

/// Whether an image is one of those whose own user is not root.
fn is_non_root_image(reference: &str, parameters: &Parameters) -> bool {
    matches_any(&parameters.non_root_images, familiar(reference))
}

/// What a message says of a program that may drop root.
fn but_dropped_by(tool: &str) -> String {
    format!("; {tool} may drop root later, but nothing makes sure of it")
}

/// The tool that a word names, if it is one that switches the user.
fn dropper(word: &str) -> Option<&'static str> {
    const TOOLS: [&str; 5] = ["gosu", "su-exec", "setpriv", "runuser", "s6-setuidgid"];
    TOOLS.into_iter().find(|tool| *tool == last(word))
}
