use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::say;
use crate::constraint::Today;
use crate::review::Decision;

/// Make the certificate of the admission webhook, where cert-manager does not
#[derive(Args, Debug)]
pub(super) struct Certs {
    /// Where to write tls.crt, tls.key, ca.crt, and ca-bundle.yaml, which makes the API server
    /// trust them; the files of the same names are replaced
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The Service by which the API server calls the webhook
    #[arg(long, value_name = "NAME", default_value = "stridegate")]
    service: String,

    /// The namespace of the Service
    #[arg(long, value_name = "NAME", default_value = "stridegate")]
    namespace: String,

    /// The `ValidatingWebhookConfiguration` that ca-bundle.yaml is for
    #[arg(long, value_name = "NAME", default_value = "stridegate")]
    webhook: String,

    /// For how many days the certificate holds
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

impl Certs {
    pub(super) fn run(self) -> anyhow::Result<Decision> {
        let made = self.make().context("cannot make the certificate")?;
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("{} cannot be made", self.folder.display()))?;
        let bundle = format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata:\n  name: {}\nwebhooks:\n  - name: validate.stridegate.dev\n    clientConfig:\n      caBundle: {}\n",
            self.webhook,
            STANDARD.encode(&made.authority)
        );
        // The key comes first: a certificate without its key is of no use to anybody.
        for (name, text, mode) in [
            ("tls.key", &made.key, 0o600),
            ("tls.crt", &made.certificate, 0o644),
            ("ca.crt", &made.authority, 0o644),
            ("ca-bundle.yaml", &bundle, 0o644),
        ] {
            replace(&self.folder, name, text, mode)?;
        }
        say(&format!(
            "{}: a certificate for {} until {}; apply it, or the webhook takes it by itself where it reads this folder",
            self.folder.display(),
            self.host(),
            made.until
        ));
        Ok(Decision::Clean)
    }

    fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// The authority signs this one certificate, and its key is then forgotten: nobody can sign
    /// another with it.
    fn make(&self) -> anyhow::Result<Made> {
        let names = [&self.service, &self.namespace, &self.webhook];
        let plain = |name: &&String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        if let Some(name) = names.into_iter().find(|name| !plain(name)) {
            ensure!(false, "{name:?} is no name of an object of Kubernetes");
        }
        let today = Today::now().0;
        let until = today.checked_add(jiff::Span::new().try_days(i64::from(self.days))?)?;
        let host = self.host();
        let date = |day: jiff::civil::Date| {
            let number = |n: i8| u8::try_from(n).unwrap_or(1);
            date_time_ymd(day.year().into(), number(day.month()), number(day.day()))
        };
        let params = |names: Vec<String>, title: &str| -> anyhow::Result<CertificateParams> {
            let mut params = CertificateParams::new(names)?;
            // A clock that is behind would not trust what begins today.
            (params.not_before, params.not_after) = (date(today.yesterday()?), date(until));
            params.distinguished_name.push(DnType::CommonName, title);
            Ok(params)
        };
        let mut authority = params(Vec::new(), "stridegate certs")?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let mut server = params(vec![host.clone(), format!("{host}.cluster.local")], &host)?;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate: Certificate =
            server.signed_by(&key, &Issuer::new(authority, authority_key))?;
        Ok(Made {
            key: key.serialize_pem(),
            certificate: certificate.pem(),
            authority: authority_certificate.pem(),
            until: until.to_string(),
        })
    }
}

/// What was made, in PEM.
struct Made {
    key: String,
    certificate: String,
    authority: String,
    until: String,
}

/// Writes a file beside its place and moves it there, so that nobody reads half of it.
fn replace(folder: &Path, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(name);
    let new = folder.join(format!(".{name}.new"));
    let write = || {
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}
