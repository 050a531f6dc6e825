//! A chain and a network are the same map, with the same derivative.

use linalg::operator::{Banded, Diagonal, FnOperator, LowRankPlusDiagonal};
use linalg::{Csr, DMatrix, DVector, LinearOperator, Threads};
use nn_core::{Conv2d, LeakyRelu, Network, Relu, Shape, Tanh};
use nn_invert::{Chain, Error, Map};
use rand::RngExt;

use crate::{BoxError, normal, seeded};

/// A network with every layer that has a view.
fn network() -> Network<f64> {
    let mut rng = seeded(5);
    let mut network = Network::builder(Shape::image(2, 6, 4))
        .conv2d(Conv2d::new(3, 3).padding(1))
        .batch_norm()
        .activation(Tanh)
        .average_pool(2)
        .flatten()
        .dense(7)
        .activation(LeakyRelu::new(0.1).unwrap())
        .dropout(0.3)
        .dense(5)
        .softmax()
        .build(&mut rng)
        .unwrap();
    network.parameters_mut().iter_mut().for_each(|p| *p += rng.random_range(-0.3..0.3));
    for (k, value) in network.state_mut().iter_mut().enumerate() {
        *value = 0.3 + 0.2 * k as f64;
    }
    network
}

/// ‖J·v − (f(x + hv) − f(x − hv))/2h‖ and |⟨J·v, u⟩ − ⟨v, Jᵀ·u⟩|.
fn defects(map: &dyn Map<f64>, x: &DVector<f64>, seed: u64) -> (f64, f64) {
    let mut rng = seeded(seed);
    let column = |m: DMatrix<f64>| m.column(0).into_owned();
    let (v, u) =
        (column(normal(map.inputs(), 1, &mut rng)), column(normal(map.outputs(), 1, &mut rng)));
    let point = map.linearize(x).unwrap();
    assert_eq!(point.value, map.value(x).unwrap());
    let (mut jv, mut ju) = (u.clone(), v.clone());
    point.jacobian.apply(v.as_slice(), jv.as_mut_slice()).unwrap();
    point.jacobian.apply_adjoint(u.as_slice(), ju.as_mut_slice()).unwrap();
    let h = 1e-6;
    let above = map.value(&(x + &v * h)).unwrap();
    let below = map.value(&(x - &v * h)).unwrap();
    (((above - below) / (2.0 * h) - &jv).norm(), (jv.dot(&u) - v.dot(&ju)).abs())
}

#[test]
fn a_chain_of_a_network_is_the_network() -> Result<(), BoxError> {
    let network = network();
    let chain = Chain::of(&network)?;
    assert_eq!((chain.inputs(), chain.outputs()), (48, 5));
    let x = normal(48, 3, &mut seeded(6));
    // Ten layers of sums of at most 48 terms, of values of order 1.
    let off = (chain.values(&x)? - network.predict(&x)?).amax();
    assert!(off <= 1e-14, "{off:e}");

    let x = x.column(0).into_owned();
    let (ours, theirs) = (chain.linearize(&x)?, network.linearize(&x)?);
    for probe in 0..48 {
        let unit = DVector::from_fn(48, |i, _| if i == probe { 1.0 } else { 0.0 });
        let (mut a, mut b) = ([0.0; 5], [0.0; 5]);
        ours.jacobian.apply(unit.as_slice(), &mut a)?;
        theirs.jacobian.apply(unit.as_slice(), &mut b)?;
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-14, "column {probe}: {a} and {b}");
        }
    }
    let block = network.jacobian(&x)?;
    let mut product = DMatrix::zeros(5, 48);
    ours.jacobian.apply_block(DMatrix::identity(48, 48).as_view(), product.as_view_mut())?;
    assert!((product - block).amax() <= 1e-14);
    Ok(())
}

#[test]
fn jacobians_are_derivatives_and_adjoints() -> Result<(), BoxError> {
    let network = network();
    let chain = Chain::of(&network)?;
    let pooled = Network::builder(Shape::image(1, 4, 4))
        .max_pool(2)
        .dense(3)
        .activation(Tanh)
        .build(&mut seeded(1))?;
    for (map, inputs) in [(&network as &dyn Map<f64>, 48), (&chain, 48), (&pooled, 16)] {
        let x = normal(inputs, 1, &mut seeded(9)).column(0).into_owned();
        let (difference, adjoint) = defects(map, &x, 3);
        // Truncation h²·|f‴|/6 and rounding eps/h with h = 1e-6.
        assert!(difference <= 3e-9, "{difference:e}");
        assert!(adjoint <= 1e-13, "{adjoint:e}");
    }
    Ok(())
}

#[test]
fn links_of_any_operator_are_what_they_multiply() -> Result<(), BoxError> {
    let n = 6;
    let mut rng = seeded(2);
    let full = normal(n, n, &mut rng);
    let sparse = Csr::from_dense(&full.map(|x| if x > 0.0 { x } else { 0.0 }))?;
    let band = Banded::new(1, normal(3, n, &mut rng))?;
    let thin = normal(n, 2, &mut rng);
    let low = LowRankPlusDiagonal::new(DVector::from_element(n, 2.0), thin.clone(), thin)?;
    let shift = FnOperator::new(
        n,
        n,
        |x: &[f64], y: &mut [f64]| (0..x.len()).for_each(|i| y[i] = x[(i + 1) % x.len()]),
        |x: &[f64], y: &mut [f64]| (0..x.len()).for_each(|i| y[(i + 1) % x.len()] = x[i]),
    );
    let bias: Vec<f64> = (0..n).map(|i| i as f64 / 10.0).collect();
    let chain = Chain::new(n)
        .operator(&sparse, bias.clone())?
        .activation(Tanh)
        .operator(&band, vec![0.1; n])?
        .operator(&low, vec![0.0; n])?
        .activation(Relu)
        .operator(shift, vec![0.0; n])?
        .operator(Diagonal::new(DVector::from_element(n, -1.0)), vec![0.5; n])?
        .dense(full.as_view(), &bias)?
        .softmax();
    let x = normal(n, 1, &mut rng).column(0).into_owned();
    let (difference, adjoint) = defects(&chain, &x, 4);
    assert!(difference <= 1e-8 && adjoint <= 1e-12, "{difference:e} {adjoint:e}");
    assert!((chain.value(&x)?.sum() - 1.0).abs() <= 1e-15);
    let threaded = chain.clone().threads(Threads::Pool);
    assert_eq!(threaded.value(&x)?, chain.value(&x)?);
    Ok(())
}

#[test]
fn a_chain_without_links_is_the_identity() -> Result<(), BoxError> {
    let chain = Chain::<f64>::new(2);
    let x = DVector::from_vec(vec![3.0, -1.0]);
    let point = chain.linearize(&x)?;
    let mut y = [0.0; 2];
    point.jacobian.apply(&[5.0, 7.0], &mut y)?;
    assert_eq!((point.value, y), (x, [5.0, 7.0]));
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<(), BoxError> {
    let text = |result: Result<Chain<'_, f64>, Error>| result.unwrap_err().to_string();
    let chain = || Chain::<f64>::new(3).activation(Tanh);
    let two = DMatrix::<f64>::identity(2, 2);
    assert_eq!(
        text(chain().dense(two.as_view(), vec![0.0; 2])),
        "layer 1 (dense 2 -> 2) takes 2 values, but is given 3"
    );
    let wide = DMatrix::<f64>::zeros(2, 3);
    assert_eq!(
        text(chain().operator(&wide, vec![0.0; 3])),
        "layer 1 (operator 3 -> 2) has 2 outputs and a bias of 3 entries"
    );
    assert_eq!(
        text(chain().operator(&wide, vec![0.0, f64::NAN])),
        "layer 1 (operator 3 -> 2): bias[1, 0] is NaN, and every entry must be finite"
    );
    for map in [&chain() as &dyn Map<f64>, &network()] {
        let refused = |x: Vec<f64>| map.value(&DVector::from_vec(x)).unwrap_err().to_string();
        let inputs = map.inputs();
        assert_eq!(
            refused(vec![0.0; 4]),
            format!("x is 4 x 1, expected {inputs} rows and at least one column")
        );
        let mut x = vec![0.0; inputs];
        x[2] = f64::INFINITY;
        assert_eq!(refused(x.clone()), "x[2, 0] is inf, and every entry must be finite");
        assert!(map.linearize(&DVector::from_vec(x)).is_err());
        let point = map.linearize(&DVector::zeros(inputs))?;
        let mut y = vec![0.0; map.outputs()];
        assert!(point.jacobian.apply(&[0.0], &mut y).is_err());
        assert!(point.jacobian.apply_adjoint(&y, &mut [0.0]).is_err());
    }
    Ok(())
}
