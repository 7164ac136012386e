//! The modules of a crate, and the dependencies between them.

use crate::{
    cycles::Graph,
    source::{self, Path},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path as FilePath,
};

/// The modules of a crate by their paths, such as `hyper::pool`; the root is `crate`.
pub(crate) type Modules = BTreeMap<String, Vec<Path>>;

const ROOT: &str = "crate";

/// Reads all files below `src`. One file is one module.
pub(crate) fn read(src: &FilePath) -> Modules {
    let mut modules = Modules::new();
    read_folder(src, &mut Vec::new(), &mut modules);
    modules
}

fn read_folder(folder: &FilePath, parents: &mut Vec<String>, modules: &mut Modules) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            parents.push(name);
            read_folder(&path, parents, modules);
            parents.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            let is_parent = matches!(name.as_str(), "lib" | "main" | "mod");
            let own = (!is_parent).then_some(name);
            let segments: Vec<String> = parents.iter().cloned().chain(own).collect();
            let module = if segments.is_empty() { ROOT.to_owned() } else { segments.join("::") };
            let text = fs::read_to_string(&path).unwrap_or_default();
            modules.entry(module).or_default().extend(source::paths(&text));
        }
    }
}

/// Returns the modules that each module depends on. An item that is re-exported counts for the
/// module that defines it, and a re-export is not a dependency.
pub(crate) fn dependencies(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for (module, paths) in modules {
        let targets: BTreeSet<String> = paths
            .iter()
            .filter(|path| !path.is_reexport)
            .filter_map(|path| resolve(modules, module, &path.segments, 0))
            .filter(|target| target != module)
            .collect();
        graph.insert(module.clone(), targets);
    }
    graph
}

/// How many re-exports are followed: more would be a loop of glob imports.
const MOST_REEXPORTS: usize = 16;

/// Returns the module that defines the item of the path, as seen from `module`; `None` if that is in
/// another crate.
fn resolve(modules: &Modules, module: &str, path: &[String], depth: usize) -> Option<String> {
    let mut current = module.to_owned();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => current = ROOT.to_owned(),
        "self" => {}
        "super" => current = parent(&current),
        first => {
            // A path of a `use` without a prefix: a child module, or another crate.
            child(modules, &current, first)?;
            rest = path;
            return descend(modules, current, rest, depth);
        }
    }
    rest = &rest[1..];
    while rest.first().is_some_and(|segment| segment == "super") {
        current = parent(&current);
        rest = &rest[1..];
    }
    descend(modules, current, rest, depth)
}

fn descend(
    modules: &Modules,
    mut current: String,
    path: &[String],
    depth: usize,
) -> Option<String> {
    for (at, segment) in path.iter().enumerate() {
        if let Some(child) = child(modules, &current, segment) {
            current = child;
            continue;
        }
        let declared = modules.get(&current)?.iter();
        let mut declared = declared.filter(|path| path.alias.as_ref() == Some(segment));
        let Some(declared) = declared.next() else { break };
        if depth == MOST_REEXPORTS {
            break;
        }
        let target = [&declared.segments[..], &path[at + 1..]].concat();
        return resolve(modules, &current, &target, depth + 1);
    }
    Some(current)
}

fn child(modules: &Modules, module: &str, name: &str) -> Option<String> {
    let path = if module == ROOT { name.to_owned() } else { format!("{module}::{name}") };
    modules.contains_key(&path).then_some(path)
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or_else(|| ROOT.to_owned(), |(parent, _)| parent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Vec<String> {
        let modules: Modules = files
            .iter()
            .map(|(module, text)| ((*module).to_owned(), source::paths(text)))
            .collect();
        let edges = dependencies(&modules).into_iter();
        edges
            .flat_map(|(from, to)| to.into_iter().map(move |to| format!("{from} -> {to}")))
            .collect()
    }

    #[test]
    fn a_reexported_item_counts_for_the_module_that_defines_it() {
        let edges = graph(&[
            ("crate", "mod a;\nmod b;\npub use a::A;\npub use b::inner::B;"),
            ("a", "use crate::B;\nuse std::fmt;"),
            (
                "b",
                "mod inner;\npub(crate) use self::inner::B;\nuse crate::{A as First, b::B as C};",
            ),
            ("b::inner", "fn f() -> super::super::A {}\nfn g(_: crate::Local) {}"),
        ]);
        assert_eq!(
            edges,
            ["a -> b::inner", "b -> a", "b -> b::inner", "b::inner -> a", "b::inner -> crate"]
        );
    }
}
