//! NATs and firewalls of a scenario's hosts: each host stands behind one of its own.
//!
//! Owns where gateways come from. They are hosts of the simulation behind all others, so
//! that a scenario's hosts keep their numbers.

use orrery_sim::net::nat::{self, GatewaySpec, SpecError};
use orrery_sim::{HostId, host};

use crate::profiles::NatProfile;
use crate::world::HostPlan;

/// Puts a host that has been added behind a gateway of its own, with links as good as none: its
/// access link leads to the gateway, which stands at the core.
///
/// # Errors
/// The profile contradicts itself, which its reader refuses.
pub fn put_behind(plan: &HostPlan, profile: &NatProfile) -> Result<(), SpecError> {
    let gateway = nat::add(GatewaySpec {
        name: format!("{}.gateway", plan.name),
        region: plan.region,
        nat: profile.nat.clone(),
        firewall: profile.firewall.clone(),
        ..GatewaySpec::default()
    })?;
    host::move_to(HostId(plan.host), Some(gateway));
    Ok(())
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::engine::{Engine, Job};
    use crate::{format, play};

    /// One flow between a server and a host with this field in its group.
    fn flow(field: &str, from: &str, to: &str) -> SeedResult {
        let text = format!(
            "name = 't'\nduration = '30s'\nwarmup = '1s'\ndrain = '1s'\n\
             [network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'home'\ncount = 2\nprogram = 'none'\n{field}\n\
             [[group]]\nname = 'server'\ncount = 1\nprogram = 'none'\n\
             [[workload]]\nkind = 'flow'\nfrom = '{from}'\nto = '{to}'\nat = '2s'\n\
             bytes = '9kB'\n"
        );
        let plan = format::read("t", &text, None, &[]).expect("it is sound");
        let job = Job {
            engine: Engine::Sim,
            scenario: plan.cases[0].scenario.clone(),
            variant: "default".to_owned(),
            seed: 1,
            until_ns: None,
            log: None,
            captures: None,
            trace: None,
        };
        let result = play::run(&job, &mut |_| {});
        assert_eq!(result.failure, None);
        result
    }

    #[test]
    fn hosts_behind_a_nat_reach_others_and_are_not_reached() {
        let check = |field: &str, from: &str, to: &str, expected: f64| {
            let result = flow(field, from, to);
            let Some(Metric::Value { value, .. }) = result.metrics.get("flow.success") else {
                panic!("nothing was measured");
            };
            assert!((value - expected).abs() < 1e-9, "{field}, {from}: {value}");
        };
        check("", "server", "home[1]", 1.0);
        for nat in ["sym", "firewall"] {
            let field = format!("nat = '{nat}'");
            check(&field, "home[1]", "server", 1.0);
            check(&field, "server", "home[1]", 0.0);
        }
    }
}
