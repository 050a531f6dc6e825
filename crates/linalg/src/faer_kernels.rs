//! faer's dense kernels behind three functions; the only file that names it.
//!
//! One thread: faer gains nothing from more below n ≈ 1500, and its parallel SVD does not give the
//! same bits for every number of threads.
//!
//! None of these is to be trusted alone. faer 0.24.4 refuses ordinary 0/1 symmetric matrices
//! (2 of 30,000 of size 33 × 33), does not scale (entries of 1e160 end in `NoConvergence`), and
//! ignores its own report that the QR algorithm gave up. The ladders above them check.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::{evd, svd as faer_svd};
use faer::traits::ComplexField;
use faer::{Auto, MatMut, MatRef, Par, Spec, diag::DiagMut};
use nalgebra::{Complex, DMatrix, DVector};

use crate::kernels::{HermitianParts, Kernels, SingularParts, Vectors};

/// The thin SVD.
pub(crate) fn svd<D: Kernels + ComplexField>(
    a: &DMatrix<D>,
    vectors: Vectors,
) -> Option<SingularParts<D>> {
    let (m, n) = a.shape();
    let k = m.min(n);
    let (wanted, columns) = match vectors {
        Vectors::Yes => (faer_svd::ComputeSvdVectors::Thin, k),
        Vectors::No => (faer_svd::ComputeSvdVectors::No, 0),
    };
    let parameters = Spec::new(<faer_svd::SvdParams as Auto<D>>::auto());
    let mut memory =
        MemBuffer::new(faer_svd::svd_scratch::<D>(m, n, wanted, wanted, Par::Seq, parameters));
    let mut s = vec![<D as Default>::default(); k];
    let mut u = DMatrix::zeros(m, columns);
    let mut v = DMatrix::zeros(n, columns);
    let wants = vectors == Vectors::Yes;
    faer_svd::svd(
        view(a),
        DiagMut::from_slice_mut(&mut s),
        wants.then_some(view_mut(&mut u)),
        wants.then_some(view_mut(&mut v)),
        Par::Seq,
        MemStack::new(&mut memory),
        parameters,
    )
    .ok()?;
    let values = DVector::from_iterator(k, s.into_iter().map(nalgebra::ComplexField::real));
    Some(SingularParts { u, values, v })
}

/// The eigendecomposition of the Hermitian matrix whose lower triangle is `a`'s.
pub(crate) fn hermitian<D: Kernels + ComplexField>(
    a: &DMatrix<D>,
    vectors: Vectors,
) -> Option<HermitianParts<D>> {
    let n = a.nrows();
    let (wanted, columns) = match vectors {
        Vectors::Yes => (evd::ComputeEigenvectors::Yes, n),
        Vectors::No => (evd::ComputeEigenvectors::No, 0),
    };
    let parameters = Spec::new(<evd::SelfAdjointEvdParams as Auto<D>>::auto());
    let mut memory =
        MemBuffer::new(evd::self_adjoint_evd_scratch::<D>(n, wanted, Par::Seq, parameters));
    let mut s = vec![<D as Default>::default(); n];
    let mut u = DMatrix::zeros(n, columns);
    evd::self_adjoint_evd(
        view(a),
        DiagMut::from_slice_mut(&mut s),
        (vectors == Vectors::Yes).then_some(view_mut(&mut u)),
        Par::Seq,
        MemStack::new(&mut memory),
        parameters,
    )
    .ok()?;
    let values = DVector::from_iterator(n, s.into_iter().map(nalgebra::ComplexField::real));
    Some(HermitianParts { values, vectors: u })
}

/// The eigendecomposition of a real symmetric tridiagonal matrix.
pub(crate) fn tridiagonal(diagonal: &[f64], off_diagonal: &[f64]) -> Option<HermitianParts<f64>> {
    let n = diagonal.len();
    let parameters = Spec::new(<evd::SelfAdjointEvdParams as Auto<f64>>::auto());
    let wanted = evd::ComputeEigenvectors::Yes;
    let mut memory =
        MemBuffer::new(evd::self_adjoint_evd_scratch::<f64>(n, wanted, Par::Seq, parameters));
    let mut values = DVector::zeros(n);
    let mut vectors = DMatrix::zeros(n, n);
    evd::tridiagonal_self_adjoint_evd(
        faer::diag::DiagRef::from_slice(diagonal),
        faer::diag::DiagRef::from_slice(off_diagonal),
        DiagMut::from_slice_mut(values.as_mut_slice()),
        Some(view_mut(&mut vectors)),
        Par::Seq,
        MemStack::new(&mut memory),
        parameters,
    )
    .ok()?;
    Some(HermitianParts { values, vectors })
}

/// The eigenvalues of a real matrix. Those that did not converge are NaN: faer leaves them unset.
pub(crate) fn eigenvalues_real(a: &DMatrix<f64>) -> Option<DVector<Complex<f64>>> {
    let n = a.nrows();
    let parameters = Spec::new(<evd::EvdParams as Auto<f64>>::auto());
    let no = evd::ComputeEigenvectors::No;
    let mut memory = MemBuffer::new(evd::evd_scratch::<f64>(n, no, no, Par::Seq, parameters));
    let (mut re, mut im) = (vec![f64::NAN; n], vec![f64::NAN; n]);
    evd::evd_real(
        view(a),
        DiagMut::from_slice_mut(&mut re),
        DiagMut::from_slice_mut(&mut im),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut memory),
        parameters,
    )
    .ok()?;
    Some(DVector::from_iterator(n, re.into_iter().zip(im).map(|(re, im)| Complex::new(re, im))))
}

/// The eigenvalues of a complex matrix, as [`eigenvalues_real`].
pub(crate) fn eigenvalues_complex(a: &DMatrix<Complex<f64>>) -> Option<DVector<Complex<f64>>> {
    let n = a.nrows();
    let parameters = Spec::new(<evd::EvdParams as Auto<Complex<f64>>>::auto());
    let no = evd::ComputeEigenvectors::No;
    let mut memory =
        MemBuffer::new(evd::evd_scratch::<Complex<f64>>(n, no, no, Par::Seq, parameters));
    let mut values = DVector::from_element(n, Complex::new(f64::NAN, f64::NAN));
    evd::evd_cplx(
        view(a),
        DiagMut::from_slice_mut(values.as_mut_slice()),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut memory),
        parameters,
    )
    .ok()?;
    Some(values)
}

fn view<D>(a: &DMatrix<D>) -> MatRef<'_, D> {
    MatRef::from_column_major_slice(a.as_slice(), a.nrows(), a.ncols())
}

fn view_mut<D>(a: &mut DMatrix<D>) -> MatMut<'_, D> {
    let (rows, columns) = a.shape();
    MatMut::from_column_major_slice_mut(a.as_mut_slice(), rows, columns)
}
