//! What can be wrong with a request.

use std::path::PathBuf;

use crate::{Extent, Shape};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a request, naming the argument, what it was and what was expected.
///
/// A training run that diverges is not an error but a [`History`](crate::History) that says so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    #[error("{argument} is {value}, expected {expected}")]
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
    /// A sample that the loss has no target for.
    #[error("sample {sample} has no target: the loss knows {samples} samples")]
    NoTarget {
        /// Index of the sample.
        sample: usize,
        /// Samples that the loss knows.
        samples: usize,
    },
    /// A backward pass without the forward pass of the same network before it.
    #[error("the trace holds no forward pass of this network; call `forward` first")]
    NoForward,
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
