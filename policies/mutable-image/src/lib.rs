//! See the documentation of [`MutableImage`].

use stridegate_policy::prelude::*;
use stridegate_policy::{Finding, Pulled, Reference, pulled};

policy! {
    /// An image whose name can mean another image tomorrow
    ///
    /// Judges every image that is fetched by name: of the stages that a Dockerfile's target needs,
    /// of `COPY --from` and `RUN --mount=from`, of a container, a Compose service, a swarm service
    /// and a plugin, of every container and image volume of a Pod. Names are read as Docker reads
    /// them: `localhost:5000/app` has a port and no tag, and a digest outweighs the tag beside it.
    ///
    /// A tag is a label that whoever may push can move. What was tested and what runs can differ,
    /// and whoever takes over the registry, the account or the way to it puts an image of theirs in
    /// its place. A digest is the content itself: another image has another one. Of the tags,
    /// `latest`, and no tag, which means the same, move by design; a version moves when somebody
    /// moves it, which is a rule of its own.
    ///
    /// What a Compose service builds itself is its own, and so is the id of an image that is there
    /// already. The reader of a Dockerfile (`# syntax=`) needs a tag and no more. A name after
    /// `--from` that is no stage is an image, as for a build without `--build-context`.
    ///
    /// ## Example
    ///
    /// ```dockerfile
    /// FROM node
    /// COPY . /app
    /// CMD ["node", "/app"]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```dockerfile
    /// FROM node:22.11.0@sha256:4e06e8a9a1ac3bd6a4c2a7a1c0a0b3fbd5d2a5d5e1f1c0f0a9e0d6c4b7f3a2e1
    /// COPY . /app
    /// CMD ["node", "/app"]
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/build/building/best-practices/#pin-base-image-versions>
    /// - <https://kubernetes.io/docs/concepts/containers/images/>
    MutableImage {
        parameters: Parameters,
        threats: [(DOCKER, Category::Spoofing), (KUBERNETES, Category::Spoofing)],
        kinds: [dockerfile::KIND, container::KIND, service::KIND, pod::KIND],
        context: ["images"],
        rules: [LATEST, TAG_ONLY, INVALID_REFERENCE],
        check: check,
    }
}

parameters! {
    /// What can be set for `mutable-image`.
    pub struct Parameters {
        /// Tags that move by design; compared without regard to case.
        pub moving_tags: Vec<String> = vec!["latest".into()],
        /// Images whose tags nobody else can move, so that they need no digest: registries with
        /// immutable tags. `*` stands for any characters, and the name is whole:
        /// `docker.io/library/nginx:1.29`.
        pub immutable_tags: Vec<String> = Vec::new(),
    }
}

const CONTROLS: &[(&str, &str)] = &[
    ("cis-docker-1.2", "4.2"),
    ("cis-docker-1.6", "4.2"),
    ("cis-kubernetes-1.12", "5.5.1"),
];

const LATEST: Rule = Rule {
    id: "latest",
    title: "The image is named by more than the tag that moves with each release",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: "Name the release and its digest: IMAGE:TAG@sha256:…; docker buildx imagetools inspect IMAGE:TAG prints it.",
};

const TAG_ONLY: Rule = Rule {
    id: "tag-only",
    title: "The image is named by its digest",
    severity: Severity::Low,
    controls: CONTROLS,
    remediation: "Put the digest behind the tag: IMAGE:TAG@sha256:…; docker buildx imagetools inspect IMAGE:TAG prints it.",
};

const INVALID_REFERENCE: Rule = Rule {
    id: "invalid-reference",
    title: "The name is one that an image can have",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Write [REGISTRY[:PORT]/]NAME[:TAG][@sha256:…] with the name in lower case.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let images = pulled(object)?;
    for rule in [&LATEST, &TAG_ONLY, &INVALID_REFERENCE] {
        if images.is_empty() {
            checks.not_applicable(rule, "it fetches no image by name");
        } else {
            checks.pass(rule);
        }
    }
    let known = object.images()?;
    for image in images {
        check_image(&image, &known, parameters, checks);
    }
    if object.is(&dockerfile::KIND) {
        check_syntax(object.dockerfile()?.syntax.as_deref(), parameters, checks);
    }
    Ok(())
}

fn check_image(image: &Pulled, known: &Images, parameters: &Parameters, checks: &mut Checks) {
    if image.is_pinned() {
        return;
    }
    let reference = match image.reference() {
        None => {
            let variables = image.unresolved.join(", ");
            let message = format!(
                "{} names an image that depends on {variables}, which has no value here",
                image.by
            );
            checks.unknown(&LATEST, &*image.path, message);
            return;
        }
        Some(Err(why)) => {
            let message = format!("{} names no image: {why}", image.by);
            checks.fail(&INVALID_REFERENCE, &*image.path, message);
            return;
        }
        Some(Ok(reference)) => reference,
    };
    if let Some(finding) = check_tag(image, &reference, parameters, checks) {
        offer_digest(finding, image, &reference, known);
    }
}

/// Judges the tag of an image without a digest.
fn check_tag<'c>(
    image: &Pulled,
    reference: &Reference,
    parameters: &Parameters,
    checks: &'c mut Checks,
) -> Option<&'c mut Finding> {
    let name = reference.familiar();
    let by = &image.by;
    let finding = match reference.tag {
        None if is_part_of_id(&image.text) => {
            let message = format!(
                "{by} names {name}, which is the beginning of an id or a name without a tag"
            );
            checks.unknown(&LATEST, &*image.path, message);
            return None;
        }
        None => {
            let message = format!("{by} takes whatever {name}:latest is then: {name} has no tag");
            checks.fail(&LATEST, &*image.path, message)
        }
        Some(tag) if is_moving(tag, parameters) => {
            let message = format!(
                "{by} takes whatever {name}:{tag} is then: the tag moves with each release"
            );
            checks.fail(&LATEST, &*image.path, message)
        }
        Some(tag) => {
            let whole = format!("{}:{tag}", reference.name());
            if matches_any(&parameters.immutable_tags, &whole) {
                return None;
            }
            let message =
                format!("{by} trusts the tag {tag} of {name}, which can be moved to another image");
            checks.fail(&TAG_ONLY, &*image.path, message)
        }
    };
    Some(finding)
}

/// The image that reads the Dockerfile in place of the builder runs in the build, too.
fn check_syntax(syntax: Option<&str>, parameters: &Parameters, checks: &mut Checks) {
    let Some(Ok(reference)) = syntax.map(Reference::parse) else {
        return;
    };
    let moves = reference.tag.is_none_or(|tag| is_moving(tag, parameters));
    if reference.digest.is_none() && moves {
        let message = format!(
            "the file is read by whatever {} is then: it has no tag that stays",
            reference.familiar()
        );
        checks.fail(&LATEST, "/syntax", message);
    }
}

fn is_moving(tag: &str, parameters: &Parameters) -> bool {
    let mut tags = parameters.moving_tags.iter();
    tags.any(|moving| moving.eq_ignore_ascii_case(tag))
}

/// Whether a text may be the beginning of an id, by which an engine finds an image, too.
fn is_part_of_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() >= 12 && text.bytes().all(digit)
}

/// Where the digest is known, the change that writes it.
fn offer_digest(finding: &mut Finding, image: &Pulled, reference: &Reference, known: &Images) {
    // A word of a Dockerfile is more than its text.
    let Some(facts) = known
        .get(&image.text)
        .filter(|_| !image.path.starts_with("/stages"))
    else {
        return;
    };
    let digests = At::root(facts).get("RepoDigests");
    let same = digests.items().filter_map(|at| at.text()).find_map(|text| {
        let digest = Reference::parse(text).ok()?;
        (digest.name() == reference.name()).then_some(digest.digest?)
    });
    if let Some(digest) = same {
        let value = format!("{}@{digest}", image.text);
        let patch = json!([{"op": "replace", "path": image.path, "value": value}]);
        finding.fix("Name the image that is there now", false, &patch);
    }
}
