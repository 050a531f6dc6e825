//! What needs only the public interface.

#[cfg(feature = "process")]
mod process;
#[cfg(feature = "process")]
mod python;
#[cfg(feature = "process")]
mod worker;
