//! Putting a network together, with every size checked before anything runs.

use std::sync::Arc;

use linalg::{DMatrix, DVector, Real};
use rand::Rng;

use crate::check::{all_finite, size};
use crate::{
    Activation, AveragePool, BatchNorm, Conv1d, Conv2d, Convolution, Dense, Dropout, Embedding,
    Error, Flatten, Initializer, Layer, LayerNorm, MaxPool, Network, Pointwise, Pool, Recurrent,
    Result, Shape, Softmax, Steps,
};

/// Collects the layers of a [`Network`]; sizes follow from the input's.
///
/// The first thing that does not fit is reported by [`NetworkBuilder::build`].
///
/// # Examples
/// A given 3 x 3 matrix behind a layer of two units does not fit:
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Network, Tanh};
///
/// let error = Network::<f64>::builder(5)
///     .dense_from(DMatrix::zeros(2, 5), vec![0.0; 2])
///     .dense_from(DMatrix::identity(3, 3), vec![0.0; 3])
///     .build_given()
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "layer 0 (dense 5 -> 2) gives 2, but layer 1 (dense 3 -> 3) takes 3"
/// );
/// ```
#[derive(Debug)]
#[must_use]
pub struct NetworkBuilder<T: Real> {
    input: Shape,
    initializer: Initializer,
    layers: Vec<Arc<dyn Layer<T>>>,
    /// The given parameters of each layer that has them.
    given: Vec<Option<Vec<T>>>,
    error: Option<Error>,
}

impl<T: Real> NetworkBuilder<T> {
    pub(crate) fn new(input: Shape) -> Self {
        let error = input.is_empty().then_some(Error::Empty { what: "the network's input" });
        Self { input, initializer: Initializer::default(), layers: vec![], given: vec![], error }
    }

    /// How the weights of the layers that follow start; [`Initializer::GlorotUniform`] until said
    /// otherwise.
    pub fn initializer(mut self, initializer: Initializer) -> Self {
        self.initializer = initializer;
        self
    }

    /// Adds a [`Dense`] layer of `units` outputs.
    pub fn dense(self, units: usize) -> Self {
        let layer = Dense::new(self.shape(), units, self.initializer);
        self.layer(layer)
    }

    /// Adds a [`Dense`] layer that starts from `weight`, outputs x inputs, and `bias`.
    pub fn dense_from(mut self, weight: DMatrix<T>, bias: Vec<T>) -> Self {
        let (units, inputs) = weight.shape();
        let checked = size("bias", "entries", bias.len(), units)
            .and_then(|()| all_finite("weight", &weight))
            .and_then(|()| all_finite("bias", &DMatrix::from_column_slice(units, 1, &bias)));
        if let Err(error) = checked {
            self.error.get_or_insert(error);
        }
        let mut parameters: Vec<T> = weight.data.into();
        parameters.extend(bias);
        let shape = self.shape();
        let input = if shape.len() == inputs { shape } else { inputs.into() };
        let layer = Dense::new(input, units, self.initializer);
        self.push(Arc::new(layer), Some(parameters))
    }

    /// Adds a [`Convolution`] of images, of random weights and zero biases.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Conv2d, Network, Relu, Shape};
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let network = Network::<f32>::builder(Shape::image(3, 64, 64))
    ///     .conv2d(Conv2d::new(32, 3)) // 32 filters of 3 x 3
    ///     .activation(Relu)
    ///     .max_pool(2)
    ///     .conv2d(Conv2d::new(64, 3))
    ///     .activation(Relu)
    ///     .max_pool(2)
    ///     .dense(10)
    ///     .build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?;
    /// assert_eq!(network.parameters().len(), 896 + 18_496 + 125_450);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn conv2d(self, options: Conv2d) -> Self {
        let initializer = self.initializer;
        let layer = Convolution::new(self.shape(), options);
        self.layer_or_error(layer.map(|layer| layer.initializer(initializer)))
    }

    /// Adds a [`Convolution`] of sequences, of random weights and zero biases.
    pub fn conv1d(self, options: Conv1d) -> Self {
        self.conv2d(options.into())
    }

    /// Adds a [`MaxPool`]: `.max_pool(2)` keeps the largest of each 2 x 2 values.
    pub fn max_pool(self, pool: impl Into<Pool>) -> Self {
        let layer = MaxPool::new(self.shape(), pool);
        self.layer_or_error(layer)
    }

    /// Adds an [`AveragePool`]: `.average_pool(2)` takes the mean of each 2 x 2 values.
    pub fn average_pool(self, pool: impl Into<Pool>) -> Self {
        let layer = AveragePool::new(self.shape(), pool);
        self.layer_or_error(layer)
    }

    /// Adds a [`MaxPool`] of the whole image or sequence.
    pub fn global_max_pool(self) -> Self {
        let shape = self.shape();
        self.max_pool((shape.width, shape.height))
    }

    /// Adds an [`AveragePool`] of the whole image or sequence.
    pub fn global_average_pool(self) -> Self {
        let shape = self.shape();
        self.average_pool((shape.width, shape.height))
    }

    /// Adds a [`Flatten`], which changes the shape and moves nothing; dense layers do not need it.
    pub fn flatten(self) -> Self {
        let layer = Flatten::new(self.shape());
        self.layer(layer)
    }

    /// Adds an activation, the caller's own or one of this crate's.
    pub fn activation(self, activation: impl Activation<T> + 'static) -> Self {
        let layer = Pointwise::new(activation, self.shape());
        self.layer(layer)
    }

    /// Adds a [`Softmax`] over the channels: probabilities. Not before a loss that has its own.
    pub fn softmax(self) -> Self {
        let layer = Softmax::new(self.shape());
        self.layer(layer)
    }

    /// Adds a [`BatchNorm`] of every channel over the batch.
    pub fn batch_norm(self) -> Self {
        let layer = BatchNorm::new(self.shape());
        self.layer(layer)
    }

    /// Adds a [`LayerNorm`] of every place over its channels.
    pub fn layer_norm(self) -> Self {
        let layer = LayerNorm::new(self.shape());
        self.layer(layer)
    }

    /// Adds a [`Dropout`] that drops values with probability `rate` in training.
    pub fn dropout(mut self, rate: f64) -> Self {
        match Dropout::new(rate, self.shape()) {
            Ok(layer) => self.layer(layer),
            Err(error) => {
                self.error.get_or_insert(error);
                self
            }
        }
    }

    /// Adds an [`Embedding`]: entries below `classes` become vectors of `dimension` entries.
    pub fn embedding(self, classes: usize, dimension: usize) -> Self {
        let layer = Embedding::new(self.shape(), classes, dimension);
        self.layer(layer)
    }

    /// Adds an Elman layer of `units`; see [`Recurrent`].
    pub fn elman(self, units: usize, steps: Steps) -> Self {
        let layer = Recurrent::elman(self.shape(), units, steps, self.initializer);
        self.layer(layer)
    }

    /// Adds a layer of gated recurrent units; see [`Recurrent`].
    pub fn gru(self, units: usize, steps: Steps) -> Self {
        let layer = Recurrent::gru(self.shape(), units, steps, self.initializer);
        self.layer(layer)
    }

    /// Adds a layer of long short-term memory; see [`Recurrent`].
    pub fn lstm(self, units: usize, steps: Steps) -> Self {
        let layer = Recurrent::lstm(self.shape(), units, steps, self.initializer);
        self.layer(layer)
    }

    /// Adds any layer, the caller's own for one.
    pub fn layer(self, layer: impl Layer<T> + 'static) -> Self {
        self.push(Arc::new(layer), None)
    }

    /// The network, its weights drawn from `rng` layer by layer except where they were given.
    ///
    /// # Errors
    /// [`Error::Empty`] for a network without layers or a layer without outputs,
    /// [`Error::InputSize`] and [`Error::LayerSizes`] where sizes do not fit, [`Error::Size`] and
    /// [`Error::NotFinite`] for given weights and biases.
    pub fn build(self, rng: &mut impl Rng) -> Result<Network<T>> {
        self.assemble(Some(rng))
    }

    /// The network, where the parameters of every layer were given.
    ///
    /// # Errors
    /// As [`NetworkBuilder::build`], and [`Error::Size`] where a layer has parameters that were not
    /// given.
    pub fn build_given(self) -> Result<Network<T>> {
        self.assemble(None)
    }

    /// The arrangement of what the next layer is given.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.layers.last().map_or(self.input, |layer| layer.output())
    }

    /// Adds a layer, or remembers why there is none.
    fn layer_or_error(mut self, layer: Result<impl Layer<T> + 'static>) -> Self {
        match layer {
            Ok(layer) => self.layer(layer),
            Err(error) => {
                self.error.get_or_insert(error);
                self
            }
        }
    }

    fn push(mut self, layer: Arc<dyn Layer<T>>, given: Option<Vec<T>>) -> Self {
        if self.error.is_none() {
            self.error = self.misfit(layer.as_ref());
        }
        self.layers.push(layer);
        self.given.push(given);
        self
    }

    /// What is wrong with `layer` as the next one.
    fn misfit(&self, layer: &dyn Layer<T>) -> Option<Error> {
        let (found, expected) = (self.shape(), layer.input());
        if layer.output().is_empty() {
            return Some(Error::Empty { what: "a layer's output" });
        }
        if found == expected {
            return None;
        }
        Some(match self.layers.last() {
            None => Error::InputSize { name: layer.describe(), found, expected },
            Some(last) => Error::LayerSizes {
                before: self.layers.len() - 1,
                before_name: last.describe(),
                outputs: found,
                after: self.layers.len(),
                after_name: layer.describe(),
                inputs: expected,
            },
        })
    }

    fn assemble(self, mut rng: Option<&mut dyn Rng>) -> Result<Network<T>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.layers.is_empty() {
            return Err(Error::Empty { what: "the list of layers" });
        }
        let mut parameters: Vec<T> = Vec::new();
        for (layer, given) in self.layers.iter().zip(self.given) {
            let len = layer.blocks().iter().map(crate::Block::len).sum();
            let start = parameters.len();
            match (given, rng.as_deref_mut()) {
                (Some(given), _) => parameters.extend(given),
                (None, Some(rng)) => {
                    parameters.resize(start + len, T::zero());
                    layer.initialize(&mut parameters[start..], rng);
                }
                (None, None) => size("the layer's given parameters", "entries", 0, len)?,
            }
        }
        Ok(Network::from_parts(self.layers, DVector::from_vec(parameters)))
    }
}
