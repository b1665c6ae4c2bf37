//! What is known of images from outside, for objects that only name them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stridegate_policy::reference::{familiar, tagged};
use stridegate_shapes::dockerfile::Dockerfile;
use stridegate_shapes::{container, image, pod};

use super::docker::merged;
use super::{Fault, Format, Input, InputFault, dockerfile, json, load, read_file, read_text};
use crate::object::{Node, Object};

/// Images by the references and ids that name them.
#[derive(Debug, Default)]
pub struct Images(BTreeMap<String, Value>);

impl Images {
    /// Adds the images in a file, which holds what `docker inspect` prints of them.
    pub fn add_file(&mut self, path: &Path) -> Result<(), InputFault> {
        let input = Input {
            name: path.display().to_string(),
            object_name: path.display().to_string(),
            path: Some(PathBuf::from(path)),
            named: true,
            skip: None,
            with: Vec::new(),
            beside: Vec::new(),
        };
        let reading = match load(&input, Some(Format::Docker)) {
            Ok(text) => read_text(&text, &input.object_name, Some(Format::Docker)),
            Err(reading) => reading,
        };
        if let Some(fault) = reading.faults.into_iter().next() {
            return Err(fault);
        }
        let images: Vec<&Object> = reading
            .objects
            .iter()
            .filter(|object| object.kind == image::KIND)
            .collect();
        if images.is_empty() {
            let message = "holds no image; write it with docker image inspect IMAGE...".into();
            return Err(InputFault {
                position: None,
                message,
            });
        }
        for image in images {
            self.add(&image.document);
        }
        Ok(())
    }

    /// Adds an image by a reference, as an engine shows it, with its history.
    pub fn insert(
        &mut self,
        reference: &str,
        inspect: &str,
        history: Option<&str>,
    ) -> Result<(), Fault> {
        let mut image = merged(&json::read(inspect)?);
        if let Some(history) = history {
            let history = image::history(&json::read(history)?);
            image.set("History", history.span, history);
        }
        self.add(&image);
        if let Ok(document) = serde_json::to_value(&image) {
            self.0.insert(canonical(reference), document);
        }
        Ok(())
    }

    fn add(&mut self, image: &Node) {
        let Ok(document) = serde_json::to_value(image) else {
            return;
        };
        let lists = ["RepoTags", "RepoDigests"]
            .iter()
            .filter_map(|key| image.get(key))
            .flat_map(Node::items);
        for name in lists.filter_map(Node::as_str).chain(image.text("Id")) {
            self.0.insert(canonical(name), document.clone());
        }
    }

    /// The images that an object names and that are known, by the names that it gives them.
    #[must_use]
    pub fn of(&self, object: &Object) -> Map<String, Value> {
        if let Some((name, image)) = built(object) {
            return Map::from_iter([(name, image)]);
        }
        if self.0.is_empty() {
            return Map::new();
        }
        let known = |name: &str| Some((name.to_owned(), self.0.get(&canonical(name))?.clone()));
        references(object).into_iter().filter_map(known).collect()
    }
}

/// The image that a Compose service is built as, by the name that it gives it, as far as the
/// Dockerfile tells. One outside the project's folder is not read: nobody named it.
fn built(object: &Object) -> Option<(String, Value)> {
    let build = object.document.get("Build")?;
    let dockerfile = match build.text("dockerfile_inline") {
        Some(inline) => inline.to_owned(),
        None => dockerfile_of(object, build)?,
    };
    let document = serde_json::to_value(dockerfile::read(&dockerfile).ok()?).ok()?;
    let file: Dockerfile = serde_json::from_value(document).ok()?;
    let (_, user) = file.user(file.built(build.text("target"))?)?;
    let name = object
        .document
        .at("/Config/Image")
        .and_then(|image| image.node.as_str())
        .unwrap_or_default();
    Some((
        name.to_owned(),
        json!({"Config": {"User": user.value.as_ref()?}}),
    ))
}

/// The Dockerfile that a Compose service names.
fn dockerfile_of(object: &Object, build: &Node) -> Option<String> {
    let folder = Path::new(&object.texts.first()?.name).parent()?;
    let folder = Path::new(".").join(folder).canonicalize().ok()?;
    let context = folder.join(build.text("context").unwrap_or("."));
    let path = context
        .join(build.text("dockerfile").unwrap_or("Dockerfile"))
        .canonicalize()
        .ok()?;
    let within = path.starts_with(&folder).then_some(path)?;
    String::from_utf8(read_file(&within).ok()?).ok()
}

/// The images that an object names.
fn references(object: &Object) -> Vec<&str> {
    let document = &object.document;
    if object.kind == container::KIND {
        return ["/Config/Image", "/Image"]
            .iter()
            .filter_map(|path| document.at(path)?.node.as_str())
            .collect();
    }
    let spec = document.get("spec").filter(|_| object.kind == pod::KIND);
    let lists = pod::CONTAINER_LISTS
        .iter()
        .filter_map(|list| spec?.get(list));
    lists
        .flat_map(Node::items)
        .filter_map(|container| container.text("image"))
        .collect()
}

/// A reference in the one spelling that stands for all: without what Docker adds to a short name,
/// and with the tag that it adds to one without.
fn canonical(reference: &str) -> String {
    tagged(familiar(reference)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn the_spellings_of_one_image_are_one() {
        for name in [
            "nginx",
            "nginx:latest",
            "docker.io/library/nginx",
            "library/nginx:latest",
        ] {
            assert_eq!(canonical(name), "nginx:latest", "{name}");
        }
        assert_eq!(canonical("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(canonical("a/b@sha256:00"), "a/b@sha256:00");
        assert_eq!(canonical("sha256:00"), "sha256:00");
    }
}
