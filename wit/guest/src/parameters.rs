use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::mitigation::Problem;

/// What can be set for a policy; [`parameters!`](crate::parameters!) implements it.
pub trait Parameters: Default {
    /// JSON Schema 2020-12, with the defaults.
    fn schema() -> Value;

    /// Reads them from a JSON object; every problem that it has.
    fn parse(text: &str) -> Result<Self, Vec<Problem>>;
}

/// A type that a parameter can have.
pub trait Parameter: DeserializeOwned + Serialize {
    /// JSON Schema 2020-12.
    fn schema() -> Value;
}

impl Parameter for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl Parameter for u64 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Parameter for String {
    fn schema() -> Value {
        json!({"type": "string"})
    }
}

/// Any JSON value.
impl Parameter for Value {
    fn schema() -> Value {
        json!({})
    }
}

impl<T: Parameter> Parameter for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Parameter> Parameter for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// The members of a JSON object; for the macro.
#[doc(hidden)]
pub fn join(text: &str) -> Result<Map<String, Value>, Vec<Problem>> {
    let problem = |message: String| {
        vec![Problem {
            path: String::new(),
            message,
        }]
    };
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(problem("parameters are an object".into())),
        Err(error) => Err(problem(format!("parameters are not JSON: {error}"))),
    }
}

/// Takes one member, or its default, and notes what is wrong with it; for the macro.
#[doc(hidden)]
pub fn member<T: Parameter>(
    members: &mut Map<String, Value>,
    name: &str,
    default: T,
    problems: &mut Vec<Problem>,
) -> T {
    let Some(value) = members.remove(name) else {
        return default;
    };
    serde_json::from_value(value).unwrap_or_else(|error| {
        problems.push(Problem {
            path: format!("/{name}"),
            message: error.to_string(),
        });
        default
    })
}

/// Notes the members that no parameter took; for the macro.
#[doc(hidden)]
pub fn unknown_members(
    members: &Map<String, Value>,
    known: &[String],
    problems: &mut Vec<Problem>,
) {
    for name in members.keys() {
        let path = format!("/{}", stridegate_shapes::escape_token(name));
        let list = if known.is_empty() {
            "there are none".to_owned()
        } else {
            known.join(", ")
        };
        problems.push(Problem {
            path,
            message: format!("there is no such parameter; known: {list}"),
        });
    }
}

/// The name of a field as a parameter is written: `root_names` is `rootNames`.
#[doc(hidden)]
#[must_use]
pub fn camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        name.push_str(&word[..1].to_uppercase());
        name.push_str(&word[1..]);
        name
    })
}

/// Declares the words that a parameter can be: an enum whose variants have documentation and the
/// word that stands for them.
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $line:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $line])+ $variant,)+
        }

        impl $crate::Parameter for $name {
            fn schema() -> $crate::Value {
                $crate::json!({"type": "string", "enum": [$($word),+]})
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word: String = $crate::serde::Deserialize::deserialize(from)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => {
                        let known = [$($word),+].join(", ");
                        Err($crate::serde::de::Error::custom(format_args!("it is one of {known}")))
                    }
                }
            }
        }
    };
}

/// Declares a parameter that is a version of the CIS benchmark for Kubernetes, or another benchmark
/// of those that are named, as [`choice!`](crate::choice!) does.
#[macro_export]
macro_rules! kubernetes_benchmark {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident { $($others:tt)* }
    ) => {
        $crate::choice! {
            $(#[doc = $doc])+
            pub enum $name {
                /// CIS Kubernetes 1.5.
                Cis1_5 = "cis-1.5",
                /// CIS Kubernetes 1.6.
                Cis1_6 = "cis-1.6",
                /// CIS Kubernetes 1.20.
                Cis1_20 = "cis-1.20",
                /// CIS Kubernetes 1.23.
                Cis1_23 = "cis-1.23",
                /// CIS Kubernetes 1.24.
                Cis1_24 = "cis-1.24",
                /// CIS Kubernetes 1.7.
                Cis1_7 = "cis-1.7",
                /// CIS Kubernetes 1.8.
                Cis1_8 = "cis-1.8",
                /// CIS Kubernetes 1.9.
                Cis1_9 = "cis-1.9",
                /// CIS Kubernetes 1.10.
                Cis1_10 = "cis-1.10",
                /// CIS Kubernetes 1.11.
                Cis1_11 = "cis-1.11",
                /// CIS Kubernetes 1.12.
                Cis1_12 = "cis-1.12",
                /// CIS Kubernetes 2.0.
                Cis2_0 = "cis-2.0",
                $($others)*
            }
        }
    };
}

/// Declares what can be set for a policy: a struct whose fields have documentation and a default.
///
/// A field `root_names` is the parameter `rootNames`. Its default, its type and its documentation
/// become the schema. An unknown parameter is refused.
#[macro_export]
macro_rules! parameters {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident {
            $($(#[doc = $line:literal])+ pub $field:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $line])+ pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::Parameters for $name {
            fn schema() -> $crate::Value {
                #[allow(unused_mut, reason = "a policy may have no parameters")]
                let mut properties = $crate::json!({});
                $({
                    let mut schema = <$type as $crate::Parameter>::schema();
                    let default: $type = $default;
                    schema["description"] = [$($line.trim()),+].join(" ").into();
                    schema["default"] = $crate::json!(default);
                    properties[$crate::camel_case(stringify!($field))] = schema;
                })*
                $crate::json!({
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                })
            }

            fn parse(text: &str) -> Result<Self, Vec<$crate::mitigation::Problem>> {
                let mut members = $crate::join(text)?;
                let mut problems = Vec::new();
                #[allow(unused_variables, reason = "a policy may have no parameters")]
                let defaults = Self::default();
                let parameters = Self {
                    $($field: $crate::member(
                        &mut members, &$crate::camel_case(stringify!($field)), defaults.$field, &mut problems,
                    ),)*
                };
                $crate::unknown_members(&members, &[$($crate::camel_case(stringify!($field))),*], &mut problems);
                if problems.is_empty() { Ok(parameters) } else { Err(problems) }
            }
        }
    };
}
