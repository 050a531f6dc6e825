//! What `nn-invert` claims.

use crate::verify::check::Check;

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[];
