//! Keys that sign: ECDSA on the curve P-256 with SHA-256, in the files that cosign writes.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use p256::SecretKey;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::elliptic_curve::rand_core::{OsRng, RngCore};
use p256::pkcs8::der::pem;
use p256::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::Digest;

/// The label of the private keys that cosign writes.
const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

/// The label that it wrote before.
const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// How much work it is to try one password: what cosign asks for.
const WORK: Work = Work {
    n: 65536,
    r: 8,
    p: 1,
};

/// Checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    fingerprint: Digest,
}

/// Makes signatures. It has no `Debug`, so that no message can show it.
pub struct PrivateKey(SigningKey);

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Derivation {
    name: String,
    params: Work,
    salt: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Work {
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PublicKey {
    /// Reads a key in PEM.
    pub fn from_pem(text: &str) -> anyhow::Result<Self> {
        let key = VerifyingKey::from_public_key_pem(text.trim()).map_err(|_| {
            anyhow!("is no public key of the curve P-256 in PEM; stridegate keygen and cosign generate-key-pair write one")
        })?;
        Self::new(key)
    }

    /// Reads the key in a file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Self::from_pem(&text).with_context(|| path.display().to_string())
    }

    fn new(key: VerifyingKey) -> anyhow::Result<Self> {
        let der = key.to_public_key_der().context("cannot encode the key")?;
        Ok(Self {
            key,
            fingerprint: Digest::of(der.as_bytes()),
        })
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> anyhow::Result<String> {
        let pem = self.key.to_public_key_pem(LineEnding::LF);
        pem.context("cannot encode the key")
    }

    /// The digest of the key, which names it.
    #[must_use]
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// What a bundle calls the key.
    pub(super) fn hint(&self) -> anyhow::Result<String> {
        let der = self
            .key
            .to_public_key_der()
            .context("cannot encode the key")?;
        Ok(BASE64.encode(Sha256::digest(der.as_bytes())))
    }

    /// Whether bytes were signed with the private half; the signature is in DER.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature)
            .is_ok_and(|signature| self.key.verify(bytes, &signature).is_ok())
    }
}

impl PrivateKey {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(SigningKey::random(&mut OsRng))
    }

    /// Reads the key in a file, which the password opens if it is locked.
    pub fn open(path: &Path, password: Option<&str>) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Self::from_pem(&text, password).with_context(|| path.display().to_string())
    }

    /// Reads a key in PEM: as cosign writes it, or unlocked in PKCS #8 or SEC 1.
    pub fn from_pem(text: &str, password: Option<&str>) -> anyhow::Result<Self> {
        let unreadable = || anyhow!("is no private key of the curve P-256 in PEM");
        let text = text.trim();
        let label = pem::decode_label(text.as_bytes()).map_err(|_| unreadable())?;
        let key = match label {
            LABEL | OLD_LABEL => {
                let (_, sealed) = pem::decode_vec(text.as_bytes()).map_err(|_| unreadable())?;
                let password = password.context(
                    "is locked with a password; set COSIGN_PASSWORD, or name a file that holds it with --password-file",
                )?;
                let der = unseal(&sealed, password)?;
                SecretKey::from_pkcs8_der(&der).map_err(|_| unreadable())?
            }
            "EC PRIVATE KEY" => SecretKey::from_sec1_pem(text).map_err(|_| unreadable())?,
            _ => SecretKey::from_pkcs8_pem(text).map_err(|_| unreadable())?,
        };
        Ok(Self(key.into()))
    }

    /// The key in PEM, locked with a password, as cosign reads it.
    pub fn to_pem(&self, password: &str) -> anyhow::Result<String> {
        let key = SecretKey::from(&self.0);
        let der = key.to_pkcs8_der().context("cannot encode the key")?;
        let sealed = seal(der.as_bytes(), password)?;
        pem::encode_string(LABEL, LineEnding::LF, &sealed)
            .map_err(|_| anyhow!("cannot encode the key"))
    }

    /// The other half.
    pub fn public(&self) -> anyhow::Result<PublicKey> {
        PublicKey::new(*self.0.verifying_key())
    }

    /// Signs bytes; the same bytes get the same signature, in DER.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(bytes);
        signature.as_bytes().to_vec()
    }
}

fn seal(secret: &[u8], password: &str) -> anyhow::Result<Vec<u8>> {
    let mut salt = [0; 32];
    let mut nonce = [0; 24];
    OsRng.fill_bytes(&mut salt);
    OsRng.fill_bytes(&mut nonce);
    let cipher = cipher(password, &salt, WORK)?;
    let text = cipher.encrypt(Nonce::from_slice(&nonce), secret);
    let text = text.map_err(|_| anyhow!("cannot lock the key"))?;
    let sealed = Sealed {
        kdf: Derivation {
            name: "scrypt".into(),
            params: WORK,
            salt: BASE64.encode(salt),
        },
        cipher: Cipher {
            name: "nacl/secretbox".into(),
            nonce: BASE64.encode(nonce),
        },
        ciphertext: BASE64.encode(text),
    };
    Ok(serde_json::to_vec(&sealed)?)
}

fn unseal(sealed: &[u8], password: &str) -> anyhow::Result<Vec<u8>> {
    let sealed: Sealed = serde_json::from_slice(sealed)
        .map_err(|_| anyhow!("is locked in another way than cosign's"))?;
    ensure!(
        sealed.kdf.name == "scrypt" && sealed.cipher.name == "nacl/secretbox",
        "is locked with {} and {}; this program opens scrypt and nacl/secretbox",
        sealed.kdf.name,
        sealed.cipher.name
    );
    let decode = |text: &str| {
        BASE64
            .decode(text)
            .map_err(|_| anyhow!("is broken: it is no base64"))
    };
    let nonce = decode(&sealed.cipher.nonce)?;
    ensure!(nonce.len() == 24, "is broken: its nonce has not 24 bytes");
    let cipher = cipher(password, &decode(&sealed.kdf.salt)?, sealed.kdf.params)?;
    let text = decode(&sealed.ciphertext)?;
    cipher
        .decrypt(Nonce::from_slice(&nonce), &text[..])
        .map_err(|_| anyhow!("does not open with this password"))
}

fn cipher(password: &str, salt: &[u8], work: Work) -> anyhow::Result<XSalsa20Poly1305> {
    // A file can ask for more memory than the machine has.
    let bounded = work.n.is_power_of_two() && work.n <= 1 << 20 && work.r <= 16 && work.p <= 16;
    ensure!(bounded, "asks for more work than this program does");
    let log = u8::try_from(work.n.ilog2()).unwrap_or(u8::MAX);
    let parameters = scrypt::Params::new(log, work.r, work.p, 32)
        .map_err(|_| anyhow!("asks for work that scrypt does not know"))?;
    let mut key = [0; 32];
    scrypt::scrypt(password.as_bytes(), salt, &parameters, &mut key)
        .map_err(|_| anyhow!("asks for work that scrypt does not know"))?;
    Ok(XSalsa20Poly1305::new(&key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_with_its_password_alone() {
        let key = PrivateKey::generate();
        let pem = key.to_pem("hunter").expect("it can be locked");
        let opened = PrivateKey::from_pem(&pem, Some("hunter")).expect("it opens");
        assert_eq!(
            opened.public().expect("it is a key"),
            key.public().expect("it is a key")
        );
        for (password, part) in [(None, "COSIGN_PASSWORD"), (Some("other"), "does not open")] {
            let Err(error) = PrivateKey::from_pem(&pem, password) else {
                panic!("it opened with {password:?}");
            };
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_signature_is_of_its_bytes_and_its_key() {
        let key = PrivateKey::generate();
        let public = key.public().expect("it is a key");
        let signature = key.sign(b"one");
        assert_eq!(
            signature,
            key.sign(b"one"),
            "the same bytes, the same signature"
        );
        assert!(public.verifies(b"one", &signature));
        assert!(!public.verifies(b"two", &signature));
        assert!(!public.verifies(b"one", b"no signature"));
        let other = PrivateKey::generate().public().expect("it is a key");
        assert!(!other.verifies(b"one", &signature));
    }

    #[test]
    fn a_public_key_is_written_as_it_was_read() {
        let key = PrivateKey::generate().public().expect("it is a key");
        let pem = key.to_pem().expect("it can be written");
        assert_eq!(PublicKey::from_pem(&pem).expect("it can be read"), key);
        assert!(PublicKey::from_pem("no key").is_err());
    }
}
