//! Numbers in the texts of errors.

use std::fmt::{self, Display, Formatter};

/// A number as a sentence shows it: all digits that it needs, and a power of ten where they would be many.
///
/// # Examples
/// ```
/// use linalg::shown;
/// assert_eq!(format!("{} {} {}", shown(&2.0), shown(&-0.1), shown(&f64::NAN)), "2 -0.1 NaN");
/// assert_eq!(format!("{} {}", shown(&1e300), shown(&-1.5e-7)), "1e300 -1.5e-7");
/// ```
#[must_use]
pub fn shown(value: &f64) -> impl Display {
    Shown(*value)
}

struct Shown(f64);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || !size.is_finite() || (1e-4..1e16).contains(&size) {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}
