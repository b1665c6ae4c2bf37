/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The offset of the byte at which the fault shows; at most the length of the text.
    pub at: usize,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

impl Fault {
    /// A fault at a byte of the text.
    #[must_use]
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

/// The known name that a wrong one was most likely meant to be: at most two letters differ,
/// whatever their case, and fewer than half of them.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    // No name is as long, and the search takes time in proportion to it.
    if wrong.len() > 80 {
        return None;
    }
    let wrong = wrong.to_lowercase();
    let distance = |name: &&str| strsim::damerau_levenshtein(&wrong, &name.to_lowercase());
    let (distance, name) = known.iter().map(|name| (distance(name), *name)).min()?;
    (distance <= 2 && distance * 2 < name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_keyboard_is_understood() {
        let known = ["root-user", "log-level", "USER"];
        assert_eq!(nearest("root-usre", &known), Some("root-user"));
        assert_eq!(nearest("usr", &known), Some("USER"));
        assert_eq!(nearest("something", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
