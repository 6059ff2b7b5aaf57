//! The program as a user meets it: folders, processes, one machine.

mod alone;
mod examples;
mod terminal;
mod together;
