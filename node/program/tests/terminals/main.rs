//! The program as a user meets it: folders, processes, one machine.

mod alone;
mod examples;
mod starting;
mod terminal;
mod together;
