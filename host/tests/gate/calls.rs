//! Every recorded call becomes what the engine would execute, or is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use stridegate::object::Text;
use stridegate::source::Call;

use super::{recorded, root};

/// What is expected of a call: `read`, `fault TEXT`, or the objects that it asks for, each as
/// `KIND NAME POINTER=VALUE...`.
fn expectations() -> BTreeMap<String, Vec<String>> {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in recorded("docker-authz/expectations")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        if let Some((file, what)) = line.split_once(' ') {
            expected.entry(file.into()).or_default().push(what.into());
        }
    }
    expected
}

fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in folder.read_dir().expect("testdata can be read") {
        let path = entry.expect("testdata can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path
                .strip_prefix(root().join("testdata/docker-authz"))
                .expect("it lies in it");
            found.push(name.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn every_recorded_call_is_what_the_engine_makes_of_it() {
    let mut found = Vec::new();
    files(&root().join("testdata/docker-authz"), &mut found);
    let expected = expectations();
    assert!(found.len() > 80 && found.iter().filter(|file| file.contains("edge_")).count() == 40);
    let mut wrong = Vec::new();
    for file in &found {
        let said = described(file, expected.get(file).map_or(&[], Vec::as_slice));
        if Some(&said) != expected.get(file) {
            wrong.extend(said.iter().map(|said| format!("{file} {said}")));
        }
    }
    assert!(wrong.is_empty(), "these are:\n{}", wrong.join("\n"));
    let gone: Vec<&String> = expected
        .keys()
        .filter(|file| !found.contains(file))
        .collect();
    assert!(gone.is_empty(), "no such call: {gone:?}");
}

/// What a call becomes, in the words of the expectations and with the pointers that they name.
fn described(file: &str, expected: &[String]) -> Vec<String> {
    let text = Arc::new(Text::new(file, recorded(&format!("docker-authz/{file}"))));
    let call = Call::parse(&text).expect("a recording is a call");
    if call.reads() {
        return vec!["read".into()];
    }
    let reading = call.reading("unnamed");
    if let Some(fault) = reading.faults.first() {
        let known = expected
            .first()
            .and_then(|expected| expected.strip_prefix("fault "));
        let part = known.filter(|known| fault.message.contains(known));
        return vec![format!("fault {}", part.unwrap_or(&fault.message))];
    }
    let mut described = Vec::new();
    for (index, object) in reading.objects.iter().enumerate() {
        let document = serde_json::to_value(&object.document).expect("a document is JSON");
        let mut line = format!("{} {}", object.kind, object.identity.name);
        let words = expected
            .get(index)
            .map_or("", String::as_str)
            .split(' ')
            .skip(2);
        for (pointer, _) in words.filter_map(|word| word.split_once('=')) {
            let value = document.pointer(pointer).unwrap_or(&Value::Null);
            let _ = write!(line, " {pointer}={value}");
        }
        described.push(line);
    }
    described
}
