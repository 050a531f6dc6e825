//! Seeded workloads that the benchmarks share, and the most that a core can do.

mod peak;

pub use self::peak::MultiplyAdds;

use linalg::krylov::{self, Options, Stop};
use linalg::{Complex, Csr, DMatrix, DVector, LinearOperator};
use nn_core::{Conv2d, ConvAlgorithm, Network, Relu, Shape, Tanh};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::{Actor, ArmHit, CartPole, Categorical, Environment, LearnOptions, Learner};

/// `count` numbers uniform on [−1/2, 1/2): `SplitMix64` (Steele, Lea & Flood 2014) of a counter, so
/// that `benches/peers/linalg.py` makes the same ones.
#[must_use]
pub fn uniform(seed: u64, count: usize) -> Vec<f64> {
    (1..=count as u64)
        .map(|index| {
            let mut z = index.wrapping_add(seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53) - 0.5
        })
        .collect()
}

/// [`uniform`] numbers times `scale`, in single precision.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
pub fn single(seed: u64, count: usize, scale: f64) -> Vec<f32> {
    uniform(seed, count).into_iter().map(|x| (scale * x) as f32).collect()
}

/// Images of 64 x 64 x 3 through 32 filters of 3 x 3, pooling, 64 filters of 3 x 3, pooling and 10
/// units; or one of its two convolutions alone, or the second in groups.
#[derive(Debug, Clone, Copy)]
pub struct ConvNet {
    algorithm: ConvAlgorithm,
    part: Part,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Whole,
    First,
    Second,
    Grouped,
}

impl ConvNet {
    /// The whole network.
    #[must_use]
    pub fn whole(algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, part: Part::Whole }
    }

    /// The first convolution, 3 -> 32 on 64 x 64.
    #[must_use]
    pub fn first(algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, part: Part::First }
    }

    /// The second convolution, 32 -> 64 on 31 x 31.
    #[must_use]
    pub fn second(algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, part: Part::Second }
    }

    /// The second in 8 groups of channels.
    #[must_use]
    pub fn grouped(algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, part: Part::Grouped }
    }

    /// It with weights that the other side of `benches/peers/nn_conv.py` makes too: uniform numbers
    /// between ±1/10.
    ///
    /// # Errors
    /// None: the layers fit.
    pub fn network(&self) -> nn_core::Result<Network<f32>> {
        let first = Conv2d::new(32, 3).algorithm(self.algorithm);
        let second = Conv2d::new(64, 3).algorithm(self.algorithm);
        let image = Shape::image(3, 64, 64);
        let builder = match self.part {
            Part::Whole => Network::builder(image)
                .conv2d(first)
                .activation(Relu)
                .max_pool(2)
                .conv2d(second)
                .activation(Relu)
                .max_pool(2)
                .dense(10),
            Part::First => Network::builder(image).conv2d(first),
            Part::Second => Network::builder(Shape::image(32, 31, 31)).conv2d(second),
            Part::Grouped => Network::builder(Shape::image(32, 31, 31)).conv2d(second.groups(8)),
        };
        let mut network = builder.build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?;
        let parameters = single(9, network.parameters().len(), 0.2);
        network.parameters_mut().copy_from_slice(&parameters);
        Ok(network)
    }
}

/// A matrix of such numbers, in column order.
#[must_use]
pub fn matrix(seed: u64, rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_vec(rows, columns, uniform(seed, rows * columns))
}

/// A + Aᵀ of [`matrix`].
#[must_use]
pub fn symmetric(n: usize) -> DMatrix<f64> {
    let a = matrix(1, n, n);
    &a + a.transpose()
}

/// A + Aᴴ of two matrices as real and imaginary part.
#[must_use]
pub fn hermitian(n: usize) -> DMatrix<Complex<f64>> {
    let a = matrix(1, n, n).zip_map(&matrix(2, n, n), Complex::new);
    &a + a.adjoint()
}

/// A·Aᵀ + I.
#[must_use]
pub fn definite(n: usize) -> DMatrix<f64> {
    let a = matrix(1, n, n);
    &a * a.transpose() + DMatrix::identity(n, n)
}

/// Three sparse layers with leaky ReLU of slope 1/10 between them, and an output to invert.
#[derive(Debug)]
pub struct SparseProblem {
    layers: [Csr<f64>; 3],
    output: Vec<f64>,
}

/// Layers 2·I + S, S with ten normal entries a row of variance radius²/10, and what they make of a
/// known input.
///
/// # Panics
/// Never: the indices are in range.
#[must_use]
pub fn sparse_problem(n: usize, radius: f64) -> SparseProblem {
    let layers = [0, 1, 2].map(|layer| sparse_layer(n, radius, layer));
    let mut output: Vec<f64> = uniform(3, n).into_iter().map(|x| 2.0 * x).collect();
    for (index, layer) in layers.iter().enumerate() {
        let mut z = vec![0.0; n];
        layer.apply(&output, &mut z).expect("square of size n");
        if index < 2 {
            z.iter_mut().for_each(|z| *z = if *z > 0.0 { *z } else { 0.1 * *z });
        }
        output = z;
    }
    SparseProblem { layers, output }
}

fn sparse_layer(n: usize, radius: f64, layer: u64) -> Csr<f64> {
    let columns = uniform(10 + layer, 10 * n);
    let (u1, u2) = (uniform(20 + layer, 10 * n), uniform(30 + layer, 10 * n));
    let random = (0..10 * n).map(|k| {
        let size = (-2.0 * (-(u1[k] + 0.5)).ln_1p()).sqrt() * radius / 10.0_f64.sqrt();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounding down a number from 0 to n is meant"
        )]
        let column = ((columns[k] + 0.5) * n as f64) as usize;
        (k / 10, column, size * (2.0 * std::f64::consts::PI * (u2[k] + 0.5)).cos())
    });
    let triplets: Vec<_> = random.chain((0..n).map(|i| (i, i, 2.0))).collect();
    Csr::from_triplets(n, n, &triplets).expect("indices below n, finite values")
}

impl SparseProblem {
    /// The input, layer by layer, each solved to 1e-9.
    ///
    /// # Errors
    /// A layer on which the solver did not converge.
    pub fn invert(&self) -> Result<DVector<f64>, Box<dyn std::error::Error>> {
        let mut y = DVector::from_column_slice(&self.output);
        for (index, layer) in self.layers.iter().rev().enumerate() {
            let options = Options::default().tolerance(1e-9);
            let solution = krylov::solve(layer, y.as_slice(), options)?;
            if solution.stop != Stop::Converged {
                return Err(format!("{:?}", solution.stop).into());
            }
            y = solution.x;
            if index < 2 {
                y.apply(|y| *y = if *y > 0.0 { *y } else { *y / 0.1 });
            }
        }
        Ok(y)
    }
}

/// Steps for which [`balance`] keeps each pole up.
pub const PUSHES: usize = 200;

/// Balances `count` poles, from the starts of the seeds 0, 1, …, for `steps` steps by a linear rule that
/// drops none, one after the other; the sum of |θ| over their last states.
///
/// # Errors
/// An episode ended early.
pub fn balance(count: usize, steps: usize) -> rl_pg::Result<f64> {
    let mut cart = CartPole::new();
    let mut state = [0.0; 4];
    let mut sum = 0.0;
    for seed in 0..count as u64 {
        cart.reset(seed, &mut state)?;
        for _ in 0..steps {
            let [x, velocity, theta, rate] = state;
            let lean = theta + 0.3 * rate + 0.05 * x + 0.1 * velocity;
            let _ = cart.step(&usize::from(lean > 0.0), &mut state)?;
        }
        sum += state[2].abs();
    }
    Ok(sum)
}

/// A learner with the default options that is to balance the pole, of two networks of 4-32-32 units.
///
/// # Errors
/// None: the layers fit.
pub fn balancer(seed: u64) -> rl_pg::Result<Learner<f32, Categorical>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = |outputs| {
        let layers = Network::builder(4).dense(32).activation(Tanh).dense(32).activation(Tanh);
        layers.dense(outputs).build(&mut rng)
    };
    let mut policy = network(2)?;
    let last = policy.parameter_ranges().last().cloned().unwrap_or_default();
    policy.parameters_mut()[last].iter_mut().for_each(|weight| *weight *= 0.01);
    let actor = Actor::new(policy, Vec::new(), Categorical::from_parameters)?;
    Learner::new(actor, LearnOptions::default(), seed)?.with_value(network(1)?)
}

/// Contexts and actions of `count` swings at a ball: the test set, and weights 0.3 sin(1 + i) with up to
/// 0.1 added, so that most balls are met or nearly so.
#[must_use]
pub fn swings(count: usize) -> (DMatrix<f64>, DMatrix<f64>) {
    let noise = uniform(5, 15 * count);
    let actions = DMatrix::from_fn(15, count, |i, sample| {
        0.3 * (1.0 + i as f64).sin() + 0.2 * noise[15 * sample + i]
    });
    (ArmHit::halton_contexts(count), actions)
}
