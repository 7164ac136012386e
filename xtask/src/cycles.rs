//! Cycles in a graph: its strongly connected components of more than one node.

use std::collections::{BTreeMap, BTreeSet};

/// The nodes, and the nodes that each of them depends on.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns the cycles, sorted, each as the sorted list of all nodes that depend on one another.
pub(crate) fn find(graph: &Graph) -> Vec<Vec<String>> {
    let reachable: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let mut cycles = BTreeSet::new();
    for node in graph.keys() {
        let is_mutual = |other: &&&String| reachable[**other].contains(node);
        let cycle: Vec<String> =
            reachable[node].iter().filter(is_mutual).map(|other| (*other).clone()).collect();
        if cycle.len() > 1 {
            cycles.insert(cycle);
        }
    }
    cycles.into_iter().collect()
}

/// Returns the dependencies between the nodes of a cycle.
pub(crate) fn edges_within<'a>(
    graph: &'a Graph,
    cycle: &'a [String],
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let targets = move |from: &'a String| {
        graph[from].iter().filter(|to| cycle.contains(to)).map(move |to| (from, to))
    };
    cycle.iter().flat_map(targets)
}

fn reachable<'a>(graph: &'a Graph, start: &'a String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for next in graph.get(node).into_iter().flatten() {
            if let Some((next, _)) = graph.get_key_value(next) {
                if found.insert(next) {
                    open.push(next);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*to).to_owned()).or_default();
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    }

    #[test]
    fn cycles_are_found_whole_and_once() {
        let found = find(&graph(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "d"),
            ("d", "e"),
            ("e", "d"),
            ("f", "a"),
            ("g", "g"),
        ]));
        assert_eq!(found, [vec!["a", "b", "c"], vec!["d", "e"]]);
        assert!(find(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])).is_empty());
    }
}
