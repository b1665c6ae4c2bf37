use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The group and name of an object's kind.
///
/// Kubernetes kinds keep their own group (`apps`, `Deployment`; `""` for the core group); the
/// groups `docker`, `kubernetes` and `host` hold the shapes that have no kind in Kubernetes.
/// Written as `group/Name`, or `Name` alone in the core group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// The API group.
    pub group: Cow<'static, str>,
    /// The name of the kind, in the singular and in camel case.
    pub name: Cow<'static, str>,
}

impl Kind {
    /// A kind known at compile time.
    #[must_use]
    pub const fn known(group: &'static str, name: &'static str) -> Self {
        Self {
            group: Cow::Borrowed(group),
            name: Cow::Borrowed(name),
        }
    }

    /// A kind that was read.
    #[must_use]
    pub fn new(group: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            group: Cow::Owned(group.into()),
            name: Cow::Owned(name.into()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        f.write_str(&self.name)
    }
}
