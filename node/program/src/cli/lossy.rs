//! Lines for somebody who may stop reading: written by a thread, so that nobody waits for a pager.
//!
//! Owns what waits to be written, by bytes. What finds no room is left out and counted, and the
//! reader is told once it reads again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a writer that has nothing to do looks for what it is to say by itself.
const TICK: Duration = Duration::from_secs(1);

/// How long a writer waits before it tries again where nothing can be written.
const PAUSE: Duration = Duration::from_millis(50);

/// What a writer says by itself.
pub trait Remarks: Send {
    /// What is written once there is room again after `lost` lines were left out, if anything.
    fn after_loss(&mut self, lost: u64) -> Option<String>;
    /// What is due now; at the end, whatever has not been said.
    fn due(&mut self, is_end: bool) -> Vec<String>;
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines left out since that was last told.
    lost: u64,
    /// Nothing more is taken.
    closed: bool,
    /// The writer has ended.
    ended: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where lines are given. Copies share one writer.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
    bytes_max: usize,
}

impl Lines {
    /// Writes to `out` from now on, on a thread of this `name`; at most `bytes_max` bytes wait.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        name: &str,
        out: File,
        bytes_max: usize,
        remarks: impl Remarks + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                write_all(&theirs, out, remarks);
                let mut queue = theirs.queue();
                queue.closed = true;
                queue.ended = true;
                queue.lines.clear();
                theirs.changed.notify_all();
            })?;
        Ok(Self { shared, bytes_max })
    }

    /// Gives one line, with its end. Never waits; without room for it, it is left out.
    pub fn push(&self, line: Vec<u8>) {
        let mut queue = self.shared.queue();
        if queue.closed {
            return;
        }
        if queue.bytes + line.len() > self.bytes_max {
            queue.lost = queue.lost.saturating_add(1);
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        self.shared.changed.notify_all();
    }

    /// Takes no more, and waits until what there is has been written, `patience` at most.
    pub fn close(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut queue = self.shared.queue();
        queue.closed = true;
        self.shared.changed.notify_all();
        while !queue.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Writes what comes until nothing more will, or the reader has closed the pipe and wants no more.
fn write_all(shared: &Shared, mut out: File, mut remarks: impl Remarks) {
    loop {
        let (line, lost, closed) = next(shared);
        let mut texts: Vec<_> = line.iter().cloned().collect();
        if lost > 0 {
            let remark = remarks.after_loss(lost);
            texts.extend(remark.map(|remark| format!("{remark}\n").into_bytes()));
        }
        if line.is_none() {
            let due = remarks.due(closed).into_iter();
            texts.extend(due.map(|remark| format!("{remark}\n").into_bytes()));
        }
        for text in texts {
            if !write_patiently(&mut out, &text) {
                return;
            }
        }
        if line.is_none() && closed {
            return;
        }
    }
}

/// Writes all of `text`. A full disk, or a terminal that takes nothing now, is waited for: what comes
/// meanwhile is left out as ever, and counted, and the caller that closes the lines waits no longer than it
/// wants to. False if the reader is gone.
fn write_patiently(out: &mut File, mut text: &[u8]) -> bool {
    while !text.is_empty() {
        match out.write(text) {
            Ok(written) if written > 0 => text = &text[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return false,
            // Nothing tells when there is room again.
            Ok(_) | Err(_) => thread::park_timeout(PAUSE),
        }
    }
    true
}

/// The next line, or nothing after a while; how many were left out before it; and whether no more
/// will come.
fn next(shared: &Shared) -> (Option<Vec<u8>>, u64, bool) {
    let mut queue = shared.queue();
    if queue.lines.is_empty() && !queue.closed {
        let waited = shared.changed.wait_timeout(queue, TICK);
        queue = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    let line = queue.lines.pop_front();
    queue.bytes -= line.as_ref().map_or(0, Vec::len);
    (line, std::mem::take(&mut queue.lost), queue.closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    struct Counts;

    impl Remarks for Counts {
        fn after_loss(&mut self, lost: u64) -> Option<String> {
            Some(format!("{lost} lost"))
        }

        fn due(&mut self, _: bool) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn a_reader_that_stops_holds_up_nobody_and_is_told_what_it_lost() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let out = File::from(OwnedFd::from(writer));
        let lines = Lines::start("test", out, 10_000, Counts).expect("starts");
        // More than a pipe and the queue hold together.
        for _ in 0..3_000 {
            lines.push([&[b'x'; 99][..], b"\n"].concat());
        }
        lines.close(Duration::from_millis(50));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("reads");
        let told: Vec<u64> = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lost")?.parse().ok())
            .collect();
        let written = text.lines().count() as u64 - told.len() as u64;
        assert!(!told.is_empty(), "{written} of 3000 written");
        assert_eq!(written + told.iter().sum::<u64>(), 3_000);
    }

    #[test]
    fn what_is_there_is_written_before_the_end() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let out = File::from(OwnedFd::from(writer));
        let lines = Lines::start("test", out, 10_000, Counts).expect("starts");
        lines.push(b"one\n".to_vec());
        lines.push(b"two\n".to_vec());
        lines.close(Duration::from_secs(10));
        lines.push(b"late\n".to_vec());
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn what_takes_nothing_for_a_while_ends_no_writer() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let writer = OwnedFd::from(writer);
        // As a terminal that a parent has set so.
        rustix::io::ioctl_fionbio(&writer, true).expect("set");
        let lines = Lines::start("test", File::from(writer), 10_000, Counts).expect("starts");
        // More than a pipe and the queue hold together.
        for _ in 0..3_000 {
            lines.push([&[b'x'; 99][..], b"\n"].concat());
        }
        let read = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        // Once there is room, lines come again, and what was lost is told.
        while lines.shared.queue().bytes > 0 {
            thread::yield_now();
        }
        lines.push(b"later\n".to_vec());
        lines.close(Duration::from_secs(10));
        let text = read.join().expect("no panic").expect("reads");
        assert!(
            text.contains(" lost\n") && text.contains("later\n"),
            "{text}"
        );
    }
}
