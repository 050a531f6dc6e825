//! Labelled images from IDX files, the format of MNIST.
//!
//! A file is four bytes, 0, 0, a type and the number of dimensions; then each dimension as a
//! big-endian 32-bit number; then the entries, big-endian, the last dimension fastest (the database's
//! own page, "The MNIST database of handwritten digits").

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use linalg::{DMatrix, Real};

use super::LabelledImages;
use crate::{Error, Result, Shape};

/// One of the two files of a set of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdxFile {
    /// The images: count x rows x columns, or any list of dimensions after the count.
    Images,
    /// Their labels: count.
    Labels,
}

impl fmt::Display for IdxFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "the IDX file of images",
            Self::Labels => "the IDX file of labels",
        })
    }
}

/// What is wrong with an IDX file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum IdxProblem {
    /// It does not begin with two zero bytes and a known type.
    Magic {
        /// The first four bytes.
        found: u32,
    },
    /// It has another number of dimensions than its kind must have.
    Dimensions {
        /// The number found.
        found: usize,
        /// The least that is needed.
        expected: usize,
    },
    /// A dimension is 0, or all together exceed what can be addressed.
    Extent {
        /// The dimensions.
        dimensions: Vec<u32>,
    },
    /// It ends early.
    Ends {
        /// Bytes that its header asks for.
        expected: u64,
    },
    /// Bytes follow after the last entry.
    Continues {
        /// Bytes that its header asks for.
        expected: u64,
    },
    /// An entry is a NaN or an infinity.
    NotFinite {
        /// The entry.
        value: f64,
    },
    /// A label is not a whole number below the number of classes.
    Label {
        /// The entry.
        value: f64,
        /// Classes, numbered from 0.
        classes: usize,
    },
    /// There are more or fewer labels than images.
    Count {
        /// Labels.
        labels: usize,
        /// Images.
        images: usize,
    },
    /// Reading or unpacking failed.
    Read {
        /// What the system says.
        kind: std::io::ErrorKind,
    },
}

impl fmt::Display for IdxProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => {
                write!(f, "the first four bytes are {found:#010x}, expected 0, 0, a type, a count")
            }
            Self::Dimensions { found, expected } => {
                write!(f, "it has {found} dimensions, expected {expected}")
            }
            Self::Extent { dimensions } => {
                write!(f, "its dimensions are {dimensions:?}, and none may be 0 nor all too large")
            }
            Self::Ends { expected } => write!(f, "it ends here, expected {expected} bytes"),
            Self::Continues { expected } => {
                write!(f, "it goes on, expected its end after {expected} bytes")
            }
            Self::NotFinite { value } => {
                write!(f, "the entry is {value}, and every entry must be finite")
            }
            Self::Label { value, classes } => write!(
                f,
                "the label is {value}, expected a whole number from 0 to {}",
                classes.saturating_sub(1)
            ),
            Self::Count { labels, images } => {
                write!(f, "it has {labels} labels for {images} images")
            }
            Self::Read { kind } => write!(f, "reading failed: {kind}"),
        }
    }
}

impl<T: Real> LabelledImages<T> {
    /// Reads two files as [`LabelledImages::from_idx`] does.
    ///
    /// # Errors
    /// [`Error::Open`] with the path, and what [`LabelledImages::from_idx`] gives.
    pub fn from_idx_files(
        images: impl AsRef<Path>,
        labels: impl AsRef<Path>,
        classes: usize,
    ) -> Result<Self> {
        let open = |path: &Path| {
            File::open(path)
                .map(BufReader::new)
                .map_err(|error| Error::Open { path: path.to_owned(), kind: error.kind() })
        };
        Self::from_idx(open(images.as_ref())?, open(labels.as_ref())?, classes)
    }

    /// Reads images and their labels from 0 to `classes` − 1 from a pair of IDX files, packed by
    /// gzip or not.
    ///
    /// Pixels come as they are, 0 to 255 in MNIST: see [`LabelledImages::scaled`]. Every type of
    /// entry is read: bytes, 16- and 32-bit integers, and floating point of both precisions. What is
    /// kept in memory never exceeds what the files really hold.
    ///
    /// # Errors
    /// [`Error::Idx`] with the file and the offset in it, counted after unpacking.
    ///
    /// # Examples
    /// Two images of one row and two columns:
    /// ```
    /// use nn_core::{LabelledImages, Shape};
    /// let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40];
    /// let labels = [0, 0, 8, 1, 0, 0, 0, 2, 1, 0];
    /// let data = LabelledImages::<f32>::from_idx(&images[..], &labels[..], 2)?;
    /// assert_eq!(data.images().as_slice(), [10.0, 20.0, 30.0, 40.0]);
    /// assert_eq!((data.labels(), data.shape()), (&[1, 0][..], Shape::image(1, 2, 1)));
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn from_idx(images: impl Read, labels: impl Read, classes: usize) -> Result<Self> {
        if classes == 0 {
            return Err(Error::Empty { what: "the list of classes" });
        }
        let images = Idx::read(images, IdxFile::Images)?;
        let labels = Idx::read(labels, IdxFile::Labels)?;
        let (count, shape) = match images.dimensions.as_slice() {
            &[count, rows, columns] => (count, Shape::image(1, columns, rows)),
            dimensions => (dimensions[0], dimensions[1..].iter().product::<usize>().into()),
        };
        if labels.entries.len() != count {
            let problem = IdxProblem::Count { labels: labels.entries.len(), images: count };
            return Err(Error::Idx { file: IdxFile::Labels, offset: 4, problem });
        }
        let classes_of = labels
            .entries
            .iter()
            .enumerate()
            .map(|(index, &value)| {
                class(value, classes).ok_or_else(|| {
                    let problem = IdxProblem::Label { value, classes };
                    Error::Idx { file: IdxFile::Labels, offset: labels.offset(index), problem }
                })
            })
            .collect::<Result<Vec<usize>>>()?;
        let pixels = images.entries.iter().map(|&pixel| T::from_double(pixel));
        Ok(Self {
            images: DMatrix::from_iterator(shape.len(), count, pixels),
            labels: classes_of,
            classes,
            shape,
        })
    }
}

/// An IDX file in memory.
struct Idx {
    dimensions: Vec<usize>,
    entries: Vec<f64>,
    /// Bytes of an entry.
    width: usize,
}

impl Idx {
    /// Where entry `index` stands.
    fn offset(&self, index: usize) -> u64 {
        (4 + 4 * self.dimensions.len() + index * self.width) as u64
    }

    fn read(reader: impl Read, file: IdxFile) -> Result<Self> {
        let mut reader = BufReader::new(reader);
        let fail = |offset: usize, problem| Error::Idx { file, offset: offset as u64, problem };
        let failed =
            |offset, error: std::io::Error| fail(offset, IdxProblem::Read { kind: error.kind() });
        let start = reader.fill_buf().map_err(|error| failed(0, error))?;
        // The two bytes that every gzip file begins with, and no IDX file.
        let mut reader: Box<dyn Read + '_> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(reader))
        } else {
            Box::new(reader)
        };
        let mut bytes = |offset: usize, wanted: u64, whole: u64| {
            let mut bytes = Vec::new();
            reader
                .by_ref()
                .take(wanted)
                .read_to_end(&mut bytes)
                .map_err(|error| failed(offset, error))?;
            if (bytes.len() as u64) < wanted {
                let problem = IdxProblem::Ends { expected: whole };
                return Err(fail(offset + bytes.len(), problem));
            }
            Ok(bytes)
        };
        let header = bytes(0, 4, 4)?;
        let magic = big_endian(&header);
        let decode = decoder(header[2]).filter(|_| header[..2] == [0, 0]);
        let Some((width, decode)) = decode else {
            return Err(fail(0, IdxProblem::Magic { found: magic }));
        };
        let rank = usize::from(header[3]);
        let (fits, expected) = match file {
            IdxFile::Images => (rank >= 2, 3),
            IdxFile::Labels => (rank == 1, 1),
        };
        if !fits {
            return Err(fail(3, IdxProblem::Dimensions { found: rank, expected }));
        }
        let body = 4 + 4 * rank;
        let dimensions: Vec<u32> =
            bytes(4, 4 * rank as u64, body as u64)?.chunks_exact(4).map(big_endian).collect();
        let size = dimensions.iter().try_fold(width as u64, |product, &dimension| {
            product.checked_mul(u64::from(dimension)).filter(|&product| product > 0)
        });
        let size = size.filter(|&size| usize::try_from(size).is_ok() && size <= u64::MAX / 2);
        let Some(size) = size else { return Err(fail(4, IdxProblem::Extent { dimensions })) };
        let whole = body as u64 + size;
        let entries = bytes(body, size, whole)?;
        let mut more = [0];
        if reader.read(&mut more).map_err(|error| failed(body + entries.len(), error))? > 0 {
            return Err(fail(body + entries.len(), IdxProblem::Continues { expected: whole }));
        }
        let entries: Vec<f64> = entries.chunks_exact(width).map(decode).collect();
        if let Some(index) = entries.iter().position(|entry| !entry.is_finite()) {
            let problem = IdxProblem::NotFinite { value: entries[index] };
            return Err(fail(body + index * width, problem));
        }
        let dimensions = dimensions.iter().map(|&dimension| dimension as usize).collect();
        Ok(Self { dimensions, entries, width })
    }
}

fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The class that a label names.
fn class(label: f64, classes: usize) -> Option<usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within range")]
    (label.fract() == 0.0 && label >= 0.0 && label < classes as f64).then_some(label as usize)
}

type Decoder = fn(&[u8]) -> f64;

/// The bytes of an entry of a type, and how to read one.
fn decoder(kind: u8) -> Option<(usize, Decoder)> {
    Some(match kind {
        0x08 => (1, |bytes| f64::from(bytes[0])),
        0x09 => (1, |bytes| f64::from(bytes[0].cast_signed())),
        0x0b => (2, |bytes| f64::from(i16::from_be_bytes([bytes[0], bytes[1]]))),
        0x0c => (4, |bytes| f64::from(big_endian(bytes).cast_signed())),
        0x0d => (4, |bytes| f64::from(f32::from_bits(big_endian(bytes)))),
        0x0e => (8, |bytes| {
            let (high, low) = (big_endian(&bytes[..4]), big_endian(&bytes[4..]));
            f64::from_bits(u64::from(high) << 32 | u64::from(low))
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// An IDX file.
    fn idx(kind: u8, dimensions: &[u32], entries: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, kind, u8::try_from(dimensions.len()).unwrap()];
        file.extend(dimensions.iter().flat_map(|dimension| dimension.to_be_bytes()));
        file.extend(entries);
        file
    }

    fn images() -> Vec<u8> {
        idx(8, &[3, 2, 2], &(1..=12).collect::<Vec<u8>>())
    }

    fn labels() -> Vec<u8> {
        idx(8, &[3], &[2, 0, 1])
    }

    fn read(images: &[u8], labels: &[u8]) -> Result<LabelledImages<f64>> {
        LabelledImages::from_idx(images, labels, 3)
    }

    #[test]
    fn two_files_are_read_by_their_paths() {
        let folder = std::env::temp_dir().join(format!("idx-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let paths = [folder.join("images"), folder.join("labels")];
        std::fs::write(&paths[0], images()).unwrap();
        std::fs::write(&paths[1], labels()).unwrap();
        let found = LabelledImages::<f64>::from_idx_files(&paths[0], &paths[1], 3);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found.unwrap(), read(&images(), &labels()).unwrap());
        let gone = LabelledImages::<f64>::from_idx_files(&paths[0], &paths[1], 3).unwrap_err();
        assert!(matches!(&gone, Error::Open { path, .. } if *path == paths[0]), "{gone}");
    }

    #[test]
    fn packed_or_not_the_pixels_stand_x_first() {
        let pack = |bytes: &[u8]| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(bytes).unwrap();
            packed.finish().unwrap()
        };
        let plain = read(&images(), &labels()).unwrap();
        assert_eq!(plain.images().column(1).as_slice(), [5.0, 6.0, 7.0, 8.0]);
        assert_eq!(plain.shape(), Shape::image(1, 2, 2));
        assert_eq!(plain.labels(), [2, 0, 1]);
        assert_eq!(read(&pack(&images()), &pack(&labels())).unwrap(), plain);
    }

    #[test]
    fn every_type_of_entry_is_read() {
        let cases: [(u8, Vec<u8>, f64); 5] = [
            (0x09, vec![0xfe], -2.0),
            (0x0b, (-300_i16).to_be_bytes().to_vec(), -300.0),
            (0x0c, 70_000_i32.to_be_bytes().to_vec(), 70_000.0),
            (0x0d, 1.5_f32.to_be_bytes().to_vec(), 1.5),
            (0x0e, (-2.25_f64).to_be_bytes().to_vec(), -2.25),
        ];
        for (kind, entry, value) in cases {
            let data = read(&idx(kind, &[1, 1, 1], &entry), &idx(8, &[1], &[0])).unwrap();
            assert_eq!(data.images().as_slice(), [value], "type {kind:#x}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_offset() {
        let text = |images: &[u8], labels: &[u8]| read(images, labels).unwrap_err().to_string();
        let wrong_images = |bytes: &[u8]| text(bytes, &labels());
        let wrong_labels = |bytes: &[u8]| text(&images(), bytes);
        assert_eq!(
            wrong_images(&[1, 0, 8, 3, 0]),
            "the IDX file of images, byte 0: the first four bytes are 0x01000803, expected 0, 0, a \
             type, a count"
        );
        assert_eq!(
            wrong_images(&[0, 0]),
            "the IDX file of images, byte 2: it ends here, expected 4 bytes"
        );
        assert_eq!(
            wrong_images(&images()[..20]),
            "the IDX file of images, byte 20: it ends here, expected 28 bytes"
        );
        assert_eq!(
            wrong_images(&idx(8, &[3], &[1, 2, 3])),
            "the IDX file of images, byte 3: it has 1 dimensions, expected 3"
        );
        assert_eq!(
            wrong_images(&idx(8, &[3, 0, 2], &[])),
            "the IDX file of images, byte 4: its dimensions are [3, 0, 2], and none may be 0 nor all \
             too large"
        );
        assert_eq!(
            wrong_images(&[images(), vec![7]].concat()),
            "the IDX file of images, byte 28: it goes on, expected its end after 28 bytes"
        );
        let nan = idx(0x0d, &[1, 1, 2], &[1.0_f32.to_be_bytes(), f32::NAN.to_be_bytes()].concat());
        assert_eq!(
            wrong_images(&nan),
            "the IDX file of images, byte 20: the entry is NaN, and every entry must be finite"
        );
        assert_eq!(
            wrong_labels(&idx(8, &[3], &[0, 1, 3])),
            "the IDX file of labels, byte 10: the label is 3, expected a whole number from 0 to 2"
        );
        assert_eq!(
            wrong_labels(&idx(8, &[2], &[0, 1])),
            "the IDX file of labels, byte 4: it has 2 labels for 3 images"
        );
        assert_eq!(
            wrong_labels(&[0x1f, 0x8b, 0]),
            "the IDX file of labels, byte 0: reading failed: unexpected end of file"
        );
    }

    #[test]
    fn no_mutation_panics_or_asks_for_more_memory_than_the_file_has() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
        let mut refused = 0;
        for _ in 0..10_000 {
            let (mut images, mut labels) = (images(), labels());
            for _ in 0..rng.random_range(1..5) {
                let file = if rng.random() { &mut images } else { &mut labels };
                let at = rng.random_range(0..file.len());
                match rng.random_range(0..3) {
                    0 => file[at] = rng.random(),
                    1 => file.truncate(at.max(1)),
                    _ => file.insert(at, rng.random()),
                }
            }
            match read(&images, &labels) {
                // A count of 2³² entries is declared in 16 bytes: it must end as "it ends here".
                Ok(data) => assert!(data.images().len() <= images.len(), "{images:?}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 5_000, "only {refused} of 10,000 mutations were noticed");
    }
}
