//! An integral with its evidence.

use std::fmt;

use crate::{ColumnKind, Measure, RingKind, RingOrder, Seam};

/// An integral over the sphere, how far it can be trusted, and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Integral<M: Measure> {
    /// The integral.
    pub value: f64,
    /// How far `value` may be off, judged from the same samples; never less than the rounding.
    ///
    /// The spectra of the samples, over θ after averaging over φ and over φ after integrating over
    /// θ, are continued beyond the last term that the grid shows, by every law from a power to a
    /// Gaussian as far as it is likely from their fall; what lies there is what the rule gets wrong. In
    /// 14,700 sums of 17 integrands in random orientations over grids of 16 to 91 rings it was below the
    /// error in 2 of 100, whatever the kind of the rings, below a tenth of it in 2 of 14,700, and 11 to 17
    /// times the error in the median. Corrected ends and fitted weights are compared with a lower order, corrected
    /// ends with the series, too.
    ///
    /// It is no bound, and nothing made of the samples can be: 1 and 1 + sin³²θ (1 − cos 32φ) have the same
    /// ones on 32 columns, and integrals that differ by 22 %.
    ///
    /// Where [`Self::resolution`] is [`Resolution::Unresolved`] it is ∫|p| or more, and may be low
    /// nevertheless: nobody knows what the samples have missed. A small sharp feature on a smooth ground,
    /// whose terms begin where those of the ground end, is seen too late: of such sums the estimate is low
    /// in one of four.
    ///
    /// It says nothing of the error of the samples themselves. Where p comes from a
    /// discretization of its own, refine that with the rule held fixed and compare.
    pub error_estimate: f64,
    /// Which weights over the rings the samples asked for.
    pub weights: RingWeights,
    /// Whether the grid is fine enough for the samples.
    pub resolution: Resolution,
    /// How many samples were summed.
    pub samples: usize,
    /// The grid of samples.
    pub layout: Layout,
    /// What was integrated against.
    pub measure: M,
}

/// How the rings are weighted, which measure, kind of rings and samples decide together.
///
/// The trap of equispaced rings is that three rules are right, each for samples of one kind, and
/// each wrong for the other two. The parity of p at the poles decides, and a wrong rule betrays
/// itself by a spectrum that falls slowly; so the rule with the smallest error estimate is taken,
/// the one for p smooth on the sphere in case of doubt. `Display` says the choice and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingWeights {
    /// The cosine series in θ, term by term: Clenshaw-Curtis and Fejér for a solid angle, equal
    /// weights without a Jacobian. For p smooth on the sphere, which is even about the poles.
    CosineSeries,
    /// The sine series in θ, term by term: Fejér's weights, over sin θ where that is in the samples
    /// already. For p sin θ with p smooth on the sphere, which is odd about the poles.
    SineSeries,
    /// Equal weights, corrected next to both poles by Gregory's formula. For p that is smooth in θ
    /// and φ but not on the sphere, and for lobes away from the poles that are hardly resolved.
    CorrectedEnds,
    /// Gauss-Legendre weights.
    Gauss,
    /// The areas between unequal rings, changed by as little as makes them exact to a degree.
    Fitted,
}

impl fmt::Display for RingWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CosineSeries => {
                "cosine series in θ, because the samples are even about the poles (p smooth on the \
                 sphere)"
            }
            Self::SineSeries => {
                "sine series in θ, because the samples times their Jacobian are odd about the poles"
            }
            Self::CorrectedEnds => {
                "equal weights with corrected ends, because the spectrum over θ falls too slowly for \
                 a series"
            }
            Self::Gauss => "Gauss-Legendre weights, because the rings are Gauss-Legendre's",
            Self::Fitted => "areas fitted to a degree, because the rings are unequal",
        })
    }
}

/// Whether a grid is fine enough for its samples, from their own spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// The spectrum falls below 10⁻⁶ of its largest term within what the grid can show.
    Resolved {
        /// Beyond this degree it is below.
        degree: usize,
    },
    /// It does not: no weights will help, sample p finer.
    UnderResolved {
        /// The degree at which it would, if it goes on as it falls; `None` where that is above a
        /// hundred times what the grid shows, as at kinks and jumps.
        degree: Option<usize>,
    },
    /// The last terms that the grid shows are above half of ∫|p|: features are as narrow as its steps,
    /// may lie between the samples, and the error estimate is ∫|p| at least.
    Unresolved,
    /// Unequal rings and columns have no spectrum; the error estimate stands alone.
    Unknown,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolved { degree } => write!(f, "resolved, with what matters below degree {degree}"),
            Self::UnderResolved { degree: Some(degree) } => write!(
                f,
                "under-resolved: no weights will help, sample p finer, to degree {degree}"
            ),
            Self::UnderResolved { degree: None } => f.write_str(
                "under-resolved: no weights will help, sample p finer; its spectrum hardly falls, as \
                 at a kink or a jump",
            ),
            Self::Unresolved => f.write_str(
                "unresolved: features are as narrow as the steps and may lie between the samples, sample \
                 p finer",
            ),
            Self::Unknown => f.write_str("no spectrum, because the steps are unequal"),
        }
    }
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
    /// From which pole they are counted.
    pub order: RingOrder,
    /// How the columns lie around the axis.
    pub column_kind: ColumnKind,
    /// Whether the last column repeats the first.
    pub seam: Seam,
    /// How many of the first and last rings are poles, where one point fills the whole row.
    pub poles: usize,
}

impl Layout {
    /// How many of the samples are at different points of the sphere.
    ///
    /// A pole counts once, and so does a repeated column.
    #[must_use]
    pub fn distinct(&self) -> usize {
        (self.rings - self.poles) * self.seam.distinct(self.columns) + self.poles
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.words();
        let order = match self.order {
            RingOrder::NorthFirst => "",
            RingOrder::SouthFirst => ", from the south",
        };
        let unequal = match self.column_kind {
            ColumnKind::Equal => "",
            ColumnKind::Free => "unequal steps, ",
        };
        let seam = match self.seam {
            Seam::Open => "no column repeated",
            Seam::Repeated => "last column repeats the first",
        };
        write!(
            f,
            "{} rings ({kind}{order}) x {} columns ({unequal}{seam}), {} distinct points",
            self.rings,
            self.columns,
            self.distinct()
        )
    }
}
