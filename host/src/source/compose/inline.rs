//! The Dockerfile that a service has in its own text.

use super::project::Loader;
use crate::object::{Node, Span};
use crate::source::block::Lines;
use crate::source::dockerfile;

/// The tree of the Dockerfile in `dockerfile_inline`, with its places in the Compose file.
pub(super) fn read(inline: &Node, loader: &mut Loader) -> Option<Node> {
    let content = inline.as_str()?;
    let lines = Lines::new(inline, &loader.texts);
    match dockerfile::read(content) {
        Ok(mut tree) => {
            tree.relocate(&|span| lines.place(span));
            Some(tree)
        }
        Err(fault) => {
            let place = lines.place(Span::new(fault.at, fault.at));
            loader.fault(place, fault.message);
            None
        }
    }
}
