//! The networks and their batches, in PyTorch's order, from the numbers that our workers make too.

/// Numbers, the last dimension fastest.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Relu,
    Tanh,
}

#[derive(Debug, Clone)]
pub(crate) enum Targets {
    /// Of softmax cross-entropy.
    Labels(Vec<u32>),
    /// Of the mean square.
    Values(Array),
}

/// A network, its batch and how it is trained.
///
/// A layer is a weight and a bias; outputs x inputs where it is dense, filters x channels x 3 x 3 where it is a
/// convolution, which the activation and a pool of 2 x 2 follow. The activation follows every other dense
/// layer than the last.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) x: Array,
    pub(crate) layers: Vec<[Array; 2]>,
    pub(crate) activation: Activation,
    pub(crate) targets: Targets,
    pub(crate) rate: f64,
}

/// Uniform on [-1/2, 1/2) by SplitMix64 of a counter, times `scale`, as `benches::uniform` makes them.
fn uniform(seed: u64, count: usize, scale: f64) -> Vec<f32> {
    (1..=count as u64)
        .map(|index| {
            let mut z = index.wrapping_add(seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (scale * (((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53) - 0.5)) as f32
        })
        .collect()
}

impl Array {
    fn new(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values }
    }

    /// An array of this shape whose entry at (i, j, …) is that of `from` at ∑ i·step.
    fn walk(shape: &[usize], steps: &[usize], from: &[f32]) -> Self {
        let mut places = vec![0];
        for (&count, &step) in shape.iter().zip(steps) {
            places = places.iter().flat_map(|at| (0..count).map(move |i| at + i * step)).collect();
        }
        Self::new(shape, places.iter().map(|&at| from[at]).collect())
    }

    /// Rows as columns.
    pub(crate) fn transposed(&self) -> Self {
        let [rows, columns] = self.shape[..] else { return self.clone() };
        Self::walk(&[columns, rows], &[1, columns], &self.values)
    }
}

impl Problem {
    pub(crate) fn new(operation: &str, batch: usize) -> Option<Self> {
        match operation {
            "mlp" => Some(Self::dense(&[784, 256, 128, 10], batch)),
            "tiny" => Some(Self::dense(&[2, 8, 1], batch)),
            "net-train" | "net-forward" => Some(Self::convolution(batch)),
            _ => None,
        }
    }

    fn dense(sizes: &[usize], batch: usize) -> Self {
        let layers = sizes.windows(2).zip(10..).map(|(pair, seed)| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let numbers = uniform(seed, inputs * outputs, 2.0 * (3.0 / inputs as f64).sqrt());
            let weight = Array::walk(&[outputs, inputs], &[1, outputs], &numbers);
            [weight, Array::new(&[outputs], vec![0.0; outputs])]
        });
        let x = Array::new(&[batch, sizes[0]], uniform(1, sizes[0] * batch, 2.0));
        let labels = sizes[sizes.len() - 1] == 10;
        let products = x.values.chunks_exact(sizes[0]).map(|x| x[0] * x[x.len() - 1]);
        Self {
            layers: layers.collect(),
            activation: if labels { Activation::Relu } else { Activation::Tanh },
            targets: if labels {
                Targets::Labels((0..batch as u32).map(|sample| 7 * sample % 10).collect())
            } else {
                Targets::Values(Array::new(&[batch, 1], products.collect()))
            },
            rate: if labels { 0.01 } else { 0.05 },
            x,
        }
    }

    /// The channel fastest, then x, then y, is how ours come; here y is before x, after the channel.
    fn convolution(batch: usize) -> Self {
        let sizes = [(3, 32, 3), (32, 64, 3), (64, 10, 14)];
        let weights =
            |(channels, filters, side): (usize, usize, usize)| channels * filters * side * side;
        let count = sizes.iter().map(|&size| weights(size) + size.1).sum();
        let theta = uniform(9, count, 0.2);
        let mut rest = &theta[..];
        let layers = sizes.map(|size| {
            let (channels, filters, side) = size;
            let (weight, left) = rest.split_at(weights(size));
            let (bias, left) = left.split_at(filters);
            rest = left;
            let steps = [1, filters, side * channels * filters, channels * filters];
            let mut weight = Array::walk(&[filters, channels, side, side], &steps, weight);
            if side > 3 {
                weight.shape = vec![filters, channels * side * side];
            }
            [weight, Array::new(&[filters], bias.to_vec())]
        });
        let x = uniform(1, 3 * 64 * 64 * batch, 1.0);
        Self {
            x: Array::walk(&[batch, 3, 64, 64], &[3 * 64 * 64, 1, 3 * 64, 3], &x),
            layers: layers.into(),
            activation: Activation::Relu,
            targets: Targets::Labels((0..batch as u32).map(|sample| sample % 10).collect()),
            rate: 0.01,
        }
    }
}
