//! Whole nodes against each other, against hostile peers, and from a terminal.

mod backlogs;
mod crossing;
mod damage;
mod discovery;
mod exchange;
mod expiry;
mod flaky;
mod groups;
mod holding;
mod hostile;
mod hostile_acts;
mod hostile_autonat;
mod hostile_relays;
mod hostile_rendezvous;
mod kad;
mod liar;
mod listening;
mod neighbours;
mod quic;
mod reach;
mod relays;
mod restored;
mod strangers;
mod upnp;
mod waiting;
mod world;
