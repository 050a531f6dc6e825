//! Rows of `quad`.

use linalg::{Complex, DMatrix};
use quad::{
    Automatic, Azimuths, Colatitudes, Direction, Flat, GaussLegendre, HarmonicTransform, Harmonics,
    JacobianIncluded, Mesh, Missing, PointRule, ReducedRule, Region, RingKind, Rotation,
    ScatteredRule, SnapshotRule, SolidAngle, SphereRule, Strategy, Symmetry, ThinnedRule,
    pointwise, ring_weights,
};

use super::{holds, row, shown};
use crate::bad_input::draw::Input;

/// A field of degree 2 at the nodes of a rule of degree 5.
fn rule() -> quad::Result<SphereRule<SolidAngle>> {
    SphereRule::of_degree(SolidAngle, 5)
}

fn samples(rule: &SphereRule<SolidAngle>) -> Vec<f64> {
    rule.directions().map(|at| 1.0 + at.z() + at.x() * at.y()).collect()
}

fn pole() -> quad::Result<Direction> {
    Direction::from_angles(0.0, 0.0)
}

/// Degrees and counts of which each costs a multiple of its square.
fn few(x: &Input, good: usize) -> usize {
    x.pick(good, vec![0, 1, 2, 60])
}

#[test]
fn grids() {
    holds(&[
        row("GaussLegendre", |x| shown(GaussLegendre::new(x.size(5))?)),
        row("ring_weights", |x| {
            shown((
                ring_weights(SolidAngle, RingKind::Vertices, x.size(5))?,
                ring_weights(Flat, RingKind::Cells, x.size(5))?,
                ring_weights(JacobianIncluded, RingKind::Interior, x.size(5))?,
            ))
        }),
        row("Colatitudes", |x| {
            shown((
                Colatitudes::from_radians(&x.slice(&[0.5, 1.0, 1.5]))?,
                Colatitudes::from_degrees(&x.slice(&[30.0, 60.0, 90.0]))?,
                Colatitudes::from_latitudes_radians(&x.slice(&[0.5, 0.0, -0.5]))?,
                Colatitudes::from_latitudes_degrees(&x.slice(&[30.0, 0.0, -30.0]))?,
            ))
        }),
        row("Azimuths", |x| {
            let radians = [0.0, 90.0_f64, 180.0, 270.0].map(f64::to_radians);
            shown((
                Azimuths::from_radians(&x.slice(&radians))?,
                Azimuths::from_degrees(&x.slice(&[0.0, 90.0, 180.0, 270.0]))?,
            ))
        }),
        row("SphereRule::of_degree", |x| {
            let rule = SphereRule::of_degree(SolidAngle, few(x, 5))?;
            shown(rule.integrate(|at| at.z())?)
        }),
        row("SphereRule::product", |x| {
            let rule = SphereRule::product(Flat, RingKind::Cells, few(x, 5), few(x, 8))?;
            shown(rule.integrate(|at| at.z())?)
        }),
        row("SphereRule::integrate", |x| {
            let value = x.number(1.0);
            shown(rule()?.integrate(|at| value * at.x())?)
        })
        .infinite("an integral beyond the largest number"),
        row("SphereRule::integrate_samples", |x| {
            let rule = rule()?;
            shown(SphereRule::integrate_samples(&rule, &x.slice(&samples(&rule)))?)
        })
        .infinite("an integral beyond the largest number"),
        row("SphereRule::integrate_snapshots", |x| {
            let rule = rule()?;
            let columns = DMatrix::from_columns(&[samples(&rule).into(), samples(&rule).into()]);
            shown((
                rule.integrate_snapshots(&x.matrix(&columns))?,
                rule.totals(&x.matrix(&columns))?,
            ))
        })
        .infinite("an integral beyond the largest number"),
        row("SphereRule::integrate_with_missing", |x| {
            let rule = rule()?;
            shown(rule.integrate_with_missing(&x.slice(&samples(&rule)), Missing::Nan)?)
        })
        .infinite("an integral beyond the largest number"),
        row("HarmonicTransform", |x| {
            let rule = rule()?;
            let transform = HarmonicTransform::new(&rule, x.count(2))?;
            let mut harmonics = transform.analyze(&x.slice(&samples(&rule)))?;
            harmonics.set(x.count(2), x.count(1), Complex::new(x.number(1.0), 0.0))?;
            let l = x.count(1);
            let m = x.pick(1, vec![0, -1, isize::MIN, isize::MAX]);
            shown((
                Harmonics::get(&harmonics, l, m),
                harmonics.power_spectrum(),
                transform.synthesize(&harmonics)?,
            ))
        })
        .passes("a coefficient is as it was set"),
        row("HarmonicTransform::analyze_complex", |x| {
            let rule = rule()?;
            let transform = HarmonicTransform::new(&rule, 2)?;
            let field: Vec<_> = samples(&rule).into_iter().map(|x| Complex::new(x, 1.0)).collect();
            let harmonics = transform.analyze_complex(&x.complex(&field))?;
            let m = x.pick(1, vec![0, -1, isize::MIN, isize::MAX]);
            shown((
                quad::ComplexHarmonics::get(&harmonics, x.count(1), m),
                transform.synthesize_complex(&harmonics)?,
            ))
        })
        .overflows("coefficients beyond the largest number"),
        row("Harmonics::zeros", |x| {
            shown(Harmonics::zeros(x.pick(3, vec![0, 1, 100])).power_spectrum())
        }),
    ]);
}

#[test]
fn scattered() {
    holds(&[
        row("ScatteredRule", |x| {
            let sphere = PointRule::lebedev(SolidAngle, 7)?;
            let points: Vec<_> = sphere.directions().to_vec();
            let one = vec![points[0]];
            let half: Vec<_> = points.iter().filter(|at| at.z() > 0.0).copied().collect();
            let bad = vec![vec![], one, vec![points[0]; 26], points[..2].to_vec(), half];
            let rule = ScatteredRule::new(&x.pick(points, bad))?;
            shown(ScatteredRule::integrate_samples(&rule, &x.slice(&vec![1.0; rule.len()]))?)
        })
        .infinite("an integral beyond the largest number"),
        row("SnapshotRule", |x| {
            let all = PointRule::lebedev(SolidAngle, 7)?;
            let fields =
                DMatrix::from_fn(all.len(), 3, |i, j| 2.0 + all.directions()[i].z().powf(j as f64));
            let directions =
                x.pick(all.directions().to_vec(), vec![vec![], all.directions()[..1].to_vec()]);
            let rule = SnapshotRule::new(
                &directions,
                &x.slice(all.weights()),
                &x.matrix(&fields),
                x.number(1e-9),
            )?;
            shown(SnapshotRule::integrate_samples(&rule, &x.slice(&vec![1.0; rule.len()]))?)
        })
        .infinite("an integral beyond the largest number"),
        row("Direction", |x| {
            let at = Direction::from_vector([x.number(1.0), x.number(0.0), 0.0])?;
            shown((at, Direction::from_angles(x.number(1.0), x.number(2.0))?, at.theta(), at.phi()))
        }),
        row("Rotation::about", |x| {
            shown(Rotation::about(&pole()?, x.number(1.0))?.apply(&pole()?))
        }),
    ]);
}

#[test]
fn free_samples() {
    holds(&[
        row("Automatic", |x| {
            let options = Automatic::default()
                .relative_tolerance(x.number(1e-6))
                .absolute_tolerance(x.number(1e-9))
                .max_evaluations(x.pick(3000, vec![0, 1, 100]));
            let (size, bend) = (x.number(1.0), x.number(1.0));
            let f = pointwise(move |at: &Direction| size * (bend * at.z()).exp());
            shown(Automatic::integrate(&options, SolidAngle, &f)?)
        })
        .infinite("an integral beyond the largest number"),
        row("Automatic::integrate_from", |x| {
            let options = Automatic::default().strategy(Strategy::Cells).max_evaluations(20_000);
            let mut mesh = Mesh::default().refined_near(&pole()?, x.number(0.5))?;
            let size = x.number(1.0);
            let f = pointwise(move |at: &Direction| size * at.z().exp());
            shown(options.integrate_from(SolidAngle, &mut mesh, &f)?)
        })
        .infinite("an integral beyond the largest number"),
        row("Automatic::integrate_cut", |x| {
            let options = Automatic::default().max_evaluations(20_000);
            let (level, size) = (x.number(0.1), x.number(1.0));
            let f = pointwise(move |at: &Direction| size * at.z());
            shown(options.integrate_cut(SolidAngle, |at| at.z() - level, &f)?)
        })
        .infinite("an integral beyond the largest number"),
        row("PointRule", |x| {
            let value = x.number(1.0);
            let rules = [
                PointRule::lebedev(SolidAngle, x.count(7))?,
                PointRule::lebedev_of_size(SolidAngle, x.count(26))?,
                PointRule::design(SolidAngle, x.count(5))?,
                PointRule::axisymmetric(SolidAngle, &pole()?, x.size(5))?,
            ];
            let all: quad::Result<Vec<_>> =
                rules.iter().map(|rule| PointRule::integrate(rule, |at| value * at.z())).collect();
            shown(all?)
        })
        .infinite("an integral beyond the largest number"),
        row("PointRule::integrate_samples", |x| {
            shown(PointRule::integrate_samples(
                &PointRule::lebedev(SolidAngle, 7)?,
                &x.slice(&[1.0; 26]),
            )?)
        })
        .infinite("an integral beyond the largest number"),
        row("ReducedRule", |x| {
            let rule = PointRule::lebedev(SolidAngle, 7)?.reduced(&Symmetry::octahedral())?;
            let value = x.number(1.0);
            shown((
                ReducedRule::integrate(&rule, |_| value)?,
                ReducedRule::integrate_samples(&rule, &x.slice(&vec![1.0; rule.len()]))?,
            ))
        })
        .infinite("an integral beyond the largest number"),
        row("ThinnedRule", |x| {
            let (rule, value) = (ThinnedRule::of_degree(few(x, 5))?, x.number(1.0));
            shown(ThinnedRule::integrate(&rule, |_| value)?)
        })
        .infinite("an integral beyond the largest number"),
        row("Region", |x| {
            let cap = Region::cap(&pole()?, x.number(0.5))?;
            let value = x.number(1.0);
            shown((
                cap.rule(SolidAngle, few(x, 5))?,
                cap.integrate(SolidAngle, few(x, 5), |_| value)?,
            ))
        })
        .infinite("an integral beyond the largest number"),
        row("Region::latitude_longitude_box", |x| {
            let (theta, phi) = ([x.number(0.5), x.number(1.0)], [x.number(0.5), x.number(1.0)]);
            let square = Region::latitude_longitude_box(theta, phi)?;
            shown(Region::integrate(&square, SolidAngle, 5, |at| at.z())?)
        }),
        row("Region::polygon", |x| {
            let corners: quad::Result<Vec<_>> =
                [0.0, 1.0, 2.0, 3.0].iter().map(|&phi| Direction::from_angles(0.7, phi)).collect();
            let corners = corners?;
            let bad = vec![
                vec![],
                corners[..1].to_vec(),
                corners[..2].to_vec(),
                vec![corners[0]; 4],
                vec![corners[0], corners[2], corners[1], corners[3]],
            ];
            shown(Region::integrate(
                &Region::polygon(&x.pick(corners, bad))?,
                SolidAngle,
                5,
                |at| at.z(),
            )?)
        }),
    ]);
}
