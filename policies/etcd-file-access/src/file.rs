//! Who may change or read a file of the node.

use stridegate_policy::path::last;
use stridegate_policy::prelude::*;
use stridegate_policy::{Allowed, Breach, Offence};

use crate::Parameters;
use crate::demand::{Demand, WRITABLE_FOLDER};

pub(crate) const EXTRA_MANIFEST: Rule = Rule {
    id: "extra-manifest",
    title: "The folder of static Pods holds manifests alone",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Move copies to another folder: the kubelet starts a Pod from each file whose name begins with no dot.",
};

pub(crate) fn check(file: &At, parameters: &Parameters, checks: &mut Checks) {
    let text = |key| file.get(key).text().unwrap_or_default();
    let (role, path) = (text("role"), text("path"));
    let Some(demand) = Demand::of(role, path, parameters.benchmark) else {
        return;
    };
    let is_manifest = role == "static-pod";
    // The kubelet does not look into folders beside the manifests.
    if is_manifest && text("type") == "directory" {
        return;
    }
    for rule in [demand.of_mode, demand.of_owner, &WRITABLE_FOLDER] {
        checks.pass(rule);
    }
    for offence in allowed(&demand, parameters).offences(file) {
        report(file, &offence, &demand, parameters, checks);
    }
    if is_manifest {
        check_name(file, path, checks);
    }
}

fn allowed(demand: &Demand, parameters: &Parameters) -> Allowed {
    let mut allowed = Allowed::root(demand.mode);
    if demand.is_of_etcd {
        let ids = |ids: &[u64]| -> Vec<i64> {
            let ids = ids.iter().copied().map(i64::try_from);
            ids.filter_map(Result::ok).collect()
        };
        allowed.uids.extend(ids(&parameters.etcd_users));
        allowed.gids.extend(ids(&parameters.etcd_groups));
    }
    allowed
}

fn report(
    file: &At,
    offence: &Offence,
    demand: &Demand,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let rule = match offence.breach {
        Breach::Mode(_) => demand.of_mode,
        Breach::User | Breach::Group => demand.of_owner,
        Breach::Folder => &WRITABLE_FOLDER,
    };
    if demand.is_of_etcd && may_be_etcd(file, offence, parameters) {
        let message = format!(
            "{}: is that etcd? name its id with etcdUsers and etcdGroups",
            offence.message
        );
        checks.unknown(rule, offence, message);
        return;
    }
    let finding = checks.fail(rule, offence, offence.message.as_str());
    // Who may read what is no secret, or run what is no program, changes nothing.
    if let Breach::Mode(bits) = offence.breach
        && bits & 0o6022 == 0
        && !(demand.is_secret && bits & 0o055 != 0)
    {
        finding.severity(Severity::Low);
    }
}

/// Whether an owner is a system user or group that nobody named, which etcd may run as.
fn may_be_etcd(file: &At, offence: &Offence, parameters: &Parameters) -> bool {
    let named = match last(&offence.path) {
        "uid" => &parameters.etcd_users,
        "gid" => &parameters.etcd_groups,
        _ => return false,
    };
    let id = file
        .value()
        .and_then(|file| file.pointer(&offence.path)?.as_i64());
    named.is_empty() && id.is_some_and(|id| (1..1000).contains(&id))
}

fn check_name(file: &At, path: &str, checks: &mut Checks) {
    const ENDS: [&str; 4] = [".yaml", ".yml", ".json", ".manifest"];
    checks.pass(&EXTRA_MANIFEST);
    let name = last(path);
    if !ENDS.iter().any(|end| name.ends_with(end)) && !name.starts_with('.') {
        let message =
            format!("the kubelet starts a Pod from {path} as well, whatever it is kept for");
        checks.fail(&EXTRA_MANIFEST, &file.get("path"), message);
    }
}
