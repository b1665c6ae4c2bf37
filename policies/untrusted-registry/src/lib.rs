//! See the documentation of [`UntrustedRegistry`].

mod daemon;
mod network;
mod origin;
mod source;
mod spelling;

use daemon::{INSECURE_MIRROR, INSECURE_REGISTRY};
use origin::LOCAL_IMAGE;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{self, request};
use stridegate_policy::{host, is_loopback, pulled};

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
    /// image cannot tell whose its registry is. A registry on this machine, which every daemon takes
    /// without TLS, is nobody else's. Not seen are the files with which containerd and CRI-O send a
    /// name to another registry, the certificates, and what a registry or a mirror hands out.
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
            dockerfile::KIND, container::KIND, service::KIND, image::KIND, shapes::daemon::KIND, request::KIND, pod::KIND,
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
            "localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[::1]", "[::1]:*",
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

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&shapes::daemon::KIND) {
        checks.not_applicable(&LOCAL_IMAGE, "a daemon's configuration holds no image");
        daemon::check(&root, parameters, checks);
        return Ok(());
    }
    for rule in [&INSECURE_REGISTRY, &INSECURE_MIRROR] {
        checks.not_applicable(rule, "how registries are reached is for the daemon to say");
    }
    if object.is(&image::KIND) {
        for rule in [&UNLISTED_REGISTRY, &LOOK_ALIKE] {
            checks.not_applicable(rule, "an image is judged where it is asked for");
        }
        origin::check_names(&root, parameters, checks);
    } else {
        let images = pulled(object)?;
        for rule in [&UNLISTED_REGISTRY, &LOOK_ALIKE] {
            if images.is_empty() {
                checks.not_applicable(rule, "it fetches no image by name");
            } else {
                checks.pass(rule);
            }
        }
        let known = object.images()?;
        for image in images {
            source::check(&image, parameters, checks);
            origin::check(&image, &known, parameters, checks);
        }
    }
    checks.not_applicable(
        &LOCAL_IMAGE,
        "what the engine has of the image is not known here",
    );
    Ok(())
}

/// Whether a registry is listed, as a whole or with the repository. Of the addresses that this
/// machine has for itself each is as good as another.
fn is_listed(registry: &str, repository: &str, parameters: &Parameters) -> bool {
    let registry = registry.to_ascii_lowercase();
    let whole = format!("{registry}/{repository}");
    let is_own = is_loopback(host(&registry));
    parameters.registries.iter().any(|pattern| {
        if is_own && is_loopback(host(pattern)) {
            return true;
        }
        let name = if pattern.contains('/') {
            &whole
        } else {
            &registry
        };
        matches_glob(&pattern.to_ascii_lowercase(), name)
    })
}
