//! What a Dockerfile puts into an image.

use stridegate_policy::secret::{self, SecretFile};
use stridegate_policy::shapes::dockerfile::{Dockerfile, Instruction, Word};

use crate::review::Review;
use crate::{BUILD_ARGUMENT, SECRET_FILE};

impl Review<'_> {
    pub(crate) fn dockerfile(&mut self, file: &Dockerfile) {
        let mut shipped = vec![file.target];
        while let Some(base) = shipped
            .last()
            .and_then(|last| file.stages.get(*last))
            .and_then(|stage| stage.base)
        {
            shipped.push(base);
        }
        for (index, instruction) in file.arguments.iter().enumerate() {
            self.instruction(file, &format!("/arguments/{index}"), instruction);
        }
        for (number, stage) in file.stages.iter().enumerate() {
            self.discarded = !shipped.contains(&number);
            for (index, instruction) in stage.instructions.iter().enumerate() {
                self.instruction(
                    file,
                    &format!("/stages/{number}/instructions/{index}"),
                    instruction,
                );
            }
        }
    }

    fn instruction(&mut self, file: &Dockerfile, path: &str, instruction: &Instruction) {
        self.look(&secret::written_in_instruction(path, instruction));
        match instruction.keyword.as_str() {
            "ARG" => self.build_arguments(file, path, instruction),
            "COPY" | "ADD" if instruction.heredocs.is_empty() => {
                self.copied_files(path, instruction);
            }
            _ => {}
        }
    }

    /// The arguments that a build has to pass, for want of a default here or before the first FROM.
    fn build_arguments(&mut self, file: &Dockerfile, path: &str, instruction: &Instruction) {
        let has_default =
            |value: &Option<Word>| value.as_ref().is_some_and(|word| !word.text().is_empty());
        for (index, pair) in instruction.pairs.iter().enumerate() {
            let name = pair.name.text();
            let mut global = file.arguments.iter().flat_map(|argument| &argument.pairs);
            let preset = global.any(|other| other.name.text() == name && has_default(&other.value));
            if self.is_secret(name) && !preset && !has_default(&pair.value) {
                let name = secret::shown(name);
                let message = format!(
                    "the build argument {name} takes a secret, which the image's history or provenance keeps"
                );
                self.add_place(
                    &BUILD_ARGUMENT,
                    format!("{path}/pairs/{index}/name"),
                    message,
                );
            }
        }
    }

    /// The files that COPY and ADD take, or else the name that a file gets.
    fn copied_files(&mut self, path: &str, instruction: &Instruction) {
        let Some((target, sources)) = instruction.arguments.split_last() else {
            return;
        };
        let sources: Vec<&str> = sources.iter().map(Word::text).collect();
        for (index, holds) in secret_files(&sources, target.text()) {
            let path = format!("{path}/arguments/{index}");
            self.secret_file(&instruction.keyword, holds, path);
        }
    }

    pub(crate) fn secret_file(&mut self, keyword: &str, holds: &str, path: String) {
        let message =
            format!("{keyword} puts a file into the image that by its name holds {holds}");
        self.add_place(&SECRET_FILE, path, message);
    }
}

/// Which files of a COPY or ADD hold secrets, by their names, and what they hold: the sources, or
/// else the name that a file gets.
pub(crate) fn secret_files(sources: &[&str], target: &str) -> Vec<(usize, &'static str)> {
    let secret = |(index, name): (usize, &str)| {
        let holds = match secret::secret_file(name)? {
            SecretFile::PrivateKey => "a private key",
            SecretFile::Credentials => "credentials",
        };
        Some((index, holds))
    };
    let named = sources.iter().copied().enumerate();
    let mut files: Vec<_> = named.filter_map(secret).collect();
    // A folder of keys may get public ones.
    let folder = target.ends_with(['/', '\\']) || target.rsplit('/').next() == Some(".ssh");
    if files.is_empty() && !folder {
        files.extend(secret((sources.len(), target)));
    }
    files
}
