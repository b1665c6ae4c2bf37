/// Names that mean user 0, or its like on Windows.
pub const ROOT_NAMES: [&str; 4] = [
    "root",
    "toor",
    "ContainerAdministrator",
    "NT AUTHORITY\\SYSTEM",
];

/// Whether `USER[:GROUP]` is user 0 as the engine reads it, or one of the names that mean it,
/// compared without regard to case. A group without a user is user 0; a group 0 alone is not root.
#[must_use]
pub fn is_root(user: &str, names: &[String]) -> bool {
    let user = user.split(':').next().unwrap_or_default().trim();
    user.is_empty()
        || user.parse::<i64>() == Ok(0)
        || names.iter().any(|name| name.eq_ignore_ascii_case(user))
}

#[cfg(test)]
mod tests {
    use super::is_root;

    #[test]
    fn every_spelling_of_zero_is_root() {
        let names = ["root".to_owned()];
        for root in ["0", "00", "+0", "0:0", "root", "ROOT:wheel", ":0", ""] {
            assert!(is_root(root, &names), "{root}");
        }
        for other in ["1", "app", "app:root", "1000:0", "0x0", "rooty"] {
            assert!(!is_root(other, &names), "{other}");
        }
    }
}
