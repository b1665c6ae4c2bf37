//! The certificate of a server, renewed while it runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::server::Tls;
use super::{POLL, Say};

/// The files that a certificate is made of, in PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, and those that it is signed by.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificates of those who sign the certificates of clients.
    pub client_authorities: Option<PathBuf>,
}

/// What came of looking for a new certificate.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing has changed since the last time.
    Same,
    /// The new one is shown from now on; connections that are open keep the old.
    Renewed,
    /// The new one cannot be used, and why; the old one stays.
    Kept(String),
}

/// The certificate that a server shows.
pub struct Certificate {
    files: Files,
    current: RwLock<Arc<ServerConfig>>,
    /// What was looked at last, good or bad.
    seen: Mutex<[u8; 32]>,
}

impl Certificate {
    /// Reads a certificate for the first time.
    pub fn open(files: Files) -> anyhow::Result<Self> {
        let content = Content::read(&files)?;
        Ok(Self {
            current: RwLock::new(Arc::new(content.config()?)),
            seen: Mutex::new(content.digest()),
            files,
        })
    }

    /// The settings of TLS for the next connection.
    #[must_use]
    pub fn tls(self: &Arc<Self>) -> Tls {
        let certificate = Arc::clone(self);
        Arc::new(move || {
            let current = certificate.current.read();
            Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Looks for a new certificate. The files are compared by what they hold: a mounted Secret
    /// changes by a link that points elsewhere.
    pub fn renew(&self) -> Change {
        let content = match Content::read(&self.files) {
            Ok(content) => content,
            Err(error) => return Change::Kept(format!("{error:#}")),
        };
        let digest = content.digest();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == digest {
            return Change::Same;
        }
        *seen = digest;
        match content.config() {
            Ok(config) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(config);
                Change::Renewed
            }
            Err(error) => Change::Kept(format!("{error:#}")),
        }
    }

    /// Renews the certificate when its files change, and on SIGHUP, for as long as the program
    /// runs.
    pub async fn watch(self: Arc<Self>, say: Say) -> std::io::Result<()> {
        let mut signals = signal(SignalKind::hangup())?;
        let mut said = None;
        loop {
            tokio::select! {
                _ = signals.recv() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            let change = self.renew();
            match &change {
                Change::Same => continue,
                Change::Renewed => say("the certificate was renewed"),
                // One that cannot be read is not there at each look.
                Change::Kept(why) if said.as_ref() != Some(why) => {
                    say(&format!(
                        "the new certificate cannot be used, and the old one stays: {why}"
                    ));
                }
                Change::Kept(_) => {}
            }
            said = match change {
                Change::Kept(why) => Some(why),
                _ => None,
            };
        }
    }
}

/// What the files hold.
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

impl Content {
    fn read(files: &Files) -> anyhow::Result<Self> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let client_authorities = files.client_authorities.as_deref();
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_authorities: client_authorities.map(read).transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let authorities = self.client_authorities.as_deref().unwrap_or_default();
        for part in [&*self.certificate, &*self.key, authorities] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn config(&self) -> anyhow::Result<ServerConfig> {
        let chain = certificates(&self.certificate).context("the certificate is no PEM")?;
        ensure!(!chain.is_empty(), "the certificate's file holds none");
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .context("the key's file holds no private key in PEM")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in
                    certificates(authorities).context("the client authorities are no PEM")?
                {
                    roots.add(authority)?;
                }
                // The probes of a kubelet show no certificate; what needs one asks for it.
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .allow_unauthenticated()
                    .build()
                    .context("the client authorities cannot be used")?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .context("the certificate and the key do not belong together")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(folder: &Path) {
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]);
        let certificate = params
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate can be made");
        std::fs::create_dir(folder).expect("the folder can be made");
        std::fs::write(folder.join("tls.crt"), certificate.pem()).expect("it can be written");
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).expect("it can be written");
    }

    fn point(folder: &Path, to: &str) {
        let link = folder.join("..new");
        symlink(to, &link).expect("a link can be made");
        std::fs::rename(link, folder.join("..data")).expect("the link can be moved");
    }

    /// As the kubelet mounts a Secret: files are links into a folder that a link names.
    #[test]
    fn a_link_that_points_elsewhere_renews_the_certificate() {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let at = |name: &str| folder.path().join(name);
        write(&at("one"));
        write(&at("two"));
        point(folder.path(), "one");
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), at(name)).expect("a link can be made");
        }
        let files = Files {
            certificate: at("tls.crt"),
            key: at("tls.key"),
            client_authorities: None,
        };
        let certificate = Arc::new(Certificate::open(files).expect("the certificate is good"));
        let before = (certificate.tls())();
        assert_eq!(certificate.renew(), Change::Same);
        point(folder.path(), "two");
        assert_eq!(certificate.renew(), Change::Renewed);
        assert!(!Arc::ptr_eq(&before, &(certificate.tls())()));
        // Half of a swap: the key of another certificate.
        std::fs::copy(at("one/tls.key"), at("two/tls.key")).expect("it can be written");
        assert!(
            matches!(certificate.renew(), Change::Kept(why) if why.contains("belong together"))
        );
        std::fs::copy(at("one/tls.crt"), at("two/tls.crt")).expect("it can be written");
        assert_eq!(certificate.renew(), Change::Renewed);
        std::fs::remove_file(at("two/tls.crt")).expect("it can be removed");
        assert!(matches!(certificate.renew(), Change::Kept(_)));
    }
}
