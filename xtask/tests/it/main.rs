//! What the tasks do, seen from outside: synthetic checks through the runner, and the binary.

mod bench;
mod binary;
mod command;
mod page;
mod runner;
mod samples;
mod workspace;
