//! The shares of parts and functions in a profile, and its stacks for other tools.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::part::{crate_of_file, of_stack};
use super::{Frame, Part, Stack};

/// Functions that are kept for each part.
const FUNCTIONS_MAX: usize = 30;

/// Where the CPU time of one run went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Stacks that were sampled.
    pub samples: u64,
    /// One entry for each part that was seen, the largest first; together everything.
    pub parts: Vec<PartShare>,
    /// Of everything, in the allocator. It is also counted in the parts that call it.
    pub allocator: Share,
    /// Of everything, copying, filling and comparing memory in the C library. It is
    /// also counted in the parts.
    pub copying: Share,
}

/// A share of all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Samples.
    pub samples: u64,
    /// Of all, 0 to 1.
    pub share: f64,
    /// Half the width of the 95 % interval of `share`, by the normal approximation.
    pub error: f64,
}

/// What a part cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartShare {
    /// The part.
    pub part: Part,
    /// Its share.
    #[serde(flatten)]
    pub share: Share,
    /// Its functions with everything that helps them, the largest first, 30 at most.
    pub functions: Vec<FunctionShare>,
}

/// What a function cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionShare {
    /// Its crate, where known, and its path.
    pub function: String,
    /// Samples.
    pub samples: u64,
}

impl FunctionShare {
    /// Its name, cut where the types that it is made for begin to fill the line.
    pub fn name(&self) -> Cow<'_, str> {
        const CHARS: usize = 120;
        match self.function.char_indices().nth(CHARS) {
            Some((end, _)) => Cow::from(format!("{}…", &self.function[..end])),
            None => Cow::from(&self.function),
        }
    }
}

impl Profile {
    /// Counts `stacks` by part and function.
    pub fn of_stacks(stacks: &[Stack]) -> Self {
        let samples = stacks.iter().map(|stack| stack.samples).sum();
        let mut parts: BTreeMap<Part, BTreeMap<String, u64>> = BTreeMap::new();
        let (mut allocator, mut copying) = (0, 0);
        for stack in stacks {
            let (part, place) = of_stack(&stack.frames);
            let function = name(&stack.frames[place]);
            *parts.entry(part).or_default().entry(function).or_default() += stack.samples;
            match memory(&stack.frames[..=place]) {
                Some(Memory::Allocator) => allocator += stack.samples,
                Some(Memory::Copying) => copying += stack.samples,
                None => {}
            }
        }
        let mut parts: Vec<PartShare> = parts
            .into_iter()
            .map(|(part, functions)| PartShare {
                part,
                share: share(functions.values().sum(), samples),
                functions: most(functions),
            })
            .collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.share.samples));
        Self {
            samples,
            parts,
            allocator: share(allocator, samples),
            copying: share(copying, samples),
        }
    }

    /// A part's share; nothing if it was not seen.
    pub fn share_of(&self, part: Part) -> Share {
        let found = self.parts.iter().find(|known| known.part == part);
        found.map_or_else(Share::default, |known| known.share)
    }
}

/// One line for each stack, outermost function first, as programs that draw flame
/// graphs read them.
pub fn folded(stacks: &[Stack]) -> String {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for stack in stacks {
        let names = stack.frames.iter().rev();
        // A semicolon parts functions; array types in names have some too.
        let names: Vec<String> = names.map(|frame| name(frame).replace(';', ":")).collect();
        *lines.entry(names.join(";")).or_default() += stack.samples;
    }
    let mut text = String::new();
    for (line, samples) in lines {
        writeln!(text, "{line} {samples}").expect("a string takes every write");
    }
    text
}

fn share(part: u64, all: u64) -> Share {
    if all == 0 {
        return Share::default();
    }
    let share = part as f64 / all as f64;
    Share {
        samples: part,
        share,
        error: 1.96 * (share * (1.0 - share) / all as f64).sqrt(),
    }
}

fn most(functions: BTreeMap<String, u64>) -> Vec<FunctionShare> {
    let mut all: Vec<FunctionShare> = functions
        .into_iter()
        .map(|(function, samples)| FunctionShare { function, samples })
        .collect();
    all.sort_by_key(|function| std::cmp::Reverse(function.samples));
    all.truncate(FUNCTIONS_MAX);
    all
}

/// A function, with its crate where its own name may not say it.
fn name(frame: &Frame) -> String {
    match crate_of_file(&frame.file) {
        Some(krate) => format!("{krate}: {}", frame.function),
        None => frame.function.clone(),
    }
}

/// Work on memory itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Allocator,
    Copying,
}

/// What the innermost functions of a stack do to memory: those that help the last one.
fn memory(frames: &[Frame]) -> Option<Memory> {
    const ALLOCATOR: [&str; 8] = [
        "mi_", "_mi_", "_rjem_", "malloc", "calloc", "realloc", "free", "cfree",
    ];
    const COPYING: [&str; 4] = ["memcpy", "memmove", "memset", "memcmp"];
    frames.iter().find_map(|frame| {
        let function = frame.function.as_str();
        if ALLOCATOR.iter().any(|prefix| function.starts_with(prefix)) {
            Some(Memory::Allocator)
        } else if function.starts_with("[libc")
            || COPYING.iter().any(|known| function.contains(known))
        {
            // What the C library does without a public name: its fast versions of these.
            Some(Memory::Copying)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str], samples: u64) -> Stack {
        let frames = functions.iter().map(|function| Frame {
            function: (*function).to_owned(),
            file: String::new(),
        });
        Stack {
            frames: frames.collect(),
            samples,
        }
    }

    fn stacks() -> [Stack; 4] {
        [
            stack(&["[libc.so.6]", "yamux::frame", "tokio::run"], 60),
            stack(&["mi_malloc", "yamux::frame", "tokio::run"], 20),
            stack(&["snow::encrypt", "yamux::frame", "tokio::run"], 15),
            stack(&["main"], 5),
        ]
    }

    #[test]
    fn parts_are_counted_with_their_helpers_and_add_up() {
        let profile = Profile::of_stacks(&stacks());
        assert_eq!(profile.samples, 100);
        let parts: Vec<_> = profile.parts.iter().map(|part| part.part).collect();
        assert_eq!(parts, [Part::Muxing, Part::Encryption, Part::Other]);
        let muxing = profile.share_of(Part::Muxing);
        assert_eq!((muxing.samples, muxing.share), (80, 0.8));
        assert!((muxing.error - 0.0784).abs() < 1e-4, "{}", muxing.error);
        assert_eq!(profile.allocator.samples, 20);
        assert_eq!(profile.copying.samples, 60);
        assert_eq!(profile.parts[0].functions[0].function, "yamux::frame");
        let all: f64 = profile.parts.iter().map(|part| part.share.share).sum();
        assert!((all - 1.0).abs() < 1e-9);
        assert_eq!(profile.share_of(Part::Gossip), Share::default());
    }

    #[test]
    fn no_samples_give_no_shares() {
        assert_eq!(Profile::of_stacks(&[]), Profile::default());
    }

    #[test]
    fn stacks_fold_into_a_line_each_from_outside_to_inside() {
        let text = folded(&[
            stack(&["b", "a"], 2),
            stack(&["b", "a"], 1),
            stack(&["f<[u8; 4]>", "a"], 1),
        ]);
        assert_eq!(text, "a;b 3\na;f<[u8: 4]> 1\n");
    }
}
