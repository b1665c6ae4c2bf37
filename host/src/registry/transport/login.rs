//! What a request carries for a registry that asks for a login.

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_auth::ChallengeRef;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::super::credentials::{self, Login};
use super::fault::{Failure, reason};
use super::retry::is_transient;
use super::{Call, Transport};

/// The most bytes of an answer with a token.
const MAX_TOKEN: u64 = 1 << 20;

impl Transport {
    /// What a request has to carry, for the challenges of a registry; none if nothing would help.
    pub(super) async fn authorize(
        &self,
        call: &Call<'_>,
        origin: &Url,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, Failure> {
        let texts = headers.get_all(WWW_AUTHENTICATE).into_iter();
        let texts: Vec<&str> = texts.filter_map(|value| value.to_str().ok()).collect();
        let challenges: Vec<ChallengeRef> = texts
            .iter()
            .filter_map(|text| http_auth::parse_challenges(text).ok())
            .flatten()
            .collect();
        let named = |scheme: &str| {
            let mut all = challenges.iter();
            all.find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        let registry = call.repository.registry.clone();
        let login = tokio::task::spawn_blocking(move || credentials::of(&registry))
            .await
            .context("the login cannot be read")??;
        if let Some(challenge) = named("bearer") {
            let parameter = |name: &str| {
                let found = challenge
                    .params
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            let realm = parameter("realm").unwrap_or_default();
            let realm = Url::parse(&realm)
                .context("the registry names no address at which to get a token")?;
            let token = self
                .token(call, origin, realm, parameter("service"), login)
                .await?;
            return Ok(Some(secret(&format!("Bearer {token}"))?));
        }
        match (named("basic"), login) {
            (Some(_), Some(Login::Password(name, password))) => {
                let text = BASE64.encode(format!("{name}:{password}"));
                Ok(Some(secret(&format!("Basic {text}"))?))
            }
            _ => Ok(None),
        }
    }

    /// Gets a token for a repository.
    async fn token(
        &self,
        call: &Call<'_>,
        origin: &Url,
        realm: Url,
        service: Option<String>,
        login: Option<Login>,
    ) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        if !["http", "https"].contains(&realm.scheme())
            || (origin.scheme() == "https" && realm.scheme() != "https")
        {
            return Err(anyhow!(
                "the registry asks for the login at an address without TLS; it stays here"
            )
            .into());
        }
        let actions = if call.writes { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{actions}", call.repository.path);
        let mut fields = vec![("scope", scope)];
        fields.extend(service.map(|service| ("service", service)));
        let proxy = self.proxies.on_the_way(&realm)?;
        let client = &self.client;
        let request = match login {
            Some(Login::Identity(token)) => {
                fields.push(("grant_type", "refresh_token".into()));
                fields.push(("client_id", "stridegate".into()));
                fields.push(("refresh_token", token));
                let mut form = realm.clone();
                form.query_pairs_mut().clear().extend_pairs(&fields);
                client
                    .post(realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.query().unwrap_or_default().to_owned())
            }
            login => {
                let mut url = realm;
                url.query_pairs_mut().extend_pairs(&fields);
                match login {
                    Some(Login::Password(name, password)) => {
                        client.get(url).basic_auth(name, Some(password))
                    }
                    _ => client.get(url),
                }
            }
        };
        let response = self.send(request, proxy.as_ref()).await?;
        let ask = Call {
            limit: MAX_TOKEN,
            ..Call::get(call.repository, String::new())
        };
        let answer = self.read(&ask, response, proxy).await?;
        if !answer.status.is_success() {
            let registry = &call.repository.registry;
            return Err(Failure {
                transient: is_transient(answer.status),
                error: anyhow!(
                    "the registry gives no token for {actions}: {}{}; docker login {registry} makes a login",
                    answer.status,
                    reason(&answer.body)
                ),
            });
        }
        let token: Token = serde_json::from_slice(&answer.body)
            .map_err(|_| anyhow!("the registry gives no token: its answer is no JSON object"))?;
        let token = token.token.or(token.access_token);
        Ok(token.context("the registry gives no token: its answer has none")?)
    }
}

/// A header that no log shows.
fn secret(text: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| anyhow!("the login for the registry cannot be sent: it has line breaks"))?;
    value.set_sensitive(true);
    Ok(value)
}
