//! What `inter-container-traffic` makes of facts from outside the object.

use inter_container_traffic::InterContainerTraffic;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::network;

/// The rules that find something.
fn found(network: &Value, context: &Value) -> Vec<String> {
    let mut object = Object::at_rest(network::KIND, "x", &network.to_string());
    object.0.context = context.to_string();
    let checks = InterContainerTraffic::judge(&object, "{}").expect("the object is in its shape");
    let found = checks.into_iter().filter_map(|check| match check.outcome {
        Outcome::Found(_) => Some(check.rule),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_network_is_kept_apart_only_by_a_daemon_that_writes_the_rules() {
    let network = |icc: &str| {
        json!({
            "Name": "bridge", "Driver": "bridge", "Containers": {},
            "Options": {"com.docker.network.bridge.enable_icc": icc},
        })
    };
    let off = json!({"daemon": {"iptables": false}});
    let on = json!({"daemon": {"iptables": true, "ip6tables": false, "ipv6": false}});
    for (icc, context, expected) in [
        ("false", &off, vec!["not-enforced"]),
        ("false", &on, vec![]),
        ("false", &json!({}), vec![]),
        ("true", &off, vec!["default-bridge"]),
    ] {
        assert_eq!(found(&network(icc), context), expected, "{icc} {context}");
    }
}
