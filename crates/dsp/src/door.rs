//! What algorithms ask of a signal before they start.

use crate::{Error, Result};

/// Refuses a NaN or an infinity, by the index of the first.
pub(crate) fn finite(x: &[f64], argument: &'static str) -> Result<()> {
    // Blocks, because the compiler does not turn an early exit into vector compares.
    let sound = |block: &[f64]| block.iter().fold(true, |sound, value| sound & value.is_finite());
    for (block, values) in x.chunks(512).enumerate() {
        if !sound(values)
            && let Some(place) = values.iter().position(|value| !value.is_finite())
        {
            let (index, value) = (512 * block + place, values[place]);
            return Err(Error::NotFinite { argument, index, value });
        }
    }
    Ok(())
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
