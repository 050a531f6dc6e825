//! Rows of `linalg`.

use linalg::descent::{CurvatureMemory, Point, dot, strong_wolfe};
use linalg::differences::{directional, gradient, jacobian};
use linalg::elementary::{atanh, exp, exp_m1, ln_1p_exp, sigmoid, tanh};
use linalg::gathered::{self, Gather};
use linalg::krylov::{self, Ilu0, Options};
use linalg::operator::{
    Banded, Composed, Diagonal, FnOperator, Identity, LowRankPlusDiagonal, Scaled, Stacked,
};
use linalg::team::{Pieces, digest};
use linalg::{
    Cholesky, Csc, Csr, DMatrix, HermitianEigen, LinearOperator, Lu, Operand, PseudoInverse, Qr,
    Svd, Threads, adjoint, affine, bounded_least_squares, condition_number, eigenvalues, gemm,
    hermitian_eigenvalues, product, residual, roots, singular_values, transpose, tridiagonal_eigen,
    tridiagonal_spectrum,
};

use super::{Outcome, holds, row, shown};
use crate::bad_input::draw::Input;

const B: [f64; 5] = [1.0, -2.0, 0.5, 3.0, 0.25];

/// Symmetric and positive definite.
fn definite() -> DMatrix<f64> {
    DMatrix::from_fn(5, 5, |i, j| if i == j { 6.0 } else { 1.0 / (1.0 + (i + j) as f64) })
}

fn tall() -> DMatrix<f64> {
    DMatrix::from_fn(7, 4, |i, j| ((i * i + 3 * j * j + i * j) as f64).sin())
}

fn b() -> DMatrix<f64> {
    DMatrix::from_fn(5, 2, |i, j| B[i] + j as f64)
}

fn applied(a: &dyn LinearOperator<f64>) -> Outcome {
    let mut y = vec![0.0; a.nrows()];
    a.apply(&vec![1.0; a.ncols()], &mut y)?;
    shown((y, a.diagonal()))
}

const OUT_OF_RANGE: &str = "numbers near the largest";

#[test]
fn factorisations() {
    holds(&[
        row("Lu", |x| {
            let lu = Lu::new(x.matrix(&definite()))?;
            let x = (
                lu.solve(&x.vector(&B))?,
                lu.solve_adjoint(&x.vector(&B))?,
                lu.solve_many(&x.matrix(&b()))?,
            );
            shown((x, lu.rcond(), lu.log_determinant(), lu.l(), lu.u()))
        })
        .passes("a solution beyond the largest number"),
        row("Lu::solve_in_place", |x| {
            let (lu, mut b) =
                (Lu::with_threads(x.matrix(&definite()), Threads::Pool)?, x.matrix(&b()));
            lu.solve_in_place(&mut b)?;
            shown(b)
        })
        .passes("a solution beyond the largest number"),
        row("Cholesky", |x| {
            let factor = Cholesky::new(x.matrix(&definite()))?;
            let x = (factor.solve(&x.vector(&B))?, factor.solve_many(&x.matrix(&b()))?);
            shown((x, factor.log_determinant()))
        })
        .passes("a solution beyond the largest number"),
        row("Cholesky::with_threads", |x| {
            shown(Cholesky::with_threads(x.matrix(&definite()), Threads::Pool)?.log_determinant())
        }),
        row("Qr", |x| {
            let qr = Qr::new(x.matrix(&tall()))?;
            let (mut c, mut d) = (x.matrix(&tall()), x.matrix(&tall()));
            Qr::apply_q(&qr, &mut c)?;
            Qr::apply_q_adjoint(&qr, &mut d)?;
            shown((qr.r(), qr.q(), c, d, Qr::least_squares(&qr, &x.vector(&[1.0; 7]))?))
        })
        .passes("a solution beyond the largest number"),
        row("Qr::with_threads", |x| shown(Qr::with_threads(x.matrix(&tall()), Threads::Pool)?.r()))
            .infinite(OUT_OF_RANGE),
        row("Svd", |x| {
            let svd = Svd::new(&x.matrix(&tall()))?;
            shown((svd.singular_values.clone(), svd.u))
        }),
        row("singular_values", |x| shown(singular_values(&x.matrix(&tall()))?)),
        row("condition_number", |x| shown(condition_number(&x.matrix(&tall()))?))
            .infinite("a singular matrix has it"),
        row("HermitianEigen", |x| {
            let eigen = HermitianEigen::new(&x.matrix(&definite()))?;
            shown((eigen.values, eigen.vectors, hermitian_eigenvalues(&x.matrix(&definite()))?))
        }),
        row("eigenvalues", |x| {
            let a = DMatrix::from_fn(5, 5, |i, j| ((i * i + 3 * j) as f64).sin());
            shown(eigenvalues(&x.matrix(&a))?)
        }),
        row("tridiagonal", |x| {
            let (diagonal, beside) = (x.slice(&B), x.slice(&B[1..]));
            shown((
                tridiagonal_spectrum(&diagonal, &beside)?,
                tridiagonal_eigen(&diagonal, &beside)?.values,
            ))
        })
        .overflows("eigenvalues beyond the largest number"),
        row("PseudoInverse", |x| {
            let inverse = PseudoInverse::new(&x.matrix(&tall()))?;
            let rhs = DMatrix::from_fn(7, 2, |i, j| (i + j) as f64);
            let x = (
                PseudoInverse::solve(&inverse, &x.vector(&[1.0; 7]))?,
                PseudoInverse::solve_many(&inverse, &x.matrix(&rhs))?,
                inverse.solve_adjoint(&x.vector(&B[..tall().ncols()]))?,
            );
            shown((
                x,
                inverse.matrix(),
                inverse.null_space(),
                inverse.range_basis(),
                inverse.rank(),
            ))
        })
        .passes("a solution beyond the largest number"),
        row("bounded_least_squares", |x| {
            let (lower, upper) = (x.vector(&[-1.0; 3]), x.vector(&[0.25; 3]));
            let (a, b) =
                (DMatrix::from_fn(5, 3, |i, j| ((i * (j + 1)) as f64).cos()), x.vector(&B));
            shown(bounded_least_squares(&x.matrix(&a), &b, &lower, &upper)?)
        })
        .passes("a residual beyond the largest number"),
        row("PseudoInverse::with_cutoff", |x| {
            shown(PseudoInverse::with_cutoff(&x.matrix(&tall()), x.number(1e-10))?.rank())
        }),
        row("roots", |x| {
            let coefficients = x.pick(
                B.to_vec(),
                vec![
                    vec![],
                    vec![1.0],
                    vec![0.0; 5],
                    vec![f64::NAN; 5],
                    vec![1.0, f64::INFINITY],
                    vec![f64::MAX; 5],
                    vec![5e-324; 5],
                    vec![5e-324, 1.0, f64::MAX],
                    vec![f64::MAX, 1.0, 5e-324],
                    B.iter().copied().cycle().take(200).collect(),
                ],
            );
            shown(roots(&coefficients)?.values)
        }),
    ]);
}

#[test]
fn products() {
    holds(&[
        row("product", |x| {
            let (a, b) = (x.matrix(&definite()), x.matrix(&b()));
            shown((product(&a, &b)?, product(transpose(&b), adjoint(&a))?))
        })
        .passes("a product of matrices"),
        row("gemm", |x| {
            let (a, b, mut c) = (x.matrix(&definite()), x.matrix(&b()), x.matrix(&b()));
            gemm(x.number(1.0), &a, &b, x.number(0.5), c.as_view_mut(), Threads::One)?;
            shown(c)
        })
        .passes("a product of matrices"),
        row("affine", |x| {
            let (a, b, mut c) = (x.matrix(&definite()), x.matrix(&b()), x.matrix(&b()));
            let (offset, threads) = (x.slice(&[1.0; 5]), Threads::One);
            affine(&a, &b, &offset, &|_| {}, c.as_view_mut(), threads)?;
            shown(c)
        })
        .passes("a product of matrices"),
        row("Operand::from_slice", |x| {
            let data = x.slice(&[1.0; 12]);
            let operand = Operand::from_slice(&data, x.count(3), x.count(4), x.count(3))?;
            shown(product(operand, &DMatrix::from_element(4, 1, 1.0))?)
        })
        .passes("a product of matrices"),
        row("gathered", |x| {
            let (rows, depth) = (x.count(2), 4);
            let (segments, length) = (x.counts(&[0, 6]), x.count(2));
            let gather = Gather {
                segments: &segments,
                length,
                across: x.count(3),
                step: x.count(2),
                down: x.count(6),
            };
            let mut packed = x.slice(&vec![0.0; gathered::packed_len::<f64>(2, depth)]);
            gathered::pack(rows, &x.slice(&[1.0; 8]), &mut packed)?;
            let mut y = x.slice(&[0.0; 6]);
            let image = x.slice(&[1.0; 16]);
            let windows = gather.on(&image, x.count(0)..x.count(3));
            let own = x.count(0)..x.count(2);
            gathered::product(&packed, &windows, &x.slice(&[1.0; 2]), own.clone(), &mut y)?;
            let mut c = x.slice(&[0.0; 8]);
            gathered::add_outer_products(&y, own, &windows, &mut c)?;
            shown((y, c))
        })
        .passes("a product of matrices"),
        row("gathered::packed_len", |x| {
            let (segments, length) = (x.counts(&[0, 6]), x.count(2));
            let gather = Gather {
                segments: &segments,
                length,
                across: x.count(3),
                step: x.count(2),
                down: x.count(6),
            };
            let place =
                gathered::packed_place::<f64>((x.count(2), x.count(4)), (x.count(1), x.count(2)));
            shown((
                gathered::packed_len::<f64>(x.count(2), x.count(4)),
                place,
                gather.depth(),
                gather.end(x.count(3)),
            ))
        }),
        row("elementary", |x| {
            let z = x.slice(&B);
            let mut y: Vec<Vec<f64>> = vec![vec![0.0; z.len()]; 6];
            exp(&z, &mut y[0]);
            exp_m1(&z, &mut y[1]);
            tanh(&z, &mut y[2]);
            sigmoid(&z, &mut y[3]);
            ln_1p_exp(&z, &mut y[4]);
            atanh(&z, &mut y[5]);
            shown(y)
        })
        .passes("functions of a number"),
        row("residual", |x| {
            let (a, b) = (x.matrix(&definite()), x.matrix(&b()));
            let identity = DMatrix::identity(5, 5);
            shown((
                residual::factorization(&a, &definite())?,
                residual::solve(&a, &b, &b)?,
                residual::inverse(&a, &x.matrix(&definite()))?,
                residual::eigen(&a, &x.vector(&B), &identity)?,
                residual::least_squares(&a, &b, &b)?,
                residual::orthogonality(&x.matrix(&identity)),
            ))
        })
        .passes("a ratio of norms: what is not a number is not small"),
    ]);
}

/// Rows, columns and entries of a sparse matrix.
fn triplets(x: &Input) -> (usize, usize, Vec<(usize, usize, f64)>) {
    let entries = vec![(0, 0, 2.0), (1, 1, 3.0), (0, 1, x.number(1.0))];
    let bad = vec![
        vec![],
        vec![(0, 0, f64::NAN)],
        vec![(2, 0, 1.0)],
        vec![(0, usize::MAX, 1.0)],
        vec![(0, 0, f64::MAX); 2],
    ];
    let sizes = || vec![0, 1, 1000, usize::MAX];
    (x.pick(2, sizes()), x.pick(2, sizes()), x.pick(entries, bad))
}

#[test]
fn operators() {
    holds(&[
        row("Csr", |x| {
            let (rows, columns, entries) = triplets(x);
            let a = Csr::from_triplets(rows, columns, &entries)?;
            shown((
                Csr::get(&a, x.count(0), x.count(1)),
                a.entry_count(),
                krylov::jacobi(&a).is_ok(),
                Ilu0::new(&a).is_ok(),
            ))
        })
        .passes("a matrix as it is given"),
        row("Csc", |x| {
            let (rows, columns, entries) = triplets(x);
            let a = Csc::from_triplets(rows, columns, &entries)?;
            shown((Csc::get(&a, x.count(0), x.count(1)), a.entry_count()))
        })
        .passes("a matrix as it is given"),
        row("from_dense", |x| {
            let a = x.matrix(&tall());
            let (rows, columns) = (Csr::from_dense(&a)?, Csc::from_dense(&a)?);
            shown((rows.to_dense(), columns.transpose()?.to_dense()))
        })
        .passes("a matrix as it is given"),
        row("Banded", |x| {
            let diagonals =
                DMatrix::from_fn(3, 5, |i, j| if i == 1 { 4.0 } else { 1.0 / (1.0 + j as f64) });
            applied(&Banded::new(x.count(1), x.matrix(&diagonals))?)
        })
        .passes("a product"),
        row("Diagonal", |x| applied(&Scaled::new(x.number(2.0), Diagonal::new(x.vector(&B)))))
            .passes("a product"),
        row("Identity", |x| applied(&Identity::new(x.pick(3, vec![0, 1, 1000])))),
        row("LowRankPlusDiagonal", |x| {
            let u = DMatrix::from_fn(5, 2, |i, j| (i + j) as f64);
            applied(&LowRankPlusDiagonal::new(x.vector(&B), x.matrix(&u), x.matrix(&u))?)
        })
        .passes("a product"),
        row("FnOperator", |x| {
            let scale = x.number(2.0);
            let times = move |x: &[f64], y: &mut [f64]| {
                y.copy_from_slice(&x.iter().map(|x| scale * x).collect::<Vec<_>>());
            };
            let n = x.pick(3, vec![0, 1, 1000]);
            let a = FnOperator::new(n, n, times, times);
            let b = FnOperator::without_adjoint(n, n, times);
            applied(&Composed::new(a, b)?)
        })
        .passes("a function of the user's"),
        row("Stacked", |x| {
            let parts = |rows: DMatrix<f64>| {
                vec![Box::new(rows) as Box<dyn LinearOperator<f64>>, Box::new(tall())]
            };
            let none = x.pick(false, vec![true]);
            let vertical = if none { vec![] } else { parts(x.matrix(&tall())) };
            applied(&Stacked::vertical(vertical)?)?;
            applied(&Stacked::horizontal(if none { vec![] } else { parts(x.matrix(&tall())) })?)
        })
        .passes("a product"),
        row("jacobi", |x| shown(krylov::jacobi(&x.matrix(&definite()))?))
            .infinite("one over a small number"),
        row("Ilu0", |x| shown(Ilu0::new(&Csr::from_dense(&x.matrix(&definite()))?)?)),
    ]);
}

/// The options of a solver, spoilt one by one.
macro_rules! solver {
    ($solve:path) => {
        |x: &Input| {
            let (a, b, start) = (x.matrix(&definite()), x.slice(&B), x.slice(&[0.0; 5]));
            let options = Options::default()
                .tolerance(x.number(1e-10))
                .iterations(x.pick(100, vec![0, 1]))
                .restart(x.count(10))
                .patience(x.count(10))
                .start(&start);
            shown($solve(&a, &b, options)?)
        }
    };
}

#[test]
fn iterations() {
    holds(&[
        row("solve", solver!(krylov::solve))
            .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("cg", solver!(krylov::cg))
            .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("gmres", solver!(krylov::gmres))
            .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("bicgstab", solver!(krylov::bicgstab))
            .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("lsmr", solver!(krylov::lsmr))
            .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("lsqr", solver!(krylov::lsqr))
            .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("solve_many", |x| {
            let jacobi = krylov::jacobi(&definite())?;
            let options = Options::default().tolerance(x.number(1e-10)).preconditioner(&jacobi);
            shown(krylov::solve_many(&definite(), &x.matrix(&b()), &options)?)
        })
        .passes("an operator is known by its products: `stop` says that one was not finite"),
        row("CurvatureMemory", |x| {
            let mut memory = CurvatureMemory::new(x.size(3));
            memory.push(x.vector(&B), x.vector(&B));
            shown((memory.direction(&x.vector(&B)), dot(&x.vector(&B), &x.vector(&B))))
        })
        .passes("vectors as they come"),
        row("strong_wolfe", |x| {
            let (scale, slope) = (x.number(1.0), x.number(-2.0));
            let start = Point { step: 0.0, value: x.number(1.0), slope };
            let point = |step: f64| {
                Ok::<_, linalg::Error>(Point {
                    step,
                    value: (1.0 - scale * step).powi(2),
                    slope: -2.0 * scale * (1.0 - scale * step),
                })
            };
            shown(strong_wolfe(start, x.number(0.3), point)?)
        })
        .passes("a point is as the function has it"),
        row("gradient", |x| {
            let scale = x.number(1.0);
            shown(gradient(|x| scale * x.iter().map(|x| x * x).sum::<f64>(), &x.slice(&B))?)
        })
        .infinite(OUT_OF_RANGE),
        row("jacobian", |x| {
            let scale = x.number(1.0);
            let f = |x: &[f64], y: &mut [f64]| {
                y.iter_mut().for_each(|y| *y = scale * x.iter().sum::<f64>());
            };
            let at = x.pick(
                B.to_vec(),
                vec![vec![], vec![f64::NAN; 5], vec![f64::MAX; 5], vec![5e-324; 5]],
            );
            shown(jacobian(f, &at, x.pick(2, vec![0, 1, 100]))?)
        })
        .infinite(OUT_OF_RANGE),
        row("directional", |x| {
            shown(directional(
                |x| x.iter().map(|x| x * x).sum::<f64>(),
                &x.slice(&B),
                &x.slice(&B),
            )?)
        })
        .infinite(OUT_OF_RANGE),
        row("Pieces", |x| {
            let digest = digest([x.whole(1), x.whole(2)]);
            shown(Pieces::new("work", x.count(3)).at_a_time(x.count(1)).digest(digest))
        }),
    ]);
}
