//! Which policies there are: those bundled with the program, and those in files, folders and
//! registries.

#[cfg(feature = "registry")]
mod artifact;
#[cfg(feature = "registry")]
mod remote;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};

use crate::engine::{self, Cache, Engine};
use crate::policy::{Bytes, Policy};

#[cfg(feature = "registry")]
pub use artifact::pack;

/// Policies by their name, and what kept others from being among them.
#[derive(Default)]
pub struct Catalog {
    policies: BTreeMap<String, Arc<Policy>>,
    #[cfg(feature = "registry")]
    remote: remote::Remote,
    /// What was loaded, by the digest of the component.
    loaded: Mutex<Loaded>,
    /// What was loaded before, and is not compiled anew.
    before: Loaded,
    /// Components that could not be taken; the others are there all the same.
    pub errors: Vec<LoadError>,
}

type Loaded = BTreeMap<String, Arc<Policy>>;

/// A component that could not be taken.
#[derive(Debug)]
pub struct LoadError {
    /// Where it was looked for.
    pub origin: String,
    /// What is wrong with it.
    pub error: anyhow::Error,
}

/// A component that is part of the program: its name and its bytes.
pub type Bundled = (&'static str, &'static [u8]);

impl Catalog {
    /// A catalog without policies, which takes the components that this one has loaded as they
    /// are instead of compiling them anew.
    #[must_use]
    pub fn renew(&self) -> Self {
        Self {
            before: self.loaded().clone(),
            #[cfg(feature = "registry")]
            remote: self.remote.renew(),
            ..Self::default()
        }
    }

    /// The policy in a file; it is not added.
    pub fn open(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        path: &Path,
    ) -> anyhow::Result<Arc<Policy>> {
        let bytes = std::fs::read(path).context("cannot be read")?;
        self.load(
            engine,
            cache,
            Bytes::Owned(bytes),
            &path.display().to_string(),
        )
    }

    fn load(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        bytes: Bytes,
        origin: &str,
    ) -> anyhow::Result<Arc<Policy>> {
        let digest = engine::digest(&bytes);
        let known = self.loaded().get(&digest).cloned();
        let known = known.or_else(|| self.before.get(&digest).cloned());
        let policy = match known.filter(|policy| policy.origin == origin) {
            Some(policy) => policy,
            None => Arc::new(Policy::load(engine, cache, bytes, origin)?),
        };
        self.loaded().insert(digest, Arc::clone(&policy));
        Ok(policy)
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the policies that are part of the program.
    pub fn add_bundled(&mut self, engine: &Engine, cache: Option<&Cache>, pack: &[Bundled]) {
        for &(name, bytes) in pack {
            let policy = self.load(engine, cache, Bytes::Borrowed(bytes), "bundled");
            self.add(policy, &format!("bundled {name}"));
        }
    }

    /// Adds the policies of a `.wasm` file, or of all such files in a folder. A policy takes the
    /// place of a bundled one with the same name; two files with the same name are an error.
    pub fn add_path(&mut self, engine: &Engine, cache: Option<&Cache>, path: &Path) {
        match components(path) {
            Ok(files) => {
                for file in files {
                    let policy = self.open(engine, cache, &file);
                    self.add(policy, &file.display().to_string());
                }
            }
            Err(error) => self.errors.push(LoadError {
                origin: path.display().to_string(),
                error,
            }),
        }
    }

    /// Adds the policies that paths and references name, and those of the bundles among what names
    /// constraints. Of a bundle that cannot be pulled whoever reads its files says why.
    pub fn add_named(
        &mut self,
        engine: &Engine,
        cache: Option<&Cache>,
        policies: &[PathBuf],
        constraints: &[PathBuf],
    ) {
        let policies = policies.iter().map(|path| (path, as_reference(path)));
        let (references, paths): (Vec<_>, Vec<_>) = policies.partition(|(_, text)| text.is_some());
        let references: Vec<&str> = references
            .into_iter()
            .filter_map(|(_, text)| text)
            .collect();
        let bundles: Vec<&str> = constraints
            .iter()
            .filter_map(|path| as_reference(path))
            .collect();
        #[cfg(feature = "registry")]
        self.add_references(engine, cache, &references, &bundles);
        #[cfg(not(feature = "registry"))]
        for reference in references.into_iter().chain(bundles) {
            self.errors.push(LoadError {
                origin: reference.to_owned(),
                error: anyhow::anyhow!("this program was built without the feature registry"),
            });
        }
        for (path, _) in paths {
            self.add_path(engine, cache, path);
        }
    }

    /// Adds a policy that was loaded before.
    pub fn add_policy(&mut self, policy: Arc<Policy>) {
        let origin = policy.origin.clone();
        self.add(Ok(policy), &origin);
    }

    fn add(&mut self, policy: anyhow::Result<Arc<Policy>>, origin: &str) {
        let added = policy.and_then(|policy| {
            let id = policy.id().to_owned();
            match self.policies.get(&id) {
                Some(other) if other.origin != "bundled" && other.digest != policy.digest => {
                    bail!(
                        "is a policy {id}, and so is {}; load one of them",
                        other.origin
                    )
                }
                _ => Ok((id, policy)),
            }
        });
        match added {
            Ok((id, policy)) => drop(self.policies.insert(id, policy)),
            Err(error) => self.errors.push(LoadError {
                origin: origin.into(),
                error,
            }),
        }
    }

    /// The policies in the order of their names.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// A policy by its name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Policy>> {
        self.policies.get(id)
    }
}

/// Whether a text names something in a registry, and not a path or a policy.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    text.starts_with("oci://")
}

fn as_reference(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_reference(text))
}

fn components(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.metadata().context("cannot be read")?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().context("cannot be read")? {
        let file = entry.context("cannot be read")?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!(
            "holds no .wasm file; make policies builds those of this project into target/policies"
        );
    }
    files.sort();
    Ok(files)
}
