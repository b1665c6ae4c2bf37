//! Paths of a Unix system, as text.

/// A path from the root without doubled slashes and dots.
#[must_use]
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether a path is a folder or lies in it. Neither may hold dots.
#[must_use]
pub fn is_within(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path has a step that leads out of the folder before it, on Unix or Windows: `..`.
#[must_use]
pub fn climbs(path: &str) -> bool {
    path.split(['/', '\\']).any(|part| part == "..")
}

/// The last part of a path, such as the name of a program.
#[must_use]
pub fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_lead_no_higher_than_the_root() {
        for (path, expected) in [
            ("/var/lib/etcd", "/var/lib/etcd"),
            ("//var/./lib//etcd/", "/var/lib/etcd"),
            ("/var/lib/../../etc", "/etc"),
            ("/../..", "/"),
            ("/a..b/...", "/a..b/..."),
            ("", "/"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn only_two_dots_alone_climb() {
        for path in ["/usr/../tmp", "..", "C:\\a\\..\\b", "a/.."] {
            assert!(climbs(path), "{path}");
        }
        for path in ["/usr/lib", "/a..b", "/...", "./a"] {
            assert!(!climbs(path), "{path}");
        }
    }

    #[test]
    fn a_folder_holds_itself_and_no_neighbour() {
        for (path, folder) in [
            ("/a/b", "/a"),
            ("/a/b", "/a/"),
            ("/a", "/a"),
            ("/a", "/"),
            ("/", "/"),
        ] {
            assert!(is_within(path, folder), "{path} {folder}");
        }
        for (path, folder) in [("/ab", "/a"), ("/a", "/a/b"), ("/b/a", "/a")] {
            assert!(!is_within(path, folder), "{path} {folder}");
        }
    }
}
