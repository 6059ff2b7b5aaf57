//! Our TCP against smoltcp's, an implementation that shares no line with it: over a
//! link that loses, reorders and duplicates, through real bytes with checksums.
//!
//! Every case is drawn from its seed: address family, opening, order of closing,
//! amounts, buffers, slow readers, and what the link does. What must hold: both
//! sides read exactly what the other wrote, and both come to an end in time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orrery_sim::net::packet::{Packet, Transport};
use orrery_sim::net::wire;
use orrery_sim::random::Stream;
use orrery_sim::tcp::{Config, Connection, State};
use orrery_sim::time::SimTime;
use orrery_sim::units::Ratio;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration as SmolDuration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// Seeds of each case's test.
const SEEDS: u64 = 150;

/// Simulated time within which everything must be over, closing included. Losses of
/// a tenth of all packets cost several timeouts of smoltcp, whose shortest is 1 s.
const DEADLINE: SimTime = SimTime::from_secs(600);

/// Who begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    Ours,
    Theirs,
    Both,
}

/// Who closes before it has seen the other close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Ours,
    Theirs,
    Both,
}

/// A case, drawn from its seed.
#[derive(Debug)]
struct Case {
    opening: Opening,
    closing: Closing,
    v6: bool,
    loss: Ratio,
    duplicate: Ratio,
    delay: Duration,
    jitter: Duration,
    /// Bytes from us to them, and back.
    amounts: [usize; 2],
    /// Receive buffers of ours and theirs.
    buffers: [usize; 2],
    /// Nothing is read before this.
    reads_from: SimTime,
    ack_delay: bool,
}

impl Case {
    fn draw(seed: u64, opening: Opening) -> Self {
        let mut random = Stream::new(seed, "case", 0);
        let closing = [Closing::Ours, Closing::Theirs, Closing::Both][random.below(3) as usize];
        Self {
            opening,
            closing,
            v6: random.below(2) == 1,
            loss: Ratio::from_percent(random.below(11) as u32),
            duplicate: Ratio::from_percent(random.below(6) as u32),
            delay: Duration::from_millis(1 + random.below(60)),
            jitter: Duration::from_millis(random.below(40)),
            amounts: [0, 1].map(|_| random.below(120_000) as usize),
            buffers: [0, 1].map(|_| 4_096 << random.below(5)),
            reads_from: SimTime::from_millis(random.below(2) * random.below(5_000)),
            ack_delay: random.below(2) == 1,
        }
    }
}

/// Which end a packet goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Ours,
    Theirs,
}

/// A program at one end: what it has to say, and what it has heard.
#[derive(Default)]
struct Program {
    says: Vec<u8>,
    said: usize,
    heard: Vec<u8>,
    closed: bool,
    /// The other side has closed.
    ended: bool,
}

impl Program {
    fn new(random: &mut Stream, amount: usize) -> Self {
        let mut says = vec![0; amount];
        random.fill_bytes(&mut says);
        Self {
            says,
            ..Self::default()
        }
    }

    /// Whether it is time to close.
    fn closes(&self, first: bool) -> bool {
        !self.closed && self.said == self.says.len() && (first || self.ended)
    }
}

/// Both ends and the link between them.
struct Interop {
    now: SimTime,
    case: Case,
    config: Arc<Config>,
    addresses: [SocketAddr; 2],
    ours: Option<Connection>,
    our_program: Program,
    theirs: Smol,
    their_program: Program,
    in_flight: BTreeMap<(SimTime, u64), (To, Vec<u8>)>,
    sent: u64,
    random: Stream,
}

/// smoltcp with one socket.
struct Smol {
    device: Queues,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Interop {
    fn new(seed: u64, case: Case) -> Self {
        let mut random = Stream::new(seed, "link", 0);
        let (our_ip, their_ip) = if case.v6 {
            ("2600:b00::1", "2600:b00::2")
        } else {
            ("11.0.0.1", "11.0.0.2")
        };
        let at = |ip: &str, port| SocketAddr::new(ip.parse().expect("an address"), port);
        let addresses = [at(our_ip, 4_001), at(their_ip, 4_002)];
        let config = Config {
            receive_buffer_bytes: case.buffers[0],
            ..Config::default()
        };
        let mut interop = Self {
            now: SimTime::ZERO,
            config: Arc::new(config),
            addresses,
            ours: None,
            our_program: Program::new(&mut random, case.amounts[0]),
            theirs: Smol::new(seed, &case, addresses),
            their_program: Program::new(&mut random, case.amounts[1]),
            in_flight: BTreeMap::new(),
            sent: 0,
            random,
            case,
        };
        if interop.case.opening != Opening::Theirs {
            let isn = interop.random.next_u32();
            let [local, remote] = addresses;
            let tcp = Connection::connect(SimTime::ZERO, &interop.config, local, remote, isn);
            interop.ours = Some(tcp);
        }
        interop
    }

    /// Until both are at their end, or until the deadline.
    fn play(&mut self) {
        self.act();
        while !self.is_over() && self.now < DEADLINE && self.step() {}
    }

    fn is_over(&self) -> bool {
        let ours = self.ours.as_ref().map(Connection::state);
        let theirs = self.theirs.state();
        self.our_program.ended
            && self.their_program.ended
            && matches!(ours, Some(State::Closed | State::TimeWait))
            && matches!(theirs, tcp::State::Closed | tcp::State::TimeWait)
    }

    /// Lets the next thing happen; false if nothing is left to happen.
    fn step(&mut self) -> bool {
        let arrival = self.in_flight.keys().next().map(|&(at, _)| at);
        let timer = self.ours.as_ref().and_then(Connection::next_timeout);
        let waiting = (self.case.reads_from > self.now).then_some(self.case.reads_from);
        let their_timer = self.theirs.next(self.now);
        let next = [arrival, timer, waiting, their_timer];
        let Some(next) = next.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (to, bytes)) = self.in_flight.pop_first().expect("it was just seen");
            match to {
                To::Ours => self.receive(&bytes),
                To::Theirs => self.theirs.device.received.push_back(bytes),
            }
        } else if timer == Some(next)
            && let Some(ours) = &mut self.ours
        {
            ours.on_timer(self.now);
        }
        self.act();
        true
    }

    /// A packet of theirs reaches us, as a host would take it in.
    fn receive(&mut self, bytes: &[u8]) {
        let packet = wire::decode(bytes).expect("smoltcp sends sound packets");
        let Transport::Tcp(segment) = packet.transport else {
            panic!("{packet:?} is no TCP");
        };
        assert_eq!((packet.dst, packet.src), self.addresses.into());
        match &mut self.ours {
            Some(ours) if !ours.is_closed() => ours.on_segment(self.now, segment),
            None if segment.is_connection_request() => {
                let isn = self.random.next_u32();
                let [local, remote] = self.addresses;
                let tcp = Connection::accept(self.now, &self.config, local, remote, isn, &segment);
                self.ours = Some(tcp);
            }
            _ => {
                if let Some(reset) = segment.reset_reply() {
                    let [local, remote] = self.addresses;
                    self.send(
                        To::Theirs,
                        &wire::encode(&Packet::tcp(local, remote, reset)),
                    );
                }
            }
        }
    }

    /// Both programs do what they can, and both ends send what is due.
    fn act(&mut self) {
        let reads = self.now >= self.case.reads_from;
        let closing = self.case.closing;
        if let Some(ours) = &mut self.ours {
            use_ours(&mut self.our_program, ours, reads, closing);
            let mut due = Vec::new();
            while let Some(segment) = ours.poll_transmit(self.now) {
                let [local, remote] = self.addresses;
                due.push(wire::encode(&Packet::tcp(local, remote, segment)));
            }
            for bytes in due {
                self.send(To::Theirs, &bytes);
            }
        }
        // What it hears may let it say more, and the other way round.
        for _ in 0..2 {
            self.theirs.poll(self.now);
            let socket = self
                .theirs
                .sockets
                .get_mut::<tcp::Socket<'_>>(self.theirs.socket);
            use_theirs(&mut self.their_program, socket, reads, closing);
        }
        self.theirs.poll(self.now);
        for bytes in std::mem::take(&mut self.theirs.device.sent) {
            self.send(To::Ours, &bytes);
        }
    }

    /// The link: loses, duplicates, delays, and so reorders.
    fn send(&mut self, to: To, bytes: &[u8]) {
        if self.random.chance(self.case.loss) {
            return;
        }
        let copies = 1 + u32::from(self.random.chance(self.case.duplicate));
        for _ in 0..copies {
            let jitter = self.random.uniform(Duration::ZERO, self.case.jitter);
            self.sent += 1;
            let at = self.now + self.case.delay + jitter;
            self.in_flight.insert((at, self.sent), (to, bytes.to_vec()));
        }
    }
}

fn use_ours(program: &mut Program, tcp: &mut Connection, reads: bool, closing: Closing) {
    let mut buffer = [0; 4_096];
    while reads && tcp.readable() > 0 {
        let read = tcp.read(&mut buffer);
        program.heard.extend_from_slice(&buffer[..read]);
    }
    program.ended |= tcp.eof();
    program.said += tcp.write(&program.says[program.said..]);
    if program.closes(closing != Closing::Theirs) && tcp.is_established() {
        tcp.shutdown_write();
        program.closed = true;
    }
}

fn use_theirs(program: &mut Program, socket: &mut tcp::Socket<'_>, reads: bool, closing: Closing) {
    if socket.can_send() {
        let sent = socket.send_slice(&program.says[program.said..]);
        program.said += sent.expect("it can send");
    }
    let mut buffer = [0; 4_096];
    while reads && socket.can_recv() {
        let read = socket.recv_slice(&mut buffer).expect("it can receive");
        program.heard.extend_from_slice(&buffer[..read]);
    }
    // Without anything left to read, only a FIN ends receiving.
    program.ended |= match socket.state() {
        tcp::State::CloseWait
        | tcp::State::LastAck
        | tcp::State::Closing
        | tcp::State::TimeWait => !socket.can_recv(),
        // A slow reader may find the connection over; what had come waits for it.
        tcp::State::Closed => program.closed && !socket.can_recv(),
        _ => false,
    };
    let open = matches!(
        socket.state(),
        tcp::State::Established | tcp::State::CloseWait
    );
    if open && program.closes(closing != Closing::Ours) {
        socket.close();
        program.closed = true;
    }
}

impl Smol {
    fn new(seed: u64, case: &Case, [remote, local]: [SocketAddr; 2]) -> Self {
        let mut device = Queues::default();
        let mut config = smoltcp::iface::Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let cidr = IpCidr::new(IpAddress::from(local.ip()), 8);
            addresses.push(cidr).expect("there is room for one");
        });
        let buffer = |bytes: usize| tcp::SocketBuffer::new(vec![0; bytes]);
        let mut socket = tcp::Socket::new(buffer(case.buffers[1]), buffer(16_384));
        socket.set_ack_delay(case.ack_delay.then_some(SmolDuration::from_millis(10)));
        if case.opening == Opening::Ours {
            socket.listen(local.port()).expect("nothing listens yet");
        } else {
            let remote = (IpAddress::from(remote.ip()), remote.port());
            socket
                .connect(interface.context(), remote, local.port())
                .expect("nothing is connected yet");
        }
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self {
            device,
            interface,
            sockets,
            socket,
        }
    }

    fn state(&self) -> tcp::State {
        self.sockets.get::<tcp::Socket<'_>>(self.socket).state()
    }

    fn poll(&mut self, now: SimTime) {
        self.interface
            .poll(instant(now), &mut self.device, &mut self.sockets);
    }

    /// When it wants to be polled next. It counts microseconds.
    fn next(&mut self, now: SimTime) -> Option<SimTime> {
        let at = self.interface.poll_at(instant(now), &self.sockets)?;
        let micros = u64::try_from(at.total_micros()).unwrap_or_default();
        // What is due at once has been done; the next look is a step later.
        Some(SimTime::from_nanos(micros * 1_000).max(now + Duration::from_micros(1)))
    }
}

fn instant(now: SimTime) -> Instant {
    Instant::from_micros((now.as_nanos() / 1_000) as i64)
}

/// The device of smoltcp: packets that wait to be taken in, and those sent.
#[derive(Default)]
struct Queues {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);

struct Room<'a>(&'a mut Vec<Vec<u8>>);

impl Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Room<'_>)> {
        let bytes = self.received.pop_front()?;
        Some((Received(bytes), Room(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        // By default it verifies and computes every checksum.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1_500;
        capabilities
    }
}

impl smoltcp::phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl smoltcp::phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = vec![0; len];
        let result = f(&mut bytes);
        self.0.push(bytes);
        result
    }
}

/// Plays a seed and tells what went wrong, if anything.
fn verdict(seed: u64, opening: Opening) -> Result<Interop, String> {
    let case = Case::draw(seed, opening);
    let shown = format!("seed {seed}: {case:?}");
    let mut interop = Interop::new(seed, case);
    interop.play();
    let heard = interop.their_program.heard == interop.our_program.says
        && interop.our_program.heard == interop.their_program.says;
    if heard && interop.is_over() {
        return Ok(interop);
    }
    let [to_them, to_us] = [
        (&interop.our_program, &interop.their_program),
        (&interop.their_program, &interop.our_program),
    ]
    .map(|(from, to)| format!("{} of {} bytes", to.heard.len(), from.says.len()));
    let ours = interop.ours.as_ref();
    Err(format!(
        "{shown}\nat {}: they read {to_them}, we read {to_us}, intact: {heard}; ours {:?} {:?}, theirs {:?}",
        interop.now,
        ours.map(Connection::state),
        ours.and_then(Connection::error),
        interop.theirs.state()
    ))
}

fn check(opening: Opening) {
    let failed: Vec<String> = (0..SEEDS)
        .filter_map(|seed| verdict(seed, opening).err())
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {SEEDS} failed, the first:\n{}",
        failed.len(),
        failed[..failed.len().min(5)].join("\n")
    );
}

#[test]
fn bytes_survive_when_we_dial() {
    check(Opening::Ours);
}

#[test]
fn bytes_survive_when_they_dial() {
    check(Opening::Theirs);
}

#[test]
fn bytes_survive_when_both_dial_at_once() {
    check(Opening::Both);
}

/// A link that did nothing, or cases that were all alike, would prove nothing.
#[test]
fn the_cases_exercise_what_they_claim() {
    let mut retransmitted = 0;
    let mut closings = [0; 3];
    let mut probed = 0;
    for seed in 0..40 {
        let interop = verdict(seed, Opening::Ours).expect("it is among the seeds above");
        let stats = interop.ours.as_ref().expect("we dialled").stats();
        retransmitted += u32::from(stats.retransmits > 0);
        probed += u32::from(stats.probes > 0);
        closings[interop.case.closing as usize] += 1;
    }
    assert!(retransmitted > 20, "{retransmitted} of 40 retransmitted");
    assert!(probed > 0, "no window ever closed");
    assert!(closings.iter().all(|&count| count > 5), "{closings:?}");
}
