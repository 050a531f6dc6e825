//! What `quad` claims of automatic integration where there is a jump at an unknown place.

use quad::{Automatic, Direction, Estimate, PointRule, SolidAngle, Stop, pointwise};
use rand::RngExt;

use super::quad_free::direction;
use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[Check {
    id: "quad/caps",
    question: Some(8),
    claim: "A cap of 0.1 to 1.2 rad about any axis is found and integrated to 1e-3, at two standard \
            deviations, within 60,000 evaluations.",
    run: caps,
}];

const CAPS: usize = 40;
const TOLERANCE: f64 = 1e-3;

fn caps(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let whole = PointRule::lebedev(SolidAngle, PointRule::MAX_LEBEDEV_DEGREE)?;
    let (mut worst, mut control, mut most) = (0.0, 0.0f64, 0);
    let mut dots = Vec::new();
    for _ in 0..CAPS {
        let axis = direction(&mut rng)?;
        let radius = rng.random_range(0.1f64.ln()..1.2f64.ln()).exp();
        let inside = |x: &Direction| f64::from(u8::from(axis.dot(x) > radius.cos()));
        // 2π (1 − cos a), without cancellation.
        let area = 4.0 * std::f64::consts::PI * (0.5 * radius).sin().powi(2);
        let off = |found: f64| (found - area).abs() / (TOLERANCE * area);
        let options = Automatic::default().relative_tolerance(TOLERANCE).max_evaluations(60_000);
        let found: Estimate<f64> = options.integrate(SolidAngle, &pointwise(inside))?;
        let converged = found.stop == Stop::Converged;
        let error = if converged { off(found.value) } else { f64::INFINITY };
        worst = if error.is_nan() { f64::NAN } else { f64::max(worst, error) };
        most = most.max(found.evaluations);
        dots.push((radius, found.evaluations as f64));
        control = control.max(off(whole.integrate(inside)?.value));
    }
    Ok(Evidence {
        measured: worst,
        limit: 2.0,
        reason: "error over the tolerance, infinite unless it converged within 60,000 evaluations: the error \
                 estimate is two standard deviations of the sum over many cells, so twice the tolerance is \
                 four, which one of 16,000 caps exceeds",
        control: Control { what: "Lebedev's rule of 5,810 points", measured: control },
        plots: vec![Plot {
            title: "Evaluations for a cap to 1e-3",
            x: Axis { label: "radius, radians", scale: Scale::Log },
            y: Axis { label: "evaluations", scale: Scale::Log },
            series: vec![Series { label: "caps".into(), mark: Mark::Dots, points: dots }],
        }],
        notes: vec![format!("The most of {CAPS} took {most} evaluations.")],
    })
}
