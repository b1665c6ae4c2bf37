//! The cipher suites that each benchmark lists.

use crate::Benchmark;

const OF_TLS_1_3: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

pub(crate) const GCM: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
];

pub(crate) const CHACHA20: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

const RSA_GCM: [&str; 2] = [
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

const ECDHE_CBC: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

const RSA_CBC_AND_3DES: [&str; 4] = [
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
];

/// What Go knows and no benchmark ever listed.
const NEVER_LISTED: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// Every suite that Go knows.
pub(crate) const KNOWN: [&[&str]; 7] = [
    &OF_TLS_1_3,
    &GCM,
    &CHACHA20,
    &RSA_GCM,
    &ECDHE_CBC,
    &RSA_CBC_AND_3DES,
    &NEVER_LISTED,
];

impl Benchmark {
    /// The suites that it lists for a kubelet, or for an API server.
    pub(crate) fn list(self, is_kubelet: bool) -> &'static [&'static [&'static str]] {
        match (self, is_kubelet) {
            (Self::Stig, _) => &[&OF_TLS_1_3, &GCM],
            (Self::Cis1_12 | Self::Cis2_0, _) => &[&OF_TLS_1_3, &GCM, &CHACHA20],
            (Self::Cis1_5 | Self::Cis1_6 | Self::Cis1_20, false) | (_, true) => {
                &[&OF_TLS_1_3, &GCM, &CHACHA20, &RSA_GCM]
            }
            (Self::Cis1_10 | Self::Cis1_11, false) => &[&OF_TLS_1_3, &GCM, &CHACHA20, &ECDHE_CBC],
            (_, false) => &[
                &OF_TLS_1_3,
                &GCM,
                &CHACHA20,
                &RSA_GCM,
                &ECDHE_CBC,
                &RSA_CBC_AND_3DES,
            ],
        }
    }
}
