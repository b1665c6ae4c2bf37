use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use serde_json::json;

use super::registry::{
    Output, RegistryArgs, annotation, annotations, lines, reference, say_notices,
};
use crate::catalog::{Bundled, Catalog, pack};
use crate::constraint::{self, Rulebook, Source};
use crate::engine::{Cache, Engine, Limits};
use crate::policy::{Bytes, Policy};
use crate::registry::layout::VERSION;
use crate::registry::{
    Annotations, Files, Pushed, Reference, Tags, Wanted, pack_bundle, tag_of_version,
    version_of_tag,
};
use crate::review::Decision;
use crate::source::nearest;
use crate::threat::{MODEL_IN_BUNDLE, Model};

/// Push a policy to a registry, or several with their constraints as one bundle
#[derive(Args, Debug)]
pub(super) struct Push {
    /// Where to: oci://REGISTRY/REPOSITORY, with a tag if that is not the policy's own version; a
    /// bundle always needs one
    #[arg(value_parser = reference)]
    target: Reference,

    /// The policies: .wasm files, or the names of bundled ones
    #[arg(value_name = "POLICY", required_unless_present = "constraints")]
    policies: Vec<String>,

    /// Constraints and exceptions to put beside the policies: a YAML or JSON file, or a folder of
    /// them; can be given several times
    #[arg(short, long = "constraints", value_name = "PATH")]
    constraints: Vec<PathBuf>,

    /// The threat model to put beside the policies
    #[arg(long, value_name = "FILE")]
    threat_model: Option<PathBuf>,

    /// Move the shorter tags too: 1.4 and 1 with 1.4.2, where no higher version has them
    #[arg(long)]
    moving: bool,

    /// Overwrite a version that is there
    #[arg(long)]
    force: bool,

    /// Something else to say of it; can be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    annotation: Vec<(String, String)>,

    /// How to write what was pushed
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Push {
    pub(super) fn run(self, pack_of_program: &[Bundled]) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        let engine = Engine::new(1, Limits::default())?;
        let cache = Cache::of_user();
        let mut policies = Vec::new();
        for name in &self.policies {
            policies.push(open(name, &engine, cache.as_ref(), pack_of_program)?);
        }
        let further = annotations(self.annotation.clone());
        let (tag, packed) = match &policies[..] {
            [policy] if self.constraints.is_empty() && self.threat_model.is_none() => (
                self.own_tag(policy)?,
                pack(policy, &engine, cache.as_ref(), &further)?,
            ),
            _ => {
                let mut catalog = self.registry.catalog(|| Ok(None));
                catalog.add_bundled(&engine, cache.as_ref(), pack_of_program);
                let mut components = Vec::new();
                for policy in policies {
                    let none = Annotations::new();
                    components.push(pack(&policy, &engine, cache.as_ref(), &none)?);
                    catalog.add_policy(Arc::new(policy));
                }
                if let Some(failed) = catalog.errors.pop() {
                    return Err(failed.error.context(failed.origin));
                }
                let files = self.files(&catalog, &engine, cache.as_ref())?;
                let tag = self.target.wanted.tag();
                let tag = tag.context("a bundle has no version of its own; name one as in oci://registry/repository:1.2.0")?;
                let mut annotations = further;
                if let Some(version) = version_of_tag(tag) {
                    annotations.insert(VERSION.into(), version.to_string());
                }
                (
                    tag.to_owned(),
                    pack_bundle(components, &files, annotations)?,
                )
            }
        };
        let tags = Tags {
            tag,
            moving: self.moving,
            force: self.force,
        };
        let pushed = registry.push(&self.target.repository, &tags, &packed)?;
        write(&self.target, &pushed, self.output)?;
        say_notices(&registry);
        Ok(Decision::Clean)
    }

    /// The tag that is named, or the policy's own version.
    fn own_tag(&self, policy: &Policy) -> anyhow::Result<String> {
        let own = semver::Version::parse(&policy.description.version)?;
        let tag = match &self.target.wanted {
            Wanted::Any => return Ok(tag_of_version(&own)),
            Wanted::Tag(tag) => tag,
            _ => bail!("a policy is pushed to a tag: oci://registry/repository:1.2.0"),
        };
        if let Some(version) = version_of_tag(tag) {
            ensure!(
                version == own,
                "{} says of itself that it is the version {own}; push it to :{}, or change the version in its Cargo.toml",
                policy.id(),
                tag_of_version(&own)
            );
        }
        Ok(tag.clone())
    }

    /// What stands beside the policies of a bundle. What nobody could use is not pushed.
    fn files(
        &self,
        catalog: &Catalog,
        engine: &Engine,
        cache: Option<&Cache>,
    ) -> anyhow::Result<Files> {
        let mut files = Files::new();
        let mut problems = Vec::new();
        let mut rulebook = Rulebook::default();
        for source in Source::named(&self.constraints) {
            let mut source = match source {
                Ok(source) => source,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            source.bundled = true;
            constraint::read(
                &source,
                catalog,
                engine,
                cache,
                &mut rulebook,
                &mut problems,
            );
            let name = source.path.file_name().unwrap_or_default();
            let path = format!("constraints/{}", name.to_string_lossy());
            let content = source.text.content.into_bytes();
            ensure!(
                files.insert(path.clone(), content).is_none(),
                "two files would be {path} in the bundle; rename one"
            );
        }
        if let Some(file) = &self.threat_model {
            match Model::open(file) {
                Ok((model, wrong)) => {
                    problems.extend(wrong);
                    problems.extend(model.problems(catalog));
                }
                Err(problem) => problems.push(problem),
            }
            let content = std::fs::read(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            files.insert(MODEL_IN_BUNDLE.into(), content);
        }
        if !problems.is_empty() {
            bail!(lines(problems));
        }
        Ok(files)
    }
}

fn open(
    name: &str,
    engine: &Engine,
    cache: Option<&Cache>,
    pack_of_program: &[Bundled],
) -> anyhow::Result<Policy> {
    let bundled = pack_of_program.iter().find(|(known, _)| *known == name);
    if let Some((_, bytes)) = bundled.filter(|_| !Path::new(name).exists()) {
        return Policy::load(engine, cache, Bytes::Borrowed(bytes), "bundled");
    }
    let advice = || {
        let known: Vec<&str> = pack_of_program.iter().map(|(known, _)| *known).collect();
        let near = nearest(name, &known);
        let near = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
        if Path::new(name).exists() {
            format!("{name} cannot be read")
        } else {
            format!(
                "{name} is no file and no policy; {near}stridegate policies lists the bundled ones"
            )
        }
    };
    let bytes = std::fs::read(name).with_context(advice)?;
    Policy::load(engine, cache, Bytes::Owned(bytes), name)
        .map_err(|error| anyhow!("{name} {error:#}"))
}

/// Writes what was pushed, in the form in which others name it.
pub(super) fn write(target: &Reference, pushed: &Pushed, output: Output) -> anyhow::Result<()> {
    let exact = Reference {
        repository: target.repository.clone(),
        wanted: Wanted::Digest(pushed.tags.first().cloned(), pushed.digest.clone()),
    };
    let text = match output {
        Output::Text => {
            let known = if pushed.known { " (was there)" } else { "" };
            let others = &pushed.tags[1..];
            let others = if others.is_empty() {
                String::new()
            } else {
                format!(", and moved {}", others.join(" and "))
            };
            format!("{exact}{known}{others}\n")
        }
        Output::Json => {
            let value = json!({"reference": exact.to_string(), "digest": pushed.digest, "tags": pushed.tags, "known": pushed.known});
            serde_json::to_string_pretty(&value)? + "\n"
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}
