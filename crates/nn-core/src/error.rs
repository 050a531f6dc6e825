//! What can be wrong with a request.

use std::path::PathBuf;

use linalg::shown;

use crate::{Extent, IdxFile, IdxProblem, Shape};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a request, naming the argument, what it was and what was expected.
///
/// A training run that diverges is not an error but a [`History`](crate::History) that says so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A member of a team whose shards of the batch were not done.
    #[error(transparent)]
    Rank(#[from] linalg::team::Lost),
    /// A network without layers, a layer or a batch without entries.
    #[error("{what} is empty; at least one is needed")]
    Empty {
        /// What has no entries.
        what: &'static str,
    },
    /// Two neighbouring layers whose sizes differ.
    #[error(
        "layer {before} ({before_name}) gives {outputs}, but layer {after} ({after_name}) takes {inputs}"
    )]
    LayerSizes {
        /// Index of the first layer; the builder's input is not a layer and counts as none.
        before: usize,
        /// What it is.
        before_name: String,
        /// What it gives.
        outputs: Shape,
        /// Index of the layer that follows.
        after: usize,
        /// What it is.
        after_name: String,
        /// What it takes.
        inputs: Shape,
    },
    /// A first layer that does not take what the network is given.
    #[error("the network's input is {found}, but layer 0 ({name}) takes {expected}")]
    InputSize {
        /// The layer.
        name: String,
        /// The network's input.
        found: Shape,
        /// What the layer takes.
        expected: Shape,
    },
    /// A matrix, vector or list of the wrong size.
    #[error("{argument} has {found} {unit}, expected {expected}")]
    Size {
        /// The argument's name.
        argument: &'static str,
        /// What is counted: rows, columns, entries.
        unit: &'static str,
        /// The number found.
        found: usize,
        /// The number expected.
        expected: usize,
    },
    /// A NaN or an infinity among the entries.
    #[error("{argument}[{row}, {column}] is {value}, and every entry must be finite")]
    NotFinite {
        /// The argument's name.
        argument: &'static str,
        /// Row of the first such entry, in column order; for a batch, the feature.
        row: usize,
        /// Its column; for a batch, the sample.
        column: usize,
        /// The entry.
        value: f64,
    },
    /// A parameter outside its range.
    #[error("{argument} is {value}, expected {expected}", value = shown(.value))]
    OutOfRange {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: f64,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// A window larger than the image it should slide over.
    #[error("the kernel covers {covered} places, but the padded input has {available}")]
    Window {
        /// Width and height that the kernel covers, dilation included.
        covered: Extent,
        /// Width and height of the input, padding included.
        available: Extent,
    },
    /// Groups of channels that cannot be of one size.
    #[error("{groups} groups must divide the {channels} input channels and the {filters} filters")]
    Groups {
        /// Groups asked for.
        groups: usize,
        /// The input's channels.
        channels: usize,
        /// Filters.
        filters: usize,
    },
    /// A label that names no class.
    #[error("label {label} of sample {sample} is out of range: there are {classes} classes")]
    Label {
        /// Index of the sample.
        sample: usize,
        /// Its label.
        label: usize,
        /// Classes, numbered from 0.
        classes: usize,
    },
    /// An entry that an embedding was given and that is the number of no class.
    #[error(
        "entry {entry} of sample {sample} is {value}, expected a label: a whole number below {classes}",
        value = shown(.value)
    )]
    NotALabel {
        /// Index of the sample.
        sample: usize,
        /// Place in its column.
        entry: usize,
        /// What stands there.
        value: f64,
        /// Classes, numbered from 0.
        classes: usize,
    },
    /// A sample that the loss has no target for.
    #[error("sample {sample} has no target: the loss knows {samples} samples")]
    NoTarget {
        /// Index of the sample.
        sample: usize,
        /// Samples that the loss knows.
        samples: usize,
    },
    /// A step whose loss or gradient is not a number.
    #[error(
        "the step diverged: loss {loss}, first NaN or infinity in layer {layer} ({name})",
        loss = shown(.loss)
    )]
    Diverged {
        /// The layer in which the first NaN or infinity arose.
        layer: usize,
        /// What it is.
        name: String,
        /// The loss.
        loss: f64,
    },
    /// The state of another optimizer, or of one for another network.
    #[error("the state has {found} numbers in {vector:?}, expected {expected}")]
    State {
        /// The vector's name.
        vector: String,
        /// Its entries; 0 where it is missing.
        found: usize,
        /// The entries expected; 0 where none of that name is.
        expected: usize,
    },
    /// A target without a direction, where the direction is all that counts.
    #[error("the target of sample {sample} is zero, and must have a direction")]
    ZeroTarget {
        /// Index of the sample.
        sample: usize,
    },
    /// A matrix entry outside the range that its matrix allows.
    #[error("{argument}[{row}, {column}] is {value}, expected {expected}", value = shown(.value))]
    Entry {
        /// The matrix.
        argument: &'static str,
        /// Row of the first such entry, in column order.
        row: usize,
        /// Its column.
        column: usize,
        /// The entry.
        value: f64,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// A backward pass without the forward pass of the same network before it.
    #[error("the trace holds no forward pass of this network; call `forward` first")]
    NoForward,
    /// A layer without filters.
    #[error("layer {layer} has no filters: the network has no such layer, or it has no weights")]
    NoFilters {
        /// Its index.
        layer: usize,
    },
    /// A file that cannot be opened.
    #[error("cannot open {}: {kind}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// Reading that failed part of the way.
    #[error("reading failed after line {line}: {kind}")]
    Read {
        /// Last line that was read whole; 0 where there was none.
        line: u64,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// A row with more or fewer fields than the first.
    #[error("line {line} has {found} fields, expected {expected} as in the first row")]
    RaggedRow {
        /// Line of the file, from 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the first row.
        expected: usize,
    },
    /// A field that should hold a finite number.
    #[error("line {line}, column {column}: {text:?} is not a finite number")]
    NotANumber {
        /// Line of the file, from 1.
        line: u64,
        /// Column of the file, from 1; the label is column 1.
        column: usize,
        /// What stands there.
        text: String,
    },
    /// A first field that is not the number of a class.
    #[error("line {line}: label {text:?} is not a whole number from 0 to {}", classes - 1)]
    LabelText {
        /// Line of the file, from 1.
        line: u64,
        /// What stands there.
        text: String,
        /// Classes, numbered from 0; at least one.
        classes: usize,
    },
    /// An IDX file that cannot be used.
    #[error("{file}, byte {offset}: {problem}")]
    Idx {
        /// Which of the two files.
        file: IdxFile,
        /// Where in it, counted after unpacking.
        offset: u64,
        /// What is wrong there.
        problem: IdxProblem,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {kind}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// Contents that are no safetensors file.
    #[error("not a safetensors file: {problem}")]
    SafeTensors {
        /// What the reader says.
        problem: String,
    },
    /// A tensor that the network needs and the file lacks.
    #[error("the file has no tensor {name:?}")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// Two tensors of one name, of which a file can hold only one.
    #[error("two layers have a tensor {name:?}; give every layer a name of its own")]
    SameName {
        /// Their name.
        name: String,
    },
    /// A tensor in the file that the network has no place for.
    #[error("the file has a tensor {name:?}, for which the network has no place")]
    UnexpectedTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of another shape than the network's.
    #[error("tensor {name:?} has the shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The network's.
        expected: Vec<usize>,
    },
    /// A tensor of numbers of another type.
    #[error("tensor {name:?} holds {found}, expected {expected}")]
    TensorType {
        /// Its name.
        name: String,
        /// The type of its numbers.
        found: String,
        /// The types that can be read.
        expected: &'static str,
    },
    /// A NaN or an infinity in a tensor, or a number too large for the network's precision.
    #[error(
        "entry {index} of tensor {name:?} is {value}, which is not finite in the network's precision"
    )]
    TensorNotFinite {
        /// Its name.
        name: String,
        /// The entry's index, in the file's order.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// A matrix product of shapes that do not fit: a layer of the caller's own that wrote to a
    /// matrix of the wrong size.
    #[error(transparent)]
    Linalg(#[from] linalg::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variants that other tests do not already reach through a public function.
    #[test]
    fn the_text_names_the_argument_what_it_was_and_what_was_expected() {
        let cases: [(Error, &str); 4] = [
            (
                Error::Read { line: 3, kind: std::io::ErrorKind::TimedOut },
                "reading failed after line 3: timed out",
            ),
            (
                Error::NoTarget { sample: 9, samples: 5 },
                "sample 9 has no target: the loss knows 5 samples",
            ),
            (
                linalg::Error::NotSquare { argument: "a", rows: 2, columns: 3 }.into(),
                "a is 2 x 3, and must be square",
            ),
            (Error::Empty { what: "the batch" }, "the batch is empty; at least one is needed"),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }
}
