//! How much a network needs each of its filters.

use linalg::{DMatrix, Real};

use crate::{Error, Loss, Network, Result, Trace};

/// What one filter of a layer is worth, by three measures.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Importance {
    /// The loss without the filter, less the loss with it: the measure that the others stand for.
    pub ablation: f64,
    /// |w·∂L/∂w + b·∂L/∂b|, the first term of the ablation's Taylor series. One backward pass gives
    /// it for all filters.
    pub taylor: f64,
    /// ∑|w|, which needs no data and says least.
    pub l1: f64,
}

/// What every filter of layer `layer`, or unit of a dense layer, is worth to `network` on the batch
/// `x`.
///
/// A filter is taken out by setting its weights and its bias to 0. Its place among the others says
/// nothing about its worth: rank by these numbers. A forward pass of the batch for each filter.
///
/// # Errors
/// [`Error::NoFilters`] where the network has no such layer, or one without weights; as
/// [`Network::loss_and_gradient`].
///
/// # References
/// Molchanov, Tyree, Karras, Aila and Kautz, "Pruning convolutional neural networks for resource
/// efficient inference", ICLR 2017, equation 7: by Euler's theorem ∑ z·∂L/∂z over the outputs of a
/// filter is w·∂L/∂w + b·∂L/∂b.
///
/// # Examples
/// The second unit does nothing:
/// ```
/// use linalg::DMatrix;
/// use nn_core::{MeanSquaredError, Network, filter_importance};
/// let weight = DMatrix::from_row_slice(2, 1, &[2.0, 0.5]);
/// let network = Network::builder(1)
///     .dense_from(weight, vec![0.0; 2])
///     .dense_from(DMatrix::from_row_slice(1, 2, &[1.0, 0.0]), vec![0.0])
///     .build_given()?;
/// let x = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
/// let targets = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
/// let worth = filter_importance(&network, 0, &x, &MeanSquaredError::new(&targets)?)?;
/// assert_eq!(worth[0].ablation, 0.0); // 2x is as far from x as 0 is
/// assert_eq!(worth[0].taylor, 4.0); // what the first term says of it: 2·dL/dw
/// assert_eq!((worth[1].ablation, worth[1].taylor, worth[1].l1), (0.0, 0.0, 0.5));
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn filter_importance<T: Real>(
    network: &Network<T>,
    layer: usize,
    x: &DMatrix<T>,
    loss: &dyn Loss<T>,
) -> Result<Vec<Importance>> {
    let filters = network.filters(layer)?.ncols();
    let range = network.parameter_ranges().get(layer).cloned().ok_or(Error::NoFilters { layer })?;
    let blocks = network.layers().nth(layer).map(|layer| layer.blocks()).unwrap_or_default();
    // The places of a filter's numbers: a row of the weights, and of the bias where there is one.
    let places = |filter: usize| {
        let weights = (0..blocks[0].columns).map(move |column| column * filters + filter);
        let bias = blocks.get(1).filter(|bias| bias.rows == filters && bias.columns == 1);
        let bias = bias.map(|_| blocks[0].len() + filter);
        weights.chain(bias).map(|at| range.start + at).collect::<Vec<_>>()
    };
    let mut trace = Trace::new();
    let whole = network.loss_and_gradient(x, loss, &mut trace)?;
    let (theta, gradient) = (network.parameters(), trace.gradient().clone());
    let samples: Vec<usize> = (0..x.ncols()).collect();
    let mut without = network.clone();
    (0..filters)
        .map(|filter| {
            let places = places(filter);
            let along = places.iter().map(|&at| theta[at].to_double() * gradient[at].to_double());
            let taylor = along.sum::<f64>().abs();
            let l1 =
                places[..blocks[0].columns].iter().map(|&at| theta[at].to_double().abs()).sum();
            for &at in &places {
                without.parameters_mut()[at] = T::zero();
            }
            let ablation = without.batch_loss(x, &samples, loss, &mut trace)? - whole;
            for &at in &places {
                without.parameters_mut()[at] = theta[at];
            }
            Ok(Importance { ablation, taylor, l1 })
        })
        .collect()
}
