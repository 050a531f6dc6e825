//! To come.

mod axes;
mod direction;
mod error;
mod gauss_legendre;
mod integral;
mod measure;
mod rings;
mod rule;
mod twofold;

pub use axes::{Azimuths, Colatitudes, RingKind, Seam};
pub use direction::Direction;
pub use error::{Error, Result};
pub use gauss_legendre::GaussLegendre;
pub use integral::{Integral, Layout};
pub use measure::{Flat, JacobianIncluded, Measure, SolidAngle};
pub use rule::SphereRule;
