//! The program as a user meets it: folders, processes, one machine.

mod alone;
mod terminal;
mod together;
