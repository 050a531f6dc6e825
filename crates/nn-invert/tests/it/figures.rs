//! The figures that come with an answer, beside what they are by their definitions.

use std::ops::ControlFlow;

use linalg::operator::Diagonal;
use linalg::{DMatrix, DVector};
use nn_core::{Network, Relu, Shape, Sigmoid, Silu, Softmax, Tanh};
use nn_invert::{
    Chain, Divergence, Error, Evidence, Fault, Folds, LayerwiseInverse, LayerwiseOptions, Map,
    NearestStop, Outside, Preimages, Reach, RestrictedBoltzmann, local, reach, smoothness,
};
use rand::seq::SliceRandom;

use super::{BoxError, normal, seeded};

fn options() -> LayerwiseOptions {
    LayerwiseOptions::default().evidence(Evidence::Estimate)
}

#[test]
fn the_error_to_expect_is_what_every_rounding_is_by_the_derivatives() -> Result<(), BoxError> {
    // Units that know nothing of each other: y = d₂·tanh(d₁·x + b₁) + b₂. To first order an eps of y, of
    // a = tanh z and of z is worth eps times y/(d₂·a′·d₁), a/(a′·d₁) and z/d₁ in x. Of n units and eight
    // draws the mean square has a relative standard deviation of 1.2/√(8·n), its root of half of that.
    let n = 4000;
    let mut rng = seeded(1);
    let uniform = |low: f64, high: f64, rng: &mut _| {
        normal(n, 1, rng).column(0).map(|x| low + (high - low) * (0.5 + 0.5 * x.sin()))
    };
    let (d1, d2) = (uniform(0.5, 2.0, &mut rng), uniform(-3.0, -1.0, &mut rng));
    let (b1, b2) = (uniform(-0.3, 0.3, &mut rng), uniform(0.1, 0.5, &mut rng));
    let (first, second) = (Diagonal::new(d1.clone()), Diagonal::new(d2.clone()));
    let chain = Chain::new(n)
        .operator(&first, b1.as_slice().to_vec())?
        .activation(Tanh)
        .operator(&second, b2.as_slice().to_vec())?;
    // Two targets of very different sizes: neither sees the other's roundings.
    let x =
        DMatrix::from_columns(&[uniform(-1.0, 1.0, &mut rng), uniform(0.9, 1.1, &mut rng) * 3.0]);
    let y = chain.values(&x)?;
    let answers = LayerwiseInverse::with_options(chain, options())?.invert_many(&y)?;
    for target in 0..2 {
        let mut square = 0.0;
        for i in 0..n {
            let z = d1[i] * x[(i, target)] + b1[i];
            let (a, slope) = (z.tanh(), z.cosh().powi(-2));
            let parts = [y[(i, target)] / (d2[i] * slope * d1[i]), a / (slope * d1[i]), z / d1[i]];
            square += parts.iter().map(|part| part * part).sum::<f64>();
        }
        let expected = f64::EPSILON * square.sqrt();
        let ratio = answers.predicted_errors[target] / expected;
        // The second target's few steepest units count for most of it: a tenth as many, say.
        let limit = if target == 0 { 0.03 } else { 0.1 };
        assert!((ratio - 1.0).abs() <= limit, "{target}: {ratio}");
    }
    Ok(())
}

#[test]
fn rounded_probabilities_are_uncertain_by_an_eps_for_each_but_one() -> Result<(), BoxError> {
    // ln p less its mean: eps·(s − mean s) for signs s, whose mean square is c − 1 of c.
    for channels in [2, 3, 8] {
        let shape = Shape::image(channels, 1000, 1);
        let network =
            Network::<f64>::builder(shape).layer(Softmax::new(shape)).build(&mut seeded(1))?;
        let y = network.predict(&normal(shape.len(), 1, &mut seeded(2)))?.column(0).into_owned();
        let inverse = LayerwiseInverse::with_options(Chain::of(&network)?, options())?;
        let answer = inverse.invert(&y)?;
        let expected = f64::EPSILON * (1000.0 * (channels - 1) as f64).sqrt();
        // 8000 groups: six deviations of at most 1/√8000 each.
        let ratio = answer.predicted_error / expected;
        assert!((ratio - 1.0).abs() <= 0.07, "{channels}: {ratio}");
    }
    // A sum may be off by 16·eps for each channel where nothing else is known of it.
    let chain = Chain::<f64>::new(8).softmax();
    let plain = options().evidence(Evidence::Residual);
    let inverse = LayerwiseInverse::with_options(chain.clone(), plain.clone())?;
    let off = |by: f64| {
        let mut p = DVector::from_element(8, 0.125);
        p[0] += by * 128.0 * f64::EPSILON;
        p
    };
    assert!(inverse.invert(&off(0.9)).is_ok() && inverse.invert(&off(-0.9)).is_ok());
    for by in [1.1, -1.1] {
        let error = inverse.invert(&off(by)).unwrap_err();
        assert!(matches!(error, Error::NotProbabilities { index: 0, .. }), "{error}");
    }
    // What is not a probability is raised to the margin, and said to be the sum's fault.
    let lenient = plain.outside(Outside::Clip { margin: 1e-3 });
    let inverse = LayerwiseInverse::with_options(chain, lenient)?;
    let mut p = DVector::from_element(8, 0.125);
    (p[3], p[4]) = (-0.25, 0.0);
    let answer = inverse.invert(&p)?;
    let Some(Fault::Clipped { layer: 0, index: 3, distance }) = answer.fault else {
        panic!("{:?}", answer.fault)
    };
    assert!((distance - 0.5).abs() <= 1e-15);
    let (low, high) = (1e-3_f64.ln(), 0.125_f64.ln());
    let mean = (2.0 * low + 6.0 * high) / 8.0;
    assert!(
        (answer.input[3] - (low - mean)).abs() + (answer.input[4] - (low - mean)).abs() < 1e-14
    );
    assert!((answer.input[0] - (high - mean)).abs() < 1e-14);
    Ok(())
}

#[test]
fn a_value_that_was_moved_is_the_farthest_and_a_flat_unit_the_flattest() -> Result<(), BoxError> {
    let chain = Chain::<f64>::new(4).activation(Tanh);
    let clip = options().outside(Outside::Clip { margin: 0.125 });
    let answer = LayerwiseInverse::with_options(chain.clone(), clip)?
        .invert(&DVector::from_vec(vec![1.25, -1.5, 0.25, 1.375]))?;
    assert_eq!(answer.fault, Some(Fault::Clipped { layer: 0, index: 1, distance: 0.625 }));
    let end = 0.875_f64.atanh();
    for (found, expected) in answer.input.iter().zip([end, -end, 0.25_f64.atanh(), end]) {
        assert!((found - expected).abs() <= 4.0 * f64::EPSILON);
    }
    // Half of the digits of f64 are 7.83: a unit at z = ±8.9 has more left, ±9.2 less; of several the
    // one with the fewest is named.
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    let digits = |z: f64| {
        let growth = z.tanh().abs() * z.cosh().powi(2) / z.abs().max(1.0);
        -(f64::EPSILON / 2.0 * growth).log10()
    };
    let half = -f64::EPSILON.log10() / 2.0;
    let edge = (1..4000).map(|k| f64::from(k) / 200.0).find(|&z| digits(z) < half).unwrap_or(0.0);
    let flat = |z: [f64; 4]| {
        inverse.invert(&DVector::from_column_slice(&z).map(f64::tanh)).map(|answer| answer.fault)
    };
    // tanh rounds z here by up to 1e-8 of it.
    for side in [1.0, -1.0] {
        assert_eq!(flat([0.5, side * (edge - 0.02), 1.0, 0.0])?, None);
        let z = side * (edge + 0.02);
        let found = flat([0.5, z, 1.0, side * (edge + 0.01)])?;
        let Some(Fault::Saturated { layer: 0, index: 1, digits: left }) = found else {
            panic!("{found:?}")
        };
        assert!((left - digits(z)).abs() < 1e-6, "{left} {}", digits(z));
    }
    Ok(())
}

#[test]
fn the_hidden_values_chosen_are_the_nearest_to_the_middle_of_their_range() -> Result<(), BoxError> {
    let eye = DMatrix::identity(2, 2);
    // Where the shortest is out of range, it is the nearest to the middle that is a twentieth inside, or a
    // two-hundredth where that gives none.
    let weight = DMatrix::from_row_slice(1, 2, &[1.0, 0.1]);
    for (asked, expected) in [(1.02, [0.95, 0.7]), (1.05, [0.995, 0.55])] {
        let chain = Chain::new(2)
            .dense(eye.as_view(), vec![0.0; 2])?
            .activation(Tanh)
            .dense(weight.as_view(), vec![0.0])?;
        let inverse = LayerwiseInverse::with_options(chain, options())?;
        let answer = inverse.invert(&DVector::from_element(1, asked))?;
        for (z, h) in answer.input.iter().zip(expected) {
            assert!((f64::tanh(*z) - h).abs() < 1e-9, "{asked}: {}", answer.input.map(f64::tanh));
        }
    }
    // The shortest h with h₁ + 2·h₂ = 2.6 is (0.52, 1.04), no values of a sigmoid; the nearest to (½, ½) is
    // (½ + 0.22, ½ + 0.44).
    let weight = DMatrix::from_row_slice(1, 2, &[1.0, 2.0]);
    let chain = Chain::new(2)
        .dense(eye.as_view(), vec![0.0; 2])?
        .activation(Sigmoid)
        .dense(weight.as_view(), vec![0.0])?;
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    let answer = inverse.invert(&DVector::from_element(1, 2.6))?;
    for (z, h) in answer.input.iter().zip([0.72, 0.94]) {
        let found = 1.0 / (1.0 + (-z).exp());
        assert!((found - h).abs() < 1e-9, "{found} {h}");
    }
    Ok(())
}

#[test]
fn a_witness_is_rounded_to_the_safe_side() -> Result<(), BoxError> {
    // ∑ tanh z over n units along w = 1: at most n, with n + 4 and 5 roundings of eps each to spare; asked
    // for is z − b less 5·eps of it and 8·eps of |z| + |b|.
    for n in [1_usize, 6] {
        let network = Network::<f64>::builder(n)
            .dense_from(DMatrix::identity(n, n), vec![0.0; n])
            .activation(Tanh)
            .dense_from(DMatrix::from_element(1, n, 1.0), vec![-2.0])
            .build_given()?;
        let Reach::Unreachable(witness) = reach(&network, &DVector::from_element(1, 30.0))? else {
            panic!("out of reach")
        };
        let size = n as f64;
        let eps = |count: f64| count * f64::EPSILON;
        let most = size * (1.0 + eps(5.0) + eps(size + 4.0));
        assert!(
            (witness.most - most).abs() <= eps(1.5 * size),
            "{}",
            (witness.most - most) / eps(1.0)
        );
        let asked = 32.0 * (1.0 - eps(5.0) - eps(8.0));
        assert!(
            (witness.asked - asked).abs() <= eps(48.0),
            "{}",
            (witness.asked - asked) / eps(1.0)
        );
    }
    Ok(())
}

#[test]
fn what_is_said_of_a_place_follows_from_its_singular_values() -> Result<(), BoxError> {
    let mut rng = seeded(4);
    for (rows, columns) in [(3, 3), (2, 4), (4, 2)] {
        let weight = normal(rows, columns, &mut rng);
        let chain = Chain::new(columns).operator(weight.clone(), vec![0.0; rows])?;
        let x = normal(columns, 1, &mut rng).column(0).into_owned();
        let y = chain.value(&x)?;
        let sigma = linalg::singular_values(&weight)?;
        let rank = rows.min(columns);
        // Without a residual what is left is the rounding of y: eps·‖J⁺‖_F·‖y‖/√m.
        let found = local(&chain, &y, &x)?;
        let frobenius = sigma.iter().map(|sigma| sigma.powi(-2)).sum::<f64>().sqrt();
        let expected = f64::EPSILON * frobenius * y.norm() / (rows as f64).sqrt();
        assert!(found.residual.abs() < f64::MIN_POSITIVE);
        assert!((found.predicted_error / expected - 1.0).abs() < 1e-10, "{rows} x {columns}");
        assert!((found.condition * sigma[rank - 1] / sigma[0] - 1.0).abs() < 1e-10);
        assert!((found.amplification * sigma[rank - 1] - 1.0).abs() < 1e-10);
        assert_eq!(
            (found.rank, found.dimension, found.unreached),
            (rank, columns - rank, rows - rank)
        );
    }
    // Slopes 3, ¼ and 5, with the sigmoid's 1/√108 and tanh's 4/√27 of curvature, by hand.
    let one = |x: f64| DMatrix::from_element(1, 1, x);
    let network = Network::<f64>::builder(1)
        .dense_from(one(-3.0), vec![0.0])
        .activation(Sigmoid)
        .dense_from(one(5.0), vec![0.0])
        .activation(Tanh)
        .dense_from(one(0.5), vec![0.0])
        .build_given()?;
    let bounds = smoothness(&network)?;
    let slope = 3.0 * 0.25 * 5.0;
    let inner = 9.0 / 108.0_f64.sqrt() * 5.0;
    let curvature = 0.5 * (inner + slope * slope * 4.0 / 27.0_f64.sqrt());
    // Rounded up at each of five layers, by 1e-14 and by a few eps.
    let above = |bound: f64, exact: f64| (1.0 + 2e-14..1.0 + 1e-12).contains(&(bound / exact));
    assert!(above(bounds.slope, 0.5 * slope), "{bounds:?}");
    assert!(above(bounds.curvature, curvature), "{bounds:?} {curvature}");
    Ok(())
}

#[test]
fn maps_show_their_kinks_whichever_way_they_were_made() -> Result<(), BoxError> {
    let units = DMatrix::from_row_slice(3, 2, &[1.0, 0.0, -1.0, 0.0, 0.0, 1.0]);
    let sum = DMatrix::from_element(1, 3, 1.0);
    let chain = Chain::new(2)
        .dense(units.as_view(), vec![0.0, 0.0, 4.0])?
        .activation(Relu)
        .dense(sum.as_view(), vec![-4.0])?;
    let network = Network::<f64>::builder(2)
        .dense_from(units.clone(), vec![0.0, 0.0, 4.0])
        .activation(Relu)
        .dense_from(sum.clone(), vec![-4.0])
        .build_given()?;
    for map in [&chain as &dyn Map<f64>, &network] {
        let target = DVector::zeros(1);
        let set = Preimages::new(map, &target, &DVector::from_vec(vec![2.0, -2.0]))?;
        let ridge = set.nearest(&DVector::from_vec(vec![0.0, 1.0]))?;
        assert_eq!((ridge.stop, ridge.kinks.len()), (NearestStop::Stationary, 2));
    }
    Ok(())
}

#[test]
fn a_machine_begins_at_the_means_and_learns_with_momentum_at_a_rate_that_falls()
-> Result<(), BoxError> {
    let data = DMatrix::from_row_slice(
        3,
        4,
        &[1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.5, 0.0],
    );
    let mut machine = RestrictedBoltzmann::for_data(&data, 2, &mut seeded(1))?;
    // Odds of (3 + ½) to (1 + ½), ½ to 4½ and 1.
    for (bias, odds) in machine.visible_bias().iter().zip([3.5 / 1.5, 0.5 / 4.5, 1.0]) {
        assert!((bias - f64::ln(odds)).abs() <= 4.0 * f64::EPSILON);
    }
    assert!(machine.hidden_bias().amax() < f64::MIN_POSITIVE);
    assert!(machine.weight().amax() <= 0.02 && machine.weight().amax() > 0.005);
    // v ← ¾·v + rate·(1 − t/6)·gradient, of two steps in each of three epochs, with the same draws.
    let plan = Divergence::new(2).epochs(3).rate(0.5).momentum(0.75).batch(2);
    let (mut rng, mut same) = (seeded(7), seeded(7));
    let begun = machine.clone();
    let mut told = 0;
    plan.train(
        &mut machine,
        &data,
        |epoch| {
            told += 1;
            assert_eq!(epoch.epoch, told);
            ControlFlow::Continue(())
        },
        &mut rng,
    )?;
    let (mut weight, mut visible, mut hidden) =
        (begun.weight().clone(), begun.visible_bias().clone(), begun.hidden_bias().clone());
    let (mut dw, mut dv, mut dh) = (&weight * 0.0, &visible * 0.0, &hidden * 0.0);
    let mut order: Vec<usize> = (0..4).collect();
    let mut step = 0.0;
    for _ in 0..3 {
        order.shuffle(&mut same);
        for samples in order.chunks(2) {
            let now = RestrictedBoltzmann::new(weight.clone(), visible.clone(), hidden.clone())?;
            let gradient = plan.gradient(&now, &data.select_columns(samples), &mut same)?;
            let rate = 0.5 * (1.0 - step / 6.0);
            step += 1.0;
            dw = dw * 0.75 + gradient.weight * rate;
            dv = dv * 0.75 + gradient.visible_bias * rate;
            dh = dh * 0.75 + gradient.hidden_bias * rate;
            weight += &dw;
            visible += &dv;
            hidden += &dh;
        }
    }
    let off = (machine.weight() - weight).norm()
        + (machine.visible_bias() - visible).norm()
        + (machine.hidden_bias() - hidden).norm();
    assert!(off <= 1e-14, "{off:e}");
    assert_eq!(told, 3);
    // Twenty units can be enumerated, and no more.
    let machine = |units: usize| {
        RestrictedBoltzmann::new(
            DMatrix::zeros(units, units),
            DVector::zeros(units),
            DVector::zeros(units),
        )
    };
    assert!(machine(21)?.log_partition().is_err());
    let wide =
        RestrictedBoltzmann::new(DMatrix::zeros(20, 21), DVector::zeros(21), DVector::zeros(20))?;
    assert!((wide.log_partition()? - 41.0 * 2.0_f64.ln()).abs() <= 1e-12);
    Ok(())
}

#[test]
fn the_far_branch_of_a_valley_is_found_as_well() -> Result<(), BoxError> {
    // SiLU at −0.001 and −1e-12: z·σ(z) with z = −9.118… and beyond, on the side where it falls.
    let chain = Chain::<f64>::new(3).activation(Silu);
    let falling = options().folds(Folds::Falling);
    let answer = LayerwiseInverse::with_options(chain, falling)?
        .invert(&DVector::from_vec(vec![-1e-3, -1e-12, -0.25]))?;
    for (z, a) in answer.input.iter().zip([-1e-3, -1e-12, -0.25]) {
        let value = z / (1.0 + (-z).exp());
        assert!(
            (value / a - 1.0).abs() <= 64.0 * f64::EPSILON * z.abs() && *z < -1.278,
            "{z} {value}"
        );
    }
    Ok(())
}

#[test]
fn units_of_a_layer_do_not_matter() -> Result<(), BoxError> {
    // Outputs in units of a power of two: the same input, error, bound and faults; the residual and what is
    // missed in these units.
    for (widths, asked) in [([6, 6, 6], 1.0), ([6, 6, 4], 1.0), ([4, 6, 6], 1.0), ([6, 6, 6], 40.0)]
    {
        let mut rng = seeded(5);
        let first = normal(widths[1], widths[0], &mut rng) * 0.4;
        let second = normal(widths[2], widths[1], &mut rng);
        let bias = normal(widths[2], 1, &mut rng);
        let invert = |unit: f64| {
            let weight = &second * unit;
            let offset = (&bias * unit).as_slice().to_vec();
            let chain = Chain::new(widths[0])
                .dense(first.as_view(), vec![0.1; widths[1]])?
                .activation(Tanh)
                .dense(weight.as_view(), offset)?;
            let x = DVector::from_fn(widths[0], |i, _| (i as f64).sin());
            let y = chain.value(&x)? * asked;
            let options = LayerwiseOptions::default().outside(Outside::Project { margin: 1e-3 });
            LayerwiseInverse::with_options(chain, options)?.invert(&y)
        };
        let plain = invert(1.0)?;
        for unit in [1024.0, 1.0 / 1024.0] {
            let found = invert(unit)?;
            let near = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a / b - 1.0).abs() <= 1e-9;
            assert!(
                (&found.input - &plain.input).norm() <= 1e-9 * plain.input.norm(),
                "{widths:?}"
            );
            assert!(near(found.predicted_error, plain.predicted_error), "{found:?} {plain:?}");
            assert!(near(found.error_bound, plain.error_bound), "{found:?} {plain:?}");
            for (a, b) in found.conditions.iter().zip(&plain.conditions) {
                assert!(near(*a, *b), "{a} {b}");
            }
            match (&found.fault, &plain.fault) {
                (
                    Some(Fault::Unreachable { layer, distance, chosen_by }),
                    Some(Fault::Unreachable { layer: other, distance: far, chosen_by: by }),
                ) => {
                    // Layer 0 is in units of its own.
                    let own = if *layer == 0 { 1.0 } else { unit };
                    assert_eq!((layer, chosen_by), (other, by));
                    assert!(near(*distance, far * own), "{distance} {far}");
                }
                (a, b) => assert_eq!(a, b),
            }
        }
    }
    Ok(())
}
