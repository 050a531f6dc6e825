//! What the tasks do, seen from outside: synthetic checks through the runner, and the binary.

mod bad_input;
mod bench;
mod binary;
mod command;
mod fuzzed;
mod page;
mod runner;
mod samples;
mod workspace;
