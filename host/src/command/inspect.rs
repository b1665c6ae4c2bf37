use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::registry::{Output, RegistryArgs, reference, say_notices};
use crate::registry::layout::{Document, WASM_CONFIG, WasmConfig};
use crate::registry::{Pinned, Reference, Registry};
use crate::report::plain;
use crate::review::Decision;

/// Show what an artifact in a registry says of itself
#[derive(Args, Debug)]
pub(super) struct Inspect {
    /// The artifact: oci://REGISTRY/REPOSITORY with :1.2.0, @sha256:… or #^1.2
    #[arg(value_parser = reference)]
    reference: Reference,

    /// How to write it
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let registry = self.registry.open(None)?;
        let pinned = registry.pin(&self.reference)?;
        let value = describe(&registry, &pinned).with_context(|| self.reference.to_string())?;
        let text = match self.output {
            Output::Text => plain(&lines(&value)).into_owned(),
            Output::Json => serde_json::to_string_pretty(&value)? + "\n",
        };
        anstream::stdout().write_all(text.as_bytes())?;
        say_notices(&registry);
        Ok(Decision::Clean)
    }
}

fn describe(registry: &Registry, pinned: &Pinned) -> anyhow::Result<Value> {
    let descriptor = &pinned.found.descriptor;
    let mut value = json!({
        "reference": pinned.exact().to_string(),
        "digest": descriptor.digest,
        "mediaType": descriptor.media_type,
        "annotations": pinned.found.document.annotations(),
    });
    match &pinned.found.document {
        Document::Manifest(manifest) => {
            value["type"] = json!(manifest.kind());
            value["layers"] = json!(manifest.layers);
            if manifest.config.media_type == WASM_CONFIG {
                let repository = &pinned.reference.repository;
                let config = registry.blob(repository, &manifest.config)?;
                let config: WasmConfig = serde_json::from_slice(&config)
                    .context("its config is not that of a component")?;
                value["component"] = json!(config.component);
            }
        }
        Document::Index(index) => {
            value["type"] = json!(index.artifact_type);
            value["manifests"] = json!(index.manifests);
        }
    }
    Ok(value)
}

/// The members of a value, one a line, those of inner ones under their names.
fn lines(value: &Value) -> String {
    let mut text = String::new();
    add(&mut text, "", value);
    text
}

fn add(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let inner = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                add(text, &inner, member);
            }
        }
        Value::Array(items) => {
            for item in items {
                add(text, name, item);
            }
        }
        Value::String(value) => {
            let value = value.replace('\n', " ");
            let _ = writeln!(text, "{name:<28} {value}");
        }
        Value::Null => {}
        other => {
            let _ = writeln!(text, "{name:<28} {other}");
        }
    }
}
