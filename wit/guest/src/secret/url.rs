use super::format::known;
use super::value::{Form, form, looks_random};

/// A password or a token before the `@` of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlPassword<'a> {
    /// The scheme: `https`.
    pub scheme: &'a str,
    /// The password or token.
    pub secret: &'a str,
    /// A placeholder, or a secret.
    pub form: Form,
}

/// The first password or token in a URL of a text: `scheme://user:password@host`,
/// `https://token@host`, and the `user:password@tcp(host)` of Go's database drivers.
#[must_use]
pub fn url_password(text: &str) -> Option<UrlPassword<'_>> {
    // A byte is found sooner than a text, and most texts have no colon.
    if !text.as_bytes().contains(&b':') {
        return None;
    }
    let mut rest = text;
    while let Some(colon) = rest.find("://") {
        let (before, after) = (rest.get(..colon)?, rest.get(colon + 3..)?);
        let end = after
            .find(|c: char| c.is_whitespace() || "/?#\"'<>`\\".contains(c))
            .unwrap_or(after.len());
        let authority = after.get(..end)?;
        let scheme = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || "+-".contains(c)))
            .map_or(0, |at| at + 1);
        let found = authority
            .rsplit_once('@')
            .and_then(|(user, host)| in_userinfo(user, host));
        if let (Some(secret), Some(scheme)) = (
            found,
            before.get(scheme..).filter(|scheme| !scheme.is_empty()),
        ) {
            return Some(UrlPassword {
                scheme,
                secret,
                form: form(secret),
            });
        }
        rest = after;
    }
    go_driver(text)
}

fn in_userinfo<'a>(user: &'a str, host: &str) -> Option<&'a str> {
    let hidden = |secret: &str| {
        form(secret) == Form::Safe && !secret.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some((name, password)) = user.split_once(':') {
        // `{user}:{password}`, `%s:%s` and `[user]:[password]` are patterns.
        let open = password.starts_with(['$', '{', '[', '%', '*', '(']);
        let password = if password.is_empty() || password == "x-oauth-basic" {
            name
        } else {
            password
        };
        let alone = std::ptr::eq(password, name);
        let secret = if alone {
            looks_random(name) || known(name).is_some()
        } else {
            !open && !hidden(password)
        };
        return (secret && !password.is_empty()).then_some(password);
    }
    // What identifies a project to Sentry is published with every page that uses it.
    let published = host.contains("sentry");
    ((looks_random(user) || known(user).is_some()) && !published).then_some(user)
}

fn go_driver(text: &str) -> Option<UrlPassword<'_>> {
    let at = text.find('@')?;
    let at = ["@tcp(", "@unix("]
        .iter()
        .find_map(|mark| Some(at + text.get(at..)?.find(mark)?))?;
    let start = text
        .get(..at)?
        .rfind(|c: char| c.is_whitespace() || "\"'=`".contains(c))
        .map_or(0, |start| start + 1);
    let (_, password) = text.get(start..at)?.split_once(':')?;
    let found = form(password) != Form::Safe;
    found.then(|| UrlPassword {
        scheme: "mysql",
        secret: password,
        form: form(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls() {
        for (text, secret) in [
            ("postgres://user:hunter2@db:5432/app", "hunter2"),
            ("see https://bob:s3cr3t@example.org/x and more", "s3cr3t"),
            ("redis://:hunter2@cache", "hunter2"),
            ("https://user:hunter2@$HOST/", "hunter2"),
            ("mongodb+srv://a:p%40ss@h/?x=1", "p%40ss"),
            (
                "https://q7Zk2mX9vR4bT8wLs3Nf6HdJ@git.example.org/x.git",
                "q7Zk2mX9vR4bT8wLs3Nf6HdJ",
            ),
            (
                "https://q7Zk2mX9vR4bT8wLs3Nf6HdJ:x-oauth-basic@git.example.org",
                "q7Zk2mX9vR4bT8wLs3Nf6HdJ",
            ),
            ("http://a/b http://u:123456@h", "123456"),
            ("root:hunter2@tcp(127.0.0.1:3306)/app", "hunter2"),
        ] {
            assert_eq!(
                url_password(text).map(|found| found.secret),
                Some(secret),
                "{text}"
            );
        }
        assert_eq!(
            url_password("amqp://app:changeme@mq").map(|found| found.form),
            Some(Form::Placeholder)
        );
    }

    #[test]
    fn urls_without() {
        for text in [
            "https://example.org/@scope/pkg",
            "ssh://git@github.com/x",
            "https://user@example.org",
            "postgres://user:$PASS@db",
            "postgres://user:${PASS}@db",
            "https://<user>:<password>@host",
            "https://{user}:{pw}@host",
            "http://%s:%s@host",
            "://:@",
            "https://user:@host",
            "https://u:****@host",
            "http://host:80/path@x",
            "git@github.com:org/repo.git",
            "https://9f3a7c51e08b2d469f3a7c51e08b2d41@o1.ingest.sentry.io/1",
            "https://oauth2:{{ token }}@host",
        ] {
            assert_eq!(url_password(text), None, "{text}");
        }
    }
}
