//! See the documentation of [`HardcodedSecret`].

use std::collections::BTreeSet;

use stridegate_policy::prelude::*;
use stridegate_policy::secret::{
    self, Form, LAST_APPLIED, Says, Search, SecretFile, Sign, Written,
};
use stridegate_policy::shapes::dockerfile::{Dockerfile, Instruction, Word};

policy! {
    /// A password, a token or a key that is written down
    ///
    /// Reads what people write into Dockerfiles (variables, arguments, labels, commands, files that
    /// are copied), images (the same, from their config and history), containers, execs, volumes
    /// and swarm services (variables, commands, labels, options of drivers and logs), Pods
    /// (variables, commands, probes, annotations) and ConfigMaps. What has the
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
            dockerfile::KIND, container::KIND, image::KIND, exec::KIND, volume::KIND, service::KIND, pod::KIND, CONFIG_MAP, SECRET,
        ],
        context: [],
        rules: [
            KNOWN_FORMAT, URL_CREDENTIALS, COMMAND_LINE, SECRET_NAME, HIGH_ENTROPY, SECRET_FILE, BUILD_ARGUMENT, SECRET_MANIFEST,
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

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let search = Search::new(
        &parameters.secret_names,
        &parameters.allowed_names,
        &parameters.allowed_digests,
    );
    let mut review = Review {
        search: &search,
        found: Vec::new(),
        discarded: false,
    };
    for rule in [
        &KNOWN_FORMAT,
        &URL_CREDENTIALS,
        &COMMAND_LINE,
        &SECRET_NAME,
        &HIGH_ENTROPY,
    ] {
        checks.pass(rule);
    }
    if object.is(&dockerfile::KIND) {
        checks.pass(&SECRET_FILE);
        checks.pass(&BUILD_ARGUMENT);
        review.dockerfile(&object.dockerfile()?);
    } else {
        let document = object.document()?;
        let root = At::root(&document);
        if object.is(&image::KIND) {
            checks.pass(&SECRET_FILE);
            checks.pass(&BUILD_ARGUMENT);
            review.look(&secret::written_in_engine(&root));
            review.history(&root);
        } else if object.kind.group == "docker" {
            review.look(&secret::written_in_engine(&root));
        } else if !object.is(&SECRET) {
            review.look(&secret::written_in_manifest(&root));
            review.last_applied(&root);
        } else if object.request().is_none() && !root.get("metadata").get("uid").exists() {
            checks.pass(&SECRET_MANIFEST);
            review.look(&secret::written_in_metadata(&root));
            review.secret(&root);
        } else {
            review.look(&secret::written_in_metadata(&root));
            checks.not_applicable(
                &SECRET_MANIFEST,
                "the Secret is in a cluster or on its way there, where it belongs",
            );
        }
    }
    checks.not_applicable(
        &SECRET_FILE,
        "only Dockerfiles and images have files copied into them",
    );
    checks.not_applicable(
        &BUILD_ARGUMENT,
        "only Dockerfiles and images have build arguments",
    );
    checks.not_applicable(&SECRET_MANIFEST, "the object is no Secret");
    for found in review.found {
        let finding = checks
            .fail(found.rule, found.path, found.message)
            .severity(found.severity);
        finding.sensitive = !found.secret.is_empty();
    }
    Ok(())
}

struct Found {
    rule: &'static Rule,
    path: String,
    message: String,
    severity: Severity,
    /// Empty where the path itself holds no secret.
    secret: String,
}

struct Review<'a> {
    search: &'a Search,
    found: Vec<Found>,
    /// What is read now does not become part of the image.
    discarded: bool,
}

impl Review<'_> {
    fn add(
        &mut self,
        rule: &'static Rule,
        path: String,
        form: Form,
        secret: &str,
        message: String,
    ) {
        let severity = match (form, self.discarded, rule.severity) {
            (Form::Placeholder, ..) => Severity::Low,
            (_, false, severity) => severity,
            // The layers of a stage that nothing is based on stay on the machine that built them.
            (_, true, Severity::Critical) => Severity::High,
            (_, true, Severity::High) => Severity::Medium,
            (_, true, _) => Severity::Low,
        };
        // A text with many lines is one place.
        let known = self
            .found
            .iter()
            .rev()
            .take(16)
            .any(|found| found.rule.id == rule.id && found.path == path);
        if !known {
            self.found.push(Found {
                rule,
                path,
                message,
                severity,
                secret: secret.to_owned(),
            });
        }
    }

    fn look(&mut self, texts: &[Written]) {
        for (path, sighting) in texts
            .iter()
            .flat_map(|text| self.search.look(text))
            .collect::<Vec<_>>()
        {
            let rule = match sighting.sign {
                Sign::Format => &KNOWN_FORMAT,
                Sign::Url => &URL_CREDENTIALS,
                Sign::Command => &COMMAND_LINE,
                Sign::Name => &SECRET_NAME,
                Sign::Random => &HIGH_ENTROPY,
            };
            self.add(
                rule,
                path,
                sighting.form,
                &sighting.secret,
                sighting.message,
            );
        }
    }

    fn dockerfile(&mut self, file: &Dockerfile) {
        let mut shipped = vec![file.target];
        while let Some(base) = shipped
            .last()
            .and_then(|last| file.stages.get(*last))
            .and_then(|stage| stage.base)
        {
            shipped.push(base);
        }
        for (index, instruction) in file.arguments.iter().enumerate() {
            self.instruction(file, &format!("/arguments/{index}"), instruction);
        }
        for (number, stage) in file.stages.iter().enumerate() {
            self.discarded = !shipped.contains(&number);
            for (index, instruction) in stage.instructions.iter().enumerate() {
                self.instruction(
                    file,
                    &format!("/stages/{number}/instructions/{index}"),
                    instruction,
                );
            }
        }
    }

    fn instruction(&mut self, file: &Dockerfile, path: &str, instruction: &Instruction) {
        self.look(&secret::written_in_instruction(path, instruction));
        match instruction.keyword.as_str() {
            "ARG" => self.build_arguments(file, path, instruction),
            "COPY" | "ADD" if instruction.heredocs.is_empty() => {
                self.copied_files(path, instruction);
            }
            _ => {}
        }
    }

    /// The arguments that a build has to pass, for want of a default here or before the first FROM.
    fn build_arguments(&mut self, file: &Dockerfile, path: &str, instruction: &Instruction) {
        let has_default =
            |value: &Option<Word>| value.as_ref().is_some_and(|word| !word.text().is_empty());
        for (index, pair) in instruction.pairs.iter().enumerate() {
            let name = pair.name.text();
            let mut global = file.arguments.iter().flat_map(|argument| &argument.pairs);
            let preset = global.any(|other| other.name.text() == name && has_default(&other.value));
            let secret = self.search.names().says(name) > Says::Maybe && !self.search.allows(name);
            if secret && !preset && !has_default(&pair.value) {
                let name = secret::shown(name);
                let message = format!(
                    "the build argument {name} takes a secret, which the image's history or provenance keeps"
                );
                self.add(
                    &BUILD_ARGUMENT,
                    format!("{path}/pairs/{index}/name"),
                    Form::Literal,
                    "",
                    message,
                );
            }
        }
    }

    /// The files that COPY and ADD take, or else the name that a file gets.
    fn copied_files(&mut self, path: &str, instruction: &Instruction) {
        let Some((target, sources)) = instruction.arguments.split_last() else {
            return;
        };
        let sources: Vec<&str> = sources.iter().map(Word::text).collect();
        for (index, holds) in secret_files(&sources, target.text()) {
            let path = format!("{path}/arguments/{index}");
            self.secret_file(&instruction.keyword, holds, path);
        }
    }

    fn secret_file(&mut self, keyword: &str, holds: &str, path: String) {
        let message =
            format!("{keyword} puts a file into the image that by its name holds {holds}");
        self.add(&SECRET_FILE, path, Form::Literal, "", message);
    }

    /// What the history of an image holds and its config does not say any more.
    fn history(&mut self, root: &At) {
        for step in history(root) {
            let mut here = Review {
                search: self.search,
                found: Vec::new(),
                discarded: false,
            };
            here.look(&secret::written_in_step(&step));
            here.unset_arguments(&step);
            if let "COPY" | "ADD" = step.keyword {
                here.history_files(&step);
            }
            let secrets = self.found.iter().map(|found| found.secret.clone());
            let known: BTreeSet<String> = secrets.filter(|secret| !secret.is_empty()).collect();
            let mut news = here.found;
            news.retain(|found| !known.contains(&found.secret));
            self.found.extend(news);
        }
    }

    /// A build argument in a history that has no default and takes a secret.
    fn unset_arguments(&mut self, step: &Step) {
        for (name, value) in step.pairs() {
            let secret = self.search.names().says(name) > Says::Maybe && !self.search.allows(name);
            if secret && step.keyword == "ARG" && value.is_none_or(|value| value.is_empty()) {
                let name = secret::shown(name);
                let message =
                    format!("the image was built with the argument {name}, which takes a secret");
                self.add(
                    &BUILD_ARGUMENT,
                    step.at.path().to_owned(),
                    Form::Literal,
                    "",
                    message,
                );
            }
        }
    }

    /// The files that a COPY or ADD of a history took, as far as their names are kept.
    fn history_files(&mut self, step: &Step) {
        let words: Vec<&str> = step
            .text
            .split_ascii_whitespace()
            .filter(|word| !word.starts_with("--") && *word != "in")
            .collect();
        let Some((target, sources)) = words.split_last() else {
            return;
        };
        for (_, holds) in secret_files(sources, target) {
            self.secret_file(step.keyword, holds, step.at.path().to_owned());
        }
    }

    /// What kubectl was told last may hold what was since taken out of the object; what is still
    /// in the object goes from both at once.
    fn last_applied(&mut self, root: &At) {
        let annotation = root.get("metadata").get("annotations").get(LAST_APPLIED);
        let Some(document) = annotation
            .text()
            .and_then(|text| text.parse::<Value>().ok())
        else {
            return;
        };
        let mut before = Review {
            search: self.search,
            found: Vec::new(),
            discarded: false,
        };
        before.look(&secret::written_in_manifest(&At::root(&document)));
        let known: BTreeSet<String> = self
            .found
            .iter()
            .map(|found| found.secret.clone())
            .collect();
        for found in before
            .found
            .into_iter()
            .filter(|found| !known.contains(&found.secret))
        {
            let message = format!(
                "the last applied configuration still says: {}",
                found.message
            );
            self.add(
                found.rule,
                annotation.path().to_owned(),
                Form::Literal,
                &found.secret,
                message,
            );
        }
    }

    fn secret(&mut self, root: &At) {
        // Who logs in where is no secret in itself.
        const OTHERS: [&str; 9] = [
            "username", "user", "email", "host", "hostname", "port", "database", "dbname", "ca.crt",
        ];
        for (list, encoded) in [("data", true), ("stringData", false)] {
            for (key, value) in root.get(list).members() {
                let text = value.text().unwrap_or_default();
                let bytes = if encoded {
                    secret::decode_base64(text)
                } else {
                    None
                };
                let text = bytes
                    .as_deref()
                    .map_or(text, |bytes| secret::printable(bytes).unwrap_or("(binary)"));
                let seen = self
                    .search
                    .value("", key, text)
                    .iter()
                    .any(|sighting| sighting.form == Form::Literal);
                let literal = secret::form(text) == Form::Literal && !OTHERS.contains(&key);
                if (seen || literal) && !self.search.allows(key) && !self.search.allows_value(text)
                {
                    let (key, length) = (secret::shown(key), text.trim().chars().count());
                    let message = format!(
                        "the Secret's key {key} has a value of {length} characters in this file"
                    );
                    self.add(
                        &SECRET_MANIFEST,
                        value.path().to_owned(),
                        Form::Literal,
                        text,
                        message,
                    );
                }
            }
        }
    }
}

/// Which files of a COPY or ADD hold secrets, by their names, and what they hold: the sources, or
/// else the name that a file gets.
fn secret_files(sources: &[&str], target: &str) -> Vec<(usize, &'static str)> {
    let secret = |(index, name): (usize, &str)| {
        let holds = match secret::secret_file(name)? {
            SecretFile::PrivateKey => "a private key",
            SecretFile::Credentials => "credentials",
        };
        Some((index, holds))
    };
    let named = sources.iter().copied().enumerate();
    let mut files: Vec<_> = named.filter_map(secret).collect();
    // A folder of keys may get public ones.
    let folder = target.ends_with(['/', '\\']) || target.rsplit('/').next() == Some(".ssh");
    if files.is_empty() && !folder {
        files.extend(secret((sources.len(), target)));
    }
    files
}
