//! Tests through the public interface alone.

mod battery;
mod factorisations;
mod nasty;
