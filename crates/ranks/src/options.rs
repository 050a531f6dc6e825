//! How long ranks wait for each other.

use std::time::Duration;

use crate::{Error, Result};

/// How long ranks wait for each other.
///
/// # Examples
/// ```
/// use ranks::Options;
/// use std::time::Duration;
/// // A rollout takes 20 s, and a rank is given one or two of them at a time.
/// let options = Options::default().patience(Duration::from_secs(300))?;
/// assert_eq!(options.patience, Duration::from_secs(300));
/// # Ok::<(), ranks::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long a rank may give no sign of life before it is taken for gone; by default 10 s. Every rank gives ten in
    /// that time, whatever else it does, so that a long rollout is no silence.
    pub silence: Duration,
    /// How long a rank that lives may have its pieces before it is taken to hang; by default 10 minutes. Set it to
    /// several times the longest rollout times the rollouts that a rank is given at a time.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { silence: Duration::from_secs(10), patience: Duration::from_secs(600) }
    }
}

impl Options {
    /// Sets [`Options::silence`].
    ///
    /// # Errors
    /// [`Error::TooShort`] below 0.1 s, which a busy machine takes to run a thread at all.
    pub fn silence(mut self, silence: Duration) -> Result<Self> {
        self.silence = long_enough("silence", silence)?;
        Ok(self)
    }

    /// Sets [`Options::patience`].
    ///
    /// # Errors
    /// [`Error::TooShort`] below 0.1 s.
    pub fn patience(mut self, patience: Duration) -> Result<Self> {
        self.patience = long_enough("patience", patience)?;
        Ok(self)
    }
}

fn long_enough(argument: &'static str, value: Duration) -> Result<Duration> {
    const LEAST: Duration = Duration::from_millis(100);
    if value < LEAST {
        return Err(Error::TooShort { argument, value, least: LEAST });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_too_short_for_a_busy_machine_is_refused() {
        let short = Duration::from_millis(5);
        for (error, argument) in [
            (Options::default().silence(short).unwrap_err(), "silence"),
            (Options::default().patience(short).unwrap_err(), "patience"),
        ] {
            assert_eq!(error.to_string(), format!("{argument} is 5ms, and must be at least 100ms"));
        }
    }
}
