//! See the documentation of [`HardcodedSecret`].

mod history;
mod instruction;
mod manifest;
mod review;
mod setup;

use review::Review;
use stridegate_policy::prelude::*;
use stridegate_policy::secret::{self, Search};
use stridegate_policy::shapes::{client, daemon};

policy! {
    /// A password, a token or a key that is written down
    ///
    /// Reads what people write into Dockerfiles (variables, arguments, labels, commands, files that
    /// are copied), images (the same, from their config and history), containers, execs, volumes
    /// and swarm services (variables, commands, labels, options of drivers and logs), Pods
    /// (variables, commands, probes, annotations), ConfigMaps, and the configuration of Docker's
    /// client (logins, headers, proxies) and daemon (proxies, options of log drivers). What has the
    /// format of a known credential is told from what is only guessed, by a name or by a value that
    /// looks random: those are rules of their own. References, paths, numbers, versions, digests and
    /// certificates are no secrets.
    ///
    /// What stands in an image's layers or history is there for everyone who may pull it, even if a
    /// later instruction deletes it; what stands in a Pod or a ConfigMap, for everyone who may read
    /// those, and in every copy and backup; and what stands in a repository, for ever.
    ///
    /// Findings name the variable and the length, never the value.
    ///
    /// What it does not see: a password under a name that does not say so and that does not look
    /// random (`GREETING=hunter2`); one that a program puts together or reads when it runs; what
    /// is encrypted, packed or encoded anew in a text that is encoded already. Of what is copied
    /// into an image it sees names and no content, of a layer its history and not its files. It
    /// follows no reference: what a `ConfigMap` or a `Secret` says is judged there. Values of a
    /// Secret count in files only: in a cluster they are where they belong. Other kinds, custom
    /// resources among them, the values of a chart and the history of a repository are not read.
    /// Nobody is asked whether a credential is still valid.
    ///
    /// ## Example
    ///
    /// ```dockerfile
    /// FROM node:22-slim
    /// ENV DB_PASS=hunter2
    /// COPY . /app
    /// ```
    ///
    /// ## Instead
    ///
    /// ```dockerfile
    /// FROM node:22-slim
    /// ENV DB_PASS_FILE=/run/secrets/db
    /// RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci
    /// COPY . /app
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/build/building/secrets/>
    /// - <https://kubernetes.io/docs/concepts/security/secrets-good-practices/>
    HardcodedSecret {
        parameters: Parameters,
        threats: [(DOCKER, Category::InformationDisclosure), (KUBERNETES, Category::InformationDisclosure)],
        kinds: [
            dockerfile::KIND, container::KIND, image::KIND, exec::KIND, volume::KIND, service::KIND, client::KIND,
            daemon::KIND, pod::KIND, CONFIG_MAP, SECRET,
        ],
        context: [],
        rules: [
            KNOWN_FORMAT, URL_CREDENTIALS, COMMAND_LINE, SECRET_NAME, HIGH_ENTROPY, SECRET_FILE, BUILD_ARGUMENT, SECRET_MANIFEST,
            STORED_LOGIN,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `hardcoded-secret`.
    pub struct Parameters {
        /// Names of variables, options and keys whose values are not guessed to be secrets; `*`
        /// stands for any characters, and case does not matter.
        pub allowed_names: Vec<String> = Vec::new(),
        /// SHA-256 digests, in hexadecimal digits, of values that are no secrets, such as those of
        /// tests: what is allowed need not be written down a second time.
        pub allowed_digests: Vec<String> = Vec::new(),
        /// Words that say secret at the end of a name, beside `password`, `token` and their like.
        pub secret_names: Vec<String> = Vec::new(),
    }
}

const CONFIG_MAP: Kind = Kind::known("", "ConfigMap");
const SECRET: Kind = Kind::known("", "Secret");

const IMAGE: &[(&str, &str)] = &[("cis-docker-1.2", "4.10"), ("cis-docker-1.6", "4.10")];
const IMAGE_AND_POD: &[(&str, &str)] = &[
    ("cis-docker-1.2", "4.10"),
    ("cis-docker-1.6", "4.10"),
    ("cis-kubernetes-1.12", "5.4.1"),
];

const KNOWN_FORMAT: Rule = Rule {
    id: "known-format",
    title: "No value has the format of a known credential",
    severity: Severity::Critical,
    controls: IMAGE_AND_POD,
    remediation: "Revoke the credential, then pass its successor at run time: a mounted Secret, or RUN --mount=type=secret in a build.",
};

const URL_CREDENTIALS: Rule = Rule {
    id: "url-credentials",
    title: "No URL holds a password or a token",
    severity: Severity::High,
    controls: IMAGE_AND_POD,
    remediation: "Take the part before the @ out of the URL, change the password, and pass it at run time or as a build secret.",
};

const COMMAND_LINE: Rule = Rule {
    id: "command-line",
    title: "No command is given a password or a token in its words",
    severity: Severity::High,
    controls: IMAGE_AND_POD,
    remediation: "Let the command read it from a file or its input: --password-stdin, --password-file, RUN --mount=type=secret.",
};

const SECRET_NAME: Rule = Rule {
    id: "secret-name",
    title: "Nothing that is named like a secret has a literal value",
    severity: Severity::High,
    controls: IMAGE_AND_POD,
    remediation: "Pass the value at run time: valueFrom.secretKeyRef or a mounted Secret in a Pod, a file in /run/secrets in Docker.",
};

const HIGH_ENTROPY: Rule = Rule {
    id: "high-entropy",
    title: "No value looks as random as a key",
    severity: Severity::Medium,
    controls: IMAGE_AND_POD,
    remediation: "If it is a key, change it and pass it at run time; if not, list its name in allowedNames.",
};

const SECRET_FILE: Rule = Rule {
    id: "secret-file",
    title: "No file of credentials or private keys is put into the image",
    severity: Severity::High,
    controls: IMAGE,
    remediation: "Mount the file where it is needed, RUN --mount=type=secret or at run time, and list it in .dockerignore.",
};

const BUILD_ARGUMENT: Rule = Rule {
    id: "build-argument",
    title: "No build argument takes a secret",
    severity: Severity::Medium,
    controls: IMAGE,
    remediation: "Pass it as a build secret: RUN --mount=type=secret,id=NAME,env=NAME and docker build --secret id=NAME.",
};

const SECRET_MANIFEST: Rule = Rule {
    id: "secret-manifest",
    title: "No Secret stands in a file with its values",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "5.4.2")],
    remediation: "Keep the values out of the file: External Secrets, Sealed Secrets, SOPS, or kubectl create secret.",
};

const STORED_LOGIN: Rule = Rule {
    id: "stored-login",
    title: "No login to a registry is kept in the client's file",
    severity: Severity::High,
    controls: &[],
    remediation: "Log out, change the password, set credsStore or credHelpers to a helper of the system, and log in again.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let search = Search::new(
        &parameters.secret_names,
        &parameters.allowed_names,
        &parameters.allowed_digests,
    );
    let mut review = Review::new(&search);
    for rule in [
        &KNOWN_FORMAT,
        &URL_CREDENTIALS,
        &COMMAND_LINE,
        &SECRET_NAME,
        &HIGH_ENTROPY,
    ] {
        checks.pass(rule);
    }
    read(object, &mut review, checks)?;
    let why = "only Dockerfiles and images have files copied into them";
    checks.not_applicable(&SECRET_FILE, why);
    let why = "only Dockerfiles and images have build arguments";
    checks.not_applicable(&BUILD_ARGUMENT, why);
    checks.not_applicable(&SECRET_MANIFEST, "the object is no Secret");
    checks.not_applicable(&STORED_LOGIN, "only a Docker client keeps logins");
    for found in review.found {
        let finding = checks
            .fail(found.rule, found.path, found.message)
            .severity(found.severity);
        finding.sensitive = !found.secret.is_empty();
    }
    Ok(())
}

fn read(object: &Object, review: &mut Review, checks: &mut Checks) -> Result<(), Refusal> {
    if object.is(&dockerfile::KIND) || object.is(&image::KIND) {
        checks.pass(&SECRET_FILE);
        checks.pass(&BUILD_ARGUMENT);
    }
    if object.is(&dockerfile::KIND) {
        review.dockerfile(&object.dockerfile()?);
        return Ok(());
    }
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&client::KIND) {
        checks.pass(&STORED_LOGIN);
        review.client(&root);
    } else if object.is(&daemon::KIND) {
        review.daemon(&root);
    } else if object.is(&image::KIND) {
        review.look(&secret::written_in_engine(&root));
        review.history(&root);
    } else if object.kind.group == "docker" {
        review.look(&secret::written_in_engine(&root));
    } else if !object.is(&SECRET) {
        review.look(&secret::written_in_manifest(&root));
        review.last_applied(&root);
    } else {
        review.look(&secret::written_in_metadata(&root));
        if object.request().is_none() && !root.get("metadata").get("uid").exists() {
            checks.pass(&SECRET_MANIFEST);
            review.secret(&root);
        } else {
            let why = "the Secret is in a cluster or on its way there, where it belongs";
            checks.not_applicable(&SECRET_MANIFEST, why);
        }
    }
    Ok(())
}
