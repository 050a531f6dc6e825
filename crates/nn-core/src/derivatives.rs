//! Derivatives of a network along a direction, and what is made of them: Jacobians, products with
//! the Hessian of the loss.

use linalg::{DMatrix, DVector, Real};

use crate::chain::Velocities;
use crate::check::{all_finite, size};
use crate::trace::{view, view_mut, zeros};
use crate::{Gradients, Loss, Network, Result, Trace};

/// What moves, and how fast.
#[derive(Debug, Clone, Copy)]
pub enum Direction<'a, T: Real> {
    /// θ moves with this velocity; X stands still.
    Parameters(&'a DVector<T>),
    /// X moves with this velocity, inputs x samples; θ stands still.
    Input(&'a DMatrix<T>),
    /// Both move.
    Both(&'a DVector<T>, &'a DMatrix<T>),
}

impl<'a, T: Real> Direction<'a, T> {
    fn parameters(&self) -> Option<&'a DVector<T>> {
        match *self {
            Self::Parameters(parameters) | Self::Both(parameters, _) => Some(parameters),
            Self::Input(_) => None,
        }
    }

    fn input(&self) -> Option<&'a DMatrix<T>> {
        match *self {
            Self::Input(input) | Self::Both(_, input) => Some(input),
            Self::Parameters(_) => None,
        }
    }

    /// The velocities of θ and X, zeros for what stands still.
    fn velocities(&self, parameters: usize, input: usize) -> (Vec<T>, Vec<T>) {
        (
            self.parameters().map_or_else(|| zeros(parameters), |v| v.as_slice().to_vec()),
            self.input().map_or_else(|| zeros(input), |v| v.as_slice().to_vec()),
        )
    }
}

impl<T: Real> Network<T> {
    /// J·v: the derivative of P, outputs x samples, where θ or X moves with velocity v, at the pass
    /// that `trace` holds.
    ///
    /// Forward mode: the price of about two more forward passes, whatever the number of outputs. Its
    /// adjoint, Jᵀ·u, is [`Network::backward`]: ⟨J·v, u⟩ = ⟨v, Jᵀ·u⟩.
    ///
    /// # Errors
    /// [`Error::NoForward`](crate::Error::NoForward) where `trace` does not hold a pass through a
    /// network of these sizes, [`Error::Size`](crate::Error::Size) and
    /// [`Error::NotFinite`](crate::Error::NotFinite) for a direction that does not fit.
    ///
    /// # Examples
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::{Direction, Network, Sin, Trace};
    ///
    /// let network = Network::builder(1)
    ///     .dense_from(DMatrix::from_element(1, 1, 2.0), vec![0.5])
    ///     .activation(Sin)
    ///     .build_given()?;
    /// let mut trace = Trace::new();
    /// network.forward(&DMatrix::from_element(1, 1, 1.0), &mut trace)?;
    /// let rate = network.jvp(Direction::Input(&DMatrix::from_element(1, 1, 1.0)), &mut trace)?;
    /// assert_eq!(rate[0], 2.0 * 2.5_f64.cos()); // d/dx sin(2x + 0.5) at x = 1
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn jvp(&self, direction: Direction<'_, T>, trace: &mut Trace<T>) -> Result<DMatrix<T>> {
        trace.check(&self.chain.sizes)?;
        if let Some(parameters) = direction.parameters() {
            self.check_parameters_tangent(parameters)?;
        }
        if let Some(input) = direction.input() {
            size("the direction", "rows", input.nrows(), self.inputs())?;
            size("the direction", "columns", input.ncols(), trace.samples())?;
            all_finite("the direction", input)?;
        }
        let inputs = self.inputs() * trace.samples();
        let (parameters, input) = direction.velocities(self.parameters().len(), inputs);
        self.run_tangent(&parameters, &input, trace)?;
        let last = &trace.tangents.outputs[self.chain.layers.len() - 1];
        Ok(view(last, self.outputs(), trace.samples()).into_owned())
    }

    /// ∂p/∂x of one sample, outputs x inputs, in inference mode.
    ///
    /// All rows in one backward pass over as many columns as there are outputs, or all columns in one
    /// forward pass, whichever is the smaller.
    ///
    /// # Errors
    /// As [`Network::forward`].
    ///
    /// # Examples
    /// ```
    /// use linalg::{DMatrix, DVector};
    /// use nn_core::Network;
    ///
    /// let weight = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// let network = Network::builder(3).dense_from(weight.clone(), vec![0.0; 2]).build_given()?;
    /// assert_eq!(network.jacobian(&DVector::from_element(3, 1.0))?, weight);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn jacobian(&self, x: &DVector<T>) -> Result<DMatrix<T>> {
        size("x", "entries", x.len(), self.inputs())?;
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let mut trace = Trace::new();
        self.forward(&repeated(x, inputs.min(outputs)), &mut trace)?;
        if inputs <= outputs {
            return self.jvp(Direction::Input(&DMatrix::identity(inputs, inputs)), &mut trace);
        }
        self.backward(&DMatrix::identity(outputs, outputs), Gradients::Input, &mut trace)?;
        Ok(trace.input_gradient().map(|rows| rows.transpose()).unwrap_or_default())
    }

    /// ∂p/∂θ of one sample, outputs x parameters, in inference mode. A backward pass for each output.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn parameter_jacobian(&self, x: &DVector<T>) -> Result<DMatrix<T>> {
        size("x", "entries", x.len(), self.inputs())?;
        let mut trace = Trace::new();
        self.forward(&repeated(x, 1), &mut trace)?;
        let mut jacobian = DMatrix::zeros(self.outputs(), self.parameters().len());
        for output in 0..self.outputs() {
            let mut seed = DMatrix::zeros(self.outputs(), 1);
            seed[output] = T::one();
            self.backward(&seed, Gradients::Parameters, &mut trace)?;
            jacobian.set_row(output, &trace.gradient().transpose());
        }
        Ok(jacobian)
    }

    /// H·v, H = ∂²L/∂θ² the Hessian of the loss of the whole batch, v a direction in θ; the mode is
    /// that of `trace`.
    ///
    /// The derivative of the backward pass along v (Pearlmutter, "Fast exact multiplication by the
    /// Hessian", Neural Computation 6(1), 1994): no matrix of the size of θ x θ, and no differences
    /// where the layers and the loss have exact tangents, as those of this crate do. The price of
    /// about four gradients.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`], and [`Error::Size`](crate::Error::Size) and
    /// [`Error::NotFinite`](crate::Error::NotFinite) for a direction that does not fit.
    ///
    /// # Examples
    /// y = w·x and the loss (w·x − t)²: L″ = 2x².
    /// ```
    /// use linalg::{DMatrix, DVector};
    /// use nn_core::{MeanSquaredError, Network, Trace};
    ///
    /// let network =
    ///     Network::builder(1).dense_from(DMatrix::from_element(1, 1, 0.5), vec![0.0]).build_given()?;
    /// let (x, t) = (DMatrix::from_element(1, 1, 3.0), DMatrix::from_element(1, 1, 1.0));
    /// let v = DVector::from_vec(vec![1.0, 0.0]); // w moves, the bias does not
    /// let loss = MeanSquaredError::new(&t)?;
    /// let product = network.hessian_vector(&x, &loss, &v, &mut Trace::new())?;
    /// assert_eq!(product.as_slice(), [2.0 * 9.0, 2.0 * 3.0]);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn hessian_vector(
        &self,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        direction: &DVector<T>,
        trace: &mut Trace<T>,
    ) -> Result<DVector<T>> {
        self.check_loss(x, loss)?;
        self.check_parameters_tangent(direction)?;
        let (theta, still) = (direction.as_slice(), zeros(x.len()));
        Ok(self.gradient_tangent(x, loss, theta, &still, Gradients::Parameters, trace)?.0)
    }

    /// G·v, G = Jᵀ·(∂²L/∂P²)·J the Gauss-Newton matrix of the whole batch, J = ∂P/∂θ, v a direction in θ;
    /// the mode is that of `trace`.
    ///
    /// The Hessian without the curvature of the network itself. Where L is convex in P, as all losses of
    /// this crate but [`ExpectedCost`](crate::ExpectedCost) and
    /// [`CosineDistance`](crate::CosineDistance) are, no direction has a negative vᵀ·G·v, which the
    /// Hessian does not promise: what conjugate gradients and second-order steps are built on. The price
    /// of about three gradients.
    ///
    /// # Errors
    /// As [`Network::hessian_vector`].
    ///
    /// # References
    /// Schraudolph, "Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent", Neural
    /// Computation 14(7), 2002.
    ///
    /// # Examples
    /// y = tanh(w·x) with the loss y² at w·x = 1: G = 2(y′x)², where L″ = 2(y′x)² + 2y·y″x² is
    /// negative.
    /// ```
    /// use linalg::{DMatrix, DVector};
    /// use nn_core::{MeanSquaredError, Network, Tanh, Trace};
    ///
    /// let network = Network::<f64>::builder(1)
    ///     .dense_from(DMatrix::from_element(1, 1, 0.5), vec![0.0])
    ///     .activation(Tanh)
    ///     .build_given()?;
    /// let (x, t) = (DMatrix::from_element(1, 1, 2.0), DMatrix::zeros(1, 1));
    /// let (loss, v) = (MeanSquaredError::new(&t)?, DVector::from_vec(vec![1.0, 0.0]));
    /// let slope = 1.0 - 1.0_f64.tanh().powi(2);
    /// let product = network.gauss_newton_vector(&x, &loss, &v, &mut Trace::new())?;
    /// assert!((product[0] - 2.0 * (slope * 2.0).powi(2)).abs() < 1e-15);
    /// assert!(network.hessian_vector(&x, &loss, &v, &mut Trace::new())?[0] < 0.0);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn gauss_newton_vector(
        &self,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        direction: &DVector<T>,
        trace: &mut Trace<T>,
    ) -> Result<DVector<T>> {
        self.check_loss(x, loss)?;
        self.check_parameters_tangent(direction)?;
        self.bend(x, loss, direction.as_slice(), &zeros(x.len()), trace)?;
        let bent = trace.tangents.delta.as_slice();
        trace.delta[..bent.len()].copy_from_slice(bent);
        self.run_backward(Gradients::Parameters, trace)?;
        Ok(trace.gradient().clone())
    }

    /// The velocity of dL/dP, left in `trace`, where θ and X move with the given ones.
    fn bend(
        &self,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        theta: &[T],
        input: &[T],
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let all: Vec<usize> = (0..x.ncols()).collect();
        self.batch_loss(x, &all, loss, trace)?;
        self.run_tangent(theta, input, trace)?;

        let (outputs, samples) = (self.outputs(), x.ncols());
        let mut delta = zeros(outputs * samples);
        let velocity = view(&trace.tangents.outputs[self.chain.layers.len() - 1], outputs, samples);
        loss.curvature(&all, trace.output(), velocity, view_mut(&mut delta, outputs, samples))?;
        trace.tangents.delta = delta;
        Ok(())
    }

    /// The velocities of dL/dθ and dL/dX, the latter where wanted, where θ and X move with the given
    /// ones; nothing is checked.
    pub(crate) fn gradient_tangent(
        &self,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        theta: &[T],
        input: &[T],
        wanted: Gradients,
        trace: &mut Trace<T>,
    ) -> Result<(DVector<T>, Vec<T>)> {
        self.bend(x, loss, theta, input, trace)?;
        let mut product = DVector::zeros(theta.len());
        self.with_parts(trace, |numbers, x, trace| {
            let velocities = Velocities { theta, input, to_input: wanted != Gradients::Parameters };
            self.chain.backward_tangent(numbers, x, velocities, product.as_mut_slice(), trace)
        })?;
        let by_input = match wanted {
            Gradients::Parameters => Vec::new(),
            _ => trace.tangents.delta.clone(),
        };
        Ok((product, by_input))
    }

    /// The velocities of all outputs, into `trace`.
    fn run_tangent(&self, parameters: &[T], input: &[T], trace: &mut Trace<T>) -> Result<()> {
        self.with_parts(trace, |numbers, x, trace| {
            self.chain.tangent(numbers, x, parameters, input, trace)
        })
    }

    fn check_parameters_tangent(&self, direction: &DVector<T>) -> Result<()> {
        size("the direction", "entries", direction.len(), self.parameters().len())?;
        all_finite(
            "the direction",
            &DMatrix::from_column_slice(direction.len(), 1, direction.as_slice()),
        )
    }
}

/// `x` in each of `columns` columns.
fn repeated<T: Real>(x: &DVector<T>, columns: usize) -> DMatrix<T> {
    DMatrix::from_fn(x.len(), columns, |row, _| x[row])
}
