//! The `AdmissionReview` of an API server: an object, and who asks for what.

use std::sync::Arc;

use stridegate_shapes::Kind;

use super::{InputFault, Reading, manifest};
use crate::object::{Content, Identity, Node, Request, Text};

/// Whether a document asks an admission webhook.
pub(super) fn recognises(document: &Node) -> bool {
    document.text("kind") == Some("AdmissionReview")
        && document
            .text("apiVersion")
            .is_some_and(|version| version.starts_with("admission.k8s.io/"))
}

/// Reads what is asked about: the object as it is to be, or as it was where it goes, or the
/// options of a connection.
///
/// An API server that deletes a collection at once, or connects to what has no options, hands
/// over nothing that could be judged. Anything else that holds no object is a fault.
pub fn read(review: &Node, text: &Arc<Text>, reading: &mut Reading) {
    if let Err((node, message)) = add(review, text, reading) {
        reading.faults.push(InputFault {
            position: Some(text.position(node.span.start as usize)),
            message,
        });
    }
}

fn add<'a>(
    review: &'a Node,
    text: &Arc<Text>,
    reading: &mut Reading,
) -> Result<(), (&'a Node, String)> {
    let Some(asked) = review.get("request") else {
        return Err((
            review,
            "this AdmissionReview has no request; it asks nothing".into(),
        ));
    };
    let request = request(asked);
    let object = |key| asked.get(key).filter(|node| node.content != Content::Null);
    let (object, at) = match (object("object"), object("oldObject")) {
        (Some(object), _) => (object, "/request/object"),
        (None, Some(old)) => (old, "/request/oldObject"),
        (None, None) if ["delete", "connect"].contains(&request.operation.as_str()) => {
            return Ok(());
        }
        (None, None) => {
            let message = "this AdmissionReview has neither request.object nor request.oldObject; there is nothing to judge";
            return Err((asked, message.into()));
        }
    };
    let request = Arc::new(request);
    let before = reading.objects.len();
    let typed = typed(object, asked)?;
    agrees(object, asked)?;
    if typed.text("apiVersion").is_none() || typed.text("kind").is_none() {
        let message = "this object has no apiVersion and kind, and request.kind does not say them";
        return Err((object, message.into()));
    }
    if request.subresource == "ephemeralcontainers" && typed.text("kind") != Some("Pod") {
        let message = "this is not the whole Pod, which API servers send since Kubernetes 1.22; what it becomes cannot be judged";
        return Err((object, message.into()));
    }
    manifest::add_object(typed, text, "", reading);
    for object in &mut reading.objects[before..] {
        object.identity = Arc::new(identity(&object.identity, &object.document, asked));
        object.written.at = at;
        object.written.request = Some(Arc::clone(&request));
    }
    Ok(())
}

/// The object with the kind that the request names, where it does not say so itself.
fn typed<'a>(object: &'a Node, asked: &'a Node) -> Result<Node, (&'a Node, String)> {
    let mut object_with_kind = object.clone();
    let Some(kind) = asked.get("kind") else {
        return Ok(object_with_kind);
    };
    let word = |key| kind.text(key).unwrap_or_default();
    let api_version = match word("group") {
        "" => word("version").to_owned(),
        group => format!("{group}/{}", word("version")),
    };
    for (key, value) in [("apiVersion", api_version.as_str()), ("kind", word("kind"))] {
        match object.get(key) {
            None if !value.is_empty() => {
                object_with_kind.set(key, object.span, Node::string(object.span, value));
            }
            Some(node) if node.as_str() != Some(value) => {
                let message = format!(
                    "the {key} of the object is not {value}, as request.kind says; an API server sends the same in both"
                );
                return Err((node, message));
            }
            _ => {}
        }
    }
    Ok(object_with_kind)
}

/// An object that lies elsewhere than the request says would be judged by what applies there.
fn agrees<'a>(object: &'a Node, asked: &Node) -> Result<(), (&'a Node, String)> {
    let metadata = object.get("metadata");
    let own = metadata.and_then(|metadata| metadata.get("namespace"));
    let of_request = asked.text("namespace").unwrap_or_default();
    match own.filter(|own| own.as_str().is_some_and(|own| !own.is_empty())) {
        Some(own) if !of_request.is_empty() && own.as_str() != Some(of_request) => {
            let message = format!(
                "the namespace of the object is not {of_request}, as request.namespace says; an API server sends the same in both"
            );
            Err((own, message))
        }
        _ => Ok(()),
    }
}

/// The name of an object; options have none of their own, and an object that is created gets its
/// namespace from the request.
fn identity(own: &Identity, document: &Node, asked: &Node) -> Identity {
    let of_request = |key| asked.text(key).filter(|text| !text.is_empty());
    let metadata = document.get("metadata");
    let says = |key| {
        metadata
            .and_then(|metadata| metadata.text(key))
            .is_some_and(|text| !text.is_empty())
    };
    let mut identity = own.clone();
    if !says("name")
        && let Some(name) = of_request("name")
    {
        name.clone_into(&mut identity.name);
    }
    // The namespace of a request for a Namespace is itself.
    if identity.namespace.is_empty()
        && Kind::new(own.group.clone(), own.kind.clone()) != Kind::new("", "Namespace")
        && let Some(namespace) = of_request("namespace")
    {
        namespace.clone_into(&mut identity.namespace);
    }
    identity
}

/// Who asks for what, of the `request` of an `AdmissionReview`.
#[must_use]
pub fn request(asked: &Node) -> Request {
    let user = asked.get("userInfo");
    let groups = user
        .and_then(|user| user.get("groups"))
        .map(Node::items)
        .unwrap_or_default();
    let previous = asked
        .get("oldObject")
        .filter(|node| node.content != Content::Null);
    Request {
        operation: asked.text("operation").unwrap_or_default().to_lowercase(),
        subresource: asked.text("subResource").unwrap_or_default().to_owned(),
        user: user
            .and_then(|user| user.text("username"))
            .map(str::to_owned),
        groups: groups
            .iter()
            .filter_map(|group| group.as_str().map(str::to_owned))
            .collect(),
        dry_run: asked
            .get("dryRun")
            .is_some_and(|dry| dry.content == Content::Bool(true)),
        previous: previous.and_then(|previous| serde_json::to_string(previous).ok()),
        ..Request::default()
    }
}
