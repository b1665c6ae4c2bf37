//! See the documentation of [`EtcdFileAccess`].

mod demand;
mod file;
mod tampered;

use demand::{
    CERTIFICATE_MODE, CONFIG_MODE, CONFIG_OWNER, ETCD_DATA_MODE, ETCD_DATA_OWNER, KEY_MODE,
    KUBECONFIG_MODE, KUBECONFIG_OWNER, PKI_OWNER, STATIC_POD_MODE, STATIC_POD_OWNER,
    WRITABLE_FOLDER,
};
use file::EXTRA_MANIFEST;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes;
use tampered::{ALTERED_ETCD_POD, FORCED_NEW_CLUSTER};

policy! {
    /// A file of etcd or of the control plane that others may change or read
    ///
    /// Judges the files of a node by their roles: the manifests of static Pods, the data, the
    /// configuration, the unit and the keys of etcd, kubeconfigs, the keys and certificates of the
    /// cluster, the configuration of encryption, of the kubelet and of the container network. Of an
    /// etcd and its static Pod it judges what only somebody who could write there would add.
    ///
    /// The kubelet starts whatever lies in the folder of static Pods, with any right that it asks
    /// for, and no admission stands between. Whoever may write there, or to the data of etcd, owns
    /// the node and the cluster; whoever reads a key of the authority makes an administrator.
    ///
    /// A mode is judged by what it comes to: 0644 in a folder of 0700 is 0600, and 0600 in a
    /// folder that others may write to is nothing. Of a link, what it leads to counts. Owners are
    /// numbers: etcd runs as root where it is a static Pod, and elsewhere as a user that only the
    /// host knows, so that a system user is `unknown` until `etcdUsers` names it. What is not
    /// among the facts is not there, or was not captured: nothing is said of it. Access lists and
    /// the members of groups are not judged.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: stridegate.dev/v1
    /// kind: HostFacts
    /// metadata: {name: node-1}
    /// files:
    /// - {path: /etc/kubernetes/manifests/etcd.yaml, mode: "0664", uid: 0, gid: 0}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: stridegate.dev/v1
    /// kind: HostFacts
    /// metadata: {name: node-1}
    /// files:
    /// - {path: /etc/kubernetes/manifests/etcd.yaml, mode: "0600", uid: 0, gid: 0}
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/>
    /// - <https://kubernetes.io/docs/setup/best-practices/certificates/>
    EtcdFileAccess {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Tampering)],
        kinds: [shapes::file::KIND, shapes::etcd::KIND, pod::KIND],
        context: [],
        rules: [
            STATIC_POD_MODE, STATIC_POD_OWNER, ETCD_DATA_MODE, ETCD_DATA_OWNER, KUBECONFIG_MODE,
            KUBECONFIG_OWNER, CERTIFICATE_MODE, KEY_MODE, PKI_OWNER, CONFIG_MODE, CONFIG_OWNER,
            WRITABLE_FOLDER, EXTRA_MANIFEST, ALTERED_ETCD_POD, FORCED_NEW_CLUSTER,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `etcd-file-access`.
    pub struct Parameters {
        /// The benchmark whose modes count.
        pub benchmark: Benchmark = Benchmark::Cis1_12,
        /// The user ids that etcd runs as, beside root.
        pub etcd_users: Vec<u64> = Vec::new(),
        /// The ids of groups that files of etcd may belong to, beside root's.
        pub etcd_groups: Vec<u64> = Vec::new(),
        /// The images that etcd's static Pod may run; `*` stands for anything. None: any.
        pub etcd_images: Vec<String> = Vec::new(),
        /// The folders of the node that etcd's static Pod may mount.
        pub etcd_folders: Vec<String> = [
            "/var/lib/etcd", "/var/log/etcd", "/etc/etcd", "/etc/kubernetes/pki/etcd", "/etc/ssl", "/etc/pki",
            "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
            "/var/lib/rancher/rke2/server/db/etcd", "/var/lib/rancher/rke2/server/tls/etcd",
        ].map(String::from).to_vec(),
    }
}

kubernetes_benchmark! {
    /// A benchmark that names the modes of files.
    pub enum Benchmark {}
}

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    let rest = if object.is(&shapes::file::KIND) {
        file::check(&root, parameters, checks);
        "the file has another role"
    } else if object.is(&shapes::etcd::KIND) {
        tampered::check_etcd(Effective::new(&document), checks);
        "it is a question to the files"
    } else {
        let is_system = object.namespace == "kube-system";
        tampered::check_pod(&root, is_system, parameters, checks);
        "it is a question to the files"
    };
    for rule in EtcdFileAccess::FACTS.rules {
        checks.not_applicable(rule, rest);
    }
    Ok(())
}
