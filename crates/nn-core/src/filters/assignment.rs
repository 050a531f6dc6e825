//! Who goes with whom: the assignment of greatest total.

use linalg::DMatrix;

/// For each row of `value` the column that it gets, no column twice, so that the sum of the chosen
/// entries is as large as can be. `value` is finite and has at least as many columns as rows.
///
/// Shortest augmenting paths with potentials, O(rows²·columns) (Jonker and Volgenant, Computing 38,
/// 1987).
pub(super) fn assign(value: &DMatrix<f64>) -> Vec<usize> {
    let (rows, columns) = value.shape();
    const NOBODY: usize = usize::MAX;
    let cost = |row: usize, column: usize| -value[(row, column)];
    let (mut row_price, mut column_price) = (vec![0.0; rows], vec![0.0; columns]);
    let mut owner = vec![NOBODY; columns];
    for newcomer in 0..rows {
        // Dijkstra's search from the newcomer to a free column, over reduced costs that are never
        // negative.
        let mut distance = vec![f64::INFINITY; columns];
        let mut came_from = vec![NOBODY; columns];
        let mut settled = vec![false; columns];
        let (mut row, mut reached, mut at) = (newcomer, 0.0, NOBODY);
        let last = loop {
            let mut next = NOBODY;
            for column in (0..columns).filter(|&column| !settled[column]) {
                let reduced = cost(row, column) - row_price[row] - column_price[column];
                if reached + reduced < distance[column] {
                    distance[column] = reached + reduced;
                    came_from[column] = at;
                }
                if next == NOBODY || distance[column] < distance[next] {
                    next = column;
                }
            }
            (reached, at) = (distance[next], next);
            settled[next] = true;
            if owner[next] == NOBODY {
                break next;
            }
            row = owner[next];
        };
        row_price[newcomer] += reached;
        for column in (0..columns).filter(|&column| settled[column] && column != last) {
            row_price[owner[column]] += reached - distance[column];
            column_price[column] -= reached - distance[column];
        }
        // Each column on the path passes to the row before.
        let mut column = last;
        while came_from[column] != NOBODY {
            owner[column] = owner[came_from[column]];
            column = came_from[column];
        }
        owner[column] = newcomer;
    }
    let mut chosen = vec![0; rows];
    for (column, &row) in owner.iter().enumerate().filter(|&(_, &row)| row != NOBODY) {
        chosen[row] = column;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The greatest total by trying every assignment.
    fn best(value: &DMatrix<f64>, row: usize, taken: &mut Vec<usize>) -> f64 {
        if row == value.nrows() {
            return 0.0;
        }
        let mut most = f64::NEG_INFINITY;
        for column in 0..value.ncols() {
            if !taken.contains(&column) {
                taken.push(column);
                most = most.max(value[(row, column)] + best(value, row + 1, taken));
                taken.pop();
            }
        }
        most
    }

    proptest! {
        #[test]
        fn no_other_assignment_has_a_greater_total(
            rows in 1_usize..6,
            more in 0_usize..3,
            // Small whole numbers: ties, and totals without rounding.
            entries in prop::collection::vec(-9_i32..10, 6 * 8),
        ) {
            let columns = rows + more;
            let value = DMatrix::from_fn(rows, columns, |i, j| f64::from(entries[i * 8 + j]));
            let chosen = assign(&value);
            let mut columns: Vec<usize> = chosen.clone();
            columns.sort_unstable();
            columns.dedup();
            prop_assert_eq!(columns.len(), rows, "a column was given twice");
            let total: f64 = chosen.iter().enumerate().map(|(i, &j)| value[(i, j)]).sum();
            let best = best(&value, 0, &mut Vec::new());
            prop_assert!(total.total_cmp(&best).is_eq(), "{total}, {best}");
        }
    }
}
