//! The graph of a plan: compact adjacency lists over step indices. Nothing here recurses, and everything but the check for
//! far references is linear, so a hundred thousand steps in one chain are as good as any.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A step's place in the plan: its position in file order, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(u32);

impl StepIndex {
    /// The step at this position.
    pub(crate) fn new(position: usize) -> Self {
        Self(u32::try_from(position).expect("the size limit of a workflow file keeps steps far below four billion"))
    }

    /// The position, for indexing.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// For each step a list of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adjacency {
    /// Where each step's list begins in `targets`; one more than there are steps.
    starts: Vec<u32>,
    targets: Vec<StepIndex>,
}

impl Adjacency {
    /// One list after the other, each sorted and without repetition.
    pub(crate) fn from_lists(lists: impl IntoIterator<Item = Vec<StepIndex>>) -> Self {
        let mut adjacency = Self { starts: vec![0], targets: Vec::new() };
        for mut list in lists {
            list.sort_unstable();
            list.dedup();
            adjacency.targets.extend(list);
            adjacency.starts.push(StepIndex::new(adjacency.targets.len()).0);
        }
        adjacency.targets.shrink_to_fit();
        adjacency
    }

    /// How many steps there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The list of one step, ascending.
    pub(crate) fn of(&self, step: StepIndex) -> &[StepIndex] {
        let (from, to) = (self.starts[step.get()], self.starts[step.get() + 1]);
        &self.targets[from as usize..to as usize]
    }

    /// The same edges the other way round.
    pub(crate) fn reversed(&self) -> Self {
        let mut starts = vec![0_u32; self.len() + 1];
        for target in &self.targets {
            starts[target.get() + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut targets = vec![StepIndex(0); self.targets.len()];
        for step in self.steps() {
            for target in self.of(step) {
                let slot = &mut next[target.get()];
                targets[*slot as usize] = step;
                *slot += 1;
            }
        }
        Self { starts, targets }
    }

    fn steps(&self) -> impl Iterator<Item = StepIndex> + use<> {
        (0..self.len()).map(StepIndex::new)
    }
}

/// Every step after all it depends on, and in file order where there is a choice. Steps on a cycle, and what comes after
/// one, are left out.
pub(crate) fn order(dependencies: &Adjacency, dependents: &Adjacency) -> Vec<StepIndex> {
    let mut missing: Vec<u32> =
        dependencies.steps().map(|step| StepIndex::new(dependencies.of(step).len()).0).collect();
    let mut ready: BinaryHeap<Reverse<StepIndex>> =
        dependencies.steps().filter(|step| missing[step.get()] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(dependencies.len());
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for dependent in dependents.of(step) {
            let missing = &mut missing[dependent.get()];
            *missing -= 1;
            if *missing == 0 {
                ready.push(Reverse(*dependent));
            }
        }
    }
    order
}

/// One cycle for each group of steps that depend on each other: a shortest one through the group's first step, which comes
/// first. Each step depends on the next, and the last on the first.
pub(crate) fn cycles(dependencies: &Adjacency) -> Vec<Vec<StepIndex>> {
    let component = components(dependencies);
    let mut seen = vec![false; dependencies.len()];
    let mut cycles = Vec::new();
    for step in dependencies.steps() {
        // The group's first step in file order is the first one met.
        let group = &mut seen[component[step.get()] as usize];
        if !std::mem::replace(group, true) {
            cycles.extend(cycle_through(step, dependencies, &component));
        }
    }
    cycles
}

/// Breadth first from `start` within its group, back to `start`.
fn cycle_through(start: StepIndex, dependencies: &Adjacency, component: &[u32]) -> Option<Vec<StepIndex>> {
    let mut came_from = std::collections::HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(step) = queue.pop_front() {
        for &next in dependencies.of(step) {
            if next == start {
                let mut cycle = vec![step];
                while let Some(&previous) = came_from.get(cycle.last()?) {
                    cycle.push(previous);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if component[next.get()] == component[start.get()] && !came_from.contains_key(&next) {
                came_from.insert(next, step);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Tarjan's strongly connected components with an explicit stack: for each step the number of its group.
fn components(graph: &Adjacency) -> Vec<u32> {
    const UNSEEN: u32 = u32::MAX;
    let mut number = vec![UNSEEN; graph.len()];
    let mut low = vec![0_u32; graph.len()];
    let mut component = vec![UNSEEN; graph.len()];
    let (mut next_number, mut next_component) = (0, 0);
    let mut open: Vec<StepIndex> = Vec::new();
    let mut path: Vec<(StepIndex, usize)> = Vec::new();
    for root in graph.steps() {
        if number[root.get()] != UNSEEN {
            continue;
        }
        path.push((root, 0));
        while let Some((step, edge)) = path.last_mut() {
            let step = *step;
            if *edge == 0 {
                number[step.get()] = next_number;
                low[step.get()] = next_number;
                next_number += 1;
                open.push(step);
            }
            if let Some(&target) = graph.of(step).get(*edge) {
                *edge += 1;
                if number[target.get()] == UNSEEN {
                    path.push((target, 0));
                } else if component[target.get()] == UNSEEN {
                    low[step.get()] = low[step.get()].min(number[target.get()]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[parent.get()] = low[parent.get()].min(low[step.get()]);
            }
            if low[step.get()] == number[step.get()] {
                while let Some(member) = open.pop() {
                    component[member.get()] = next_component;
                    if member == step {
                        break;
                    }
                }
                next_component += 1;
            }
        }
    }
    component
}

/// Which of the pairs `(step, target)` have no path of dependencies from `step` to `target`: their indices, ascending.
/// `order` must hold every step.
///
/// Targets are taken 64 at a time, in topological order, and one bit for each is handed down along the edges between the
/// first target and the last step that asks for it. References to near steps, and many references to a few far ones, cost
/// next to nothing; only many references to many far steps cost a product.
pub(crate) fn unreachable(
    dependencies: &Adjacency,
    order: &[StepIndex],
    pairs: &[(StepIndex, StepIndex)],
) -> Vec<usize> {
    let mut rank = vec![0_u32; order.len()];
    for (position, step) in order.iter().enumerate() {
        rank[step.get()] = StepIndex::new(position).0;
    }
    let rank_of = |step: StepIndex| rank[step.get()];
    let mut unreachable = Vec::new();
    let mut far: Vec<usize> = Vec::new();
    for (index, &(step, target)) in pairs.iter().enumerate() {
        if dependencies.of(step).binary_search(&target).is_ok() {
            continue;
        }
        if rank_of(target) >= rank_of(step) { unreachable.push(index) } else { far.push(index) }
    }
    far.sort_by_key(|&index| rank_of(pairs[index].1));
    let mut reached = vec![0_u64; order.len()];
    let mut rest = &far[..];
    while !rest.is_empty() {
        let (batch, bits, after) = take_targets(rest, pairs);
        rest = after;
        let first = rank_of(pairs[batch[0]].1) as usize;
        let last = batch.iter().map(|&index| rank_of(pairs[index].0) as usize).max().unwrap_or(first);
        let mut marks = bits.iter().copied().peekable();
        for &step in &order[first..=last] {
            let mut bits = 0;
            if let Some((_, bit)) = marks.next_if(|(target, _)| *target == step) {
                bits |= bit;
            }
            for dependency in dependencies.of(step) {
                if rank_of(*dependency) as usize >= first {
                    bits |= reached[dependency.get()];
                }
            }
            reached[step.get()] = bits;
        }
        let bit_of = |target: StepIndex| bits.iter().find(|(other, _)| *other == target).map_or(0, |(_, bit)| *bit);
        unreachable.extend(batch.iter().copied().filter(|&index| {
            let (step, target) = pairs[index];
            reached[step.get()] & bit_of(target) == 0
        }));
    }
    unreachable.sort_unstable();
    unreachable
}

/// The pairs with the first 64 distinct targets of a list that is sorted by target, a bit for each target, and the rest.
fn take_targets<'a>(
    sorted: &'a [usize],
    pairs: &[(StepIndex, StepIndex)],
) -> (&'a [usize], Vec<(StepIndex, u64)>, &'a [usize]) {
    let mut bits: Vec<(StepIndex, u64)> = Vec::new();
    for (position, &index) in sorted.iter().enumerate() {
        let target = pairs[index].1;
        if bits.last().is_none_or(|(last, _)| *last != target) {
            if bits.len() == 64 {
                return (&sorted[..position], bits, &sorted[position..]);
            }
            bits.push((target, 1 << bits.len()));
        }
    }
    (sorted, bits, &[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(lists: &[&[usize]]) -> Adjacency {
        Adjacency::from_lists(lists.iter().map(|list| list.iter().copied().map(StepIndex::new).collect()))
    }

    fn positions(steps: &[StepIndex]) -> Vec<usize> {
        steps.iter().map(|step| step.get()).collect()
    }

    #[test]
    fn the_order_is_that_of_the_file_where_there_is_a_choice() {
        let dependencies = graph(&[&[3], &[], &[1], &[], &[0, 2]]);
        assert_eq!(positions(&order(&dependencies, &dependencies.reversed())), [1, 2, 3, 0, 4]);
        assert_eq!(positions(dependencies.reversed().of(StepIndex::new(1))), [2]);
    }

    #[test]
    fn every_group_shows_one_shortest_cycle() {
        // 0 -> 1 -> 2 -> 0 with the shortcut 1 -> 0; 3 depends on that group and on itself; 4 and 5 on each other; 6 is fine.
        let dependencies = graph(&[&[1], &[0, 2], &[0], &[0, 3], &[5], &[4, 6], &[]]);
        let found: Vec<_> = cycles(&dependencies).iter().map(|cycle| positions(cycle)).collect();
        assert_eq!(found, [vec![0, 1], vec![3], vec![4, 5]]);
        assert_eq!(positions(&order(&dependencies, &dependencies.reversed())), [6]);
    }

    #[test]
    fn a_long_chain_and_a_long_cycle_need_no_stack() {
        const STEPS: usize = 100_000;
        let previous = |step: usize| vec![StepIndex::new((step + STEPS - 1) % STEPS)];
        let ring = Adjacency::from_lists((0..STEPS).map(previous));
        let found = cycles(&ring);
        assert_eq!((found.len(), found[0].len(), found[0][0].get()), (1, STEPS, 0));
        let chain = Adjacency::from_lists((0..STEPS).map(|step| if step == 0 { vec![] } else { previous(step) }));
        assert!(cycles(&chain).is_empty());
        assert_eq!(order(&chain, &chain.reversed()).len(), STEPS);
    }

    fn acyclic() -> impl Strategy<Value = Adjacency> {
        (1_usize..150).prop_flat_map(|steps| {
            let lists: Vec<_> = (0..steps)
                .map(|step| proptest::collection::vec((0..step.max(1)).prop_map(StepIndex::new), 0..=step.min(2)))
                .collect();
            lists.prop_map(Adjacency::from_lists)
        })
    }

    fn reaches(dependencies: &Adjacency, from: StepIndex, to: StepIndex) -> bool {
        dependencies.of(from).iter().any(|&next| next == to || reaches(dependencies, next, to))
    }

    proptest! {
        #[test]
        fn reachability_agrees_with_a_plain_search(dependencies in acyclic()) {
            let order = order(&dependencies, &dependencies.reversed());
            prop_assert_eq!(order.len(), dependencies.len());
            let steps = || dependencies.steps();
            let pairs: Vec<_> = steps().flat_map(|step| steps().map(move |target| (step, target))).collect();
            // A plain search is exponential in the worst case, so only near pairs are asked.
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b)| a.get().abs_diff(b.get()) < 12).collect();
            let found = unreachable(&dependencies, &order, &pairs);
            for (index, (step, target)) in pairs.iter().enumerate() {
                prop_assert_eq!(found.binary_search(&index).is_err(), reaches(&dependencies, *step, *target));
            }
        }
    }

    #[test]
    fn a_hundred_thousand_references_to_one_far_step_are_cheap() {
        const STEPS: usize = 100_000;
        let chain =
            Adjacency::from_lists((0..STEPS).map(|step| step.checked_sub(1).map(StepIndex::new).into_iter().collect()));
        let order = order(&chain, &chain.reversed());
        let mut pairs: Vec<_> = (1..STEPS).map(|step| (StepIndex::new(step), StepIndex::new(0))).collect();
        pairs.extend((2..STEPS).map(|step| (StepIndex::new(step), StepIndex::new(step - 2))));
        pairs.push((StepIndex::new(5), StepIndex::new(5)));
        assert_eq!(unreachable(&chain, &order, &pairs), [pairs.len() - 1]);
    }
}
