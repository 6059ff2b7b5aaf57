//! The tasks of all hosts: where their futures are, and whose turn it is.
//!
//! A woken task waits for its turn behind those that were woken before it. Futures are here
//! and not in tasks of tokio's, so that a power cut can drop them at once, and because the
//! world knows what is coming: a woken task has its memory prefetched while others have
//! their turns.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use super::{HostId, Kernel};
use crate::prefetch::prefetch_start;

/// A task's future.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Names a task among all of this process: its number, in the order of their creation, and
/// its slot in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskName(u64);

/// Bits of a name that are the slot: as many tasks may live at once.
const SLOT_BITS: u32 = 24;
const SLOTS_MAX: u64 = 1 << SLOT_BITS;

/// Tasks of this process so far, so that no two simulations have a name in common.
static CREATED: AtomicU64 = AtomicU64::new(0);

/// A task that was woken on a thread that is not its simulation's, or 0.
static STRAY: AtomicU64 = AtomicU64::new(0);

/// Remembers that a task was woken where no simulation runs.
pub(super) fn note_stray(name: TaskName) {
    STRAY.store(name.0, Ordering::Relaxed);
}

impl TaskName {
    /// No task's name.
    pub(super) const NONE: Self = Self(0);

    /// The name as one number, other than 0 for every task.
    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    /// What [`Self::to_bits`] was given.
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    fn slot(self) -> usize {
        (self.0 % SLOTS_MAX) as usize
    }
}

/// All tasks of a simulation.
#[derive(Default)]
pub(super) struct Tasks {
    slots: Vec<TaskSlot>,
    free: Vec<u32>,
    /// Those whose turn comes, and some that have ended meanwhile.
    ready: VecDeque<TaskName>,
    paused: Paused,
}

/// Hosts whose programs stand still.
#[derive(Default)]
struct Paused {
    hosts: BTreeMap<HostId, StandsStill>,
    /// Turns so far that tasks did not get when they were due, by host.
    held: BTreeMap<HostId, u64>,
}

/// Why programs of a host stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    /// They were stopped, as by SIGSTOP.
    Paused,
    /// The host sleeps.
    Asleep,
}

/// A host whose programs stand still.
#[derive(Default)]
struct StandsStill {
    paused: bool,
    asleep: bool,
    /// Its tasks whose turn would have come, in order.
    waiting: VecDeque<TaskName>,
}

struct TaskSlot {
    name: TaskName,
    /// Absent while it has its turn.
    task: Option<Task>,
    host: HostId,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It waits until it is woken.
    Asleep,
    /// Its turn comes.
    Ready,
    /// It has its turn.
    Running,
    /// It has its turn, and has been woken since that began.
    RunningReady,
}

/// A task's turn.
pub(crate) struct Turn {
    pub name: TaskName,
    pub host: HostId,
    pub task: Task,
}

impl Tasks {
    fn find(&mut self, name: TaskName) -> Option<&mut TaskSlot> {
        let slot = self.slots.get_mut(name.slot())?;
        (slot.name == name).then_some(slot)
    }

    fn add(&mut self, host: HostId, task: Task) -> TaskName {
        let slot = self
            .free
            .pop()
            .map_or(self.slots.len(), |slot| slot as usize);
        assert!(
            (slot as u64) < SLOTS_MAX,
            "more than {SLOTS_MAX} tasks at once"
        );
        let number = CREATED.fetch_add(1, Ordering::Relaxed) + 1;
        let name = TaskName(number << SLOT_BITS | slot as u64);
        let taken = TaskSlot {
            name,
            task: Some(task),
            host,
            state: State::Ready,
        };
        match self.slots.get_mut(slot) {
            Some(free) => *free = taken,
            None => self.slots.push(taken),
        }
        self.ready.push_back(name);
        name
    }

    /// True if its turn comes only because of this.
    fn wake(&mut self, name: TaskName) -> bool {
        let Some(slot) = self.find(name) else {
            return false;
        };
        match slot.state {
            State::Asleep => slot.state = State::Ready,
            State::Running => {
                slot.state = State::RunningReady;
                return false;
            }
            State::Ready | State::RunningReady => return false,
        }
        if let Some(task) = &slot.task {
            prefetch_start(&**task);
        }
        self.ready.push_back(name);
        true
    }

    fn next(&mut self) -> Option<Turn> {
        loop {
            let name = self.ready.pop_front()?;
            let Some(slot) = self.slots.get_mut(name.slot()) else {
                continue;
            };
            if slot.name != name || self.paused.hold(slot.host, name) {
                continue;
            }
            let Some(task) = slot.task.take() else {
                continue;
            };
            slot.state = State::Running;
            let host = slot.host;
            return Some(Turn { name, host, task });
        }
    }

    fn set_still(&mut self, host: HostId, why: Still, holds: bool) {
        if !holds && !self.paused.hosts.contains_key(&host) {
            return;
        }
        let still = self.paused.hosts.entry(host).or_default();
        match why {
            Still::Paused => still.paused = holds,
            Still::Asleep => still.asleep = holds,
        }
        if !(still.paused || still.asleep)
            && let Some(still) = self.paused.hosts.remove(&host)
        {
            self.ready.extend(still.waiting);
        }
    }

    /// Its turn is over, and it has not ended. Returns it if it has been removed meanwhile.
    fn put_back(&mut self, name: TaskName, task: Task) -> Option<Task> {
        let Some(slot) = self.find(name) else {
            return Some(task);
        };
        slot.task = Some(task);
        let again = slot.state == State::RunningReady;
        slot.state = if again { State::Ready } else { State::Asleep };
        if again {
            self.ready.push_back(name);
        }
        None
    }

    fn remove(&mut self, name: TaskName) -> Option<Task> {
        let slot = self.find(name)?;
        slot.name = TaskName::NONE;
        let task = slot.task.take();
        self.free.push(name.slot() as u32);
        task
    }

    /// Prefetches what a task touches first.
    pub(super) fn prefetch(&self, name: TaskName) {
        if let Some(TaskSlot {
            task: Some(task), ..
        }) = self.slots.get(name.slot())
        {
            prefetch_start(&**task);
        }
    }
}

impl Paused {
    /// Whether a task whose turn comes gets none, since its host is paused. It stays ready.
    fn hold(&mut self, host: HostId, name: TaskName) -> bool {
        if self.hosts.is_empty() {
            return false;
        }
        let Some(still) = self.hosts.get_mut(&host) else {
            return false;
        };
        still.waiting.push_back(name);
        *self.held.entry(host).or_default() += 1;
        true
    }
}

impl Kernel {
    /// Takes a task in. It has its first turn behind those whose turn comes already.
    pub(crate) fn add_task(&mut self, host: HostId, task: Task) -> TaskName {
        self.tasks.add(host, task)
    }

    /// Gives the tasks of a host no more turns for this reason; or, if that was the last reason, those
    /// again that came meanwhile, in their order behind those whose turn comes already.
    pub(crate) fn set_still(&mut self, host: HostId, why: Still, holds: bool) {
        self.tasks.set_still(host, why, holds);
    }

    /// Whether the programs of a host are paused.
    pub(crate) fn is_paused(&self, host: HostId) -> bool {
        let still = self.tasks.paused.hosts.get(&host);
        still.is_some_and(|still| still.paused)
    }

    /// Turns of a host's tasks so far that did not come when they were due.
    pub(crate) fn held_turns(&self, host: HostId) -> u64 {
        self.tasks.paused.held.get(&host).copied().unwrap_or(0)
    }

    /// Marks a task as woken. Returns the waker of the pump if that sleeps.
    pub(super) fn wake_task(&mut self, name: TaskName) -> Option<Waker> {
        let ready = self.tasks.wake(name);
        let (_, pump) = ready.then(|| self.pump.take()).flatten()?;
        Some(pump)
    }

    /// Fails if another thread woke one of the tasks.
    pub(super) fn check_strays(&mut self) {
        let stray = TaskName(STRAY.load(Ordering::Relaxed));
        if stray != TaskName::NONE && self.tasks.find(stray).is_some() {
            STRAY.store(TaskName::NONE.0, Ordering::Relaxed);
            self.fail("a task was woken by another thread, so no two runs are the same".into());
        }
    }

    /// Whether a task's turn has come.
    pub(super) fn has_ready_tasks(&self) -> bool {
        !self.tasks.ready.is_empty()
    }

    /// The next turn, if a task is ready.
    pub(crate) fn begin_turn(&mut self) -> Option<Turn> {
        let turn = self.tasks.next()?;
        self.stats.polls += 1;
        self.task = turn.name;
        Some(turn)
    }

    /// A turn is over, and its task has not ended. Returns the task if it has been removed
    /// meanwhile, to be dropped.
    pub(crate) fn end_turn(&mut self, name: TaskName, task: Task) -> Option<Task> {
        self.tasks.put_back(name, task)
    }

    /// Forgets a task. Returns it unless it has its turn, to be dropped.
    pub(crate) fn remove_task(&mut self, name: TaskName) -> Option<Task> {
        self.tasks.remove(name)
    }

    /// Forgets all tasks, and returns them to be dropped.
    pub(crate) fn remove_tasks(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Box::pin(std::future::pending())
    }

    fn add(tasks: &mut Tasks) -> TaskName {
        tasks.add(HostId::NONE, task())
    }

    /// Names in the order of their turns, each of which ends at once without an end.
    fn turns(tasks: &mut Tasks) -> Vec<TaskName> {
        let mut order = Vec::new();
        while let Some(Turn { name, task, .. }) = tasks.next() {
            order.push(name);
            assert!(tasks.put_back(name, task).is_none());
        }
        order
    }

    #[test]
    fn turns_come_in_the_order_of_waking_and_once() {
        let mut tasks = Tasks::default();
        let (first, second) = (add(&mut tasks), add(&mut tasks));
        assert_eq!(turns(&mut tasks), [first, second]);
        assert!(tasks.wake(second));
        assert!(tasks.wake(first));
        assert!(!tasks.wake(second), "its turn comes already");
        assert_eq!(turns(&mut tasks), [second, first]);
        assert_eq!(turns(&mut tasks), []);
    }

    #[test]
    fn who_is_woken_in_its_turn_is_behind_those_that_were_woken_then() {
        let mut tasks = Tasks::default();
        let (first, second) = (add(&mut tasks), add(&mut tasks));
        turns(&mut tasks);
        tasks.wake(first);
        let turn = tasks.next().expect("it was woken");
        assert!(!tasks.wake(first));
        assert!(tasks.wake(second));
        tasks.put_back(turn.name, turn.task);
        assert_eq!(turns(&mut tasks), [second, first]);
    }

    #[test]
    fn tasks_of_a_paused_host_get_their_turns_when_it_goes_on() {
        let mut tasks = Tasks::default();
        let (host, other) = (HostId(1), HostId(2));
        let [one, two] = [0, 1].map(|_| tasks.add(host, task()));
        let of_other = tasks.add(other, task());
        turns(&mut tasks);
        tasks.set_still(host, Still::Paused, true);
        tasks.set_still(host, Still::Asleep, true);
        assert!(tasks.wake(two));
        assert!(!tasks.wake(two), "its turn comes already");
        assert!(tasks.wake(of_other));
        assert!(tasks.wake(one));
        let new = tasks.add(host, task());
        assert_eq!(turns(&mut tasks), [of_other]);
        assert_eq!(tasks.paused.held[&host], 3);
        assert!(tasks.remove(one).is_some(), "it ends with the power");
        tasks.set_still(host, Still::Paused, false);
        assert_eq!(turns(&mut tasks), [], "it sleeps still");
        tasks.set_still(host, Still::Asleep, false);
        assert_eq!(turns(&mut tasks), [two, new]);
        assert_eq!(tasks.paused.held[&host], 3);
    }

    #[test]
    fn a_slot_is_used_again_under_another_name() {
        let mut tasks = Tasks::default();
        let (first, second) = (add(&mut tasks), add(&mut tasks));
        assert!(tasks.remove(first).is_some());
        let third = add(&mut tasks);
        assert_eq!(third.slot(), first.slot());
        assert!(third > second, "names are in the order of creation");
        assert!(!tasks.wake(first), "it is gone");
        assert_eq!(turns(&mut tasks), [second, third]);
    }

    #[test]
    fn a_task_that_ends_in_its_turn_does_not_come_back() {
        let mut tasks = Tasks::default();
        let name = add(&mut tasks);
        let turn = tasks.next().expect("it is new");
        assert!(tasks.remove(name).is_none(), "it has its turn");
        let other = add(&mut tasks);
        assert!(
            tasks.put_back(name, turn.task).is_some(),
            "it was not removed"
        );
        assert_eq!(turns(&mut tasks), [other]);
    }
}
