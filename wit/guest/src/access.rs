//! Who may read and write a `host/File`, beyond those who are meant to.
//!
//! Modes are masks of bits and owners are numbers, as the kernel has them. A mode is judged by
//! what it comes to: bits for a group or for others that cannot pass the folders above the file
//! give nobody anything (0644 in a folder of 0700 is 0600), and a folder that somebody else may
//! write to gives the file away, whatever its own mode. Access lists and the members of groups are
//! not in the shape, and not judged.

use crate::{At, IntoPath};

/// What a file may allow, and to whom.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The bits that the mode may have: `0o644`.
    pub mode: u32,
    /// Who may own the file and the folders above it.
    pub uids: Vec<i64>,
    /// The groups that it may belong to, and that may write to the folders above it.
    pub gids: Vec<i64>,
}

/// In what a file allows more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Its mode has these bits too many, and somebody can use them.
    Mode(u32),
    /// It belongs to another user.
    User,
    /// It belongs to another group.
    Group,
    /// Somebody else may put another file in its place, through a folder above it.
    Folder,
}

/// A place where a file allows more than it may.
#[derive(Clone, Debug)]
pub struct Offence {
    /// In what.
    pub breach: Breach,
    /// The JSON Pointer of the mode or the owner.
    pub path: String,
    /// A sentence that names the file and who gains what.
    pub message: String,
}

impl IntoPath for &Offence {
    fn into_path(self) -> String {
        self.path.clone()
    }
}

impl Allowed {
    /// Allowed to root and its group alone.
    #[must_use]
    pub fn root(mode: u32) -> Self {
        Self {
            mode,
            uids: vec![0],
            gids: vec![0],
        }
    }

    /// Every place where a `host/File` allows more than this.
    #[must_use]
    pub fn offences(&self, file: &At) -> Vec<Offence> {
        let entry = Entry::new(file);
        let name = entry.path;
        let folders: Vec<Entry> = file
            .get("parents")
            .items()
            .map(|at| Entry::new(&at))
            .collect();
        let mut found = Vec::new();
        let mut add = |breach, at: &At, message| {
            found.push(Offence {
                breach,
                path: at.path().to_owned(),
                message,
            });
        };
        // The mode of a link that leads nowhere is not the mode of anything.
        if entry.kind != "link" {
            let excess = self.reachable(&entry, &folders) & !self.mode;
            if excess != 0 {
                let (mode, most, gains) = (entry.mode, self.mode, gains(excess, entry.kind));
                let message = format!("{name} has mode {mode:04o}, more than {most:04o}: {gains}");
                add(Breach::Mode(excess), &file.get("mode"), message);
            }
        }
        if !self.uids.contains(&entry.uid) {
            let message = format!("{name} belongs to user {}, who may change it", entry.uid);
            add(Breach::User, &file.get("uid"), message);
        }
        if !self.gids.contains(&entry.gid) {
            let message = format!("{name} belongs to group {}", entry.gid);
            add(Breach::Group, &file.get("gid"), message);
        }
        for folder in &folders {
            if let Some((key, who)) = self.replacer(folder, &folders, entry.is_within(folder)) {
                let message = format!(
                    "{who} may put something else in the place of {name}, through {}",
                    folder.path
                );
                add(Breach::Folder, &folder.at.get(key), message);
            }
        }
        found
    }

    /// The bits of a mode that somebody can use: those of users who can pass the folders above.
    fn reachable(&self, entry: &Entry, folders: &[Entry]) -> u32 {
        let mut above = folders.iter().filter(|folder| entry.is_within(folder));
        let set_id = if entry.kind == "directory" { 0 } else { 0o6000 };
        let mut bits = entry.mode & (set_id | 0o700);
        let group_enters = |folder: &Entry| folder.gid == entry.gid && folder.mode & 0o010 != 0;
        if above.all(|folder| group_enters(folder) || self.lets_strangers_in(folder)) {
            bits |= entry.mode & 0o070;
        }
        if self.passable(entry, folders) {
            bits |= entry.mode & 0o007;
        }
        bits
    }

    /// Whether somebody who is not meant to have access can pass the folders above.
    fn passable(&self, entry: &Entry, folders: &[Entry]) -> bool {
        let mut above = folders.iter().filter(|folder| entry.is_within(folder));
        above.all(|folder| self.lets_strangers_in(folder))
    }

    /// Whether a folder can be entered by others, or by an owner or a group that is not meant to
    /// have access.
    fn lets_strangers_in(&self, folder: &Entry) -> bool {
        let as_owner = !self.uids.contains(&folder.uid);
        let as_group = !self.gids.contains(&folder.gid) && folder.mode & 0o010 != 0;
        as_owner || as_group || folder.mode & 0o001 != 0
    }

    /// Who may exchange what is in a folder, and the member that lets them.
    fn replacer(
        &self,
        folder: &Entry,
        folders: &[Entry],
        holds_file: bool,
    ) -> Option<(&'static str, String)> {
        let somebody_enters = self.passable(folder, folders);
        if somebody_enters && !self.uids.contains(&folder.uid) {
            return Some(("uid", format!("user {}", folder.uid)));
        }
        // In a sticky folder only the owner of an entry exchanges it. Who owns what is in the
        // folder is known but for a link.
        if folder.mode & 0o1000 != 0 && holds_file {
            return None;
        }
        let bits = self.reachable(folder, folders);
        if bits & 0o003 == 0o003 {
            Some(("mode", "anybody".into()))
        } else if bits & 0o030 == 0o030 && !self.gids.contains(&folder.gid) {
            Some(("mode", format!("group {}", folder.gid)))
        } else {
            None
        }
    }
}

/// A file or a folder.
struct Entry<'a> {
    at: At<'a>,
    path: &'a str,
    /// Where it is found in the end.
    target: &'a str,
    kind: &'a str,
    mode: u32,
    uid: i64,
    gid: i64,
}

impl<'a> Entry<'a> {
    fn new(at: &At<'a>) -> Self {
        let path = at.get("path").text().unwrap_or_default();
        // What cannot be read allows everything.
        let number = |key| at.get(key).integer().unwrap_or(i64::MAX);
        Self {
            at: at.clone(),
            path,
            target: at.get("target").text().unwrap_or(path),
            kind: at.get("type").text().unwrap_or_default(),
            mode: u32::try_from(number("mode")).unwrap_or(0o7777),
            uid: number("uid"),
            gid: number("gid"),
        }
    }

    /// Whether whoever reaches this has to pass the folder. Those on the way to a link are no
    /// part of the way to its target.
    fn is_within(&self, folder: &Entry) -> bool {
        let rest = self.target.strip_prefix(folder.target);
        rest.is_some_and(|rest| folder.target == "/" && !rest.is_empty() || rest.starts_with('/'))
    }
}

/// What bits of a mode give to whom.
fn gains(excess: u32, kind: &str) -> String {
    let enter = if kind == "directory" { "enter" } else { "run" };
    let mut all = Vec::new();
    for (who, shift) in [("its owner", 6), ("its group", 3), ("anybody", 0)] {
        let bits = excess >> shift & 7;
        let verbs = [(4, "read"), (2, "write"), (1, enter)];
        let verbs = verbs.into_iter().filter(|(bit, _)| bits & bit != 0);
        let verbs: Vec<&str> = verbs.map(|(_, verb)| verb).collect();
        if !verbs.is_empty() {
            all.push(format!("{who} may {}", verbs.join(" and ")));
        }
    }
    if excess & 0o6000 != 0 {
        all.push("it runs with the rights of its owner".into());
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Value, json};

    fn entry(path: &str, mode: u32, uid: i64, gid: i64) -> Value {
        json!({"path": path, "type": "directory", "mode": mode, "uid": uid, "gid": gid, "target": null})
    }

    fn found(mode: u32, uid: i64, gid: i64, parents: &[Value]) -> Vec<(Breach, String)> {
        let mut file = entry("/a/b", mode, uid, gid);
        file["type"] = "file".into();
        file["parents"] = parents.into();
        judged(&file, 0o600)
    }

    fn judged(file: &Value, most: u32) -> Vec<(Breach, String)> {
        let offences = Allowed::root(most).offences(&At::root(file));
        offences
            .into_iter()
            .map(|offence| (offence.breach, offence.path))
            .collect()
    }

    #[test]
    fn modes_are_masks() {
        let excess = |mode| {
            let found = found(mode, 0, 0, &[]);
            found.first().map_or(0, |(breach, _)| match breach {
                Breach::Mode(excess) => *excess,
                other => unreachable!("{other:?}"),
            })
        };
        for (mode, expected) in [
            (0o600, 0),
            (0o400, 0),
            (0o000, 0),
            (0o1600, 0),
            (0o644, 0o044),
            (0o577, 0o177),
            (0o466, 0o066),
            (0o602, 0o002),
            (0o4600, 0o4000),
        ] {
            assert_eq!(excess(mode), expected, "{mode:o}");
        }
    }

    #[test]
    fn owners_are_numbers() {
        assert_eq!(found(0o600, 0, 0, &[]), []);
        assert_eq!(
            found(0o600, 1000, 0, &[]),
            [(Breach::User, "/uid".to_owned())]
        );
        assert_eq!(
            found(0o600, 0, 1000, &[]),
            [(Breach::Group, "/gid".to_owned())]
        );
    }

    #[test]
    fn a_closed_folder_takes_bits_away() {
        assert_eq!(found(0o644, 0, 0, &[entry("/a", 0o700, 0, 0)]), []);
        let group_enters = found(0o644, 0, 0, &[entry("/a", 0o750, 0, 0)]);
        assert_eq!(group_enters[0].0, Breach::Mode(0o040));
        for (open, excess) in [
            (entry("/a", 0o755, 0, 0), 0o066),
            (entry("/a", 0o711, 0, 0), 0o066),
            // Its group passes.
            (entry("/a", 0o750, 0, 27), 0o066),
            // Its owner passes.
            (entry("/a", 0o700, 5, 0), 0o066),
            // It is not on the way.
            (entry("/c", 0o700, 0, 0), 0o066),
            (entry("/a/bc", 0o700, 0, 0), 0o066),
        ] {
            let found = found(0o666, 0, 0, std::slice::from_ref(&open));
            assert_eq!(found[0].0, Breach::Mode(excess), "{open}");
        }
        let mut file = entry("/a/b", 0o660, 0, 7);
        file["parents"] = json!([entry("/", 0o755, 0, 0), entry("/a", 0o750, 0, 7)]);
        assert_eq!(judged(&file, 0o700)[0].0, Breach::Mode(0o060));
    }

    #[test]
    fn a_folder_of_somebody_else_gives_the_file_away() {
        let offends = |parents: &[Value]| {
            let mut found = found(0o600, 0, 0, parents);
            found.pop().map(|(breach, path)| {
                assert_eq!(breach, Breach::Folder);
                path
            })
        };
        let root = entry("/", 0o755, 0, 0);
        for (folder, place) in [
            (entry("/a", 0o755, 0, 0), None),
            (entry("/a", 0o775, 0, 0), None),
            (entry("/a", 0o775, 0, 7), Some("mode")),
            (entry("/a", 0o757, 0, 0), Some("mode")),
            (entry("/a", 0o700, 7, 0), Some("uid")),
            // Writing to a folder needs entering it.
            (entry("/a", 0o754, 0, 0), None),
            (entry("/a", 0o1777, 0, 0), None),
            (entry("/a", 0o1777, 7, 0), Some("uid")),
        ] {
            let expected = place.map(|key| format!("/parents/1/{key}"));
            assert_eq!(
                offends(&[root.clone(), folder.clone()]),
                expected,
                "{folder}"
            );
        }
        // Nobody else gets there.
        for owner in [0, 7] {
            let closed = [entry("/a", 0o700, 0, 0), entry("/a/c", 0o777, owner, 0)];
            assert_eq!(offends(&closed), None);
        }
    }

    #[test]
    fn of_a_link_both_ways_count() {
        let mut file = entry("/a/b", 0o666, 0, 0);
        file["target"] = "/data/b".into();
        // That the way to the link is closed does not close the way to what it leads to.
        file["parents"] = json!([entry("/a", 0o700, 0, 0), entry("/data", 0o755, 0, 0)]);
        assert_eq!(
            judged(&file, 0o600),
            [(Breach::Mode(0o066), "/mode".to_owned())]
        );
        // Whoever made the link may exchange it in a sticky folder.
        file["mode"] = 0o600.into();
        file["parents"] = json!([entry("/a", 0o1777, 0, 0), entry("/data", 0o755, 0, 0)]);
        assert_eq!(
            judged(&file, 0o600),
            [(Breach::Folder, "/parents/0/mode".to_owned())]
        );
        file["parents"] = json!([entry("/a", 0o755, 0, 0), entry("/data", 0o777, 0, 0)]);
        assert_eq!(
            judged(&file, 0o600),
            [(Breach::Folder, "/parents/1/mode".to_owned())]
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_has_no_mode() {
        let mut file = entry("/a/b", 0o777, 0, 0);
        file["type"] = "link".into();
        assert_eq!(judged(&file, 0o600), []);
    }
}
