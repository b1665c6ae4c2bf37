//! The configuration of a Docker client: config.json, .dockercfg, and the meta.json of a context.

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::{Content, Node, client};

use super::daemon::first_line;
use super::{InputFault, Reading, json};
use crate::object::{Identity, Object, Text, Written};

/// Whether a file by its name is one of a Docker client.
pub(super) fn is_file(name: &Path) -> bool {
    let file = name
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let folders: Vec<_> = name
        .iter()
        .rev()
        .skip(1)
        .filter_map(|name| name.to_str())
        .collect();
    match file {
        ".dockercfg" => true,
        "config.json" => folders.first() == Some(&".docker"),
        "meta.json" => matches!(folders[..], [_, "meta", "contexts", ..]),
        _ => false,
    }
}

/// Whether a text can be a client's configuration at all, which spares parsing what cannot.
pub(super) fn is_plausible(content: &str) -> bool {
    const KEYS: [&str; 4] = [
        "\"auths\"",
        "\"credsStore\"",
        "\"credHelpers\"",
        "\"SkipTLSVerify\"",
    ];
    KEYS.iter().any(|key| content.contains(key))
}

/// Whether a document is the configuration of a Docker client, by its members.
pub(super) fn recognises(name: &Path, document: &Node) -> bool {
    is_file(name) || is_config(document) || is_context(document)
}

/// Logins whose values are objects with the fields of a login, or the name of a helper: `auths`
/// alone may be anything.
fn is_config(document: &Node) -> bool {
    let foreign = ["apiVersion", "kind", "name", "version", "dependencies"];
    if foreign.iter().any(|key| document.get(key).is_some()) {
        return false;
    }
    let is_login = |login: &Node| {
        let fields = [
            "auth",
            "identitytoken",
            "registrytoken",
            "username",
            "password",
            "email",
        ];
        matches!(login.content, Content::Map(_))
            && login
                .entries()
                .iter()
                .all(|field| fields.contains(&&*field.key))
    };
    let auths = document.get("auths").is_some_and(|auths| {
        !auths.entries().is_empty() && auths.entries().iter().all(|entry| is_login(&entry.value))
    });
    let helpers = document.get("credHelpers").is_some_and(|helpers| {
        !helpers.entries().is_empty()
            && helpers
                .entries()
                .iter()
                .all(|entry| entry.value.as_str().is_some())
    });
    auths || helpers || document.text("credsStore").is_some()
}

fn is_context(document: &Node) -> bool {
    document.text("Name").is_some()
        && document
            .at("/Endpoints/docker")
            .is_some_and(|endpoint| endpoint.node.get("SkipTLSVerify").is_some())
}

/// Reads a text that is one of these files.
pub(super) fn read_text(text: &Arc<Text>, name: &str) -> Reading {
    let mut reading = Reading::default();
    match json::read(&text.content) {
        Ok(document) => read(&document, text, name, &mut reading),
        Err(fault) => reading.faults.push(InputFault {
            position: Some(text.position(fault.at)),
            message: format!("{}; docker cannot read the file, correct it", fault.message),
        }),
    }
    reading
}

/// Reads a document that is one of these files.
pub(super) fn read(document: &Node, text: &Arc<Text>, name: &str, reading: &mut Reading) {
    let here = first_line(text);
    let shaped = if !matches!(document.content, Content::Map(_)) {
        reading.faults.push(InputFault {
            position: Some(text.position(0)),
            message: "is no JSON object, and docker cannot read it".into(),
        });
        return;
    } else if text.name.ends_with(".dockercfg") && document.get("auths").is_none() {
        client::from_legacy(document, here)
    } else if is_context(document)
        || Path::new(&text.name)
            .file_name()
            .is_some_and(|name| name == "meta.json")
    {
        client::from_context(document, here)
    } else {
        client::from_config(document, here)
    };
    add(shaped, text, name, reading);
}

/// Reads the `DOCKER_*` variables of a map.
pub(super) fn read_environment(
    variables: &Node,
    text: &Arc<Text>,
    name: &str,
    reading: &mut Reading,
) {
    add(
        client::from_environment(variables, first_line(text)),
        text,
        name,
        reading,
    );
}

fn add(
    shaped: Result<Node, client::Mismatch>,
    text: &Arc<Text>,
    name: &str,
    reading: &mut Reading,
) {
    match shaped {
        Ok(document) => {
            let identity = Identity {
                group: client::KIND.group.into(),
                kind: client::KIND.name.into(),
                name: name.to_owned(),
                namespace: String::new(),
            };
            reading.written += 1;
            reading.objects.push(Object {
                written: Written::default(),
                kind: client::KIND,
                version: client::VERSION.into(),
                identity: Arc::new(identity),
                document,
                moves: Vec::new(),
                origin: None,
                texts: vec![Arc::clone(text)],
            });
        }
        Err(mismatch) => reading.faults.push(InputFault {
            position: Some(text.position(mismatch.span.start as usize)),
            message: mismatch.message,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::daemon::tests::check_places;

    fn recognised(name: &str, content: &str) -> bool {
        recognises(Path::new(name), &json::read(content).unwrap())
    }

    #[test]
    fn only_a_clients_files_are_recognised() {
        assert!(recognised("home/a/.docker/config.json", "{}"));
        assert!(recognised(".dockercfg", "{}"));
        assert!(recognised("x.json", r#"{"auths": {"r": {"auth": "x"}}}"#));
        assert!(recognised("x.json", r#"{"credsStore": "pass"}"#));
        assert!(recognised("contexts/meta/ab/meta.json", "{}"));
        for other in [
            "{}",
            r#"{"auths": {}}"#,
            r#"{"auths": {"a": "b"}}"#,
            r#"{"auths": {"a": {"type": "x"}}}"#,
            r#"{"name": "web", "version": "1", "credsStore": "x"}"#,
        ] {
            assert!(!recognised("config.json", other), "{other}");
        }
    }

    #[test]
    fn every_form_becomes_the_one_shape() {
        for (name, content, pointer, value) in [
            (
                ".docker/config.json",
                r#"{"auths": {"r": {"auth": "x"}}}"#,
                "/auths/r/auth",
                "x",
            ),
            (
                ".dockercfg",
                r#"{"r": {"auth": "x"}}"#,
                "/auths/r/auth",
                "x",
            ),
            (
                "contexts/meta/a/meta.json",
                r#"{"Name": "n", "Endpoints": {"docker": {"Host": "x"}}}"#,
                "/contexts/0/host",
                "x",
            ),
        ] {
            let reading = read_text(&Arc::new(Text::new(name, content)), "x");
            let document = &reading.objects[0].document;
            assert_eq!(
                document.at(pointer).unwrap().node.as_str(),
                Some(value),
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            members in proptest::collection::vec("\"(auths|Auths|credsStore|proxies|HttpHeaders|é)\": ?(\"[a-zé]{0,5}\"|null|\\[\\]|\\{\"r\":\\{\"auth\":\"x\"\\}\\}|7)", 0..6),
            name in "(.docker/config.json|.dockercfg|meta.json)",
        ) {
            let content = format!("{{{}}}", members.join(",\n"));
            check_places(&read_text(&Arc::new(Text::new(name, content)), "x"));
        }
    }
}
