use serde_json::Value;

use crate::reference::tagged;

/// Images that are known from outside: `docker/Image` documents by reference and by id.
#[derive(Clone, Debug)]
pub struct Images(Value);

impl Images {
    /// What stands at the key `images` of an object's context.
    #[must_use]
    pub fn new(images: Option<Value>) -> Self {
        Self(images.unwrap_or_default())
    }

    /// The image of a reference or an id. A reference without a tag means `latest`.
    #[must_use]
    pub fn get(&self, reference: &str) -> Option<&Value> {
        self.0
            .get(reference)
            .or_else(|| self.0.get(&*tagged(reference)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        let images = Images::new(Some(json!({"a:5000/b:latest": {}, "c@sha256:1": {}})));
        assert!(images.get("a:5000/b").is_some());
        assert!(images.get("c@sha256:1").is_some());
        assert!(images.get("c").is_none());
        assert!(Images::new(None).get("c").is_none());
    }
}
