//! NATs and firewalls as programs behind and before them meet them.

mod axes;
mod egress;
mod firewall;
mod harness;
mod icmp;
mod lifetimes;
mod matrix;
mod moves;
mod places;
mod tcp;
