//! See the documentation of [`WeakTlsCipher`].

mod list;
mod suite;
mod version;

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{api_server, controller_manager, etcd, kubelet, scheduler};
use suite::{NO_LIST, UNKNOWN_CIPHER, WEAK_CIPHER};
use version::OLD_VERSION;

policy! {
    /// A component that speaks TLS with weak ciphers
    ///
    /// Judges the cipher suites and the oldest version of TLS that the API server, the kubelet,
    /// etcd, the controller manager and the scheduler accept. Whoever can break or bend a
    /// connection can answer in the name of the other side.
    ///
    /// Which suites are strong enough is a matter of the benchmark: the lists of each version are
    /// built in, and `benchmark` chooses. Those of the API server also hold for etcd, the
    /// controller manager and the scheduler, for which no benchmark has a list of its own. Both
    /// names of the CHACHA20 suites are accepted, and those of TLS 1.3, which no list can turn
    /// off. A name that is spelled in another way, in lower case or with a blank before it, is one
    /// that the program refuses. With TLS 1.3 as the oldest version the list means nothing.
    ///
    /// Where no list is given the suites are those of Go, which since 1.22 leaves RSA key exchange
    /// out and since 1.23 3DES. That passes, for the version of the program is not seen; set
    /// `requireList` to want a list all the same.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// tlsCipherSuites: [TLS_RSA_WITH_3DES_EDE_CBC_SHA]
    /// tlsMinVersion: VersionTLS10
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// tlsCipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
    /// tlsMinVersion: VersionTLS12
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/>
    /// - <https://etcd.io/docs/v3.5/op-guide/security/>
    /// - <https://pkg.go.dev/crypto/tls#CipherSuites>
    WeakTlsCipher {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Spoofing)],
        kinds: [
            api_server::KIND,
            kubelet::KIND,
            etcd::KIND,
            controller_manager::KIND,
            scheduler::KIND,
        ],
        context: [],
        rules: [WEAK_CIPHER, UNKNOWN_CIPHER, OLD_VERSION, NO_LIST],
        check: check,
    }
}

parameters! {
    /// What can be set for `weak-tls-cipher`.
    pub struct Parameters {
        /// The benchmark whose list of strong suites counts.
        pub benchmark: Benchmark = Benchmark::Cis1_12,
        /// Whether a list has to be given: the suites that Go chooses are then not enough.
        pub require_list: bool = false,
    }
}

kubernetes_benchmark! {
    /// A benchmark with a list of strong suites.
    pub enum Benchmark {
        /// DISA STIG, CNTR-K8-001400.
        Stig = "disa-stig",
    }
}

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let effective = Effective::new(&document);
    let is_kubelet = object.is(&kubelet::KIND);
    let (suites, oldest, versions) = if is_kubelet {
        ("/tlsCipherSuites", "/tlsMinVersion", version::OF_KUBERNETES)
    } else if object.is(&etcd::KIND) {
        (
            "/flags/cipher-suites",
            "/flags/tls-min-version",
            version::OF_ETCD,
        )
    } else {
        (
            "/flags/tls-cipher-suites",
            "/flags/tls-min-version",
            version::OF_KUBERNETES,
        )
    };
    let oldest = effective.get(oldest);
    version::check(&oldest, versions, checks);
    if oldest.unknown().is_none() && oldest.text() == Some(versions[0]) {
        for rule in [&WEAK_CIPHER, &UNKNOWN_CIPHER, &NO_LIST] {
            checks.not_applicable(rule, "TLS 1.3 chooses among its own suites");
        }
        return Ok(());
    }
    let suites = effective.get(suites);
    suite::check(&suites, parameters.benchmark.list(is_kubelet), checks);
    suite::check_presence(&suites, parameters.require_list, checks);
    Ok(())
}
