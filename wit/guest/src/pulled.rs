use stridegate_shapes::dockerfile::{Dockerfile, Instruction, Word};
use stridegate_shapes::{container, dockerfile, pod, request, service};

use crate::mitigation::Refusal;
use crate::reference::{DOCKER_HUB, Reference, is_digest, is_image_id, split_registry};
use crate::{At, Effective, Object, containers};

/// An image that an object lets the engine, the kubelet or the builder fetch.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The JSON Pointer of the reference.
    pub path: String,
    /// The reference; as it is written where a variable in it has no value.
    pub text: String,
    /// The variables that have no value, or what stands for them; empty where the text is whole.
    pub unresolved: Vec<String>,
    /// What asks for it: `FROM`, `container web`.
    pub by: String,
    /// Whether the text is the id of an image that is there already.
    pub is_id: bool,
}

impl Pulled {
    fn new(path: impl Into<String>, text: &str, by: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.to_owned(),
            unresolved: Vec::new(),
            by: by.into(),
            is_id: is_image_id(text),
        }
    }

    /// The reference, or why it is none; nothing where a variable has no value.
    #[must_use]
    pub fn reference(&self) -> Option<Result<Reference<'_>, &'static str>> {
        self.unresolved
            .is_empty()
            .then(|| Reference::parse(&self.text))
    }

    /// Whether the text names the content of the image, whatever its variables stand for.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        let digest = self.text.rsplit_once('@').map(|(_, digest)| digest);
        match self.reference() {
            _ if self.is_id => true,
            Some(reference) => reference.is_ok_and(|reference| reference.digest.is_some()),
            None => digest.is_some_and(is_digest),
        }
    }

    /// The registry, if it does not depend on a variable.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        if self.unresolved.is_empty() {
            return Some(Reference::parse(&self.text).ok()?.registry);
        }
        let known = self.text.split('$').next().unwrap_or_default();
        match known.split_once('/') {
            Some(_) => Some(split_registry(known).0),
            None => known.contains(':').then_some(DOCKER_HUB),
        }
    }
}

/// The images that an object has fetched, in the order in which it names them: those of the stages
/// that a Dockerfile's target needs, of a container and its mounts, of the plugin that a swarm
/// service runs, of the containers and volumes of a Pod, and what a request pulls. The empty image
/// is none, and so is what a Compose service builds itself.
pub fn pulled(object: &Object) -> Result<Vec<Pulled>, Refusal> {
    if object.is(&dockerfile::KIND) {
        return Ok(by_dockerfile(&object.dockerfile()?));
    }
    let document = object.document()?;
    let root = At::root(&document);
    Ok(if object.is(&container::KIND) {
        by_container(&root, Effective::new(&document))
    } else if object.is(&pod::KIND) {
        by_pod(&root)
    } else if object.is(&service::KIND) {
        by_service(&root).into_iter().collect()
    } else if object.is(&request::KIND) {
        by_request(&root).into_iter().collect()
    } else {
        Vec::new()
    })
}

/// The plugin that the tasks of a service run; their container is an object of its own.
fn by_service(root: &At) -> Option<Pulled> {
    let plugin = root.get("Spec").get("TaskTemplate").get("PluginSpec");
    let remote = plugin.get("remote");
    Some(Pulled::new(remote.path(), remote.text()?, "the plugin"))
}

/// What a request to the engine pulls.
fn by_request(root: &At) -> Option<Pulled> {
    let image = match root.get("endpoint").text()? {
        "image.pull" => root.get("image"),
        "plugin.pull" | "plugin.upgrade" => root.get("query").get("remote").items().next()?,
        _ => return None,
    };
    Some(Pulled::new(image.path(), image.text()?, "the request"))
}

fn by_container(root: &At, effective: Effective) -> Vec<Pulled> {
    let mut all = Vec::new();
    let config = root.get("Config").get("Image");
    let id = root.get("Image").text().unwrap_or_default();
    if let Some(text) = config.text().filter(|_| !root.get("Build").exists()) {
        let mut image = Pulled::new(config.path(), text, "the container");
        // A container can be made from the beginning of an id, too.
        let digits = id.strip_prefix("sha256:").unwrap_or(id);
        image.is_id |= !text.is_empty() && digits.starts_with(text);
        if effective.is_unresolved(config.path()) {
            image.unresolved.push("a variable".to_owned());
        }
        all.push(image);
    }
    for mount in root.get("HostConfig").get("Mounts").items() {
        let source = mount.get("Source");
        if let (Some("image"), Some(text)) = (mount.get("Type").text(), source.text()) {
            all.push(Pulled::new(source.path(), text, "a mount"));
        }
    }
    all
}

fn by_pod(root: &At) -> Vec<Pulled> {
    let of_containers = containers(root).filter_map(|container| {
        let image = container.at.get("image");
        let by = format!("container {}", container.name());
        Some(Pulled::new(image.path(), image.text()?, by))
    });
    let of_volumes = root
        .get("spec")
        .get("volumes")
        .items()
        .filter_map(|volume| {
            let reference = volume.get("image").get("reference");
            let by = format!("volume {}", volume.get("name").text().unwrap_or_default());
            Some(Pulled::new(reference.path(), reference.text()?, by))
        });
    of_containers.chain(of_volumes).collect()
}

fn by_dockerfile(file: &Dockerfile) -> Vec<Pulled> {
    let needed = needed(file);
    let mut all = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        if !needed.get(index).copied().unwrap_or_default() {
            continue;
        }
        if stage.base.is_none() {
            let path = format!("/stages/{index}/from");
            all.extend(by_word(path, &stage.from, None, "FROM"));
        }
        for (step, instruction) in stage.instructions.iter().enumerate() {
            for (flag, word, from) in sources(instruction) {
                if from.is_some_and(|from| stage_of(file, instruction, from).is_some()) {
                    continue;
                }
                let path = format!("/stages/{index}/instructions/{step}/flags/{flag}/value");
                let by = if instruction.keyword == "RUN" {
                    "RUN --mount"
                } else {
                    "COPY --from"
                };
                all.extend(by_word(path, word, from, by));
            }
        }
    }
    all
}

/// An image that a word of a Dockerfile names; `part` is the part of the word that does.
fn by_word(path: String, word: &Word, part: Option<&str>, by: &str) -> Option<Pulled> {
    let text = part.unwrap_or_else(|| word.text());
    let mut image = Pulled::new(path, text, by);
    // The builder knows no ids.
    image.is_id = false;
    if word.value.is_none() && text.contains('$') {
        image.unresolved.clone_from(&word.unresolved);
    }
    (text != "scratch").then_some(image)
}

/// The flags of an instruction that name an image or a stage, with the part that does.
fn sources(instruction: &Instruction) -> impl Iterator<Item = (usize, &Word, Option<&str>)> {
    let flags = instruction.flags.iter().enumerate();
    flags.filter_map(|(index, flag)| {
        let word = flag.value.as_ref()?;
        let from = match (&*instruction.keyword, &*flag.name) {
            ("COPY", "from") => word.text(),
            ("RUN", "mount") => word.text().split(',').find_map(|field| {
                let (name, value) = field.split_once('=')?;
                name.trim().eq_ignore_ascii_case("from").then_some(value)
            })?,
            _ => return None,
        };
        Some((index, word, Some(from).filter(|from| !from.is_empty())))
    })
}

/// The stage that a flag names; only COPY knows them by number, too.
fn stage_of(file: &Dockerfile, instruction: &Instruction, from: &str) -> Option<usize> {
    let named = file.stages.iter().rposition(|stage| {
        let name = stage.name.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case(from))
    });
    let number = || {
        let index: usize = from.parse().ok()?;
        (instruction.keyword == "COPY" && index < file.stages.len()).then_some(index)
    };
    named.or_else(number)
}

/// Which stages a build of the target makes.
fn needed(file: &Dockerfile) -> Vec<bool> {
    let mut needed = vec![false; file.stages.len()];
    let mut waiting = vec![file.target];
    while let Some(index) = waiting.pop() {
        let Some(stage) = file.stages.get(index).filter(|_| !needed[index]) else {
            continue;
        };
        needed[index] = true;
        waiting.extend(stage.base);
        for instruction in &stage.instructions {
            let names = sources(instruction).filter_map(|(_, _, from)| from);
            waiting.extend(names.filter_map(|from| stage_of(file, instruction, from)));
        }
    }
    needed
}
