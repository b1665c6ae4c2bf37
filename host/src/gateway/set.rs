use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::Say;
use crate::catalog::{Bundled, Catalog};
use crate::constraint::{self, Problem, Rulebook, Source};
use crate::engine::{Engine, hex};

/// How often it is looked whether a file has changed.
pub const POLL: Duration = Duration::from_secs(2);

/// How often registries are asked whether what references stand for has moved.
const FOLLOW: Duration = Duration::from_mins(1);

/// What a set is made of.
#[derive(Clone, Default)]
pub struct Recipe {
    /// What references to registries are followed with; without, they are errors.
    pub base: Option<Arc<Catalog>>,
    /// The policies that are part of the program; empty to leave them out.
    pub bundled: Vec<Bundled>,
    /// Policies: files, folders of them, and references to registries.
    pub policies: Vec<PathBuf>,
    /// Constraints and exceptions: files, folders of them, and bundles in registries.
    pub constraints: Vec<PathBuf>,
    /// Constraints and exceptions from elsewhere.
    pub fed: Option<Arc<Feed>>,
    /// Whether a set is good although a policy or a constraint of it is bad: such a constraint
    /// stays as it was in the set before, and lets nothing pass if it never was.
    pub tolerant: bool,
}

/// Constraints and exceptions that do not come from files: texts, each with its name.
#[derive(Debug, Default)]
pub struct Feed(Mutex<Vec<(String, String)>>);

impl Feed {
    /// Replaces all of them.
    pub fn replace(&self, texts: Vec<(String, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = texts;
    }

    fn texts(&self) -> Vec<(String, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Policies, constraints and exceptions that are in force together.
pub struct Set {
    /// The policies.
    pub catalog: Catalog,
    /// What applies, and what is excepted.
    pub rulebook: Rulebook,
    /// Names what it was made of, in hexadecimal: equal sets have equal names.
    pub digest: String,
    /// The digest of the files among that.
    files: String,
    /// What is wrong with parts of it.
    pub problems: Vec<String>,
}

impl Set {
    /// Takes over constraints from the set before whose new version is bad.
    fn keep(&mut self, before: &Self) {
        let rulebook = &mut self.rulebook;
        let known = &before.rulebook.constraints;
        rulebook.broken.retain(|broken| {
            let kept = known
                .iter()
                .find(|constraint| constraint.name.as_ref() == Some(&broken.name));
            rulebook.constraints.extend(kept.cloned());
            kept.is_none()
        });
    }
}

impl Recipe {
    /// Makes a set; the error lists everything that is wrong. Components that `before` holds are
    /// not compiled anew, and of those that are part of the program only what a constraint may
    /// name is compiled.
    pub fn make(&self, engine: &Engine, before: Option<&Set>) -> Result<Set, Vec<String>> {
        let files = self.digest();
        let renewed = || {
            let base = before.map(|before| &before.catalog);
            let base = base.or(self.base.as_deref());
            base.map(Catalog::renew).unwrap_or_default()
        };
        let catalog = renewed();
        let fed = self.fed.iter().flat_map(|fed| fed.texts());
        let fed = fed.map(|(name, text)| Ok(Source::fed(&name, text)));
        let sources: Vec<Result<Source, Problem>> =
            constraint::sources(&self.constraints, &catalog, engine, None)
                .into_iter()
                .chain(fed)
                .collect();
        let named = |(name, _): &&Bundled| {
            let mut texts = sources.iter().flatten().map(|source| &source.text.content);
            texts.any(|text| text.contains(name))
        };
        let needed: Vec<Bundled> = self.bundled.iter().filter(named).copied().collect();
        let made = self.make_of(&needed, catalog, &sources, engine, before, &files);
        let is_good = made.as_ref().is_ok_and(|set| set.problems.is_empty());
        if is_good || needed.len() == self.bundled.len() {
            return made;
        }
        // What a wrong name was meant to be is said by all the names that there are.
        self.make_of(&self.bundled, renewed(), &sources, engine, before, &files)
    }

    fn make_of(
        &self,
        bundled: &[Bundled],
        mut catalog: Catalog,
        sources: &[Result<Source, Problem>],
        engine: &Engine,
        before: Option<&Set>,
        files: &str,
    ) -> Result<Set, Vec<String>> {
        catalog.add_bundled(engine, None, bundled);
        catalog.add_named(engine, None, &self.policies, &self.constraints);
        let failed = catalog.errors.iter();
        let mut contained: Vec<String> = failed
            .map(|failed| {
                let text = format!("{} {:#}", failed.origin, failed.error);
                text.trim_start().to_owned()
            })
            .collect();
        let mut rulebook = Rulebook::default();
        let mut problems = Vec::new();
        for source in sources {
            match source {
                Ok(source) => {
                    constraint::read(source, &catalog, engine, None, &mut rulebook, &mut problems);
                }
                Err(problem) => problems.push(problem.clone()),
            }
        }
        let mut wrong = Vec::new();
        for problem in problems {
            let said = match problem.position {
                Some(at) => format!(
                    "{}:{}:{}: {}",
                    problem.file, at.line, at.column, problem.message
                ),
                None => format!("{}: {}", problem.file, problem.message),
            };
            if problem.contained {
                contained.push(said);
            } else {
                wrong.push(said);
            }
        }
        if !self.tolerant {
            contained.append(&mut wrong);
            std::mem::swap(&mut contained, &mut wrong);
        }
        let nothing = rulebook.constraints.is_empty() && rulebook.broken.is_empty();
        // What is fed can come later.
        if nothing && wrong.is_empty() && self.fed.is_none() {
            wrong.push(
                "there are no constraints, so that everything would pass; name some with -c".into(),
            );
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut set = Set {
            digest: name(files, &catalog),
            files: files.to_owned(),
            catalog,
            rulebook,
            problems: contained,
        };
        if let Some(before) = before {
            set.keep(before);
        }
        Ok(set)
    }

    /// The digest of all that a set is made of, as it is on disk now. A file that cannot be read
    /// counts as one that says so.
    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (_, bytes) in &self.bundled {
            digest.update(bytes.len().to_le_bytes());
        }
        let files = self
            .constraints
            .iter()
            .chain(&self.policies)
            .flat_map(|path| files(path));
        for path in files {
            let content =
                std::fs::read(&path).unwrap_or_else(|error| error.to_string().into_bytes());
            for part in [path.as_os_str().as_encoded_bytes(), &content] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        }
        for (name, text) in self.fed.iter().flat_map(|fed| fed.texts()) {
            for part in [name, text] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        }
        hex(&digest.finalize())
    }
}

/// The name of a set: its files, and what was pulled for it.
fn name(files: &str, catalog: &Catalog) -> String {
    #[cfg(feature = "registry")]
    {
        let pulled = catalog.pulled();
        if !pulled.is_empty() {
            let lines = pulled.iter();
            let lines = lines.map(|(reference, digest)| format!("{reference} {digest}\n"));
            return crate::engine::digest(
                (files.to_owned() + &lines.collect::<String>()).as_bytes(),
            );
        }
    }
    #[cfg(not(feature = "registry"))]
    let _ = catalog;
    files.to_owned()
}

/// A path, or what stands in the folder that it names.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = path.read_dir() else {
        return vec![path.to_owned()];
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// What came of looking for a new set.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing has changed since the last time.
    Same,
    /// A new set is in force.
    Renewed,
    /// The new set is bad, and why; the old one stays in force.
    Kept(Vec<String>),
}

/// What was looked at last, good or bad.
struct Seen {
    digest: String,
    /// How often it is still to be looked at although it is the same, because something was wrong
    /// with it: a policy that had no time to describe itself has some later.
    again: u8,
}

/// How often a set with something wrong is looked at again.
const AGAIN: u8 = 3;

/// The set in force. It is replaced as a whole: a decision sees one set from its beginning to its
/// end.
pub struct Live {
    recipe: Recipe,
    engine: Engine,
    current: RwLock<Arc<Set>>,
    seen: Mutex<Seen>,
    /// What is wrong with what was looked at last, if it is not in force.
    refused: Mutex<Vec<String>>,
}

impl Live {
    /// Makes the first set; the error lists everything that is wrong with it.
    pub fn new(recipe: Recipe, engine: Engine) -> Result<Self, Vec<String>> {
        let set = recipe.make(&engine, None)?;
        Ok(Self {
            seen: Mutex::new(Seen {
                digest: set.files.clone(),
                again: if set.problems.is_empty() { 0 } else { AGAIN },
            }),
            current: RwLock::new(Arc::new(set)),
            refused: Mutex::default(),
            recipe,
            engine,
        })
    }

    /// What runs the policies.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The set in force.
    #[must_use]
    pub fn current(&self) -> Arc<Set> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is wrong with the set that was looked at last, if it is not in force.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for a new set, and puts it in force if it is good. Blocks while policies are compiled.
    pub fn renew(&self) -> Renewal {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = self.recipe.digest();
        if seen.digest != digest {
            return self.replace(&mut seen, digest);
        }
        if seen.again == 0 {
            return Renewal::Same;
        }
        let again = seen.again - 1;
        let before = (self.current().problems.clone(), self.refused());
        let renewal = self.replace(&mut seen, digest);
        if before == (self.current().problems.clone(), self.refused()) {
            seen.again = again;
            return Renewal::Same;
        }
        renewal
    }

    /// Asks the registries whether what references stand for has moved, and puts that in force if
    /// it is good. Blocks while registries answer.
    #[cfg(feature = "registry")]
    pub fn follow(&self) -> Renewal {
        match self.current().catalog.has_moved() {
            Ok(false) => self.renew(),
            Ok(true) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                let digest = self.recipe.digest();
                self.replace(&mut seen, digest)
            }
            Err(error) => Renewal::Kept(vec![format!("{error:#}")]),
        }
    }

    fn replace(&self, seen: &mut Seen, digest: String) -> Renewal {
        *seen = Seen {
            digest,
            again: AGAIN,
        };
        let made = self.recipe.make(&self.engine, Some(&self.current()));
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match made {
            Ok(set) => {
                refused.clear();
                // What was read while files changed is looked at again.
                seen.digest.clone_from(&set.files);
                if set.problems.is_empty() {
                    seen.again = 0;
                }
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
                Renewal::Renewed
            }
            Err(wrong) => {
                refused.clone_from(&wrong);
                Renewal::Kept(wrong)
            }
        }
    }

    /// Renews the set on SIGHUP and when its files change, for as long as the program runs;
    /// `renewed` hears of each attempt that found something new, and `hang_up` of each SIGHUP.
    pub async fn watch(
        self: Arc<Self>,
        say: Say,
        renewed: impl Fn(&Renewal) + Send,
        hang_up: impl Fn() + Send,
    ) -> std::io::Result<()> {
        let mut signals = signal(SignalKind::hangup())?;
        let mut followed = Instant::now();
        loop {
            let asked = tokio::select! {
                _ = signals.recv() => true,
                () = tokio::time::sleep(POLL) => false,
            };
            if asked {
                hang_up();
            }
            let live = Arc::clone(&self);
            let follows = asked || followed.elapsed() >= FOLLOW;
            if follows {
                followed = Instant::now();
            }
            let renewal = tokio::task::spawn_blocking(move || {
                #[cfg(feature = "registry")]
                if follows {
                    return live.follow();
                }
                live.renew()
            })
            .await;
            let renewal = renewal.unwrap_or_else(|error| Renewal::Kept(vec![error.to_string()]));
            if renewal != Renewal::Same {
                renewed(&renewal);
            }
            match &renewal {
                Renewal::Same if asked => say("reload: nothing has changed"),
                Renewal::Same => {}
                Renewal::Renewed => {
                    let set = self.current();
                    say(&format!(
                        "reload: {} constraints and {} exceptions are in force (set {:.12})",
                        set.rulebook.constraints.len(),
                        set.rulebook.exceptions.len(),
                        set.digest
                    ));
                    for problem in &set.problems {
                        say(&format!("reload: {problem}"));
                    }
                }
                Renewal::Kept(wrong) => {
                    say("reload: the new set is bad, and the old one stays in force:");
                    for wrong in wrong {
                        say(&format!("reload: {wrong}"));
                    }
                }
            }
        }
    }
}
