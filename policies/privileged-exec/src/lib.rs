//! See the documentation of [`PrivilegedExec`].

mod node;

use node::THROUGH_NODE;
use stridegate_policy::ROOT_NAMES;
use stridegate_policy::prelude::*;

policy! {
    /// A command that is run in a container with more rights than the container has
    ///
    /// Judges what is asked of the engine with `docker exec`, what the engine tells of a command
    /// that was asked for, and, at an admission webhook, `kubectl exec`, which has no options of
    /// its own: it gets the rights of the container that it goes into.
    ///
    /// `docker exec --privileged` hands all capabilities to the command, whatever the container was
    /// started with: from there to the host it is one step, and no review of how the container
    /// was started shows it. `--user root` does the same inside of the container.
    ///
    /// Who may reach a kubelet through the API server (`nodes/proxy`) runs commands in every
    /// container of that node, and nobody is asked about the Pod: only what is known to read is
    /// let through.
    ///
    /// From outside is used `context.target`: the container (or the Pod) that the command is run
    /// in. Without it, nothing is said of a `docker exec` without `--privileged`, and `kubectl exec`
    /// is unknown. Not judged are commands in scripts and Dockerfiles that would run `docker exec`,
    /// and `docker attach`, which starts nothing.
    ///
    /// ## Example
    ///
    /// ```json
    /// {"AttachStdout": true, "Privileged": true, "User": "root", "Cmd": ["sh"]}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```json
    /// {"AttachStdout": true, "Cmd": ["sh"]}
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/reference/cli/docker/container/exec/>
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/>
    /// - <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
    PrivilegedExec {
        parameters: Parameters,
        threats: [(DOCKER, Category::ElevationOfPrivilege), (KUBERNETES, Category::ElevationOfPrivilege)],
        kinds: [exec::KIND, POD_EXEC, NODE_PROXY],
        context: ["target"],
        rules: [PRIVILEGED, USER_ROOT, THROUGH_NODE],
        check: check,
    }
}

parameters! {
    /// What can be set for `privileged-exec`.
    pub struct Parameters {
        /// Names that mean user 0, or its like on Windows; compared without regard to case.
        pub root_names: Vec<String> = ROOT_NAMES.map(String::from).to_vec(),
    }
}

const PRIVILEGED: Rule = Rule {
    id: "privileged",
    title: "No command is run with all privileges",
    severity: Severity::High,
    controls: &[("cis-docker-1.2", "5.22"), ("cis-docker-1.6", "5.23")],
    remediation: "Run the command without --privileged; start the container with the one capability that it needs, or debug from a container made for it.",
};

const USER_ROOT: Rule = Rule {
    id: "user-root",
    title: "No command is run as root by the option for its user",
    severity: Severity::Medium,
    controls: &[("cis-docker-1.2", "5.23"), ("cis-docker-1.6", "5.24")],
    remediation: "Run the command without --user root: as the user that the container runs as.",
};

/// What is asked of a cluster with `kubectl exec`.
const POD_EXEC: Kind = Kind::known("", "PodExecOptions");

/// What is asked of a kubelet through the API server.
const NODE_PROXY: Kind = Kind::known("", "NodeProxyOptions");

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&NODE_PROXY) {
        for rule in [&PRIVILEGED, &USER_ROOT] {
            checks.not_applicable(rule, "the kubelet alone knows what it runs");
        }
        node::check(&root, checks);
        return Ok(());
    }
    checks.not_applicable(&THROUGH_NODE, "no kubelet is asked");
    let target = object.context("target")?;
    let target = target.as_ref().map(At::root);
    if object.is(&POD_EXEC) {
        checks.not_applicable(&USER_ROOT, "kubectl exec has no option for the user");
        check_pod_exec(&root, target.as_ref(), checks);
    } else {
        checks.pass(&PRIVILEGED);
        checks.pass(&USER_ROOT);
        check_exec(&root, target.as_ref(), parameters, checks);
    }
    Ok(())
}

fn check_exec(root: &At, target: Option<&At>, parameters: &Parameters, checks: &mut Checks) {
    let privileged = root.get("Privileged");
    let of_container = target.map(|target| target.get("HostConfig").get("Privileged"));
    if privileged.boolean() == Some(true) {
        let message = "the command gets all privileges, whatever the container has";
        checks.fail(&PRIVILEGED, &privileged, message).fix(
            "Run it with the rights of the container",
            false,
            &json!([{"op": "remove", "path": "/Privileged"}]),
        );
    } else if of_container.and_then(|privileged| privileged.boolean()) == Some(true) {
        let message =
            "the command gets all privileges: the container that it is run in is privileged";
        checks.fail(&PRIVILEGED, root, message);
    }
    let user = root.get("User");
    let set = user.text().filter(|user| !user.is_empty());
    if let Some(name) = set.filter(|name| is_root(name, &parameters.root_names)) {
        let message = format!("the command is run as root: its user is {name}");
        checks.fail(&USER_ROOT, &user, message).fix(
            "Run it as the user of the container",
            false,
            &json!([{"op": "remove", "path": "/User"}]),
        );
    }
}

fn check_pod_exec(root: &At, target: Option<&At>, checks: &mut Checks) {
    let wanted = root.get("container");
    let Some(pod) = target else {
        let message = "whether the container is privileged is not known: its Pod is not at hand";
        checks.unknown(&PRIVILEGED, &wanted, message);
        return;
    };
    checks.pass(&PRIVILEGED);
    // Without a name it is the only one, or one that the server picks.
    let is_meant = |container: &Container| match wanted.text() {
        Some(name) if !name.is_empty() => name == container.name(),
        _ => container.list == ContainerList::Main,
    };
    for container in containers(pod).filter(is_meant) {
        let privileged = container.at.get("securityContext").get("privileged");
        if privileged.boolean() == Some(true) {
            let name = container.name();
            let message =
                format!("the command gets all privileges: container {name} is privileged");
            checks.fail(&PRIVILEGED, &wanted, message);
        }
    }
}
