//! See the documentation of [`RootUser`].

use stridegate_policy::ROOT_NAMES;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::dockerfile::{Dockerfile, Stage, Word};

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
        kinds: [dockerfile::KIND, image::KIND, container::KIND, pod::KIND],
        context: ["images", "daemon"],
        rules: [UID_ZERO, NO_USER],
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

const UID_ZERO: Rule = Rule {
    id: "uid-zero",
    title: "The user that is set is not root",
    severity: Severity::High,
    controls: &[
        ("cis-docker-1.2", "4.1"),
        ("cis-docker-1.6", "4.1"),
        ("cis-kubernetes-1.12", "5.2.7"),
    ],
    remediation: "Set a user other than 0: USER 65532 in a Dockerfile, docker run --user 65532, securityContext.runAsUser in a Pod.",
};

const NO_USER: Rule = Rule {
    id: "no-user",
    title: "A user is set, so that root is not the default",
    severity: Severity::High,
    controls: &[
        ("cis-docker-1.2", "4.1"),
        ("cis-docker-1.6", "4.1"),
        ("cis-kubernetes-1.12", "5.2.7"),
    ],
    remediation: "End the Dockerfile's last stage with USER 65532, or run with --user 65532; in a Pod set securityContext.runAsNonRoot: true.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    if object.is(&dockerfile::KIND) {
        checks.pass(&UID_ZERO);
        checks.pass(&NO_USER);
        check_dockerfile(&object.dockerfile()?, &object.images()?, parameters, checks);
        return Ok(());
    }
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&image::KIND) && !root.get("Config").exists() {
        for rule in [&UID_ZERO, &NO_USER] {
            checks.not_applicable(rule, "only the history of the image is known");
        }
        return Ok(());
    }
    checks.pass(&UID_ZERO);
    checks.pass(&NO_USER);
    if object.is(&image::KIND) {
        check_image(&root, parameters, checks);
    } else if object.is(&container::KIND) {
        check_container(&root, object, parameters, checks)?;
    } else {
        check_pod(&root, parameters, checks);
    }
    Ok(())
}

fn check_dockerfile(
    file: &Dockerfile,
    images: &Images,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let Some((path, word)) = file.user(file.target) else {
        return check_base(file, images, parameters, checks);
    };
    match &word.value {
        Some(value) if is_root(value, &parameters.root_names) => {
            let message = format!("the image runs as root: its user is {value}");
            checks.fail(&UID_ZERO, path, message);
        }
        Some(_) => {}
        None => {
            let variables = word.unresolved.join(", ");
            let message =
                format!("only the build knows the user: the file gives {variables} no value");
            checks.unknown(&UID_ZERO, path, message);
        }
    }
}

/// What an image without a USER of its own runs as.
fn check_base(file: &Dockerfile, images: &Images, parameters: &Parameters, checks: &mut Checks) {
    let base = external_base(file, &file.stages[file.target]);
    let is_safe = match user_of_image(images, base.text()) {
        Some(user) => !is_root(user, &parameters.root_names),
        None => is_non_root_image(base.text(), parameters),
    };
    if is_safe {
        return;
    }
    let place = format!("/stages/{}", file.target);
    if let Some(tool) = privilege_dropper(file) {
        let but = format!("{tool} may drop root later, but nothing makes sure of it");
        let message = format!("{}; {but}", no_user_message(base));
        checks
            .fail(&NO_USER, place, message)
            .severity(Severity::Medium);
    } else {
        checks.fail(&NO_USER, place, no_user_message(base));
    }
}

/// The image that a stage is based on in the end.
fn external_base<'a>(file: &'a Dockerfile, stage: &'a Stage) -> &'a Word {
    stage
        .base
        .map_or(&stage.from, |base| external_base(file, &file.stages[base]))
}

fn no_user_message(base: &Word) -> String {
    match base.text() {
        "scratch" => "the image runs as root: no USER is set, and an empty image has none".into(),
        base => format!("the image runs as root unless {base} sets another user: no USER is set"),
    }
}

/// An image without the registry and folder that Docker adds to a short name.
fn familiar(image: &str) -> &str {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    image.strip_prefix("library/").unwrap_or(image)
}

/// A tool that switches the user and that the final stage installs or starts.
fn privilege_dropper(file: &Dockerfile) -> Option<&'static str> {
    let instructions = &file.stages[file.target].instructions;
    let words = instructions
        .iter()
        .flat_map(|instruction| &instruction.arguments);
    words.map(Word::text).find_map(dropper)
}

/// The tool that a word names, if it is one that switches the user.
fn dropper(word: &str) -> Option<&'static str> {
    const TOOLS: [&str; 5] = ["gosu", "su-exec", "setpriv", "runuser", "s6-setuidgid"];
    let name = word.rsplit('/').next()?;
    TOOLS.into_iter().find(|tool| *tool == name)
}

fn check_image(image: &At, parameters: &Parameters, checks: &mut Checks) {
    let config = image.get("Config");
    let user = config.get("User");
    match set_user(&config) {
        Some(name) if is_root(name, &parameters.root_names) => {
            let message = format!("the image runs as root: its user is {name}");
            checks.fail(&UID_ZERO, &user, message);
        }
        Some(_) => {}
        None => {
            let message = "the image runs as root: it sets no user";
            let lists = ["Entrypoint", "Cmd"].map(|key| config.get(key));
            let mut words = lists.iter().flat_map(At::items);
            if let Some(tool) = words.find_map(|word| dropper(word.text()?)) {
                let message =
                    format!("{message}; {tool} may drop root later, but nothing makes sure of it");
                checks
                    .fail(&NO_USER, &user, message)
                    .severity(Severity::Medium);
            } else {
                checks.fail(&NO_USER, &user, message);
            }
        }
    }
}

fn check_container(
    root: &At,
    object: &Object,
    parameters: &Parameters,
    checks: &mut Checks,
) -> Result<(), Refusal> {
    let config = root.get("Config");
    let user = config.get("User");
    let host = root.get("HostConfig");
    let remapped = is_remapped(&host, object.context("daemon")?.as_ref());
    let severity = if remapped {
        Severity::Medium
    } else {
        Severity::High
    };
    let but = if host.get("Privileged").boolean() == Some(true) {
        ", and privileged: it has the whole host"
    } else {
        ""
    };
    if root
        .value()
        .is_some_and(|root| Effective::new(root).is_unresolved(user.path()))
    {
        let message = "the user is a variable that has no value here";
        checks.unknown(&UID_ZERO, &user, message).severity(severity);
        return Ok(());
    }
    if let Some(name) = set_user(&config) {
        if is_root(name, &parameters.root_names) {
            let message = format!("the container runs as root{but}: its user is {name}");
            checks.fail(&UID_ZERO, &user, message).severity(severity);
        }
        return Ok(());
    }
    // The engine gives a container the user of its image when it makes it.
    if root.get("Id").exists() {
        let message =
            format!("the container runs as root{but}: neither it nor its image sets a user");
        checks.fail(&NO_USER, &user, message).severity(severity);
        return Ok(());
    }
    let reference = config.get("Image").text().unwrap_or_default();
    match user_of_image(&object.images()?, reference) {
        Some(name) if is_root(name, &parameters.root_names) => {
            let message = format!(
                "the container runs as root{but}: it sets no user, and {reference} runs as root"
            );
            checks.fail(&NO_USER, &user, message).severity(severity);
        }
        None if !is_non_root_image(reference, parameters) => {
            let message = format!(
                "the container sets no user, and that of its image {reference} is not known here"
            );
            checks.unknown(&NO_USER, &user, message).severity(severity);
        }
        _ => {}
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

/// Whether the container's root is somebody else on the host. A privileged container is not in a
/// user namespace of its own.
fn is_remapped(host: &At, daemon: Option<&Value>) -> bool {
    let mode = host.get("UsernsMode").text().unwrap_or_default();
    let by_daemon = daemon.is_some_and(|daemon| {
        let remap = At::root(daemon).get("userns-remap");
        remap.text().is_some_and(|remap| !remap.is_empty())
    });
    let privileged = host.get("Privileged").boolean() == Some(true);
    !privileged && mode != "host" && (by_daemon || !mode.is_empty())
}

fn is_non_root_image(reference: &str, parameters: &Parameters) -> bool {
    let image = familiar(reference);
    let mut patterns = parameters.non_root_images.iter();
    patterns.any(|pattern| matches_glob(pattern, image))
}

fn check_pod(pod: &At, parameters: &Parameters, checks: &mut Checks) {
    let shared = pod.get("spec").get("securityContext");
    // In a user namespace of its own, the container's root is nobody on the host.
    let severity = if pod.get("spec").get("hostUsers").boolean() == Some(false) {
        Severity::Medium
    } else {
        Severity::High
    };
    for container in containers(pod) {
        let own = container.at.get("securityContext");
        let user = effective(&own, &shared, "runAsUser");
        let windows_user = effective(
            &own.get("windowsOptions"),
            &shared.get("windowsOptions"),
            "runAsUserName",
        );
        let non_root = effective(&own, &shared, "runAsNonRoot");
        let name = container.name();
        if let Some(text) = windows_user.text() {
            if is_root(text, &parameters.root_names) {
                checks
                    .fail(
                        &UID_ZERO,
                        &windows_user,
                        format!("container {name} runs as {text}"),
                    )
                    .severity(severity);
            }
        } else if user.exists() {
            match user.integer() {
                Some(0) => checks
                    .fail(&UID_ZERO, &user, format!("container {name} runs as user 0"))
                    .severity(severity),
                Some(_) => continue,
                None => checks.fail(
                    &UID_ZERO,
                    &user,
                    format!("the user of container {name} is not a whole number"),
                ),
            };
        } else if non_root.boolean() != Some(true) {
            let place = if non_root.exists() { &non_root } else { &own };
            let message = format!(
                "container {name} runs as root if its image says so: no user is set, and runAsNonRoot is not true"
            );
            checks
                .fail(&NO_USER, place, message)
                .severity(severity)
                .fix(
                    "Refuse to start as root",
                    false,
                    &require_non_root(&container.at, &own),
                );
        }
    }
}

/// A field of a container's security context, or else of its Pod's. Where neither has it, the
/// place is the container's.
fn effective<'a>(own: &At<'a>, shared: &At<'a>, key: &str) -> At<'a> {
    let (own, shared) = (own.get(key), shared.get(key));
    if shared.exists() && !own.exists() {
        shared
    } else {
        own
    }
}

fn require_non_root(container: &At, own: &At) -> Value {
    if own.exists() {
        json!([{"op": "add", "path": format!("{}/runAsNonRoot", own.path()), "value": true}])
    } else {
        json!([{"op": "add", "path": format!("{}/securityContext", container.path()), "value": {"runAsNonRoot": true}}])
    }
}
