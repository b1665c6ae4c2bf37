//! See the documentation of [`UntrustedRegistry`].

mod network;
mod spelling;

use network::{Breadth, breadth, is_loopback, mirror_host};
use spelling::imitated;
use stridegate_policy::prelude::*;
use stridegate_policy::reference::DOCKER_HUB;
use stridegate_policy::shapes::{daemon, request};
use stridegate_policy::{Pulled, Reference, pulled};

policy! {
    /// An image from a registry that nobody vouches for
    ///
    /// Judges where the images of Dockerfiles, containers, Compose and swarm services and Pods come
    /// from, what a request to pull names, the registries and mirrors that a Docker daemon talks to
    /// without TLS, and the images that bear the name of a registry and never came from it.
    ///
    /// The name of an image is all that most people read of it, and the registry is the one that
    /// answers for the name. `docker.io.example.net/library/nginx`, `ghrc.io/app` and
    /// `libary/nginx` read like something known and are somebody else's. Over HTTP, or with the
    /// certificate unchecked, whoever sits on the way is the registry; a mirror answers for all of
    /// Docker Hub. And an engine does not care where a name comes from: what was committed, loaded
    /// or tagged as `nginx:1.29` on the machine runs as that. Engines with containerd's image store
    /// give every image a digest, so that there nothing of this shows.
    ///
    /// Set `registries` to yours: until then one that is not known to everybody is `unknown`, for an
    /// image cannot tell whose its registry is. A registry on this machine, which every daemon takes without TLS,
    /// is nobody else's.
    ///
    /// ## Example
    ///
    /// ```dockerfile
    /// FROM docker.io.example.net/library/node:22
    /// COPY . /app
    /// ```
    ///
    /// ## Instead
    ///
    /// ```dockerfile
    /// FROM docker.io/library/node:22
    /// COPY . /app
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/reference/cli/dockerd/#insecure-registries>
    /// - <https://docs.docker.com/docker-hub/image-library/mirror/>
    UntrustedRegistry {
        parameters: Parameters,
        threats: [(DOCKER, Category::Spoofing), (KUBERNETES, Category::Spoofing)],
        kinds: [
            dockerfile::KIND, container::KIND, service::KIND, image::KIND, daemon::KIND, request::KIND, pod::KIND,
        ],
        context: ["images"],
        rules: [UNLISTED_REGISTRY, LOOK_ALIKE, INSECURE_REGISTRY, INSECURE_MIRROR, LOCAL_IMAGE],
        check: check,
    }
}

parameters! {
    /// What can be set for `untrusted-registry`.
    pub struct Parameters {
        /// The registries whose images and mirrors are accepted: `quay.io`, `*.example.com:5000`,
        /// or with a path, `ghcr.io/our-team/*`. `*` stands for any characters.
        pub registries: Vec<String> = [
            "docker.io", "ghcr.io", "quay.io", "gcr.io", "*.gcr.io", "*.pkg.dev", "registry.k8s.io",
            "public.ecr.aws", "*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com.cn", "*.azurecr.io",
            "mcr.microsoft.com", "cgr.dev", "dhi.io", "nvcr.io", "icr.io", "*.icr.io", "lscr.io",
            "registry.access.redhat.com", "registry.redhat.io", "registry.connect.redhat.com",
            "registry.fedoraproject.org", "registry.suse.com", "registry.opensuse.org", "registry.gitlab.com",
            "container-registry.oracle.com", "*.ocir.io", "registry.digitalocean.com", "docker.elastic.co",
            "docker.n8n.io", "registry-1.docker.io", "mirror.gcr.io",
            "localhost", "localhost:*", "127.*", "[::1]", "[::1]:*",
        ].map(String::from).to_vec(),
        /// The official images of Docker Hub: one of these names without a digest was not pulled.
        pub official_images: Vec<String> = [
            "adminer", "almalinux", "alpine", "amazoncorretto", "amazonlinux", "archlinux", "bash", "buildpack-deps",
            "busybox", "caddy", "cassandra", "clojure", "composer", "consul", "couchdb", "debian", "docker", "drupal",
            "eclipse-mosquitto", "eclipse-temurin", "elasticsearch", "elixir", "erlang", "fedora", "flink", "fluentd",
            "gcc", "ghost", "golang", "gradle", "groovy", "haproxy", "haskell", "hello-world", "httpd", "influxdb",
            "jenkins", "joomla", "julia", "kibana", "kong", "logstash", "mariadb", "maven", "memcached", "mongo",
            "mongo-express", "mysql", "nats", "neo4j", "nextcloud", "nginx", "node", "openjdk", "oraclelinux", "perl",
            "php", "phpmyadmin", "postgres", "pypy", "python", "r-base", "rabbitmq", "redis", "redmine", "registry",
            "rocket.chat", "rockylinux", "ros", "ruby", "rust", "sapmachine", "solr", "sonarqube", "swift", "telegraf",
            "tomcat", "traefik", "ubuntu", "valkey", "varnish", "vault", "wordpress", "zookeeper",
        ].map(String::from).to_vec(),
    }
}

const IMAGES: &[(&str, &str)] = &[
    ("cis-docker-1.2", "4.2"),
    ("cis-docker-1.6", "4.2"),
    ("cis-kubernetes-1.12", "5.5.1"),
];

const DAEMON: &[(&str, &str)] = &[("cis-docker-1.2", "2.4"), ("cis-docker-1.6", "2.5")];

const UNLISTED_REGISTRY: Rule = Rule {
    id: "unlisted-registry",
    title: "Images come from the registries that are listed",
    severity: Severity::Medium,
    controls: IMAGES,
    remediation: "Take the image from a listed registry, or add the registry to the parameter registries if it is yours.",
};

const LOOK_ALIKE: Rule = Rule {
    id: "look-alike",
    title: "No registry or publisher is spelled like another",
    severity: Severity::High,
    controls: IMAGES,
    remediation: "Write the name of the registry that is meant, letter by letter, and look at what was pulled from the other.",
};

const INSECURE_REGISTRY: Rule = Rule {
    id: "insecure-registry",
    title: "The daemon checks the certificate of every registry beyond this machine",
    severity: Severity::Critical,
    controls: DAEMON,
    remediation: "Remove the entry from insecure-registries; a registry with a certificate of its own has its CA in /etc/docker/certs.d/HOST:PORT/ca.crt.",
};

const INSECURE_MIRROR: Rule = Rule {
    id: "insecure-mirror",
    title: "Mirrors of Docker Hub are reached over TLS",
    severity: Severity::High,
    controls: DAEMON,
    remediation: "Give the mirror a certificate and write https:// in registry-mirrors.",
};

const LOCAL_IMAGE: Rule = Rule {
    id: "local-image",
    title: "An image that bears a registry's name came from that registry",
    severity: Severity::Medium,
    controls: IMAGES,
    remediation: "Pull the image by its digest, and give what is built on the machine a name that is nobody else's.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&daemon::KIND) {
        checks.not_applicable(&LOCAL_IMAGE, "a daemon's configuration holds no image");
        check_daemon(&root, parameters, checks);
        return Ok(());
    }
    for rule in [&INSECURE_REGISTRY, &INSECURE_MIRROR] {
        checks.not_applicable(rule, "how registries are reached is for the daemon to say");
    }
    if object.is(&image::KIND) {
        for rule in [&UNLISTED_REGISTRY, &LOOK_ALIKE] {
            checks.not_applicable(rule, "an image is judged where it is asked for");
        }
        check_names(&root, parameters, checks);
        return Ok(());
    }
    let images = pulled(object)?;
    for rule in [&UNLISTED_REGISTRY, &LOOK_ALIKE] {
        if images.is_empty() {
            checks.not_applicable(rule, "it fetches no image by name");
        } else {
            checks.pass(rule);
        }
    }
    checks.not_applicable(
        &LOCAL_IMAGE,
        "what the engine has of the image is not known here",
    );
    let known = object.images()?;
    for image in images {
        check_image(&image, parameters, checks);
        check_origin(&image, &known, parameters, checks);
    }
    Ok(())
}

/// Where an image comes from.
fn check_image(image: &Pulled, parameters: &Parameters, checks: &mut Checks) {
    if image.is_id {
        return;
    }
    let path = &*image.path;
    let by = &image.by;
    let Some(registry) = image.registry() else {
        // What is no reference at all is fetched from nowhere, unless letters hide in it.
        let host = image.text.split('/').next().unwrap_or_default();
        if host.contains('.') && !host.is_ascii() {
            let message = format!("{by} names a registry in letters that only look like others");
            checks.fail(&LOOK_ALIKE, path, message);
        } else if !image.unresolved.is_empty() {
            let message = format!(
                "{by} takes its image from a registry that {} says, which has no value here",
                image.unresolved.join(", ")
            );
            checks.unknown(&UNLISTED_REGISTRY, path, message);
        }
        return;
    };
    let repository = match image.reference() {
        Some(Ok(reference)) => reference.repository.into_owned(),
        _ => String::new(),
    };
    check_name(registry, &repository, (path, by), parameters, checks);
}

fn check_name(
    registry: &str,
    repository: &str,
    (path, by): (&str, &str),
    parameters: &Parameters,
    checks: &mut Checks,
) {
    if is_listed(registry, repository, parameters) {
        let publisher = repository.split_once('/').map(|(first, _)| first);
        if registry == DOCKER_HUB && publisher.is_some_and(spelling::is_like_library) {
            let message = format!(
                "{by} takes {repository} from Docker Hub: somebody's account that reads like library, where the official images are"
            );
            checks.fail(&LOOK_ALIKE, path, message);
        }
    } else if let Some(known) = imitated(registry, &parameters.registries) {
        let message =
            format!("{by} takes its image from {registry}, which reads like {known} and is not");
        checks.fail(&LOOK_ALIKE, path, message);
    } else if parameters.registries == Parameters::default().registries {
        let message =
            format!("{by} takes its image from {registry}, and nobody said whether that is yours");
        checks.unknown(&UNLISTED_REGISTRY, path, message);
    } else {
        let message = format!(
            "{by} takes its image from {registry}, which is not among the listed registries"
        );
        checks.fail(&UNLISTED_REGISTRY, path, message);
    }
}

fn is_listed(registry: &str, repository: &str, parameters: &Parameters) -> bool {
    let registry = registry.to_ascii_lowercase();
    let whole = format!("{registry}/{repository}");
    parameters.registries.iter().any(|pattern| {
        let name = if pattern.contains('/') {
            &whole
        } else {
            &registry
        };
        matches_glob(&pattern.to_ascii_lowercase(), name)
    })
}

/// Whether an image that the engine has came from the registry that its name says.
fn check_origin(image: &Pulled, known: &Images, parameters: &Parameters, checks: &mut Checks) {
    let (Some(facts), Some(Ok(reference))) = (known.get(&image.text), image.reference()) else {
        return;
    };
    let digests = At::root(facts).get("RepoDigests");
    // An image of which only the config is known says nothing of digests.
    if image.is_id || !digests.exists() {
        return;
    }
    checks.pass(&LOCAL_IMAGE);
    if has_digest(&digests, &reference) {
        return;
    }
    let name = reference.familiar();
    if is_trusted_name(&reference, parameters) {
        let message = format!(
            "{} runs an image that is called {name} and never came from {}: it was made, loaded or tagged on the machine",
            image.by, reference.registry
        );
        checks.fail(&LOCAL_IMAGE, &*image.path, message);
    } else {
        let message = format!(
            "{} runs {name}, which has no digest of any registry: it was made or loaded on the machine, and only who did that knows what it is",
            image.by
        );
        checks
            .unknown(&LOCAL_IMAGE, &*image.path, message)
            .severity(Severity::Low);
    }
}

/// Whether the tags of an image are of repositories that it came from.
fn check_names(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let digests = root.get("RepoDigests");
    if !digests.exists() {
        checks.not_applicable(
            &LOCAL_IMAGE,
            "what the engine has of the image is not known here",
        );
        return;
    }
    checks.pass(&LOCAL_IMAGE);
    for tag in root.get("RepoTags").items() {
        let Some(Ok(reference)) = tag.text().map(Reference::parse) else {
            continue;
        };
        if !has_digest(&digests, &reference) && is_trusted_name(&reference, parameters) {
            let message = format!(
                "the image is called {} and never came from {}: it was made, loaded or tagged on the machine",
                reference.familiar(),
                reference.registry
            );
            checks.fail(&LOCAL_IMAGE, &tag, message);
        }
    }
}

/// Whether one of the digests of an image is of a repository.
fn has_digest(digests: &At, reference: &Reference) -> bool {
    let parsed = digests
        .items()
        .filter_map(|at| Reference::parse(at.text()?).ok());
    parsed
        .into_iter()
        .any(|digest| digest.name() == reference.name())
}

/// Whether people take an image of this name for that of a publisher: one of a listed registry by
/// its full name, or an official image. A short name is what everyone calls builds of their own.
fn is_trusted_name(reference: &Reference, parameters: &Parameters) -> bool {
    if reference.registry == DOCKER_HUB {
        let official = reference.repository.strip_prefix("library/");
        return official
            .is_some_and(|name| parameters.official_images.iter().any(|known| known == name));
    }
    !is_loopback(reference.registry)
        && is_listed(reference.registry, &reference.repository, parameters)
}

fn check_daemon(root: &At, parameters: &Parameters, checks: &mut Checks) {
    for rule in [
        &UNLISTED_REGISTRY,
        &LOOK_ALIKE,
        &INSECURE_REGISTRY,
        &INSECURE_MIRROR,
    ] {
        checks.pass(rule);
    }
    for entry in root.get("insecure-registries").items() {
        let text = entry.text().unwrap_or_default();
        // The daemon takes a scheme off.
        let text = ["http://", "https://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text);
        let (severity, whom) = match breadth(text) {
            Breadth::Loopback => continue,
            Breadth::Host => (Severity::High, "this registry".to_owned()),
            Breadth::Network(0) => (Severity::Critical, "any registry at all".to_owned()),
            Breadth::Network(bits) => {
                let severity = if bits < network::NARROW {
                    Severity::Critical
                } else {
                    Severity::High
                };
                (severity, format!("any registry in a network of /{bits}"))
            }
        };
        let message = format!(
            "the daemon takes images from {whom} without TLS or without checking who it is"
        );
        let patch = json!([{"op": "remove", "path": entry.path()}]);
        checks
            .fail(&INSECURE_REGISTRY, &entry, message)
            .severity(severity)
            .fix("Check the certificate of the registry", false, &patch);
    }
    for mirror in root.get("registry-mirrors").items() {
        check_mirror(&mirror, parameters, checks);
    }
    for (key, rule) in [
        ("insecure-registries", &INSECURE_REGISTRY),
        ("registry-mirrors", &INSECURE_MIRROR),
    ] {
        let is_default = root
            .value()
            .is_some_and(|root| Effective::new(root).is_default(&format!("/{key}")));
        if let Some(variable) = root.get("unresolved").items().next().filter(|_| is_default) {
            let message = format!(
                "a variable on the command line may set {key}, and its value is not at hand"
            );
            checks.unknown(rule, &variable, message);
        }
    }
}

fn check_mirror(mirror: &At, parameters: &Parameters, checks: &mut Checks) {
    let url = mirror.text().unwrap_or_default();
    let Some((scheme, host)) = mirror_host(url) else {
        return;
    };
    if is_loopback(host) {
        return;
    }
    if scheme.eq_ignore_ascii_case("http") {
        let message = format!(
            "the daemon takes the images of Docker Hub from {host} over HTTP: whoever is on the way can replace them"
        );
        let secure = format!("https{}", url.get(4..).unwrap_or_default());
        let patch = json!([{"op": "replace", "path": mirror.path(), "value": secure}]);
        checks.fail(&INSECURE_MIRROR, mirror, message).fix(
            "Reach the mirror over TLS",
            false,
            &patch,
        );
    }
    check_name(
        host,
        "",
        (mirror.path(), "the daemon's mirror"),
        parameters,
        checks,
    );
}
