use serde_json::Value;
use stridegate_shapes::{escape_token, pod};

use crate::path::last;

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
    /// The `securityContext` of its Pod.
    of_pod: At<'a>,
}

impl<'a> Container<'a> {
    /// Its name, or a stand-in for it.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.at.get("name").text().unwrap_or("(without name)")
    }

    /// The name of the program that it is told to start, without its folder; none where that is
    /// left to its image.
    #[must_use]
    pub fn program(&self) -> Option<&'a str> {
        let words = ["command", "args"].map(|key| self.at.get(key));
        let first = words.iter().find_map(|words| words.items().next());
        first?.text().map(last)
    }

    /// A field of its `securityContext`, or else of that of its Pod; the keys lead to it. Where
    /// neither has it, the place is the container's.
    #[must_use]
    pub fn security(&self, keys: &[&str]) -> At<'a> {
        let field = |context: At<'a>| keys.iter().fold(context, |at, key| at.get(key));
        let own = field(self.at.get("securityContext"));
        let shared = field(self.of_pod.clone());
        if shared.exists() && !own.exists() {
            shared
        } else {
            own
        }
    }

    /// Whether nothing keeps it from running as root.
    #[must_use]
    pub fn may_be_root(&self) -> bool {
        match self.security(&["runAsUser"]).integer() {
            Some(user) => user == 0,
            None => self.security(&["runAsNonRoot"]).boolean() != Some(true),
        }
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
        .flat_map(move |(list, key)| {
            let of_pod = spec.get("securityContext");
            let of_list = spec.get(key).items();
            of_list.map(move |at| Container {
                list,
                at,
                of_pod: of_pod.clone(),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_container_has_what_its_pod_sets() {
        let pod = json!({"spec": {
            "securityContext": {"runAsNonRoot": true, "windowsOptions": {"runAsUserName": "app"}},
            "containers": [
                {"command": ["/bin/etcd", "x"], "securityContext": {"runAsNonRoot": false}},
                {"args": ["etcd"]},
                {"securityContext": {"runAsUser": 0}},
            ],
        }});
        let [own, shared, root] = &containers(&At::root(&pod)).collect::<Vec<_>>()[..] else {
            unreachable!("there are three")
        };
        let place = |container: &Container, keys| container.security(keys).path().to_owned();
        assert_eq!(
            place(own, &["runAsNonRoot"]),
            "/spec/containers/0/securityContext/runAsNonRoot"
        );
        assert_eq!(
            place(shared, &["windowsOptions", "runAsUserName"]),
            "/spec/securityContext/windowsOptions/runAsUserName"
        );
        assert_eq!(place(shared, &["runAsUser"]), "/spec/containers/1");
        let roots = [own, shared, root].map(Container::may_be_root);
        assert_eq!(roots, [true, false, true]);
        let programs = [own, shared, root].map(Container::program);
        assert_eq!(programs, [Some("etcd"), Some("etcd"), None]);
    }
}
