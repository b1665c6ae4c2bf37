use serde_json::Value;
use stridegate_shapes::{escape_token, pod};

/// A value of a document with its path.
///
/// What is absent, and what is `null`, which Kubernetes treats alike, is a view too: its path is
/// the nearest value that is there, which is where a finding about something absent belongs.
#[derive(Clone, Debug)]
pub struct At<'a> {
    path: String,
    value: Option<&'a Value>,
}

impl<'a> At<'a> {
    /// The whole document.
    #[must_use]
    pub fn root(document: &'a Value) -> Self {
        Self {
            path: String::new(),
            value: Some(document),
        }
    }

    /// The member of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Self {
        match self
            .value
            .and_then(|value| value.get(key))
            .filter(|value| !value.is_null())
        {
            Some(value) => Self {
                path: format!("{}/{}", self.path, escape_token(key)),
                value: Some(value),
            },
            None => Self {
                path: self.path.clone(),
                value: None,
            },
        }
    }

    /// The items of an array; none of anything else.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let path = self.path.clone();
        let items = self
            .value
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        items.iter().enumerate().map(move |(index, item)| Self {
            path: format!("{path}/{index}"),
            value: Some(item),
        })
    }

    /// The members of an object with their keys; none of anything else.
    pub fn members(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let path = self.path.clone();
        let members = self.value.and_then(Value::as_object).into_iter().flatten();
        members.map(move |(key, value)| {
            (
                key.as_str(),
                Self {
                    path: format!("{path}/{}", escape_token(key)),
                    value: Some(value),
                },
            )
        })
    }

    /// The JSON Pointer of the value, or of the nearest that is there.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value; none if it is absent or `null`.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Whether there is a value.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// The text of a string.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    /// The value of a boolean.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        self.value.and_then(Value::as_bool)
    }

    /// The value of a whole number; `1000.0` is one, as it is to Kubernetes.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        let number = self.value?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the value has no fraction and is in range"
        )]
        number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)
                .map(|float| float as i64)
        })
    }
}

/// Which list of a Pod's spec a container stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerList {
    /// `initContainers`.
    Init,
    /// `containers`.
    Main,
    /// `ephemeralContainers`.
    Ephemeral,
}

/// A container of a Pod.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// The list that it stands in.
    pub list: ContainerList,
    /// Its specification.
    pub at: At<'a>,
}

impl<'a> Container<'a> {
    /// Its name, or a stand-in for it.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.at.get("name").text().unwrap_or("(without name)")
    }
}

/// The containers of a Pod of every list, each with its place.
pub fn containers<'a>(pod: &At<'a>) -> impl Iterator<Item = Container<'a>> + use<'a> {
    let spec = pod.get("spec");
    let lists = [
        ContainerList::Init,
        ContainerList::Main,
        ContainerList::Ephemeral,
    ];
    lists
        .into_iter()
        .zip(pod::CONTAINER_LISTS)
        .flat_map(move |(list, key)| spec.get(key).items().map(move |at| Container { list, at }))
}
