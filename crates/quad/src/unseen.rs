//! What others have seen in a cell that its own samples have not.
//!
//! A cell whose samples are all alike has no error to show, and a cap of 0.1 rad fits between them. But the
//! rules that came before the cells may have met it, and so may the cell next to it: the edge of a feature
//! that runs along the side between two cells lies beyond the outermost samples of both.

use crate::cells::{Cell, Leaf};
use crate::{Direction, Rotation, Sample};

/// A sample that was taken before there were cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Witness<T: Sample> {
    pub(crate) at: Direction,
    pub(crate) value: T,
    /// The part of the sphere that it stands for.
    pub(crate) area: f64,
}

/// The share of a cell's width between its outermost samples and its side, about: 0.02 for 7 nodes.
const MARGIN: f64 = 0.02;

/// The cells, by their indices, in which a witness or a sample of a neighbor no wider next to the side
/// differs from all samples by more than these differ from one another, and by more than `enough` where
/// multiplied by the area in question.
pub(crate) fn unseen<T: Sample>(
    leaves: &[Leaf<T>],
    frame: &Rotation,
    witnesses: &[Witness<T>],
    enough: f64,
) -> Vec<usize> {
    let back = frame.inverse();
    let mut order: Vec<usize> = (0..leaves.len()).collect();
    order.sort_by_key(|&index| leaves[index].cell);
    let at = |direction: &Direction| {
        let (root, position) = Cell::root_at(back.turn(direction.vector()));
        holding(leaves, &order, root, position)
    };
    let mut found = vec![false; leaves.len()];
    for witness in witnesses {
        if let Some(index) = at(&witness.at) {
            let leaf = &leaves[index];
            found[index] |= leaf.surprise(witness.value) * witness.area.min(leaf.area) > enough;
        }
    }
    for leaf in leaves {
        for (direction, value) in leaf.outermost(frame) {
            // A wider cell's outermost samples lie farther from the side than those beyond it.
            if let Some(index) = at(&direction)
                && leaves[index].cell.depth <= leaf.cell.depth
            {
                let area = MARGIN * (leaf.area * leaves[index].area).sqrt();
                found[index] |= leaves[index].surprise(value) * area > enough;
            }
        }
    }
    (0..leaves.len()).filter(|&index| found[index]).collect()
}

/// The index of the cell that holds a position on a root; `order` has the cells by their places.
fn holding<T: Sample>(
    leaves: &[Leaf<T>],
    order: &[usize],
    root: Cell,
    position: [f64; 2],
) -> Option<usize> {
    let first = order.partition_point(|&index| leaves[index].cell < root);
    let count = order[first..].partition_point(|&index| leaves[index].cell.is_within(root));
    let (mut cell, mut among) = (root, &order[first..first + count]);
    while among.len() > 1 {
        // All of them lie in `cell`, so that all know how it was halved.
        let axis = leaves[among[0]].cell.axis_at(cell.depth);
        let [lower, upper] = cell.halved(axis);
        let middle = among.partition_point(|&index| leaves[index].cell.is_within(lower));
        let (low, high) = among.split_at(middle);
        (cell, among) =
            if upper.begins_before(axis, position) { (upper, high) } else { (lower, low) };
    }
    among.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Axis, Order, ROOTS};

    /// The sphere, with one quarter of a face halved, and one of its halves again: the last two cells.
    fn cells() -> Vec<Cell> {
        let [first, second] = Cell::root(17).halved(Axis::Xi);
        let others = (0..ROOTS).filter(|&root| root != 17).map(Cell::root);
        others.chain([second]).chain(first.halved(Axis::Eta)).collect()
    }

    fn leaves(f: impl Fn(Cell, &Direction) -> f64, frame: &Rotation) -> Vec<Leaf<f64>> {
        let leaf = |cell: Cell| {
            let mut nodes = Vec::new();
            cell.all_nodes(Order::Seven, frame, &mut nodes);
            let samples: Vec<f64> = nodes.iter().map(|node| f(cell, node)).collect();
            Leaf::new(cell, Order::Seven, &samples, false)
        };
        cells().into_iter().map(leaf).collect()
    }

    #[test]
    fn a_sample_that_is_unlike_all_others_of_its_cell_is_found_in_it() {
        let frame = Rotation::generic(3);
        let leaves = leaves(|_, x| 0.01 * x.z(), &frame);
        for (index, leaf) in leaves.iter().enumerate() {
            let mut nodes = Vec::new();
            leaf.cell.all_nodes(Order::Fifteen, &frame, &mut nodes);
            for at in nodes {
                let witness = |value, area| [Witness { at, value, area }];
                let found = unseen(&leaves, &frame, &witness(0.9, 0.01), 5e-3);
                assert_eq!(found, [index]);
                // It is like them, or does not matter.
                assert!(unseen(&leaves, &frame, &witness(0.01 * at.z(), 0.01), 0.0).is_empty());
                assert!(unseen(&leaves, &frame, &witness(0.9, 0.01), 2e-2).is_empty());
                assert!(unseen(&leaves, &frame, &witness(0.9, 100.0), leaf.area).is_empty());
            }
        }
    }

    #[test]
    fn a_jump_along_a_side_is_looked_for_in_the_cells_that_are_no_smaller() {
        // 1 on the smallest cell but one, 0 on the others, so that each is constant.
        let frame = Rotation::generic(3);
        let all = cells();
        let small = all[all.len() - 2];
        let leaves = leaves(|cell, _| f64::from(u8::from(cell == small)), &frame);
        let found = unseen(&leaves, &frame, &[], 1e-6);
        // Its neighbors are two whole quarters of faces, the half, and a cell as wide as it is, of which each
        // surprises the other.
        let [wide, twin] = [Cell::root(17).halved(Axis::Xi)[1], all[all.len() - 1]];
        let expected = [Cell::root(3), Cell::root(16), wide, twin, small];
        assert_eq!(found.len(), expected.len());
        assert!(expected.iter().all(|&cell| found.iter().any(|&index| all[index] == cell)));
        assert!(unseen(&leaves, &frame, &[], 0.1).is_empty());
    }
}
