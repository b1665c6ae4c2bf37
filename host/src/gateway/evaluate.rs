//! `POST /v1/evaluate`: judges an object for a gateway that is none of this program's.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::catalog::Catalog;
use crate::constraint::{Constraint, Enforcement, Match, Rulebook};
use crate::engine::Engine;
use crate::object::{Request, Text};
use crate::report;
use crate::review::Review;
use crate::source::{Format, Images, InputFault, Reading, json, read_text};

/// What the endpoint takes and gives, as `OpenAPI` 3.1.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// The body of a request. What it has more of is refused: it would mean something to its sender.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    kind: Option<String>,
    object: Value,
    #[serde(default)]
    context: Context,
    request: Option<Asked>,
    parameters: Option<Map<String, Value>>,
}

/// What is known from outside of the object, by the keys under which policies ask for it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    images: Map<String, Value>,
    info: Option<Map<String, Value>>,
    daemon: Option<Map<String, Value>>,
    limit_ranges: Option<Vec<Value>>,
    verification: Option<Map<String, Value>>,
    namespace: Option<Value>,
    target: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    operation: String,
    #[serde(default)]
    subresource: String,
    user: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    dry_run: bool,
    previous: Option<Value>,
}

/// What is judged.
pub(super) struct Case {
    pub(super) reading: Reading,
    pub(super) images: Images,
    pub(super) request: Request,
    /// What applies in place of the constraints in force.
    pub(super) rulebook: Option<Rulebook>,
}

/// Reads the body of a request; the error is for its sender.
pub(super) fn read(body: &[u8], catalog: &Catalog, engine: &Engine) -> Result<Case, String> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not as /openapi.json says: {error}"))?;
    let format = body.kind.as_deref().map(format).transpose()?;
    let content = match body.object {
        Value::String(text) => text,
        object => serde_json::to_string_pretty(&object).unwrap_or_default(),
    };
    let text = Arc::new(Text::new("object", content));
    let mut reading = read_text(&text, "object", format);
    if reading.objects.is_empty() && reading.faults.is_empty() {
        reading.faults.push(InputFault {
            position: None,
            message: reading.skipped.take().unwrap_or_else(|| {
                "object is nothing that can be judged; say with kind what it is".into()
            }),
        });
    }
    let read = |key: &str, value: Option<Value>| {
        let node = value.map(|value| json::read(&value.to_string()).map(Arc::new));
        let node = node.transpose();
        node.map_err(|fault| format!("context.{key}: {}", fault.message))
    };
    let namespace = read("namespace", body.context.namespace)?;
    let target = read("target", body.context.target)?;
    let request = body.request.map(|asked| Request {
        operation: asked.operation.to_lowercase(),
        subresource: asked.subresource,
        user: asked.user,
        groups: asked.groups,
        dry_run: asked.dry_run,
        previous: asked.previous.map(|previous| previous.to_string()),
        ..Request::default()
    });
    let facts = [
        ("info", body.context.info.map(Value::from)),
        ("daemon", body.context.daemon.map(Value::from)),
        ("limitRanges", body.context.limit_ranges.map(Value::from)),
        ("verification", body.context.verification.map(Value::from)),
    ];
    let facts = facts.map(|(key, fact)| Some((key, Arc::new(fact?))));
    for object in &mut reading.objects {
        object.written.namespace.clone_from(&namespace);
        object.written.target.clone_from(&target);
        object.written.facts.extend(facts.iter().flatten().cloned());
        if let Some(request) = &request {
            object.written.request = Some(Arc::new(request.clone()));
        }
    }
    let mut images = Images::default();
    for (reference, image) in &body.context.images {
        images
            .insert(reference, &image.to_string(), None)
            .map_err(|fault| format!("context.images: {reference}: {}", fault.message))?;
    }
    Ok(Case {
        reading,
        images,
        request: request.unwrap_or_default(),
        rulebook: body
            .parameters
            .map(|parameters| rulebook(&parameters, catalog, engine))
            .transpose()?,
    })
}

fn format(name: &str) -> Result<Format, String> {
    let known: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
    let format = Format::NAMES.iter().find(|(known, _)| *known == name);
    format
        .map(|(_, format)| *format)
        .ok_or_else(|| format!("kind is one of {}", known.join(", ")))
}

/// The policies that have parameters, each with these.
fn rulebook(
    parameters: &Map<String, Value>,
    catalog: &Catalog,
    engine: &Engine,
) -> Result<Rulebook, String> {
    let mut rulebook = Rulebook::default();
    for (id, parameters) in parameters {
        let policy = catalog
            .get(id)
            .ok_or_else(|| format!("parameters: there is no policy {id:?}"))?;
        let parameters = parameters.to_string();
        match policy.validate(engine, None, &parameters) {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => {
                let wrong: Vec<String> = wrong
                    .into_iter()
                    .map(|problem| format!("{}: {}", problem.path, problem.message))
                    .collect();
                return Err(format!("parameters: {id}: {}", wrong.join("; ")));
            }
            Err(error) => return Err(format!("parameters: {id}: {error}")),
        }
        rulebook.constraints.push(Arc::new(Constraint {
            name: None,
            policy: Arc::clone(policy),
            rules: Vec::new(),
            enforcement: Enforcement::Deny,
            on_unknown: Some(Enforcement::Deny),
            only_new: false,
            matches: Match {
                operations: vec!["*".into()],
                ..Match::default()
            },
            parameters,
        }));
    }
    if rulebook.constraints.is_empty() {
        return Err(
            "parameters names no policy; without it, the constraints in force apply".into(),
        );
    }
    Ok(rulebook)
}

/// The JSON report.
pub(super) fn report(review: &Review) -> Vec<u8> {
    let mut report = Vec::new();
    // Writing to memory does not fail.
    let _ = report::json::write(review, &mut report);
    report
}
