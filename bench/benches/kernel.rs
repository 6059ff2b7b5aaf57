//! The event queue alone, and programs' timers on the whole kernel.

mod brief;

use std::hint::black_box;
use std::time::Duration;

use brief::brief;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_timer::Delay;
use orrery_sim::interpose::real_monotonic_ns;
use orrery_sim::kernel::Key;
use orrery_sim::kernel::queue::{Queue, Ticket};
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId, HostSpec, Simulation, host};

/// Events that wait in the queue meanwhile.
const WAITING: [u64; 3] = [100, 10_000, 1_000_000];

type Operation = fn(&mut InUse);

/// A queue in use: events come and go, and the number that wait stays the same.
struct InUse {
    queue: Queue<u64>,
    tickets: Vec<Ticket>,
    draws: Stream,
    sequence: u64,
    now_ns: u64,
}

impl InUse {
    fn new(waiting: u64) -> Self {
        let mut this = Self {
            queue: Queue::default(),
            tickets: Vec::new(),
            draws: Stream::new(1, "bench queue", 0),
            sequence: 0,
            now_ns: 0,
        };
        for event in 0..waiting {
            let key = this.key();
            this.tickets.push(this.queue.push(key, event));
        }
        this
    }

    /// A place within the next second.
    fn key(&mut self) -> Key {
        self.sequence += 1;
        let at = SimTime::from_nanos(self.now_ns + self.draws.below(1_000_000_000));
        Key::new(at, Class::Timer, HostId(1), self.sequence)
    }

    fn pop_and_push(&mut self) {
        let (key, event) = self.queue.pop().expect("events wait");
        self.now_ns = key.time().as_nanos();
        let key = self.key();
        // An event is the number of its ticket.
        self.tickets[event as usize] = self.queue.push(key, event);
    }

    fn reschedule(&mut self) {
        let ticket = self.tickets[self.draws.below(self.tickets.len() as u64) as usize];
        let key = self.key();
        assert!(black_box(self.queue.reschedule(ticket, key)), "it waits");
    }

    fn cancel_and_push(&mut self) {
        let number = self.draws.below(self.tickets.len() as u64);
        let event = self.queue.cancel(self.tickets[number as usize]);
        let key = self.key();
        self.tickets[number as usize] = self.queue.push(key, event.expect("it waits"));
    }
}

fn queue(criterion: &mut Criterion) {
    let operations: [(&str, Operation); 3] = [
        ("pop-push", InUse::pop_and_push),
        ("reschedule", InUse::reschedule),
        ("cancel-push", InUse::cancel_and_push),
    ];
    let mut group = criterion.benchmark_group("queue");
    for (name, operation) in operations {
        for waiting in WAITING {
            let mut queue = InUse::new(waiting);
            group.bench_function(BenchmarkId::new(name, waiting), |bencher| {
                bencher.iter(|| operation(&mut queue));
            });
        }
    }
    group.finish();
}

/// Runs `main` on a host of a simulation; how long it took in real time.
fn on_a_host<F>(main: F) -> Duration
where
    F: Future<Output = u64> + Send + 'static,
{
    let (sender, receiver) = std::sync::mpsc::channel();
    let ((), outcome) = Simulation::new(1)
        .run(move |world| {
            let here = host::add(HostSpec::named("a"));
            host::executor(here).spawn(async move {
                let took_ns = main.await;
                sender.send(took_ns).expect("the bench waits");
            });
            world.run_until(SimTime::from_secs(1 << 30));
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    Duration::from_nanos(receiver.recv().expect("the program has ended"))
}

fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer");
    group.throughput(Throughput::Elements(1));
    group.bench_function("set-cancel", |bencher| {
        bencher.iter_custom(|count| {
            on_a_host(async move {
                let begin = real_monotonic_ns();
                for _ in 0..count {
                    drop(black_box(Delay::new(Duration::from_secs(1))));
                }
                real_monotonic_ns() - begin
            })
        });
    });
    group.bench_function("reset", |bencher| {
        bencher.iter_custom(|count| {
            on_a_host(async move {
                let mut timer = Delay::new(Duration::from_secs(1));
                let begin = real_monotonic_ns();
                for _ in 0..count {
                    timer.reset(Duration::from_secs(1));
                }
                real_monotonic_ns() - begin
            })
        });
    });
    // Within a millisecond the kernel stays off tokio's clock; across them not.
    for (name, every) in [
        ("fire-every-1us", Duration::from_micros(1)),
        ("fire-every-10ms", Duration::from_millis(10)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                on_a_host(async move {
                    let mut timer = Delay::new(every);
                    let begin = real_monotonic_ns();
                    for _ in 0..count {
                        (&mut timer).await;
                        timer.reset(every);
                    }
                    real_monotonic_ns() - begin
                })
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = brief();
    targets = queue, timers
}
criterion_main!(benches);
