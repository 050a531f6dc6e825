//! What algorithms ask of a signal before they start.

use linalg::lanes::{Task, Vectors, run};

use crate::{Error, Result};

/// Refuses a NaN or an infinity, by the index of the first.
pub(crate) fn finite(x: &[f64], argument: &'static str) -> Result<()> {
    let sound = 512 * run(SoundBlocks(x));
    let rest = x.get(sound..).unwrap_or(&[]);
    match rest.iter().position(|value| !value.is_finite()) {
        Some(place) => Err(Error::NotFinite { argument, index: sound + place, value: rest[place] }),
        None => Ok(()),
    }
}

/// How many blocks of 512 there are before the first with a NaN or an infinity. Blocks, because the
/// compiler does not turn an early exit into vector compares.
struct SoundBlocks<'a>(&'a [f64]);

impl Task<f64> for SoundBlocks<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, _: V) -> usize {
        let mut sound = 0;
        for block in self.0.chunks(512) {
            let mut all = true;
            for value in block {
                all &= value.is_finite();
            }
            if !all {
                break;
            }
            sound += 1;
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_not_finite_is_named_wherever_it_is() {
        for n in [1, 511, 512, 513, 2000] {
            let mut x = vec![0.0; n];
            assert!(finite(&x, "x").is_ok(), "{n} zeros");
            x[n - 1] = f64::NEG_INFINITY;
            let text = finite(&x, "x").unwrap_err().to_string();
            assert_eq!(text, format!("x[{}] is -inf, and every sample must be finite", n - 1));
        }
    }
}
