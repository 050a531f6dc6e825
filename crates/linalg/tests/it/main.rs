//! Tests through the public interface alone.

mod battery;
mod nasty;
