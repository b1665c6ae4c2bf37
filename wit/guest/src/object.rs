use serde::de::DeserializeOwned;
use serde_json::Value;
use stridegate_shapes::{Kind, dockerfile};

use crate::Images;
use crate::mitigation::{self, Refusal, Request};

/// The object that a policy judges.
#[derive(Clone, Debug)]
pub struct Object(pub mitigation::Object);

impl std::ops::Deref for Object {
    type Target = mitigation::Object;

    fn deref(&self) -> &mitigation::Object {
        &self.0
    }
}

impl Object {
    /// An object in the version `v1` of its kind that is no part of a request, with nothing known
    /// from outside.
    #[must_use]
    pub fn at_rest(kind: Kind, name: &str, document: &str) -> Self {
        Self(mitigation::Object {
            kind: mitigation::Kind {
                group: kind.group.into_owned(),
                name: kind.name.into_owned(),
            },
            version: "v1".into(),
            name: name.into(),
            namespace: String::new(),
            document: document.into(),
            context: "{}".into(),
            request: None,
        })
    }

    /// Whether the object is of this kind.
    #[must_use]
    pub fn is(&self, kind: &Kind) -> bool {
        self.kind.group == kind.group && self.kind.name == kind.name
    }

    /// The request that the object is part of.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// The whole document.
    pub fn document(&self) -> Result<Value, Refusal> {
        self.parse()
    }

    /// The document of a `docker/Dockerfile`.
    pub fn dockerfile(&self) -> Result<dockerfile::Dockerfile, Refusal> {
        self.parse()
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_str(&self.document)
            .map_err(|error| Refusal::Object(format!("the document cannot be read: {error}")))
    }

    /// A fact from outside the document, by its key; none if nobody knows it.
    pub fn context(&self, key: &str) -> Result<Option<Value>, Refusal> {
        let mut context: Value = serde_json::from_str(&self.context)
            .map_err(|error| Refusal::Object(format!("the context cannot be read: {error}")))?;
        Ok(context.get_mut(key).map(Value::take))
    }

    /// The images that are known from outside: the key `images` of the context.
    pub fn images(&self) -> Result<Images, Refusal> {
        Ok(Images::new(self.context("images")?))
    }
}
