//! Labelled images from CSV files, and from IDX files.

mod idx;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use linalg::{DMatrix, Real};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::check::{positive, size};
use crate::{Error, Result, Shape};

pub use idx::{IdxFile, IdxProblem};

/// Images in the columns of a matrix, and the class of each.
///
/// # Examples
/// ```
/// use nn_core::{Header, LabelledImages};
///
/// let file = "label,left,right\n0,16,0\n1,0,8\n";
/// let data = LabelledImages::<f64>::from_csv(file.as_bytes(), Header::Present, 2)?.scaled(1.0 / 16.0)?;
/// assert_eq!(data.images().column(1).as_slice(), [0.0, 0.5]);
/// assert_eq!(data.labels(), [0, 1]);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledImages<T: Real> {
    images: DMatrix<T>,
    labels: Vec<usize>,
    classes: usize,
    shape: Shape,
}

/// Whether a CSV file begins with a row of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// It does; that row is passed over.
    Present,
    /// It does not.
    Absent,
}

impl<T: Real> LabelledImages<T> {
    /// Reads a file as [`LabelledImages::from_csv`] does.
    ///
    /// # Errors
    /// [`Error::Open`] with the path, and what [`LabelledImages::from_csv`] gives.
    pub fn from_csv_file(path: impl AsRef<Path>, header: Header, classes: usize) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|error| Error::Open { path: path.to_owned(), kind: error.kind() })?;
        Self::from_csv(file, header, classes)
    }

    /// Reads rows of a label from 0 to `classes` − 1 and then the pixels of its image.
    ///
    /// # Errors
    /// [`Error::RaggedRow`], [`Error::NotANumber`] and [`Error::LabelText`] name the line of the
    /// file; [`Error::Empty`] for a file without rows, rows without pixels, or no classes;
    /// [`Error::Read`] where reading fails.
    pub fn from_csv(reader: impl Read, header: Header, classes: usize) -> Result<Self> {
        if classes == 0 {
            return Err(Error::Empty { what: "the list of classes" });
        }
        let mut rows = ReaderBuilder::new()
            .has_headers(header == Header::Present)
            .flexible(true)
            .from_reader(reader);
        let read_error = |line: u64, error: csv::Error| match error.into_kind() {
            csv::ErrorKind::Io(error) => Error::Read { line, kind: error.kind() },
            // Rows of bytes of any length: nothing but reading can fail.
            _ => Error::Read { line, kind: std::io::ErrorKind::InvalidData },
        };
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let mut row = ByteRecord::new();
        // The header, where there is one, sets the width.
        let mut width = match header {
            Header::Present => Some(rows.byte_headers().map_err(|e| read_error(0, e))?.len()),
            Header::Absent => None,
        };
        let mut line = 0;
        while rows.read_byte_record(&mut row).map_err(|error| read_error(line, error))? {
            line = row.position().map_or(line + 1, csv::Position::line);
            let expected = *width.get_or_insert(row.len());
            if row.len() != expected {
                return Err(Error::RaggedRow { line, found: row.len(), expected });
            }
            if expected < 2 {
                return Err(Error::Empty { what: "the list of pixels in a row" });
            }
            labels.push(label(&row[0], line, classes)?);
            for (index, field) in row.iter().enumerate().skip(1) {
                pixels.push(number(field, line, index + 1)?);
            }
        }
        if labels.is_empty() {
            return Err(Error::Empty { what: "the file" });
        }
        let images = DMatrix::from_vec(pixels.len() / labels.len(), labels.len(), pixels);
        let shape = images.nrows().into();
        Ok(Self { images, labels, classes, shape })
    }

    /// The images, pixels x samples.
    #[must_use]
    pub fn images(&self) -> &DMatrix<T> {
        &self.images
    }

    /// The class of each image.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The arrangement of an image's pixels: a list of them, unless the file or
    /// [`LabelledImages::shaped`] says more.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The same, the pixels of a row taken as an image in `shape`.
    ///
    /// # Errors
    /// [`Error::Size`] where `shape` has another number of values than an image has pixels.
    pub fn shaped(mut self, shape: Shape) -> Result<Self> {
        size("shape", "values", shape.len(), self.images.nrows())?;
        self.shape = shape;
        Ok(self)
    }

    /// The same with every pixel multiplied by `factor`: pixels from 0 to 1 train best.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `factor` is finite and greater than 0.
    pub fn scaled(mut self, factor: f64) -> Result<Self> {
        positive("factor", factor)?;
        self.images *= T::from_double(factor);
        Ok(self)
    }

    /// Two parts, by a random choice: the samples to train on, and `held_out` of them to judge by.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless both parts have at least one sample.
    pub fn split(&self, held_out: usize, rng: &mut impl Rng) -> Result<(Self, Self)> {
        let samples = self.labels.len();
        if held_out == 0 || held_out >= samples {
            return Err(Error::OutOfRange {
                argument: "held_out",
                value: held_out as f64,
                expected: "at least 1 and less than the number of samples",
            });
        }
        let mut order: Vec<usize> = (0..samples).collect();
        order.shuffle(rng);
        let (held_out, train) = order.split_at(held_out);
        Ok((self.select(train), self.select(held_out)))
    }

    fn select(&self, samples: &[usize]) -> Self {
        Self {
            images: self.images.select_columns(samples),
            labels: samples.iter().map(|&sample| self.labels[sample]).collect(),
            classes: self.classes,
            shape: self.shape,
        }
    }
}

/// The fraction of columns of `scores`, classes x samples, whose largest entry is not the label's.
///
/// Of equal scores the first counts.
///
/// # Errors
/// [`Error::Size`] where there is not one label per column, [`Error::Empty`] for no columns.
///
/// # Examples
/// ```
/// let scores = linalg::DMatrix::from_row_slice(2, 2, &[0.9, 0.2, 0.1, 0.8]);
/// assert_eq!(nn_core::error_rate(&scores, &[0, 0])?, 0.5);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn error_rate<T: Real>(scores: &DMatrix<T>, labels: &[usize]) -> Result<f64> {
    size("labels", "entries", labels.len(), scores.ncols())?;
    if scores.is_empty() {
        return Err(Error::Empty { what: "the matrix of scores" });
    }
    let wrong = scores.column_iter().zip(labels).filter(|(column, label)| column.imax() != **label);
    Ok(wrong.count() as f64 / labels.len() as f64)
}

fn label(field: &[u8], line: u64, classes: usize) -> Result<usize> {
    let text = String::from_utf8_lossy(field);
    match text.trim().parse() {
        Ok(label) if label < classes => Ok(label),
        _ => Err(Error::LabelText { line, text: text.into_owned(), classes }),
    }
}

fn number<T: Real>(field: &[u8], line: u64, column: usize) -> Result<T> {
    let text = String::from_utf8_lossy(field);
    // "NaN" and "1e999" parse; neither is a pixel.
    match text.trim().parse::<f64>().map(T::from_double) {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Error::NotANumber { line, column, text: text.into_owned() }),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn read(text: &str, header: Header) -> Result<LabelledImages<f64>> {
        LabelledImages::from_csv(text.as_bytes(), header, 3)
    }

    #[test]
    fn the_digits_are_read_whole() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
        let data = LabelledImages::<f64>::from_csv_file(path, Header::Present, 10).unwrap();
        assert_eq!(data.images().shape(), (64, 1797));
        // The second line of the file.
        assert_eq!(data.labels()[0], 0);
        assert_eq!(
            data.images().column(0).as_slice()[..8],
            [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]
        );
        assert!(data.images().iter().all(|pixel| (0.0..=16.0).contains(pixel)));
        // Counts of the digits 0 to 9, by cut -d, -f1 | sort | uniq -c.
        let count = |digit| data.labels().iter().filter(|&&label| label == digit).count();
        let counts: Vec<usize> = (0..10).map(count).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named_with_its_line() {
        let text = |file: &str| read(file, Header::Present).unwrap_err().to_string();
        let head = "label,a,b\n0,1,2\n";
        assert_eq!(
            text(&format!("{head}1,2\n")),
            "line 3 has 2 fields, expected 3 as in the first row"
        );
        assert_eq!(
            text(&format!("{head}1,2,x7\n")),
            "line 3, column 3: \"x7\" is not a finite number"
        );
        assert_eq!(
            text(&format!("{head}1,NaN,7\n")),
            "line 3, column 2: \"NaN\" is not a finite number"
        );
        assert_eq!(
            text(&format!("{head}3,2,7\n")),
            "line 3: label \"3\" is not a whole number from 0 to 2"
        );
        assert_eq!(
            text(&format!("{head}0.5,2,7\n")),
            "line 3: label \"0.5\" is not a whole number from 0 to 2"
        );
        assert_eq!(text("label,a,b\n"), "the file is empty; at least one is needed");
        assert_eq!(text(""), "the file is empty; at least one is needed");
        assert_eq!(
            text("label\n1\n"),
            "the list of pixels in a row is empty; at least one is needed"
        );
        let text = LabelledImages::<f64>::from_csv(head.as_bytes(), Header::Present, 0);
        assert_eq!(
            text.unwrap_err().to_string(),
            "the list of classes is empty; at least one is needed"
        );
        let missing = LabelledImages::<f64>::from_csv_file("no/such.csv", Header::Absent, 2);
        let text = missing.unwrap_err().to_string();
        assert_eq!(text, "cannot open no/such.csv: entity not found");
        assert_eq!(read("0,1,2\n1,3,4\n", Header::Absent).unwrap().labels(), [0, 1]);
    }

    #[test]
    fn reading_that_fails_is_reported_as_such() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::ConnectionReset.into())
            }
        }
        let error = LabelledImages::<f64>::from_csv(Broken, Header::Absent, 2).unwrap_err();
        assert_eq!(error.to_string(), "reading failed after line 0: connection reset");
    }

    #[test]
    fn a_split_loses_and_repeats_nothing_and_follows_the_seed() {
        let rows: String = (0..30).map(|i| format!("{},{i}\n", i % 3)).collect();
        let data = read(&rows, Header::Absent).unwrap();
        let split = |seed| data.split(6, &mut Xoshiro256PlusPlus::seed_from_u64(seed)).unwrap();
        let (train, held_out) = split(1);
        assert_eq!((train.labels().len(), held_out.labels().len()), (24, 6));
        let mut pixels: Vec<f64> =
            train.images().iter().chain(held_out.images().iter()).copied().collect();
        pixels.sort_by(f64::total_cmp);
        assert_eq!(pixels, (0..30).map(f64::from).collect::<Vec<_>>());
        for part in [&train, &held_out] {
            for (pixel, &label) in part.images().iter().zip(part.labels()) {
                assert_eq!(pixel % 3.0, label as f64, "the label went with its image");
            }
        }
        assert_eq!(split(1), (train, held_out));
        assert_ne!(split(2), split(1));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for held_out in [0, 30] {
            assert_eq!(
                data.split(held_out, &mut rng).unwrap_err().to_string(),
                format!(
                    "held_out is {held_out}, expected at least 1 and less than the number of samples"
                )
            );
        }
    }

    #[test]
    fn a_factor_of_nan_and_a_missing_label_are_refused() {
        let data = read("0,1\n", Header::Absent).unwrap();
        assert_eq!(
            data.scaled(f64::NAN).unwrap_err().to_string(),
            "factor is NaN, expected a finite number greater than 0"
        );
        let scores = DMatrix::<f64>::zeros(2, 3);
        let text = error_rate(&scores, &[0]).unwrap_err().to_string();
        assert_eq!(text, "labels has 1 entries, expected 3");
    }
}
