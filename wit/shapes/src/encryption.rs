//! `apiserver.config.k8s.io/EncryptionConfiguration`, version `v1`: Kubernetes' own file of what the
//! API server encrypts at rest, and how; and the form that it had before Kubernetes 1.13.

use crate::{Kind, Node, escape_token};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("apiserver.config.k8s.io", "EncryptionConfiguration");

/// The kind that it was before Kubernetes 1.13; it reads the same.
pub const LEGACY_KIND: Kind = Kind::known("", "EncryptionConfig");

/// The providers that hold their keys in the file itself.
pub const LOCAL_PROVIDERS: [&str; 3] = ["aescbc", "aesgcm", "secretbox"];

/// The JSON Pointers of the keys in a document of either kind: whoever reads one reads all that is
/// encrypted with it, so that no line of the file may be shown with it.
#[must_use]
pub fn keys(document: &Node) -> Vec<String> {
    let mut pointers = Vec::new();
    let lists = document.get("resources").map_or(&[][..], Node::items);
    for (list, of_list) in lists.iter().enumerate() {
        let providers = of_list.get("providers").map_or(&[][..], Node::items);
        for (provider, of_provider) in providers.iter().enumerate() {
            for entry in of_provider.entries() {
                let keys = entry.value.get("keys").map_or(&[][..], Node::items);
                let name = escape_token(&entry.key);
                let held = (0..)
                    .zip(keys)
                    .filter(|(_, key)| key.get("secret").is_some());
                pointers.extend(held.map(|(key, _): (usize, _)| {
                    format!("/resources/{list}/providers/{provider}/{name}/keys/{key}/secret")
                }));
            }
        }
    }
    pointers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn every_key_is_known_whatever_its_provider() {
        let here = Span::default();
        let text = |text: &str| Node::string(here, text);
        let key = |secret: &str| Node::map(here, [("name", text("k")), ("secret", text(secret))]);
        let provider = |name, keys| {
            let keys = Node::map(here, [("keys", Node::list(here, keys))]);
            Node::map(here, [(name, keys)])
        };
        let bare = Node::map(here, [("name", text("k"))]);
        let providers = vec![
            Node::map(here, [("identity", Node::map(here, []))]),
            provider("aescbc", vec![key("a"), bare, key("b")]),
            provider("no/such", vec![key("c")]),
        ];
        let list = Node::map(here, [("providers", Node::list(here, providers))]);
        let document = Node::map(here, [("resources", Node::list(here, vec![list]))]);
        let keys = keys(&document);
        assert_eq!(
            keys,
            [
                "/resources/0/providers/1/aescbc/keys/0/secret",
                "/resources/0/providers/1/aescbc/keys/2/secret",
                "/resources/0/providers/2/no~1such/keys/0/secret",
            ]
        );
        assert!(keys.iter().all(|pointer| document.at(pointer).is_some()));
        assert!(super::keys(&text("x")).is_empty());
    }
}
