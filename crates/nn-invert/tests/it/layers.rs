//! Layers that are not square, not one to one, not dense, or at fault.

use linalg::krylov::{Ilu0, Stop};
use linalg::nalgebra::{Const, Dyn};
use linalg::operator::{Banded, Diagonal, FnOperator, LowRankPlusDiagonal};
use linalg::{Csr, DMatrix, DMatrixView, DVector, LinearOperator, Threads, product};
use nn_core::{Conv2d, LeakyRelu, Network, Relu, Shape, Silu, Softplus, Tanh};
use nn_invert::{
    Chain, Error, Evidence, Factors, Fault, Folds, LayerwiseInverse, LayerwiseOptions, Map,
    Outside, Singular, Undone,
};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::{BoxError, normal, orthogonal, seeded};

fn options() -> LayerwiseOptions {
    LayerwiseOptions::default()
}

/// Random weights of the given gain, biases of the same, `widths` first to last.
fn weights(
    widths: &[usize],
    gain: f64,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<(DMatrix<f64>, Vec<f64>)> {
    widths
        .windows(2)
        .map(|pair| {
            let weight = normal(pair[1], pair[0], rng) * (gain / (pair[0] as f64).sqrt());
            (weight, (0..pair[1]).map(|_| rng.random_range(-0.3..0.3)).collect())
        })
        .collect()
}

fn tanh_chain(weights: &[(DMatrix<f64>, Vec<f64>)]) -> Chain<'_, f64> {
    let mut chain = Chain::new(weights[0].0.ncols());
    for (k, (weight, bias)) in weights.iter().enumerate() {
        if k > 0 {
            chain = chain.activation(Tanh);
        }
        chain = chain.dense(weight.as_view(), bias).unwrap();
    }
    chain
}

fn vector(n: usize, rng: &mut Xoshiro256PlusPlus) -> DVector<f64> {
    normal(n, 1, rng).column(0).into_owned()
}

#[test]
fn widths_that_change_once_are_inverted_exactly() -> Result<(), BoxError> {
    for widths in [&[10, 10, 30][..], &[30, 10, 10], &[10, 20, 30], &[30, 20, 10]] {
        for seed in 0..25 {
            let mut rng = seeded(seed);
            let weights = weights(widths, 1.5, &mut rng);
            let chain = tanh_chain(&weights);
            let y = chain.value(&vector(widths[0], &mut rng))?;
            let inverse = LayerwiseInverse::with_options(chain, options())?;
            let answer = inverse.invert(&y)?;
            let relative = answer.residual / y.norm();
            assert!(relative <= 1e-10, "{widths:?}, seed {seed}: {relative:e} {:?}", answer.fault);
        }
    }
    Ok(())
}

#[test]
fn the_input_of_a_tall_network_is_the_one_and_the_shortest_of_a_wide_one() -> Result<(), BoxError> {
    let mut rng = seeded(4);
    let tall = weights(&[6, 9], 1.0, &mut rng);
    let x = vector(6, &mut rng);
    let chain = tanh_chain(&tall);
    let y = chain.value(&x)?;
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    let answer = inverse.invert(&y)?;
    assert!((&answer.input - &x).norm() <= 1e-13);
    let report = &inverse.layers()[0];
    assert_eq!((report.undone, report.rank), (Undone::PseudoInverse, Some(6)));
    assert!(answer.error_bound.is_infinite() && answer.predicted_error < 1e-13);

    let wide = weights(&[9, 6], 1.0, &mut rng);
    let chain = tanh_chain(&wide);
    let x = vector(9, &mut rng);
    let y = chain.value(&x)?;
    let answer = LayerwiseInverse::with_options(chain, options())?.invert(&y)?;
    assert!(answer.residual <= 1e-14 && answer.input.norm() < x.norm());
    // x − x̂ is in the null space, x̂ is orthogonal to it.
    assert!((&x - &answer.input).dot(&answer.input).abs() <= 1e-13);
    Ok(())
}

#[test]
fn an_output_that_no_input_gives_is_refused_with_its_distance() -> Result<(), BoxError> {
    // The outputs of a 1 → 2 layer are a line; (1, −1) is √2 from it.
    let weight = DMatrix::from_element(2, 1, 1.0_f64);
    let chain = || Chain::new(1).dense(weight.as_view(), vec![0.0; 2]);
    let target = DVector::from_vec(vec![1.0, -1.0]);
    let error = LayerwiseInverse::with_options(chain()?, options())?.invert(&target).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 0 (dense 1 -> 2) cannot give what target 0 asks of it, and no input of the network \
         has that output: the nearest that it can give is 1.4e0 away"
    );
    let lenient = options().outside(Outside::Project { margin: 1e-6 });
    let answer = LayerwiseInverse::with_options(chain()?, lenient)?.invert(&target)?;
    assert!(answer.input[0].abs() <= 1e-9 && (answer.residual - 2.0_f64.sqrt()).abs() <= 1e-9);
    let Some(Fault::Unreachable { layer: 0, distance, chosen_by: None }) = answer.fault else {
        panic!("{:?}", answer.fault)
    };
    assert!((distance - 2.0_f64.sqrt()).abs() <= 1e-9);
    Ok(())
}

#[test]
fn what_a_wide_layer_chose_is_not_called_unreachable() -> Result<(), BoxError> {
    let mut rng = seeded(1);
    let weights = weights(&[4, 12, 4], 1.0, &mut rng);
    let chain = tanh_chain(&weights);
    let y = chain.value(&vector(4, &mut rng))?;
    let error = LayerwiseInverse::with_options(chain.clone(), options())?.invert(&y).unwrap_err();
    let text = error.to_string();
    let start = "layer 0 (dense 4 -> 12) cannot give what layer 2 chose for target 0: the nearest";
    assert!(text.starts_with(start), "{text}");
    // As a start for a polish it is given all the same, and its residual says what it is.
    let clip = options().outside(Outside::Clip { margin: 0.1 });
    let answer = LayerwiseInverse::with_options(chain, clip)?.invert(&y)?;
    let fault = answer.fault.ok_or("no fault")?;
    assert!(matches!(fault, Fault::Unreachable { layer: 0, chosen_by: Some(2), .. }), "{fault:?}");
    assert!(answer.residual > 1e-3 * y.norm());
    Ok(())
}

#[test]
fn values_outside_are_clipped_or_projected_and_reported() -> Result<(), BoxError> {
    let chain = || Chain::<f64>::new(2).activation(Tanh);
    let target = DVector::from_vec(vec![1.5, 0.5]);
    let clip = options().outside(Outside::Clip { margin: 0.1 });
    let answer = LayerwiseInverse::with_options(chain(), clip)?.invert(&target)?;
    let expected = DVector::from_vec(vec![0.9_f64.atanh(), 0.5_f64.atanh()]);
    assert!((answer.input - expected).norm() <= 1e-14);
    let Some(Fault::Clipped { layer: 0, index: 0, distance }) = answer.fault else { panic!() };
    assert!((distance - 0.6).abs() <= 1e-15);

    // h₁ + h₂ = 3 with |h| < 1: the nearest is (1, 1), and clipping each of (3, 0) is not.
    let weight = DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 0.0, 1.0]);
    let chain = || Chain::new(2).activation(Tanh).dense(weight.as_view(), vec![0.0; 2]);
    let target = DVector::from_vec(vec![3.0, 0.0]);
    let project = options().outside(Outside::Project { margin: 1e-6 });
    let projected = LayerwiseInverse::with_options(chain()?, project)?.invert(&target)?;
    let clip = options().outside(Outside::Clip { margin: 1e-6 });
    let clipped = LayerwiseInverse::with_options(chain()?, clip)?.invert(&target)?;
    // min (h₁ + h₂ − 3)² + h₂² with h₁ = 1: h₂ = 1, distance √2.
    assert!((projected.residual - 2.0_f64.sqrt()).abs() <= 1e-5, "{}", projected.residual);
    assert!(clipped.residual > 1.9, "{}", clipped.residual);
    assert!(matches!(projected.fault, Some(Fault::Unreachable { layer: 1, .. })));
    assert!(matches!(clipped.fault, Some(Fault::Clipped { layer: 0, index: 0, .. })));
    Ok(())
}

#[test]
fn a_relu_network_gives_its_set_to_the_layer_before() -> Result<(), BoxError> {
    let rising = options().folds(Folds::Rising);
    for widths in [&[10, 10, 10][..], &[30, 20, 10], &[10, 40]] {
        for seed in 0..20 {
            let mut rng = seeded(seed);
            let weights = weights(widths, 1.5, &mut rng);
            let mut chain = Chain::new(widths[0]);
            for (weight, bias) in &weights {
                chain = chain.dense(weight.as_view(), bias)?.activation(Relu);
            }
            let y = chain.value(&vector(widths[0], &mut rng))?;
            let dead = y.iter().filter(|&&y| y == 0.0).count();
            assert!(dead > 0);
            let inverse = LayerwiseInverse::with_options(chain, rising.clone())?;
            let answer = inverse.invert(&y)?;
            let relative = answer.residual / y.norm();
            // f(x̂) is compared with y, not x̂ with x: the inverse is a set.
            assert!(relative <= 1e-9, "{widths:?}, seed {seed}: {relative:e} {:?}", answer.fault);
        }
    }
    Ok(())
}

#[test]
fn branches_of_silu_are_chosen() -> Result<(), BoxError> {
    let target = DVector::from_vec(vec![-0.2, 1.0]);
    let one = |folds| -> Result<DVector<f64>, Error> {
        let chain = Chain::<f64>::new(2).activation(Silu);
        Ok(LayerwiseInverse::with_options(chain, options().folds(folds))?.invert(&target)?.input)
    };
    let (rising, falling) = (one(Folds::Rising)?, one(Folds::Falling)?);
    assert!((rising[0] + 0.5448804401599816).abs() <= 1e-15);
    assert!((falling[0] + 2.3961385060760683).abs() <= 1e-14);
    assert_eq!(rising.rows(1, 1), falling.rows(1, 1));
    assert_eq!(
        one(Folds::Refuse).unwrap_err().to_string(),
        "layer 0 (SiLU 2) takes values more than once and has no exact inverse"
    );
    let chain = Chain::<f64>::new(1).activation(Silu);
    let inverse = LayerwiseInverse::with_options(chain, options().folds(Folds::Rising))?;
    let error = inverse.invert(&DVector::from_element(1, -0.3)).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { layer: 0, index: 0, .. }), "{error}");
    Ok(())
}

#[test]
fn a_softmax_gives_the_logits_with_the_sum_zero() -> Result<(), BoxError> {
    let chain = Chain::<f64>::new(3).softmax();
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    let answer = inverse.invert(&DVector::from_vec(vec![0.5, 0.25, 0.25]))?;
    // ln p less its mean: ln 2·(2/3, −1/3, −1/3).
    let ln = 2.0_f64.ln() / 3.0;
    let expected = DVector::from_vec(vec![2.0 * ln, -ln, -ln]);
    assert!((answer.input - expected).norm() <= 1e-15);
    let error = inverse.invert(&DVector::from_vec(vec![0.5, 0.5, 0.25])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 0 (softmax 3) cannot give target 0: its values are positive and add up to 1, but value \
         0 is 0.5 and the sum 1.25"
    );
    Ok(())
}

#[test]
fn singular_layers_are_refused_or_reported() -> Result<(), BoxError> {
    let (one, two) = (DMatrix::<f64>::identity(2, 2), DMatrix::from_element(2, 2, 1.0));
    let chain = Chain::new(2)
        .dense(one.as_view(), vec![0.0; 2])?
        .activation(Tanh)
        .dense(two.as_view(), vec![0.0; 2])?;
    let refused = LayerwiseInverse::with_options(chain.clone(), options()).unwrap_err();
    assert!(matches!(refused, Error::Singular { layer: 2, .. }), "{refused}");
    let lenient = options().singular(Singular::PseudoInverse);
    let inverse = LayerwiseInverse::with_options(chain, lenient)?;
    let answer = inverse.invert(&DVector::from_element(2, 0.5))?;
    assert_eq!(answer.fault, Some(Fault::RankDeficient { layer: 2, rank: 1, full: 2 }));
    assert!(answer.residual <= 1e-15);
    assert_eq!(inverse.layers()[1].rank, Some(1));
    assert!(inverse.layers()[1].gap > Some(1e12));
    // Off the line that the layer gives.
    let error = inverse.invert(&DVector::from_vec(vec![0.5, 0.4])).unwrap_err();
    assert!(matches!(error, Error::Unreachable { layer: 2, .. }), "{error}");
    Ok(())
}

#[test]
fn a_saturated_unit_is_named() -> Result<(), BoxError> {
    let chain = Chain::<f64>::new(3).activation(Tanh);
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    let x = DVector::from_vec(vec![0.3, 13.0, -1.0]);
    let answer = inverse.invert(&x.map(f64::tanh))?;
    let Some(Fault::Saturated { layer: 0, index: 1, digits }) = answer.fault else {
        panic!("{:?}", answer.fault)
    };
    // eps/2·cosh²(13)/13.
    let expected = -(f64::EPSILON / 2.0 * 13.0_f64.cosh().powi(2) / 13.0).log10();
    assert!((digits - expected).abs() < 0.01, "{digits} {expected}");
    assert_eq!(inverse.invert(&DVector::from_element(3, 0.5))?.fault, None);
    Ok(())
}

#[test]
fn structured_layers_are_solved_by_their_structure() -> Result<(), BoxError> {
    let n = 400;
    let mut rng = seeded(7);
    let mut diagonals = normal(5, n, &mut rng) * 0.2;
    diagonals.row_mut(2).add_scalar_mut(2.0);
    let band = Banded::new(2, diagonals)?;
    let thin = || normal(n, 3, &mut seeded(8)) * 0.1;
    let low = LowRankPlusDiagonal::new(DVector::from_element(n, 1.5), thin(), thin())?;
    let scale = Diagonal::new(DVector::from_fn(n, |i, _| 1.0 + (i % 7) as f64 / 10.0));
    let chain = Chain::new(n)
        .operator(&band, vec![0.1; n])?
        .activation(LeakyRelu::new(0.1)?)
        .operator(&low, vec![-0.1; n])?
        .activation(Tanh)
        .operator(&scale, vec![0.0; n])?;
    let x = normal(n, 2, &mut rng) * 0.3;
    let y = chain.values(&x)?;
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    assert!(inverse.layers().iter().all(|report| report.undone == Undone::Structure));
    let answers = inverse.invert_many(&y)?;
    assert!((answers.inputs - &x).norm() <= 1e-12 * x.norm());
    for target in 0..2 {
        let error = (answers.predicted_errors[target], x.column(target).norm());
        assert!(error.0 < 1e-12 * error.1 && error.0 > 1e-16 * error.1, "{error:?}");
    }
    Ok(())
}

#[test]
fn convolutions_and_batch_normalization_are_undone() -> Result<(), BoxError> {
    let mut network = Network::builder(Shape::image(1, 7, 6))
        .conv2d(Conv2d::new(1, 3).padding(1))
        .batch_norm()
        .activation(Tanh)
        .flatten()
        .build(&mut seeded(3))?;
    let kernel = [0.1, 0.05, -0.1, 0.2, 1.0, 0.1, -0.05, 0.1, 0.02];
    network.parameters_mut()[..9].copy_from_slice(&kernel);
    network.state_mut().copy_from_slice(&[0.2, 0.5]);
    let x = vector(42, &mut seeded(4)) * 0.3;
    let y = network.value(&x)?;
    let inverse = LayerwiseInverse::new(&network)?;
    let undone: Vec<Undone> = inverse.layers().iter().map(|report| report.undone).collect();
    assert_eq!(undone, [Undone::Iteration, Undone::Structure]);
    let answer = inverse.invert(&y)?;
    assert!((&answer.input - &x).norm() <= 1e-8 * x.norm(), "{:e}", answer.residual);
    assert!(answer.iterations > 0 && answer.fault.is_none());
    Ok(())
}

#[test]
fn what_does_not_converge_says_so_and_returns_what_it_reached() -> Result<(), BoxError> {
    // A shift with a weak coupling, so that sweeps and BiCGSTAB fail; the rest of 60 iterations for LSMR.
    let n = 300;
    let mut rng = seeded(2);
    let mut entries: Vec<_> = (0..n).map(|i| (i, (i + 1) % n, 2.0)).collect();
    for i in 0..n {
        entries.push((i, rng.random_range(0..n), 1.5 * rng.random_range(-1.0..1.0)));
    }
    let weight = Csr::from_triplets(n, n, &entries)?;
    let chain = Chain::new(n).operator(&weight, vec![0.0; n])?.activation(Tanh);
    let y = chain.value(&(vector(n, &mut rng) * 0.2))?;
    let few = options().iterations(60).evidence(Evidence::Residual);
    let answer = LayerwiseInverse::with_options(chain.clone(), few)?.invert(&y)?;
    let Some(Fault::NotConverged { layer: 0, stop, relative_residual, iterations: 60 }) =
        answer.fault
    else {
        panic!("{:?}", answer.fault)
    };
    assert_eq!(stop, Stop::IterationLimit);
    let off = answer.residual / y.norm();
    assert!(relative_residual < 1.0 && off > 1e-9 && off < 1.0, "{relative_residual:e}, {off:e}");
    let enough = options().evidence(Evidence::Residual);
    let answer = LayerwiseInverse::with_options(chain, enough)?.invert(&y)?;
    assert!(answer.fault.is_none() && answer.residual <= 1e-9 * y.norm(), "{answer:?}");
    Ok(())
}

#[test]
fn a_preconditioner_is_used_and_named() -> Result<(), BoxError> {
    // Five-point stencil, nearly singular: slow without, quick with ILU(0).
    let side = 24_usize;
    let n = side * side;
    let mut entries = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let i = y * side + x;
            entries.push((i, i, 4.0));
            for (there, j) in [
                (x > 0, i.wrapping_sub(1)),
                (x + 1 < side, i + 1),
                (y > 0, i.wrapping_sub(side)),
                (y + 1 < side, i + side),
            ] {
                if there {
                    entries.push((i, j, -1.0));
                }
            }
        }
    }
    let grid = Csr::from_triplets(n, n, &entries)?;
    let factors = Ilu0::new(&grid)?;
    let x = vector(n, &mut seeded(1));
    let plain = Chain::new(n).operator(&grid, vec![0.0; n])?;
    let y = plain.value(&x)?;
    let helped = Chain::new(n).preconditioned(&grid, &factors, vec![0.0; n])?;
    let residual = options().evidence(Evidence::Residual);
    let plain = LayerwiseInverse::with_options(plain, residual.clone())?;
    let helped = LayerwiseInverse::with_options(helped, residual)?;
    assert_eq!(helped.layers()[0].undone, Undone::PreconditionedIteration);
    let (plain, helped) = (plain.invert(&y)?, helped.invert(&y)?);
    assert!(helped.iterations * 2 < plain.iterations, "{} {}", helped.iterations, plain.iterations);
    assert!((helped.input - &x).norm() <= 1e-7 * x.norm());
    let wrong = Chain::new(n).preconditioned(&grid, Diagonal::new(DVector::zeros(2)), vec![0.0; n]);
    assert_eq!(wrong.unwrap_err().to_string(), "preconditioner is 2 x 2, expected 576 x 576");
    Ok(())
}

#[test]
fn factors_that_would_not_fit_are_refused_before_they_are_made() -> Result<(), BoxError> {
    // Every column of the view is the same: 100,000 x 100,000 without the 80 GB.
    let n = 100_000;
    let column = vec![0.5_f64; n];
    let size = Dyn(n);
    let weight =
        DMatrixView::from_slice_with_strides_generic(&column, size, size, Const::<1>, Dyn(0));
    let chain = Chain::new(n).dense(weight, vec![0.0; n])?;
    let lean = options().evidence(Evidence::Residual);
    let error = LayerwiseInverse::with_options(chain, lean).unwrap_err();
    assert_eq!(
        error.to_string(),
        "factoring up to layer 0 (dense 100000 -> 100000) would take 80.000 GB, and 8.000 GB are \
         allowed; a sparse or structured matrix is undone by its products instead"
    );
    Ok(())
}

#[test]
fn single_precision_factors_give_double_precision_answers() -> Result<(), BoxError> {
    let mut rng = seeded(11);
    let n = 60;
    let weights = weights(&[n, n, n], 1.0, &mut rng);
    let chain = tanh_chain(&weights);
    let x = normal(n, 3, &mut rng) * 0.5;
    let y = chain.values(&x)?;
    let full = LayerwiseInverse::with_options(chain.clone(), options())?;
    let single = LayerwiseInverse::with_options(chain, options().factors(Factors::Single))?;
    let undone: Vec<Undone> = single.layers().iter().map(|report| report.undone).collect();
    assert_eq!(undone, [Undone::SingleLu; 2]);
    let (full, single) = (full.invert_many(&y)?, single.invert_many(&y)?);
    for target in 0..3 {
        let error = |inputs: &DMatrix<f64>| (inputs.column(target) - x.column(target)).norm();
        let (full, single) = (error(&full.inputs), error(&single.inputs));
        assert!(single <= 10.0 * full + 1e-14, "{single:e} against {full:e}");
    }
    // What single precision cannot factor usefully is factored in full.
    let hilbert = DMatrix::from_fn(8, 8, |i, j| 1.0 / (i + j + 1) as f64);
    let chain = Chain::new(8).dense(hilbert.as_view(), vec![0.0; 8])?;
    let inverse = LayerwiseInverse::with_options(chain, options().factors(Factors::Single))?;
    assert_eq!(inverse.layers()[0].undone, Undone::Lu);
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() -> Result<(), BoxError> {
    let mut rng = seeded(13);
    let n = 150;
    let weights = weights(&[n, n, 100], 1.0, &mut rng);
    let chain = tanh_chain(&weights);
    let y = chain.values(&(normal(n, 20, &mut rng) * 0.5))?;
    let invert = |threads| {
        let options = options().threads(threads);
        LayerwiseInverse::with_options(chain.clone(), options)?.invert_many(&y)
    };
    let one = invert(Threads::One)?;
    for count in [1, 2, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build()?;
        let many = pool.install(|| invert(Threads::Pool))?;
        assert_eq!(one, many, "{count} threads");
    }
    Ok(())
}

#[test]
fn the_observed_amplification_is_about_the_predicted() -> Result<(), BoxError> {
    for seed in 0..20 {
        let mut rng = seeded(seed);
        let weights = weights(&[16, 16, 16], 0.8, &mut rng);
        let chain = tanh_chain(&weights);
        let y = chain.value(&(vector(16, &mut rng) * 0.4))?;
        let inverse = LayerwiseInverse::with_options(chain, options())?;
        let (seen, said) =
            (inverse.observed_amplification(&y)?, inverse.invert(&y)?.amplification());
        // One direction of 16, of a matrix whose singular values spread over two decades.
        assert!(seen < 10.0 * said && seen > 1e-2 * said, "seed {seed}: {seen:e} and {said:e}");
    }
    // A diagonal of 1 and 1/1000: 1000 at most.
    let weight = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 1e-3]);
    let chain = Chain::new(2).dense(weight.as_view(), vec![0.0; 2])?;
    let inverse = LayerwiseInverse::with_options(chain, options())?;
    let seen = inverse.observed_amplification(&DVector::from_vec(vec![1e-3, 1.0]))?;
    assert!((seen - 1.0).abs() < 1e-6, "{seen}");
    Ok(())
}

#[test]
fn evidence_costs_only_where_it_is_asked_for() -> Result<(), BoxError> {
    let mut rng = seeded(17);
    let weights = weights(&[9, 9, 9], 1.0, &mut rng);
    let chain = tanh_chain(&weights);
    let y = chain.value(&(vector(9, &mut rng) * 0.3))?;
    let answer = |evidence| {
        LayerwiseInverse::with_options(chain.clone(), options().evidence(evidence))?.invert(&y)
    };
    let (residual, estimate, bound) =
        (answer(Evidence::Residual)?, answer(Evidence::Estimate)?, answer(Evidence::Bound)?);
    assert_eq!(residual.input, bound.input);
    assert!(residual.predicted_error.is_infinite() && residual.error_bound.is_infinite());
    let (estimated, bounded) = (estimate.predicted_error, bound.predicted_error);
    assert_eq!(estimated.to_bits(), bounded.to_bits());
    assert!(estimate.error_bound.is_infinite() && bound.error_bound.is_finite());
    assert!(bound.predicted_error < bound.error_bound);
    // Rounding alone, amplified: at least one eps, and the conditions estimate from below.
    assert!(bound.amplification() > 0.5);
    for (estimated, exact) in residual.conditions.iter().zip(&bound.conditions) {
        assert!(*estimated <= 1.01 * exact && 4.0 * estimated >= *exact, "{estimated} {exact}");
    }
    Ok(())
}

#[test]
fn an_operator_without_adjoint_is_solved_all_the_same() -> Result<(), BoxError> {
    let weight = DMatrix::from_row_slice(2, 2, &[3.0, 1.0, 0.0, 2.0]);
    let blind = FnOperator::without_adjoint(2, 2, |x: &[f64], y: &mut [f64]| {
        y[0] = 3.0 * x[0] + x[1];
        y[1] = 2.0 * x[1];
    });
    let chain = Chain::new(2).operator(blind, vec![1.0, -1.0])?.activation(Softplus);
    let x = DMatrix::from_column_slice(2, 1, &[0.5, -0.25]);
    let y = chain.value(&x.column(0).into_owned())?;
    assert!((product(&weight, &x)?[0] + 1.0 - (y[0].exp() - 1.0).ln()).abs() <= 1e-14);
    let answer = LayerwiseInverse::with_options(chain, options())?.invert(&y)?;
    assert!((answer.input - x.column(0)).norm() <= 1e-9);
    Ok(())
}

#[test]
fn options_out_of_range_are_refused() {
    let text = |options| {
        let chain = Chain::<f64>::new(1);
        LayerwiseInverse::with_options(chain, options).unwrap_err().to_string()
    };
    assert_eq!(
        text(options().outside(Outside::Clip { margin: 0.0 })),
        "outside.margin is 0, expected a finite number greater than 0"
    );
    assert_eq!(
        text(options().tolerance(f64::NAN)),
        "tolerance is NaN, expected a number between 0 and 1"
    );
    for (tolerance, shown) in [(0.0, "0"), (1.0, "1")] {
        assert_eq!(
            text(options().tolerance(tolerance)),
            format!("tolerance is {shown}, expected a number between 0 and 1")
        );
    }
    assert_eq!(text(options().memory(0.0)), "memory is 0, expected a positive number of bytes");
    assert_eq!(text(options().iterations(0)), "iterations is 0, expected at least 1");
    assert_eq!(text(options().memory(-1.0)), "memory is -1, expected a positive number of bytes");
}

#[test]
fn orthogonal_layers_of_different_kinds_agree() -> Result<(), BoxError> {
    // The same matrix as entries, as sparse entries and as products.
    let mut rng = seeded(23);
    let q = orthogonal(30, &mut rng);
    let sparse = Csr::from_dense(&q)?;
    let target = vector(30, &mut rng);
    let dense = Chain::new(30).dense(q.as_view(), vec![0.2; 30])?;
    let products = Chain::new(30).operator(&sparse, vec![0.2; 30])?;
    let tight = options().tolerance(1e-14);
    let dense = LayerwiseInverse::with_options(dense, tight.clone())?.invert(&target)?;
    let products = LayerwiseInverse::with_options(products, tight)?.invert(&target)?;
    assert!((dense.input - products.input).norm() <= 1e-12);
    assert!(products.conditions[0].is_nan() && products.iterations > 0);
    let mut image = vec![0.0; 30];
    sparse.apply(vec![1.0; 30].as_slice(), &mut image)?;
    Ok(())
}
