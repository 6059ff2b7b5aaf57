//! Who stands behind which NAT or firewall.
//!
//! Gateways are numbered apart from hosts, outer ones before those behind them.

use std::collections::BTreeMap;

use orrery_sim::random::Stream;

use super::hosts::{HostPlan, shuffle};
use crate::format::Scenario;
use crate::format::scenario::group::Group;
use crate::format::scenario::nat::{Homes, PUBLIC};
use crate::profiles::NatProfile;

/// A NAT or firewall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayPlan {
    /// Its name: that of its first host, `home[3].gateway`, or `home.carrier[0]`.
    pub name: String,
    /// Place of its region in the delay profile.
    pub region: usize,
    /// What it does.
    pub profile: NatProfile,
    /// The gateway that it stands behind itself.
    pub behind: Option<usize>,
}

/// All gateways, and who stands where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateways {
    /// The gateways, by number.
    pub all: Vec<GatewayPlan>,
    /// The gateway of each host in its own network, by host.
    pub at_home: Vec<Option<usize>>,
    /// The gateways of other networks: fault, host that it takes there, and gateway; ascending.
    pub away: Vec<(usize, u32, Option<usize>)>,
    /// The gateways of further interfaces that have one, by host and place among its interfaces.
    of_interfaces: BTreeMap<(u32, usize), usize>,
}

impl Gateways {
    /// Where a fault takes a host.
    pub fn away(&self, fault: usize, host: u32) -> Option<usize> {
        let place = self
            .away
            .binary_search_by_key(&(fault, host), |&(fault, host, _)| (fault, host));
        place.ok().and_then(|place| self.away[place].2)
    }

    /// The gateway of a further interface, by its place among all of the host.
    pub fn of_interface(&self, host: u32, place: usize) -> Option<usize> {
        self.of_interfaces.get(&(host, place)).copied()
    }

    /// The name of the NAT profile that a host stands behind at home, `public` without one.
    pub fn profile(&self, host: u32) -> &str {
        let gateway = self.at_home[host as usize];
        gateway.map_or(PUBLIC, |gateway| &self.all[gateway].profile.name)
    }

    /// Whether a host's IPv4 address at home is one that a NAT translates.
    pub fn translates(&self, host: u32) -> bool {
        let behind = |at: &usize| self.all[*at].behind;
        let mut way = std::iter::successors(self.at_home[host as usize], behind);
        way.any(|gateway| self.all[gateway].profile.nat.is_some())
    }

    /// Draws who stands behind what.
    pub fn build(scenario: &Scenario, hosts: &[HostPlan], seed: u64) -> Self {
        let mut gateways = Self::default();
        let mut of_lan = BTreeMap::new();
        for group in &scenario.groups {
            let range = group.first_host as usize..(group.first_host + group.count) as usize;
            match &group.nat {
                None => gateways.at_home.extend(range.map(|_| None)),
                Some(homes) => {
                    let lan = group.lan.as_ref().and_then(|lan| lan.name.as_ref());
                    if let Some(gateway) = lan.and_then(|lan| of_lan.get(lan)) {
                        gateways.at_home.extend(range.map(|_| *gateway));
                        continue;
                    }
                    let names = [group.name.as_str(), ""];
                    let settled = gateways.place_hosts(names, homes, &hosts[range], seed);
                    gateways.at_home.extend(settled);
                    if let (Some(lan), Some(gateway)) = (lan, gateways.at_home.last()) {
                        of_lan.insert(lan, *gateway);
                    }
                }
            }
        }
        for (place, fault) in scenario.faults.iter().enumerate() {
            if let Some(to) = fault.acts().on_host().and_then(|adds| adds.away) {
                for host in fault.hosts() {
                    let plan = &hosts[host as usize];
                    let gateway = to.nat.as_ref().map(|profile| {
                        gateways.add(GatewayPlan {
                            name: format!("{}.away[{place}]", plan.name),
                            region: plan.region,
                            profile: profile.clone(),
                            behind: None,
                        })
                    });
                    gateways.away.push((place, host, gateway));
                }
            }
        }
        for group in &scenario.groups {
            gateways.join(group, &of_lan, hosts, seed);
        }
        gateways
    }

    /// Puts the further interfaces of a group's hosts behind what they stand behind: the gateway
    /// of their local network, or homes of their own.
    fn join(
        &mut self,
        group: &Group,
        of_lan: &BTreeMap<&String, Option<usize>>,
        hosts: &[HostPlan],
        seed: u64,
    ) {
        let range = group.first_host as usize..(group.first_host + group.count) as usize;
        let hosts = &hosts[range];
        for (place, interface) in (1..).zip(&group.interfaces) {
            let lan = interface.lan.as_ref().and_then(|lan| lan.name.as_ref());
            let settled = match (lan.and_then(|lan| of_lan.get(lan)), &interface.nat) {
                (Some(gateway), _) => vec![*gateway; hosts.len()],
                (None, Some(homes)) => {
                    let group = format!("{}.{}", group.name, interface.name);
                    let suffix = format!(".{}", interface.name);
                    self.place_hosts([&group, &suffix], homes, hosts, seed)
                }
                (None, None) => Vec::new(),
            };
            for (plan, gateway) in hosts.iter().zip(settled) {
                if let Some(gateway) = gateway {
                    self.of_interfaces.insert((plan.host, place), gateway);
                }
            }
        }
    }

    /// Puts hosts into homes, which the names of their group and after those of hosts tell apart
    /// from other homes. Returns what each host stands behind.
    fn place_hosts(
        &mut self,
        [group, suffix]: [&str; 2],
        homes: &Homes,
        hosts: &[HostPlan],
        seed: u64,
    ) -> Vec<Option<usize>> {
        let mut settled = Vec::new();
        let mut carriers = 0;
        let mut carrier = None;
        let members = hosts.chunks(homes.hosts_each as usize);
        for (home, (members, kind)) in members.zip(kinds(group, homes, seed)).enumerate() {
            let region = members[0].region;
            if let Some(plan) = &homes.carrier
                && home % plan.homes_each as usize == 0
            {
                carrier = Some(self.add(GatewayPlan {
                    name: format!("{group}.carrier[{carriers}]"),
                    region,
                    profile: plan.profile.clone(),
                    behind: None,
                }));
                carriers += 1;
            }
            let gateway = kind.map(|profile| {
                self.add(GatewayPlan {
                    name: format!("{}{suffix}.gateway", members[0].name),
                    region,
                    profile: profile.clone(),
                    behind: carrier,
                })
            });
            let nearest = gateway.or(carrier);
            settled.extend(members.iter().map(|_| nearest));
        }
        settled
    }

    fn add(&mut self, gateway: GatewayPlan) -> usize {
        self.all.push(gateway);
        self.all.len() - 1
    }
}

/// The kind of each home of a group.
fn kinds<'a>(group: &str, homes: &'a Homes, seed: u64) -> Vec<Option<&'a NatProfile>> {
    let counted = homes.kinds.iter();
    let mut kinds: Vec<Option<&NatProfile>> = counted
        .flat_map(|(kind, count)| std::iter::repeat_n(kind.as_ref(), *count as usize))
        .collect();
    if homes.kinds.len() > 1 {
        let purpose = format!("nats {group}");
        shuffle(&mut kinds, &mut Stream::new(seed, &purpose, 0));
    }
    kinds
}

#[cfg(test)]
mod tests {
    use crate::format::read;
    use crate::world::World;

    fn world(group: &str, seed: u64) -> World {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='s'\ncount=1\nprogram='none'\n\
             [[group]]\nname='g'\ncount=10\nprogram='none'\n{group}\n"
        );
        let plan = read("t", &text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        World::build(&plan.cases[0].scenario, seed)
    }

    /// Names of the gateways from each host to the core.
    fn ways(world: &World) -> Vec<Vec<&str>> {
        let gateways = &world.gateways;
        let way = |host: usize| {
            let behind = |at: &usize| gateways.all[*at].behind;
            std::iter::successors(gateways.at_home[host], behind)
                .map(|gateway| gateways.all[gateway].name.as_str())
                .collect()
        };
        (0..world.hosts.len()).map(way).collect()
    }

    #[test]
    fn homes_are_shared_and_stand_behind_carriers() {
        let nat = "nat={ profile='eim-apdf', homes_of=4, behind='carrier', behind_of=2 }";
        let world = world(nat, 1);
        let ways = ways(&world);
        assert!(ways[0].is_empty());
        assert_eq!(ways[1], ["g[0].gateway", "g.carrier[0]"]);
        assert_eq!(ways[4], ways[1]);
        assert_eq!(ways[5], ["g[4].gateway", "g.carrier[0]"]);
        assert_eq!(ways[10], ["g[8].gateway", "g.carrier[1]"]);
        assert_eq!(world.gateways.all.len(), 5);
        assert_eq!(world.gateways.profile(0), "public");
        assert_eq!(world.gateways.profile(10), "eim-apdf");
    }

    #[test]
    fn any_nat_on_the_way_translates_and_a_firewall_alone_does_not() {
        let check = |nat: &str, expected: bool| {
            let world = world(&format!("nat={nat}"), 1);
            assert_eq!(world.gateways.translates(1), expected, "{nat}");
            assert!(!world.gateways.translates(0));
        };
        check("'public'", false);
        check("'firewall'", false);
        check("'sym'", true);
        check("{ profile='firewall', behind='carrier' }", true);
        check("{ profile='firewall', behind='firewall' }", false);
    }

    #[test]
    fn a_mix_is_dealt_out_by_the_seed_in_its_shares() {
        let mix = "nat={ mix={ sym='30%', public='20%', eim-apdf='50%' } }";
        let dealt = |seed| -> Vec<String> {
            let world = world(mix, seed);
            let hosts = 1..11;
            hosts
                .map(|host| world.gateways.profile(host).to_owned())
                .collect()
        };
        for seed in 1..5 {
            let mut sorted = dealt(seed);
            sorted.sort_unstable();
            let count = |name: &str| sorted.iter().filter(|found| *found == name).count();
            assert_eq!(
                [count("sym"), count("public"), count("eim-apdf")],
                [3, 2, 5]
            );
        }
        assert_eq!(dealt(1), dealt(1));
        assert_ne!(dealt(1), dealt(2));
    }

    #[test]
    fn a_move_leads_to_a_network_of_its_own() {
        let nat = "nat='sym'\n[[fault]]\nkind='move'\nhosts='g[1..3]'\nat='9s'\nto='carrier'\n\
                   [[fault]]\nkind='move'\nhosts='g[1]'\nat='30s'\nfor='5s'\nto='public'";
        let world = world(nat, 1);
        let gateways = &world.gateways;
        let away = gateways.away(0, 3).expect("it moves there");
        assert_eq!(gateways.all[away].name, "g[2].away[0]");
        assert_eq!(gateways.all[away].profile.name, "carrier");
        assert_ne!(gateways.away(0, 2), gateways.away(0, 3));
        assert_eq!(gateways.away(1, 2), None);
        assert_eq!(gateways.away.len(), 3);
    }
}
