//! What a secret looks like: formats of known credentials, names that say secret, values that are
//! none, and the places in a command line or a configuration text where one is written.
//!
//! Everything here looks at text alone, takes time in proportion to its length, and says where a
//! secret is without repeating it. What is certain ([`known`], [`url_password`]) is kept apart from
//! what is guessed ([`Names`], [`looks_random`]).

mod command;
mod encoding;
mod engine;
mod file;
mod format;
mod name;
mod search;
mod text;
mod url;
mod value;
mod written;

pub use command::{Passed, Word, passed, split};
pub use encoding::{decode_base64, printable, sha256_hex};
pub use engine::{written_in_engine, written_in_step};
pub use file::{SecretFile, secret_file};
pub use format::{Known, is_public_material, known, known_by_name};
pub use name::{Names, Says, without_scheme};
pub use search::{Search, Sighting, Sign};
pub use text::{Pair, pairs};
pub use url::{UrlPassword, url_password};
pub use value::{Form, entropy, form, looks_random};
pub use written::{
    LAST_APPLIED, Written, written_in_instruction, written_in_manifest, written_in_metadata,
};

/// A name as a message may show it: one that is itself long or a secret is not repeated.
#[must_use]
pub fn shown(name: &str) -> &str {
    let name = name.trim();
    let fits = !name.is_empty() && name.len() <= 100 && !name.contains(['\n', '\r']);
    if fits && known(name).is_none() && !looks_random(name) {
        name
    } else {
        "(a name that is not shown)"
    }
}
