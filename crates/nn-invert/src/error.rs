//! What can be wrong with a request.

use linalg::shown;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a network or a target cannot be inverted, naming the layer.
///
/// An inversion that lost its digits is not an error: its [`Inversion`](crate::Inversion) says so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An affine layer that maps different inputs to one output.
    #[error(
        "layer {layer} ({name}) is singular to working precision: elimination stops at pivot \
         {pivot} with reciprocal condition {rcond:.1e}"
    )]
    Singular {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Index of the smallest pivot.
        pivot: usize,
        /// Estimate of 1/(‖W‖₁ ‖W⁻¹‖₁).
        rcond: f64,
    },
    /// An activation that takes values more than once.
    #[error("layer {layer} ({name}) takes values more than once and has no exact inverse")]
    NotOneToOne {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
    },
    /// A layer that is neither affine nor pointwise.
    #[error(
        "layer {layer} ({name}) is neither affine nor pointwise, so that it cannot be undone by \
         itself; a network with it is inverted by descent"
    )]
    NoView {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
    },
    /// A NaN or an infinity among a layer's parameters.
    #[error(
        "layer {layer} ({name}): {block}[{row}, {column}] is {value}, and every entry must be finite"
    )]
    Parameter {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// `weight` or `bias`.
        block: &'static str,
        /// Row of the first such entry, in column order.
        row: usize,
        /// Its column.
        column: usize,
        /// The entry.
        value: f64,
    },
    /// A link that does not fit the one before it in a chain.
    #[error("layer {layer} ({name}) takes {expected} values, but is given {found}")]
    LinkInputs {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// What it takes.
        expected: usize,
        /// What comes out of the one before it.
        found: usize,
    },
    /// A bias that does not fit its matrix.
    #[error("layer {layer} ({name}) has {expected} outputs and a bias of {found} entries")]
    BiasLength {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Entries of the bias.
        found: usize,
        /// Rows of the matrix.
        expected: usize,
    },
    /// Samples, a column each, of the wrong length, or none.
    #[error(
        "{argument} is {found_rows} x {found_columns}, expected {rows} rows and at least one column"
    )]
    Batch {
        /// The argument's name.
        argument: &'static str,
        /// Its rows.
        found_rows: usize,
        /// Its columns.
        found_columns: usize,
        /// The rows it should have.
        rows: usize,
    },
    /// A value that no input of an activation gives.
    #[error(
        "layer {layer} ({name}) cannot give {value} as its output {index} (target {sample}): its \
         values lie strictly between {lower} and {upper}, exceeded by {excess:.1e}",
        value = shown(.value)
    )]
    OutOfRange {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Index of the value among the layer's outputs.
        index: usize,
        /// Which target, where there are several.
        sample: usize,
        /// The value.
        value: f64,
        /// Every value of the activation is greater.
        lower: f64,
        /// Every value of the activation is less.
        upper: f64,
        /// How far beyond the nearer bound; 0 on the bound itself.
        excess: f64,
    },
    /// A matrix that cannot give what the layers after it need, so that no input has this target.
    #[error(
        "layer {layer} ({name}) cannot give what target {sample} asks of it, and no input of the \
         network has that output: the nearest that it can give is {distance:.1e} away"
    )]
    Unreachable {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Which target, where there are several.
        sample: usize,
        /// ‖W·h + b − z‖₂ at the nearest.
        distance: f64,
    },
    /// A matrix that cannot give what a layer after it chose among other values.
    #[error(
        "layer {layer} ({name}) cannot give what layer {chosen_by} chose for target {sample}: the \
         nearest that it can give is {distance:.1e} away; another choice may do, which the whole \
         network has to be solved for"
    )]
    Missed {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Which target, where there are several.
        sample: usize,
        /// ‖W·h + b − z‖₂ at the nearest.
        distance: f64,
        /// Index of the layer that chose.
        chosen_by: usize,
    },
    /// A target of a softmax that is no list of probabilities.
    #[error(
        "layer {layer} ({name}) cannot give target {sample}: its values are positive and add up to \
         1, but value {index} is {value} and the sum {sum}",
        value = shown(.value), sum = shown(.sum)
    )]
    NotProbabilities {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Which target, where there are several.
        sample: usize,
        /// Index of the first value that is not positive, or of the group's first.
        index: usize,
        /// That value.
        value: f64,
        /// The sum of the group's values.
        sum: f64,
    },
    /// Factors that would take more memory than is allowed.
    #[error(
        "factoring up to layer {layer} ({name}) would take {:.3} GB, and {:.3} GB are allowed; a sparse \
         or structured matrix is undone by its products instead",
        bytes / 1e9, limit / 1e9
    )]
    TooLarge {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// The factors of the dense layers up to this one, and the work space of this one.
        bytes: f64,
        /// What is allowed.
        limit: f64,
    },
    /// A layer with more or fewer outputs than inputs, where each needs the other.
    #[error(
        "layer {layer} ({name}) is rectangular, {outputs} x {inputs}, and has no exact inverse; the whole \
         sequence can be searched instead"
    )]
    Rectangular {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
        /// Its outputs.
        outputs: usize,
        /// Its inputs.
        inputs: usize,
    },
    /// A layer that does not do the same at every step of a sequence, or keeps its last state alone.
    #[error(
        "layer {layer} ({name}) does not map a sequence step by step; what mixes steps can only be \
         searched through all of them"
    )]
    NotStepwise {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
    },
    /// A recurrent layer of another kind where the equations of an Elman layer are needed.
    #[error(
        "the layer is a {cell:?} layer, and only an Elman layer's state determines the one before"
    )]
    NotElman {
        /// What it is.
        cell: nn_core::Cell,
    },
    /// A layer that is not one of the kinds that are invertible by construction.
    #[error("layer {layer} ({name}) is not invertible by construction")]
    NotByConstruction {
        /// Index of the layer.
        layer: usize,
        /// What it is.
        name: String,
    },
    /// A fixed-point iteration that comes to no end.
    #[error(
        "the iteration does not contract: its bound is {lipschitz:.2}, changes grew by up to \
         {rate:.2}, and after {iterations} iterations there is no end"
    )]
    NotContracting {
        /// The bound on the contraction; below 1 it would be certain.
        lipschitz: f64,
        /// The largest ratio of a change to the one before it.
        rate: f64,
        /// Iterations.
        iterations: usize,
    },
    /// What `nn-core` refuses.
    #[error(transparent)]
    Network(#[from] nn_core::Error),
    /// What `linalg` refuses.
    #[error(transparent)]
    Linalg(#[from] linalg::Error),
    /// Too many or too few of something.
    #[error("{argument} has {found} {unit}, expected {expected}")]
    Size {
        /// The argument's name.
        argument: &'static str,
        /// What is counted: `entries`, `rows`, `columns`.
        unit: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Nothing, where there has to be something.
    #[error("{what} is empty; at least one is needed")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// A NaN or an infinity.
    #[error("{argument}[{row}, {column}] is {value}, and every entry must be finite")]
    NotFinite {
        /// The argument's name.
        argument: &'static str,
        /// Row of the first such entry, in column order.
        row: usize,
        /// Its column; 0 in a vector.
        column: usize,
        /// The entry.
        value: f64,
    },
    /// A number outside its range.
    #[error("{argument} is {value}, expected {expected}", value = shown(.value))]
    Argument {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: f64,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// An index beyond the end.
    #[error("{argument} has index {index}, and there are {size}")]
    Index {
        /// The argument's name.
        argument: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        size: usize,
    },
    /// A network with more or fewer outputs than inputs, where as many are needed.
    #[error("the network has {outputs} outputs and {inputs} inputs, expected as many of both")]
    NotSquare {
        /// Its outputs.
        outputs: usize,
        /// Its inputs.
        inputs: usize,
    },
    /// Bounds between which there is nothing.
    #[error(
        "bounds[{index}] are {lower} and {upper}, expected lower <= upper and a finite number between"
    )]
    Bounds {
        /// Index of the first such input.
        index: usize,
        /// Its lower bound.
        lower: f64,
        /// Its upper bound.
        upper: f64,
    },
    /// A seed from which a search within bounds cannot start.
    #[error(
        "seed[{index}] is {value}, outside of its bounds {lower} to {upper}",
        value = shown(.value)
    )]
    SeedOutside {
        /// Index of the first such input.
        index: usize,
        /// The seed's value.
        value: f64,
        /// Its lower bound.
        lower: f64,
        /// Its upper bound.
        upper: f64,
    },
    /// A point that no short way leads from to an input with the wanted output.
    #[error(
        "member gives the target but for {residual:e}, and Gauss-Newton steps from it do not reach \
         {tolerance:e}; search for one first"
    )]
    NotAMember {
        /// ‖f(x) − y‖₂ there.
        residual: f64,
        /// What counts as being on the set.
        tolerance: f64,
    },
    /// A map that gives a NaN or an infinity at the seed.
    #[error("the map's output {index} is {value} at the seed, and must be finite there")]
    MapNotFinite {
        /// Index of the first such output.
        index: usize,
        /// The output.
        value: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_crates_below_pass_through() {
        let below = linalg::Error::NotSquare { argument: "a", rows: 2, columns: 3 };
        assert_eq!(Error::from(below.clone()).to_string(), below.to_string());
        let below = nn_core::Error::NoForward;
        assert_eq!(Error::from(below.clone()).to_string(), below.to_string());
    }
}
