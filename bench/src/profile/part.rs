//! The parts of the program, and which of them a stack was at work for.

use serde::{Deserialize, Serialize};

use super::Frame;

/// A part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Signing and verifying; names and keys of peers.
    Signatures,
    /// Noise's ciphers and handshakes.
    Encryption,
    /// Noise's framing of what is encrypted, and its buffers.
    NoiseFraming,
    /// Yamux, and agreeing on protocols.
    Muxing,
    /// gossipsub.
    Gossip,
    /// Kademlia.
    Kademlia,
    /// identify and ping.
    IdentifyAndPing,
    /// libp2p's swarm and core.
    Swarm,
    /// The node itself, and its storage.
    Node,
    /// Virtual time, tasks, chance and clocks of the simulator.
    Kernel,
    /// The running hash over everything delivered.
    TraceHash,
    /// Packets, links, TCP and sockets of the simulator.
    Network,
    /// Simulated disks.
    Disks,
    /// tokio's scheduler.
    Tokio,
    /// What sets up, observes and judges a run.
    Harness,
    /// Nothing of the above is in the stack.
    Other,
}

impl Part {
    /// All parts, in the order in which they are shown.
    pub const ALL: [Self; 16] = [
        Self::Signatures,
        Self::Encryption,
        Self::NoiseFraming,
        Self::Muxing,
        Self::Gossip,
        Self::Kademlia,
        Self::IdentifyAndPing,
        Self::Swarm,
        Self::Node,
        Self::Kernel,
        Self::TraceHash,
        Self::Network,
        Self::Disks,
        Self::Tokio,
        Self::Harness,
        Self::Other,
    ];

    /// What people read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signatures => "signatures",
            Self::Encryption => "encryption",
            Self::NoiseFraming => "noise framing",
            Self::Muxing => "muxing",
            Self::Gossip => "gossip",
            Self::Kademlia => "Kademlia",
            Self::IdentifyAndPing => "identify, ping",
            Self::Swarm => "swarm",
            Self::Node => "node",
            Self::Kernel => "kernel",
            Self::TraceHash => "trace hash",
            Self::Network => "network model",
            Self::Disks => "disks",
            Self::Tokio => "tokio",
            Self::Harness => "harness",
            Self::Other => "other",
        }
    }
}

/// Crates that are a part, or a piece of one. All others help whoever calls them:
/// the standard library, futures, bytes, hash functions, curves, collections.
const CRATES: &[(&str, Part)] = &[
    ("ed25519-dalek", Part::Signatures),
    ("ed25519", Part::Signatures),
    ("libp2p-identity", Part::Signatures),
    ("snow", Part::Encryption),
    ("chacha20", Part::Encryption),
    ("chacha20poly1305", Part::Encryption),
    ("poly1305", Part::Encryption),
    ("x25519-dalek", Part::Encryption),
    ("hpke", Part::Encryption),
    ("libp2p-noise", Part::NoiseFraming),
    ("yamux", Part::Muxing),
    ("libp2p-yamux", Part::Muxing),
    ("multistream-select", Part::Muxing),
    ("libp2p-gossipsub", Part::Gossip),
    ("libp2p-kad", Part::Kademlia),
    ("libp2p-identify", Part::IdentifyAndPing),
    ("libp2p-ping", Part::IdentifyAndPing),
    ("libp2p-swarm", Part::Swarm),
    ("libp2p-core", Part::Swarm),
    ("libp2p", Part::Swarm),
    ("libp2p-connection-limits", Part::Swarm),
    ("redb", Part::Node),
    ("tokio", Part::Tokio),
    ("hdrhistogram", Part::Harness),
];

/// Folders of this workspace. The first that a file's path contains counts.
const FOLDERS: &[(&str, Part)] = &[
    ("/sim/src/trace", Part::TraceHash),
    ("/sim/src/disk", Part::Disks),
    ("/sim/src/kernel/", Part::Kernel),
    ("/sim/src/random", Part::Kernel),
    ("/sim/src/executor.rs", Part::Kernel),
    ("/sim/src/simulation.rs", Part::Kernel),
    ("/sim/src/interpose.rs", Part::Kernel),
    ("/sim/src/host.rs", Part::Kernel),
    ("/sim/src/clock.rs", Part::Kernel),
    ("/sim/src/time.rs", Part::Kernel),
    ("/sim/src/log.rs", Part::Kernel),
    ("/sim/futures-timer/", Part::Kernel),
    ("/sim/ed25519-dalek/", Part::Signatures),
    ("/sim/src/", Part::Network),
    ("/node/src/", Part::Node),
    ("/scenarios/src/", Part::Harness),
    ("/reports/src/", Part::Harness),
    ("/bench/src/", Part::Harness),
];

/// The same, where a function is only known by its path.
const MODULES: &[(&str, Part)] = &[
    ("orrery_sim::trace", Part::TraceHash),
    ("orrery_sim::disk", Part::Disks),
    ("orrery_sim::kernel", Part::Kernel),
    ("orrery_sim::executor", Part::Kernel),
    ("orrery_sim::random", Part::Kernel),
    ("orrery_sim::interpose", Part::Kernel),
    ("orrery_sim", Part::Network),
    ("orrery_node", Part::Node),
    ("orrery_scenarios", Part::Harness),
    ("orrery_reports", Part::Harness),
    ("orrery_bench", Part::Harness),
];

/// What a stack was at work for: the innermost frame that belongs to a part, with its
/// place. Whatever that frame called is done for it.
pub fn of_stack(frames: &[Frame]) -> (Part, usize) {
    let mut parts = frames.iter().enumerate();
    parts
        .find_map(|(place, frame)| of_frame(frame).map(|part| (part, place)))
        .unwrap_or((Part::Other, 0))
}

fn of_frame(frame: &Frame) -> Option<Part> {
    if !frame.file.is_empty() {
        let mut folders = FOLDERS.iter();
        let found = folders.find(|(folder, _)| frame.file.contains(folder));
        if let Some((_, part)) = found {
            return Some(*part);
        }
        return of_crate(crate_of_file(&frame.file)?);
    }
    // `<a::B as c::D>::f` is of the crate a, or of c where a only helps.
    let mut paths = frame.function.split([' ', '<', '>', '&', '(', ',']);
    paths.find_map(|path| {
        let mut modules = MODULES.iter();
        let found = modules.find(|(module, _)| path.starts_with(module));
        found.map(|(_, part)| *part).or_else(|| {
            let name = path.split("::").next()?.replace('_', "-");
            of_crate(&name)
        })
    })
}

fn of_crate(name: &str) -> Option<Part> {
    let found = CRATES.iter().find(|(known, _)| *known == name);
    found.map(|(_, part)| *part)
}

/// The name of the published crate that a file belongs to, by cargo's way of keeping
/// sources: `…/registry/src/<registry>/libp2p-kad-0.49.0/src/kbucket.rs`.
pub fn crate_of_file(file: &str) -> Option<&str> {
    let (_, inside) = file.split_once("/registry/src/")?;
    let folder = inside.split('/').nth(1)?;
    let version = folder
        .match_indices('-')
        .find(|(place, _)| folder[place + 1..].starts_with(|c: char| c.is_ascii_digit()));
    Some(version.map_or(folder, |(place, _)| &folder[..place]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame {
            function: function.to_owned(),
            file: file.to_owned(),
        }
    }

    fn registry(rest: &str) -> String {
        format!("/x/registry/src/somewhere/{rest}")
    }

    #[test]
    fn a_crate_is_known_by_its_folder() {
        let check = |folder: &str, expected: &str| {
            let file = registry(&format!("{folder}/src/lib.rs"));
            assert_eq!(crate_of_file(&file), Some(expected));
        };
        check("yamux-0.13.6", "yamux");
        check("curve25519-dalek-4.1.3", "curve25519-dalek");
        check("libp2p-stream-0.5.0-alpha", "libp2p-stream");
        assert_eq!(crate_of_file("/rustc/1a2b/library/core/src/ptr.rs"), None);
    }

    #[test]
    fn frames_belong_to_parts_by_file_or_else_by_name() {
        let check = |function: &str, file: &str, expected: Option<Part>| {
            assert_eq!(of_frame(&frame(function, file)), expected, "{function}");
        };
        check(
            "poll",
            &registry("yamux-0.13.6/src/a.rs"),
            Some(Part::Muxing),
        );
        check("poll", "/x/sim/src/kernel/pump.rs", Some(Part::Kernel));
        check("poll", "/x/sim/src/trace.rs", Some(Part::TraceHash));
        check("poll", "/x/sim/src/net/mod.rs", Some(Part::Network));
        check("poll", "/rustc/1a2b/library/core/src/ptr.rs", None);
        check("poll", &registry("bytes-1.10.1/src/lib.rs"), None);
        check("libp2p_kad::kbucket::f", "", Some(Part::Kademlia));
        check("<snow::a::B as c::D>::f", "", Some(Part::Encryption));
        check("<&mut orrery_sim::net::A>::f", "", Some(Part::Network));
        check("malloc", "", None);
    }

    #[test]
    fn helpers_work_for_whoever_called_them() {
        let curve = frame("mul", &registry("curve25519-dalek-4.1.3/src/edwards.rs"));
        let verify = frame("verify", &registry("ed25519-dalek-2.2.0/src/verifying.rs"));
        let handshake = frame("dh", &registry("snow-0.10.0/src/resolvers.rs"));
        let gossip = frame("on", &registry("libp2p-gossipsub-0.50.0/src/protocol.rs"));
        let stack = [curve.clone(), verify, gossip];
        assert_eq!(of_stack(&stack), (Part::Signatures, 1));
        assert_eq!(of_stack(&[curve.clone(), handshake]), (Part::Encryption, 1));
        assert_eq!(of_stack(&[curve]), (Part::Other, 0));
    }

    #[test]
    fn every_part_is_shown_once() {
        let mut names: Vec<_> = Part::ALL.iter().map(|part| part.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Part::ALL.len());
        for (_, part) in CRATES.iter().chain(FOLDERS).chain(MODULES) {
            assert!(Part::ALL.contains(part));
        }
    }
}
