//! An integral with its evidence.

use std::fmt;

use crate::{Measure, RingKind, Seam};

/// An integral over the sphere, how far it can be trusted, and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Integral<M: Measure> {
    /// The integral.
    pub value: f64,
    /// How far `value` may be off, judged from the same samples; never less than the rounding.
    ///
    /// It is the finest structure that the samples show, times what a rule of half the resolution
    /// would have made of it: over equispaced rings the change of the rule when its step is doubled
    /// (the coarser values taken from the interpolant, so that any number of rings will do), over
    /// Gauss rings the two finest Legendre terms, and over azimuth the largest of the four finest
    /// harmonics that a p with a two-, three- or fourfold symmetry can show. Where p is resolved it
    /// is far above the true error, which falls much faster than this; where it is a sizable part
    /// of `value`, p is not resolved and no weights will help: take more samples. It says nothing
    /// of the error of the samples themselves.
    pub error_estimate: f64,
    /// How many samples were summed.
    pub samples: usize,
    /// The grid of samples.
    pub layout: Layout,
    /// What was integrated against.
    pub measure: M,
}

/// What a grid of samples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// The number of rings (colatitudes).
    pub rings: usize,
    /// The number of columns (azimuths), a repeated one included.
    pub columns: usize,
    /// How the rings lie between the poles.
    pub kind: RingKind,
    /// Whether the last column repeats the first.
    pub seam: Seam,
}

impl Layout {
    /// How many of the samples are at different points of the sphere.
    ///
    /// A pole counts once, and so does a repeated column.
    #[must_use]
    pub fn distinct(&self) -> usize {
        let columns = self.seam.distinct(self.columns);
        match self.kind {
            RingKind::Vertices => (self.rings - 2) * columns + 2,
            RingKind::Cells | RingKind::Gauss => self.rings * columns,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RingKind::Vertices => "equal steps from pole to pole",
            RingKind::Cells => "centers of equal cells",
            RingKind::Gauss => "Gauss-Legendre rings",
        };
        let seam = match self.seam {
            Seam::Open => "no column repeated",
            Seam::Repeated => "last column repeats the first",
        };
        write!(
            f,
            "{} rings ({kind}) x {} columns ({seam}), {} distinct points",
            self.rings,
            self.columns,
            self.distinct()
        )
    }
}
