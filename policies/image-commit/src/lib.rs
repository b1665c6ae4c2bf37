//! See the documentation of [`ImageCommit`].

mod origin;
mod request;

use origin::{Origin, Sight};
use request::{UNATTRIBUTABLE, UNAUTHORIZED};
use stridegate_policy::prelude::*;
use stridegate_policy::shapes;

policy! {
    /// An image that was committed from a container, or a request that would make one
    ///
    /// A Dockerfile can be read, reviewed and built again. What `docker commit` makes of a container
    /// is what somebody typed there, and who it was nobody can tell afterwards. Judged is what the
    /// history of an image says of how each layer came about, also that of the image of a container
    /// where it is known, and every request to an engine that makes an image or gives one another
    /// name.
    ///
    /// A commit leaves an entry with the command of the container where builders write the
    /// instruction. Layers of the classic builder, BuildKit, kaniko, Buildah, Jib, ko, apko, Bazel,
    /// Nix, buildpacks and distributions are known, and so is `docker import`. A commit below the
    /// layers of a later Dockerfile is found, too. An entry that no builder is known to write is
    /// suspect, which is a rule of its own; one that is cut off or squashed is unknown.
    ///
    /// What the history says is no proof. Whoever commits chooses command and message, and can write
    /// a history that reads like a build; some of that contradicts itself and is found. A clean
    /// history means that nothing speaks of a commit. The parameter `approved` names the images that
    /// somebody vouches for, by id or digest: they pass, and with it no other does.
    ///
    /// An engine knows who asks only where clients have certificates. On its socket nobody has a
    /// name, and such a request is unattributable.
    ///
    /// ## Example
    ///
    /// ```json
    /// {
    ///   "architecture": "amd64",
    ///   "os": "linux",
    ///   "config": {"Cmd": ["bash"]},
    ///   "rootfs": {"type": "layers", "diff_ids": [
    ///     "sha256:2f7b6cf2ef4d7a6a5f7f0a9d5b7f1f4f1f7e3f3c1f6e4b1a9f5d0c7e8b3a6d11",
    ///     "sha256:9c1b6dd6c1e6be9fdd2b1987783824670d3b0dd7ae8ad6f57dc3cea5739ac71e"
    ///   ]},
    ///   "history": [
    ///     {"created_by": "# debian.sh --arch 'amd64' out/ 'trixie'", "comment": "debuerreotype 0.16"},
    ///     {"created_by": "bash"}
    ///   ]
    /// }
    /// ```
    ///
    /// ## Instead
    ///
    /// ```json
    /// {
    ///   "architecture": "amd64",
    ///   "os": "linux",
    ///   "config": {"Cmd": ["bash"]},
    ///   "rootfs": {"type": "layers", "diff_ids": [
    ///     "sha256:2f7b6cf2ef4d7a6a5f7f0a9d5b7f1f4f1f7e3f3c1f6e4b1a9f5d0c7e8b3a6d11",
    ///     "sha256:9c1b6dd6c1e6be9fdd2b1987783824670d3b0dd7ae8ad6f57dc3cea5739ac71e"
    ///   ]},
    ///   "history": [
    ///     {"created_by": "# debian.sh --arch 'amd64' out/ 'trixie'", "comment": "debuerreotype 0.16"},
    ///     {"created_by": "COPY app /usr/local/bin/app # buildkit", "comment": "buildkit.dockerfile.v0"}
    ///   ]
    /// }
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/reference/cli/docker/container/commit/>
    /// - <https://docs.docker.com/engine/extend/plugins_authorization/>
    ImageCommit {
        parameters: Parameters,
        threats: [(DOCKER, Category::Repudiation)],
        kinds: [image::KIND, container::KIND, shapes::request::KIND],
        context: ["images"],
        rules: [COMMITTED_LAYER, SUSPECT_LAYER, UNAPPROVED, UNAUTHORIZED, UNATTRIBUTABLE],
        check: check,
    }
}

parameters! {
    /// What can be set for `image-commit`.
    pub struct Parameters {
        /// The users who may make images and name them, as their certificates call them.
        pub committers: Vec<String> = Vec::new(),
        /// What further builders write into a history; `*` stands for any characters.
        pub builders: Vec<String> = [
            "bazel build *", "bazel run *", "jib-*", "ko build *", "ko publish *", "apko*", "melange *",
            "Buildpacks *", "*buildpack*", "KIWI *", "kiwi *", "mkosi*", "umoci *", "guix *", "nix*", "crane *",
            "earthly *", "mmdebstrap *", "Apply image *", "Install update *", "debootstrap *",
        ].map(String::from).to_vec(),
        /// The images that somebody vouches for, by id or digest: `sha256:…`. With none, every image
        /// is judged by its history alone.
        pub approved: Vec<String> = Vec::new(),
    }
}

const IMAGES: &[(&str, &str)] = &[
    ("cis-docker-1.2", "4.2"),
    ("cis-docker-1.6", "4.2"),
    ("cis-docker-1.6", "4.12"),
];

const COMMITTED_LAYER: Rule = Rule {
    id: "committed-layer",
    title: "No layer of the image was committed from a container",
    severity: Severity::High,
    controls: IMAGES,
    remediation: "Build the image from a Dockerfile that is kept with its source, and ask who committed this one.",
};

const SUSPECT_LAYER: Rule = Rule {
    id: "suspect-layer",
    title: "Every layer of the image was made by a builder that is known",
    severity: Severity::Medium,
    controls: IMAGES,
    remediation: "Find out what made the layer; if it is a builder of yours, add what it writes to the parameter builders.",
};

const UNAPPROVED: Rule = Rule {
    id: "unapproved",
    title: "The image is one that somebody vouches for",
    severity: Severity::Medium,
    controls: IMAGES,
    remediation: "Have the image looked at and built by who may, and add its digest to the parameter approved.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&shapes::request::KIND) {
        for rule in [&COMMITTED_LAYER, &SUSPECT_LAYER, &UNAPPROVED] {
            checks.not_applicable(rule, "a request has no history");
        }
        request::check(object, &root, parameters, checks);
        return Ok(());
    }
    for rule in [&UNAUTHORIZED, &UNATTRIBUTABLE] {
        checks.not_applicable(rule, "no request");
    }
    if object.is(&image::KIND) {
        check_image(&root, &root, parameters, checks);
        return Ok(());
    }
    for rule in [&COMMITTED_LAYER, &SUSPECT_LAYER, &UNAPPROVED] {
        checks.not_applicable(
            rule,
            "the history of the container's image is not known here",
        );
    }
    let images = object.images()?;
    let place = root.get("Config").get("Image");
    let references = [root.get("Image"), place.clone()];
    let known = references.iter().find_map(|at| images.get(at.text()?));
    if let Some(known) = known.filter(|known| At::root(known).get("History").exists()) {
        check_image(&At::root(known), &place, parameters, checks);
    }
    Ok(())
}

/// Judges an image. Findings stand at its entries if it is the object, else at `place`.
fn check_image(image: &At, place: &At, parameters: &Parameters, checks: &mut Checks) {
    let approved = is_approved(image, parameters);
    if parameters.approved.is_empty() {
        checks.not_applicable(&UNAPPROVED, "no image is named in the parameter approved");
    } else {
        checks.pass(&UNAPPROVED);
    }
    checks.pass(&COMMITTED_LAYER);
    checks.pass(&SUSPECT_LAYER);
    if approved {
        return;
    }
    if !parameters.approved.is_empty() {
        let id = image.get("Id");
        let at = if place.path().is_empty() { &id } else { place };
        let message = "nobody vouches for the image: neither its id nor a digest is approved";
        checks.fail(&UNAPPROVED, at, message);
    }
    check_layers(image, place, parameters, checks);
}

fn check_layers(image: &At, place: &At, parameters: &Parameters, checks: &mut Checks) {
    let steps: Vec<Step> = history(image).collect();
    let layers = image.get("RootFS").get("Layers").items().count();
    if steps.is_empty() || steps.len() < layers {
        let message = if image.get("History").exists() {
            "the image has more layers than its history speaks of: what made the others is not told"
        } else {
            "the history of the image is not known here; docker history --no-trunc --format json tells it"
        };
        checks.unknown(&COMMITTED_LAYER, place, message);
    }
    let sight = Sight::new(image, &steps, &parameters.builders);
    let mut is_told = false;
    for (index, step) in steps.iter().enumerate() {
        let path = if place.path().is_empty() {
            step.at.path()
        } else {
            place.path()
        };
        let layer = format!("layer {} of {}", index + 1, steps.len());
        match sight.origin(index) {
            Origin::Commit(why) => {
                let message = format!("{layer} was committed from a container: {why}");
                checks.fail(&COMMITTED_LAYER, path, message);
            }
            Origin::Suspect(why) => {
                let message = format!("{layer} may have been committed from a container: {why}");
                checks.fail(&SUSPECT_LAYER, path, message);
            }
            Origin::Unknown(why) if !is_told => {
                is_told = true;
                checks.unknown(&COMMITTED_LAYER, path, format!("{layer}: {why}"));
            }
            _ => {}
        }
    }
}

fn is_approved(image: &At, parameters: &Parameters) -> bool {
    let digests = image.get("RepoDigests");
    let digests = digests
        .items()
        .filter_map(|at| Some(at.text()?.rsplit_once('@')?.1));
    let mut names = digests.chain(image.get("Id").text());
    names.any(|name| parameters.approved.iter().any(|approved| approved == name))
}
