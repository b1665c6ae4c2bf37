//! The variables of a Dockerfile: those before the first FROM and those of each stage.

use std::cell::Cell;
use std::collections::HashMap;

use super::expand::{Environment, LONGEST, Variable};

/// How much work the variables of one file may make, roughly in bytes handled.
const WORK: usize = 1 << 24;

/// The work of looking a name up in one scope.
const HOP: usize = 8;

/// The index of a scope.
pub(super) type Index = usize;

/// The scope before the first FROM.
pub(super) const GLOBAL: Index = 0;

/// The variables that a build always sets before the first FROM.
const PLATFORM: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// The variables that a build may set without an ARG.
const PROXY: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// ARGs that steer the build and do not become variables.
const STEERING: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The PATH of a stage whose base sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a stage starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// An image outside the file: it may set any variable.
    Image,
    /// The empty image.
    Scratch,
    /// An earlier stage, by its scope.
    Stage(Index),
}

/// The variables of a file, scope by scope.
#[derive(Debug)]
pub(super) struct Scopes {
    scopes: Vec<Scope>,
    work: Cell<usize>,
}

#[derive(Debug)]
struct Scope {
    /// A value of `None` is one that only the build knows.
    variables: HashMap<String, Option<String>>,
    base: Base,
}

impl Scopes {
    pub(super) fn new() -> Self {
        let variables = PLATFORM
            .iter()
            .map(|&name| (name.to_owned(), None))
            .collect();
        let global = Scope {
            variables,
            base: Base::Scratch,
        };
        Self {
            scopes: vec![global],
            work: Cell::new(WORK),
        }
    }

    /// Opens the scope of a new stage.
    pub(super) fn open(&mut self, base: Base) -> Index {
        let mut variables = HashMap::new();
        if base == Base::Scratch {
            variables.insert("PATH".to_owned(), Some(DEFAULT_PATH.to_owned()));
        }
        self.scopes.push(Scope { variables, base });
        self.scopes.len() - 1
    }

    /// The environment of a scope.
    pub(super) fn environment(&self, index: Index) -> View<'_> {
        View {
            scopes: self,
            index,
        }
    }

    /// Sets a variable. An unknown name may be any: then no variable is known any more.
    pub(super) fn set(&mut self, index: Index, name: Option<&str>, value: Option<&str>) {
        let Some(scope) = self.scopes.get_mut(index) else {
            return;
        };
        match name {
            Some(name) => {
                let value = value.filter(|value| value.len() <= LONGEST);
                scope
                    .variables
                    .insert(name.to_owned(), value.map(str::to_owned));
            }
            None => {
                *scope = Scope {
                    variables: HashMap::new(),
                    base: Base::Image,
                }
            }
        }
    }

    /// Declares an ARG without a default.
    pub(super) fn declare(&mut self, index: Index, name: &str) {
        let global = self
            .scopes
            .first()
            .and_then(|global| global.variables.get(name));
        match global.filter(|_| index != GLOBAL).cloned() {
            Some(value) => self.argument(index, name, value.as_deref()),
            None if matches!(self.environment(index).get(name), Variable::Known(_)) => {}
            None => self.argument(index, name, None),
        }
    }

    /// Sets an ARG.
    pub(super) fn argument(&mut self, index: Index, name: &str, value: Option<&str>) {
        if index == GLOBAL || !STEERING.contains(&name) {
            self.set(index, Some(name), value);
        }
    }

    /// Marks variables as unknown; `None` is any variable.
    pub(super) fn forget(&mut self, index: Index, names: &[Option<String>]) {
        if !burn(&self.work, names.len()) {
            return self.set(index, None, None);
        }
        for name in names {
            self.set(index, name.as_deref(), None);
        }
    }

    fn find(&self, index: Index, name: &str) -> Variable<'_> {
        let mut index = index;
        loop {
            let Some(scope) = self.scopes.get(index).filter(|_| burn(&self.work, HOP)) else {
                return Variable::Unknown;
            };
            match (scope.variables.get(name), scope.base) {
                (Some(Some(value)), _) => return Variable::Known(value),
                (None, Base::Stage(base)) => index = base,
                (None, _) if !is_settable(name) => return Variable::Unset,
                (Some(None), _) | (None, Base::Image) => return Variable::Unknown,
                (None, Base::Scratch) if is_proxy(name) => return Variable::Unknown,
                (None, Base::Scratch) => return Variable::Unset,
            }
        }
    }
}

/// Whether an image can set the variable: `$1` and `$@` are always unset.
fn is_settable(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

fn is_proxy(name: &str) -> bool {
    PROXY.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
}

fn burn(work: &Cell<usize>, amount: usize) -> bool {
    let left = work.get().checked_sub(amount);
    work.set(left.unwrap_or(0));
    left.is_some()
}

/// The environment of one scope.
pub(super) struct View<'a> {
    scopes: &'a Scopes,
    index: Index,
}

impl Environment for View<'_> {
    fn get(&self, name: &str) -> Variable<'_> {
        self.scopes.find(self.index, name)
    }

    fn burn(&self, work: usize) -> bool {
        burn(&self.scopes.work, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_sees_its_bases_and_not_the_global_scope() {
        let mut scopes = Scopes::new();
        scopes.argument(GLOBAL, "A", Some("1"));
        let base = scopes.open(Base::Scratch);
        scopes.set(base, Some("B"), Some("2"));
        let stage = scopes.open(Base::Stage(base));
        let find = |scopes: &Scopes, name: &str| match scopes.environment(stage).get(name) {
            Variable::Known(value) => value.to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(find(&scopes, "A"), "Unset");
        assert_eq!(find(&scopes, "B"), "2");
        assert_eq!(find(&scopes, "http_proxy"), "Unknown");
        scopes.declare(stage, "A");
        scopes.declare(stage, "TARGETARCH");
        scopes.declare(stage, "B");
        scopes.declare(stage, "C");
        assert_eq!(find(&scopes, "A"), "1");
        assert_eq!(find(&scopes, "TARGETARCH"), "Unknown");
        assert_eq!(find(&scopes, "B"), "2");
        assert_eq!(find(&scopes, "C"), "Unknown");
    }

    #[test]
    fn what_an_image_may_set_is_unknown() {
        let mut scopes = Scopes::new();
        let stage = scopes.open(Base::Image);
        assert_eq!(scopes.environment(stage).get("PATH"), Variable::Unknown);
        assert_eq!(scopes.environment(stage).get("1"), Variable::Unset);
        scopes.set(stage, Some("A"), Some("1"));
        scopes.set(stage, None, None);
        assert_eq!(scopes.environment(stage).get("A"), Variable::Unknown);
    }

    #[test]
    fn a_deep_chain_of_stages_ends_in_unknown() {
        let mut scopes = Scopes::new();
        let mut stage = scopes.open(Base::Scratch);
        for _ in 0..10_000 {
            stage = scopes.open(Base::Stage(stage));
        }
        let looked_up = (0..10_000)
            .filter(|_| scopes.environment(stage).get("A") == Variable::Unset)
            .count();
        assert!(looked_up < 2_000, "{looked_up}");
    }
}
