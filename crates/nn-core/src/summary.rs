//! A network at a glance.

use std::fmt;

use linalg::Real;

use crate::{Block, Network, Shape};

/// The layers of a network with their shapes and costs; displayed as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Summary {
    /// The arrangement of the input.
    pub input: Shape,
    /// The layers, first to last.
    pub layers: Vec<LayerSummary>,
}

/// A line of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerSummary {
    /// What it is.
    pub name: String,
    /// The arrangement of its output.
    pub output: Shape,
    /// Trained numbers.
    pub parameters: usize,
    /// Measured numbers, as the running means of a batch normalization.
    pub state: usize,
    /// Multiplications and additions for one sample's forward pass.
    pub multiply_adds: usize,
}

impl Summary {
    /// Trained numbers in all.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiplications and additions for one sample's forward pass, in all.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }
}

impl<T: Real> Network<T> {
    /// Layers, shapes, parameters and costs.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Network, Relu};
    /// # use rand::SeedableRng;
    /// # let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
    ///
    /// let network =
    ///     Network::<f32>::builder(784).dense(256).activation(Relu).dense(10).build(&mut rng)?;
    /// let summary = network.summary();
    /// assert_eq!((summary.parameters(), summary.multiply_adds()), (203_530, 203_786));
    /// assert_eq!(summary.to_string(), "\
    /// layer                 output  parameters  multiply-adds
    ///     input                784
    ///   0 dense 784 -> 256     256      200960         200960
    ///   1 ReLU 256             256           0            256
    ///   2 dense 256 -> 10       10        2570           2570
    ///     total                         203530         203786
    /// ");
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn summary(&self) -> Summary {
        let entries = |blocks: Vec<Block>| blocks.iter().map(Block::len).sum();
        let layers = self.layers().map(|layer| LayerSummary {
            name: layer.describe(),
            output: layer.output(),
            parameters: entries(layer.blocks()),
            state: entries(layer.state_blocks()),
            multiply_adds: layer.multiply_adds(),
        });
        Summary { input: self.input(), layers: layers.collect() }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.layers.iter().map(|layer| layer.name.chars().count());
        let shapes = self.layers.iter().map(|layer| layer.output.to_string().len());
        let name = names.max().unwrap_or(0).max(5);
        let shape = shapes.max().unwrap_or(0).max(self.input.to_string().len()).max(6);
        writeln!(
            f,
            "{:name$}  {:>shape$}  parameters  multiply-adds",
            "layer",
            "output",
            name = name + 4
        )?;
        writeln!(f, "    {:name$}  {:>shape$}", "input", self.input.to_string())?;
        for (index, layer) in self.layers.iter().enumerate() {
            let LayerSummary { name: text, output, parameters, multiply_adds, .. } = layer;
            let output = output.to_string();
            writeln!(
                f,
                "{index:3} {text:name$}  {output:>shape$}  {parameters:>10}  {multiply_adds:>13}"
            )?;
        }
        let (parameters, multiply_adds) = (self.parameters(), self.multiply_adds());
        writeln!(f, "    {:name$}  {:shape$}  {parameters:>10}  {multiply_adds:>13}", "total", "")
    }
}
