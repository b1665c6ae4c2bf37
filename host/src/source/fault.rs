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
