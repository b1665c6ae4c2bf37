//! How Docker's client and daemon are set up.

use stridegate_policy::prelude::*;
use stridegate_policy::secret::{self, Form};

use crate::review::Review;
use crate::{SECRET_NAME, STORED_LOGIN};

impl Review<'_> {
    pub(crate) fn client(&mut self, root: &At) {
        for (registry, login) in root.get("auths").members() {
            self.login(registry, &login, root);
        }
        for (name, value) in root.get("HttpHeaders").members() {
            self.header(name, &value);
        }
        for (_, proxies) in root.get("proxies").members() {
            self.values("the proxy", &proxies);
        }
        self.values("the variable", &root.get("environment"));
        for context in root.get("contexts").items() {
            self.value("the context's", "host", &context.get("host"));
        }
    }

    pub(crate) fn daemon(&mut self, root: &At) {
        self.values("the proxy", &root.get("proxies"));
        self.values("the log option", &root.get("log-opts"));
        for list in ["registry-mirrors", "labels"] {
            for item in root.get(list).items() {
                let text = item.text().unwrap_or_default();
                let (name, _) = text.split_once('=').unwrap_or((list, text));
                self.value(list, name, &item);
            }
        }
    }

    /// A login counts whatever it is called: base64 hides nothing.
    fn login(&mut self, registry: &str, login: &At, root: &At) {
        let registry = secret::shown(secret::without_scheme(registry));
        let helper = root.get("credsStore").text().unwrap_or_default();
        let but = if helper.is_empty() {
            ""
        } else {
            ", although a credential store is set"
        };
        for (field, what) in [
            ("auth", "a user name and password in base64"),
            ("password", "a password"),
            ("identitytoken", "an identity token"),
            ("registrytoken", "a registry token"),
        ] {
            let value = login.get(field);
            let text = value.text().unwrap_or_default().trim();
            let decoded = (field == "auth")
                .then(|| secret::decode_base64(text))
                .flatten();
            // A user name alone is no secret; what cannot be decoded may still be one.
            let nothing =
                decoded.is_some_and(|bytes| bytes.is_empty() || bytes.last() == Some(&b':'));
            if text.is_empty()
                || nothing
                || self.search.allows(field)
                || self.search.allows_value(text)
            {
                continue;
            }
            let message = format!("the login to {registry} is kept here: {what}{but}");
            let path = value.path().to_owned();
            self.add(&STORED_LOGIN, path, Form::Literal, text, message);
        }
    }

    /// A header that logs in is a secret by its name, whatever follows Basic or Bearer.
    fn header(&mut self, name: &str, value: &At) {
        let text = value.text().unwrap_or_default();
        let credentials = text.trim().rsplit(' ').next().unwrap_or_default();
        let logs_in = [
            "authorization",
            "proxy-authorization",
            "x-registry-auth",
            "cookie",
        ]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
        let literal = secret::form(credentials) != Form::Safe;
        if logs_in && literal && !self.search.allows(name) && !self.search.allows_value(text) {
            let length = credentials.chars().count();
            let message = format!("the header {name} has a literal of {length} characters");
            let path = value.path().to_owned();
            self.add(&SECRET_NAME, path, secret::form(credentials), text, message);
        } else {
            self.value("the header", name, value);
        }
    }

    fn values(&mut self, what: &str, map: &At) {
        for (name, value) in map.members() {
            self.value(what, name, &value);
        }
    }
}
